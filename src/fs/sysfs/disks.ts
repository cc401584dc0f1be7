/**
 * /sys/block: disks and their partitions, as they come and go.
 *
 * A disk lives below devices/virtual/block, a partition below its disk; block/,
 * class/block and dev/block link to them. See sysfs(5), lsblk(8).
 */
import { type Disk, diskStatNumbers, physicalBlockSize } from "../../vfs/blockdevice.ts";
import { majorOf, minorOf } from "../../vfs/device.ts";
import type { DiskObserver } from "../../vfs/disks.ts";
import type { Uevents } from "../../vfs/uevents.ts";
import type { AttributeSource, SysDir } from "./nodes.ts";
import { addUevent } from "./uevent.ts";

const SECTOR_BYTES = 512;
/** What one request may discard: there is no limit, and a number must be said. */
const MAX_DISCARD_BYTES = 2 ** 41;

export class DiskTree implements DiskObserver {
  readonly #root: SysDir;
  readonly #uevents: Uevents;

  constructor(root: SysDir, uevents: Uevents) {
    this.#root = root;
    this.#uevents = uevents;
  }

  diskAdded(disk: Disk): void {
    const root = this.#root;
    const { name, rdev } = disk;
    const path = placeOf(disk);
    const dir = root.dir(path);
    const up = "../".repeat(path.split("/").length);
    addAttributes(dir, disk);
    addUevent(dir, this.#uevents, path, "block", variablesOf(disk));
    dir.addLink("subsystem", `${up}class/block`);
    addOwn(dir, disk);
    if (disk.place) addPlace(dir, disk);
    else addWhole(dir, disk);
    if (!disk.place) root.dir("block").addLink(name, `../${path}`);
    root.dir("class/block").addLink(name, `../../${path}`);
    root.dir("dev/block").addLink(`${majorOf(rdev)}:${minorOf(rdev)}`, `../../${path}`);
    this.#announce("add", disk);
  }

  diskChanged(disk: Disk): void {
    if (disk.attributes) addOwn(this.#root.dir(placeOf(disk)), disk);
    this.#announce("change", disk);
  }

  diskRemoved(disk: Disk): void {
    const root = this.#root;
    const { name, rdev } = disk;
    const path = placeOf(disk);
    root.dir(path.slice(0, path.lastIndexOf("/"))).remove(name);
    if (!disk.place) root.dir("block").remove(name);
    root.dir("class/block").remove(name);
    root.dir("dev/block").remove(`${majorOf(rdev)}:${minorOf(rdev)}`);
    this.#announce("remove", disk);
  }

  #announce(action: string, disk: Disk): void {
    const variables = ["SUBSYSTEM=block", ...variablesOf(disk)];
    this.#uevents.announce(action, `/${placeOf(disk)}`, variables);
  }
}

function placeOf({ name, place }: Disk): string {
  return `devices/virtual/block/${place ? `${place.whole.name}/` : ""}${name}`;
}

function variablesOf({ name, rdev, place }: Disk): readonly string[] {
  const kind = place ? ["DEVTYPE=partition", `PARTN=${place.number}`] : ["DEVTYPE=disk"];
  const label = place?.label ? [`PARTNAME=${place.label}`] : [];
  return [`MAJOR=${majorOf(rdev)}`, `MINOR=${minorOf(rdev)}`, `DEVNAME=${name}`, ...kind, ...label];
}

function addAttributes(dir: SysDir, disk: Disk): void {
  const { rdev } = disk;
  const major = majorOf(rdev);
  const minor = minorOf(rdev);
  dir.attribute("dev", `${major}:${minor}\n`);
  dir.attribute("size", new DiskValue(disk, "size"));
  dir.attribute("ro", new DiskValue(disk, "ro"));
  dir.attribute("alignment_offset", "0\n");
  dir.attribute("discard_alignment", "0\n");
  dir.attribute("inflight", "       0        0\n");
  dir.attribute("stat", new DiskStat(disk));
}

/** Attributes of its kind, in the directory of that name: loop/offset of loop0. */
function addOwn(dir: SysDir, disk: Disk): void {
  const attributes = disk.attributes?.() ?? [];
  const kind = disk.name.replace(/\d+$/, "");
  dir.remove(kind);
  for (const [path] of attributes) {
    const slash = path.lastIndexOf("/");
    dir.dir(path.slice(0, slash)).attribute(path.slice(slash + 1), new OwnAttribute(disk, path));
  }
}

class OwnAttribute implements AttributeSource {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  text(): string {
    return this.#disk.attributes?.().find(([path]) => path === this.#path)?.[1] ?? "";
  }
}

function addPlace(dir: SysDir, { place }: Disk): void {
  dir.attribute("partition", `${place!.number}\n`);
  dir.attribute("start", `${place!.startBytes / SECTOR_BYTES}\n`);
}

function addWhole(dir: SysDir, disk: Disk): void {
  dir.attribute("removable", disk.isRemovable ? "1\n" : "0\n");
  dir.attribute("hidden", "0\n");
  dir.attribute("range", "16\n");
  dir.attribute("ext_range", "16\n");
  dir.attribute("capability", "0\n");
  dir.attribute("events", "\n");
  dir.attribute("events_async", "\n");
  dir.attribute("events_poll_msecs", "-1\n");
  dir.attribute("serial", disk.serial);
  addQueue(dir.dir("queue"), disk);
}

function addQueue(queue: SysDir, disk: Disk): void {
  const sizes: readonly (readonly [string, number | string])[] = [
    ["add_random", 0],
    ["chunk_sectors", 0],
    ["dax", 0],
    ["discard_granularity", disk.discardBytes],
    ["discard_max_bytes", disk.discardBytes > 0 ? MAX_DISCARD_BYTES : 0],
    ["discard_max_hw_bytes", disk.discardBytes > 0 ? MAX_DISCARD_BYTES : 0],
    ["discard_zeroes_data", 0],
    ["fua", 0],
    ["hw_sector_size", disk.blockSize],
    ["io_poll", 0],
    ["iostats", 1],
    ["logical_block_size", disk.blockSize],
    ["max_discard_segments", 1],
    ["max_hw_sectors_kb", 1024],
    ["max_sectors_kb", 1024],
    ["max_segments", 128],
    ["minimum_io_size", physicalBlockSize(disk)],
    ["nomerges", 0],
    ["nr_requests", 128],
    ["nr_zones", 0],
    ["optimal_io_size", 0],
    ["physical_block_size", physicalBlockSize(disk)],
    ["rotational", 0],
    ["rq_affinity", 0],
    ["scheduler", "[none]"],
    ["write_cache", "write back"],
    ["write_zeroes_max_bytes", disk.isReadOnly ? 0 : MAX_DISCARD_BYTES],
    ["zoned", "none"],
  ];
  for (const [name, value] of sizes) queue.attribute(name, `${value}\n`);
  queue.attribute("read_ahead_kb", new DiskValue(disk, "read_ahead_kb"));
}

/** What may become another. */
class DiskValue implements AttributeSource {
  readonly #disk: Disk;
  readonly #what: "size" | "ro" | "read_ahead_kb";

  constructor(disk: Disk, what: "size" | "ro" | "read_ahead_kb") {
    this.#disk = disk;
    this.#what = what;
  }

  text(): string {
    const disk = this.#disk;
    switch (this.#what) {
      case "size":
        return `${Math.floor(disk.sizeBytes / SECTOR_BYTES)}\n`;
      case "ro":
        return disk.isReadOnly ? "1\n" : "0\n";
      case "read_ahead_kb":
        return `${Math.floor(disk.readAheadSectors / 2)}\n`;
    }
  }
}

/** The counters of iostat(1). */
class DiskStat implements AttributeSource {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  text(): string {
    const numbers = diskStatNumbers(this.#disk.counts);
    return `${numbers.map((n) => String(n).padStart(8)).join(" ")}\n`;
  }
}
