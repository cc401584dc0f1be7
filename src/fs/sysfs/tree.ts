/**
 * What is in sysfs: names and values as Linux's, for the devices there are.
 *
 * A device lives below devices/; class/, block/ and dev/ link to it.
 */
import {
  HVC_MAJOR,
  MEM_FULL,
  MEM_KMSG,
  MEM_MAJOR,
  MEM_NULL,
  MEM_RANDOM,
  MEM_URANDOM,
  MEM_ZERO,
  TTYAUX_CONSOLE,
  TTYAUX_MAJOR,
  TTYAUX_PTMX,
  TTYAUX_TTY,
} from "../../abi/devices.ts";
import type { BlockDevice } from "../../vfs/blockdevice.ts";
import { majorOf, minorOf } from "../../vfs/device.ts";
import type { AttributeSource, SysDir } from "./nodes.ts";
import type { SysfsSources } from "./sysfs.ts";

type Device = readonly [name: string, major: number, minor: number];

const MEM_DEVICES: readonly Device[] = [
  ["null", MEM_MAJOR, MEM_NULL],
  ["zero", MEM_MAJOR, MEM_ZERO],
  ["full", MEM_MAJOR, MEM_FULL],
  ["random", MEM_MAJOR, MEM_RANDOM],
  ["urandom", MEM_MAJOR, MEM_URANDOM],
  ["kmsg", MEM_MAJOR, MEM_KMSG],
];

const TTY_DEVICES: readonly Device[] = [
  ["tty", TTYAUX_MAJOR, TTYAUX_TTY],
  ["console", TTYAUX_MAJOR, TTYAUX_CONSOLE],
  ["ptmx", TTYAUX_MAJOR, TTYAUX_PTMX],
  ["hvc0", HVC_MAJOR, 0],
];

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;

export function populate(root: SysDir, sources: SysfsSources): void {
  for (const top of ["block", "bus", "class", "dev", "devices", "firmware", "fs", "module"]) {
    root.dir(top);
  }
  root.dir("kernel").attribute("uevent_seqnum", "0\n");
  addCpus(root, sources.cpus);
  for (const d of MEM_DEVICES) addCharacter(root, "mem", d);
  for (const d of TTY_DEVICES) addCharacter(root, "tty", d);
  root.dir("devices/virtual/tty/console").attribute("active", "hvc0\n");
  for (const d of sources.disks.all) addDisk(root, d);
}

function addCpus(root: SysDir, cpus: number): void {
  const all = cpus === 1 ? "0" : `0-${cpus - 1}`;
  const dir = root.dir("devices/system/cpu");
  for (const name of ["online", "possible", "present"]) dir.attribute(name, `${all}\n`);
  dir.attribute("offline", "\n");
  dir.attribute("isolated", "\n");
  dir.attribute("kernel_max", `${cpus - 1}\n`);
  for (let cpu = 0; cpu < cpus; cpu++) {
    const mask = `${maskOf(cpu)}\n`;
    const topology = dir.dir(`cpu${cpu}/topology`);
    topology.attribute("core_id", `${cpu}\n`);
    topology.attribute("physical_package_id", "0\n");
    for (const set of ["core_cpus", "thread_siblings"]) {
      topology.attribute(set, mask);
      topology.attribute(`${set}_list`, `${cpu}\n`);
    }
    for (const set of ["package_cpus", "core_siblings"]) {
      topology.attribute(set, `${((1n << BigInt(cpus)) - 1n).toString(16)}\n`);
      topology.attribute(`${set}_list`, `${all}\n`);
    }
  }
}

function maskOf(cpu: number): string {
  return (1n << BigInt(cpu)).toString(16);
}

function addCharacter(root: SysDir, className: string, [name, major, minor]: Device): void {
  const dir = root.dir(`devices/virtual/${className}/${name}`);
  addNumbers(dir, name, major, minor, "");
  dir.addLink("subsystem", `../../../../class/${className}`);
  root.dir(`class/${className}`).addLink(name, `../../devices/virtual/${className}/${name}`);
  root.dir("dev/char").addLink(`${major}:${minor}`, `../../devices/virtual/${className}/${name}`);
}

function addDisk(root: SysDir, disk: BlockDevice): void {
  const { name, rdev } = disk;
  const place = `../devices/virtual/block/${name}`;
  const dir = root.dir(`devices/virtual/block/${name}`);
  addNumbers(dir, name, majorOf(rdev), minorOf(rdev), "DEVTYPE=disk\n");
  dir.addLink("subsystem", "../../../../class/block");
  dir.attribute("size", `${Math.floor(disk.sizeBytes / SECTOR_BYTES)}\n`);
  dir.attribute("ro", disk.isReadOnly ? "1\n" : "0\n");
  dir.attribute("removable", "0\n");
  dir.attribute("hidden", "0\n");
  dir.attribute("range", "1\n");
  dir.attribute("ext_range", "1\n");
  dir.attribute("alignment_offset", "0\n");
  dir.attribute("discard_alignment", "0\n");
  dir.attribute("capability", "0\n");
  dir.attribute("inflight", "       0        0\n");
  dir.attribute("stat", new DiskStat(disk));
  addQueue(dir.dir("queue"));
  root.dir("block").addLink(name, place);
  root.dir("class/block").addLink(name, `../${place}`);
  root.dir("dev/block").addLink(`${majorOf(rdev)}:${minorOf(rdev)}`, `../${place}`);
}

function addQueue(queue: SysDir): void {
  const sizes: readonly (readonly [string, number])[] = [
    ["hw_sector_size", SECTOR_BYTES],
    ["logical_block_size", SECTOR_BYTES],
    ["physical_block_size", BLOCK_BYTES],
    ["minimum_io_size", BLOCK_BYTES],
    ["optimal_io_size", 0],
    ["discard_granularity", 0],
    ["discard_max_bytes", 0],
    ["rotational", 0],
  ];
  for (const [name, value] of sizes) queue.attribute(name, `${value}\n`);
}

function addNumbers(dir: SysDir, name: string, major: number, minor: number, more: string): void {
  dir.attribute("dev", `${major}:${minor}\n`);
  dir.attribute("uevent", `MAJOR=${major}\nMINOR=${minor}\nDEVNAME=${name}\n${more}`);
}

/** The counters of iostat(1); times are 0, as in /proc/diskstats. */
class DiskStat implements AttributeSource {
  readonly #disk: BlockDevice;

  constructor(disk: BlockDevice) {
    this.#disk = disk;
  }

  text(): string {
    const c = this.#disk.counts;
    const numbers = [c.reads, 0, c.sectorsRead, 0, c.writes, 0, c.sectorsWritten, 0, 0, 0, 0];
    const more = [0, 0, 0, 0, c.flushes, 0];
    return `${[...numbers, ...more].map((n) => String(n).padStart(8)).join(" ")}\n`;
  }
}
