/**
 * The loop devices of a machine: made when somebody opens one or asks for a
 * free one, taken away when told.
 *
 * The nodes /dev/loop0 to 7 are there from the start, as with Linux; the
 * devices behind them only once they are opened. See loop(4).
 */
import { EBUSY, EEXIST, EINVAL, ENODEV, ENOSPC } from "../../abi/errno.ts";
import { LO_FLAGS_PARTSCAN } from "../../abi/loop.ts";
import type { Disk, IoClock } from "../../vfs/blockdevice.ts";
import type { Disks } from "../../vfs/disks.ts";
import type { FileSystem } from "../../vfs/filesystem.ts";
import type { UnmountObserver } from "../../vfs/mountedfs.ts";
import type { MountTable } from "../../vfs/mounttable.ts";
import { rescanPartitions } from "../partition/scan.ts";
import { LoopDisk } from "./loopdisk.ts";

/** Nodes from the start. */
export const LOOP_NODES = 8;
/** Numbers are below this. */
export const LOOP_UNITS = 256;
/** Devices at once: a bound on what a hostile guest can pile up in /sys, each with fifteen partitions. */
const MAX_LOOPS = 64;

export class Loops implements UnmountObserver {
  readonly disks: Disks;
  readonly clock: IoClock;
  readonly #mounts: MountTable;
  readonly #units = new Map<number, LoopDisk>();
  /** Transfers under way, one within the other. */
  depth = 0;

  constructor(disks: Disks, mounts: MountTable, clock: IoClock) {
    this.disks = disks;
    this.clock = clock;
    this.#mounts = mounts;
    mounts.fileSystems.observers.push(this);
  }

  /** The device of that number, made if need be; null if there cannot be one. */
  open(unit: number): LoopDisk | null {
    const known = this.#units.get(unit);
    return known ?? (unit < LOOP_UNITS && !this.#isFull ? this.#make(unit) : null);
  }

  /** LOOP_CTL_ADD; negative: the next number. The number, or EEXIST, EINVAL, ENOSPC. */
  add(unit: number): number {
    if (unit >= LOOP_UNITS) return EINVAL;
    if (this.#units.has(unit)) return EEXIST;
    if (this.#isFull) return ENOSPC;
    return this.#make(unit < 0 ? this.#unusedUnit() : unit).unit;
  }

  /** LOOP_CTL_GET_FREE: the number of a device that stands on nothing, or ENOSPC. */
  free(): number {
    let found = -1;
    for (const d of this.#units.values()) {
      if (!d.backing && (found < 0 || d.unit < found)) found = d.unit;
    }
    const unused = this.#unusedUnit();
    if (found >= 0 && found < unused) return found;
    if (this.#isFull) return found >= 0 ? found : ENOSPC;
    return this.#make(unused).unit;
  }

  /** LOOP_CTL_REMOVE. */
  remove(unit: number): number {
    if (unit < 0) return EINVAL;
    const disk = this.#units.get(unit);
    if (!disk) return ENODEV;
    if (disk.backing || this.isBusy(disk)) return EBUSY;
    this.#units.delete(unit);
    this.disks.remove(disk);
    return 0;
  }

  /** True if it, or a part of it, is mounted, or open more than `own` times. */
  isBusy(disk: LoopDisk, own = 0): boolean {
    let openers = -own;
    for (const d of [disk, ...this.disks.partitionsOf(disk)]) {
      if (this.#mounts.fileSystems.isMounted(d.rdev)) return true;
      openers += d.openers;
    }
    return openers > 0;
  }

  /** Takes away what it stands on; nobody uses it. */
  clear(disk: LoopDisk): void {
    for (const d of this.disks.partitionsOf(disk)) this.disks.remove(d);
    disk.standOn(null);
  }

  /** Reads the partition table, if the device wants that. */
  scan(disk: LoopDisk): void {
    if ((disk.flags & LO_FLAGS_PARTSCAN) === 0) return;
    rescanPartitions(this.disks, disk, (d: Disk) => {
      return d.openers > 0 || this.#mounts.fileSystems.isMounted(d.rdev);
    });
  }

  unmounted(fs: FileSystem): void {
    const disk = this.disks.disk(fs.dev);
    const whole = disk?.place?.whole ?? disk;
    if (whole instanceof LoopDisk) whole.closed();
  }

  #make(unit: number): LoopDisk {
    const disk = new LoopDisk(this, unit);
    this.#units.set(unit, disk);
    this.disks.add(disk);
    return disk;
  }

  get #isFull(): boolean {
    return this.#units.size >= MAX_LOOPS;
  }

  #unusedUnit(): number {
    let unit = 0;
    while (this.#units.has(unit)) unit++;
    return unit;
  }
}
