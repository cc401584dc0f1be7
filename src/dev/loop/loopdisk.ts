/**
 * One loop device: a file, or a part of it, as a disk. See loop(4).
 *
 * While it stands on nothing it has no size. What stands on files that stand
 * on loop devices is read and written through all of them; past eight the
 * answer is EIO, so that nothing can stand on itself.
 */
import { EACCES, EIO, EOPNOTSUPP, EROFS, failed } from "../../abi/errno.ts";
import {
  BLOCK_EXT_MAJOR,
  LO_FLAGS_AUTOCLEAR,
  LO_FLAGS_DIRECT_IO,
  LO_FLAGS_PARTSCAN,
  LO_FLAGS_READ_ONLY,
  LOOP_MAJOR,
} from "../../abi/loop.ts";
import type { Thread } from "../../kern/thread.ts";
import {
  type Disk,
  type DiskCache,
  type DiskCounts,
  newDiskCounts,
} from "../../vfs/blockdevice.ts";
import { makedev } from "../../vfs/device.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import type { Backing } from "./backing.ts";
import { loopIoctl } from "./loopioctl.ts";
import type { Loops } from "./loops.ts";

const SECTOR = 512;
const MAX_DEPTH = 8;
const DISCARD_BYTES = 4096;
/** Minors that partitions of one device have of the extended major. */
const PARTITION_MINORS = 16;

export class LoopDisk implements Disk {
  readonly unit: number;
  readonly name: string;
  readonly rdev: number;
  readonly serial = "";
  readonly isRemovable = false;
  readonly place = null;
  readonly counts: DiskCounts = newDiskCounts();
  readonly loops: Loops;
  blockSize = SECTOR;
  sizeBytes = 0;
  openers = 0;
  cache: DiskCache | null = null;
  readAheadSectors = 256;
  /** LO_FLAGS_*. */
  flags = 0;
  offset = 0;
  /** 0: up to the end of the file. */
  sizeLimit = 0;
  /** What LOOP_SET_STATUS called it: NUL-terminated, at most 64 bytes. */
  fileName: Uint8Array = new Uint8Array(64);
  #backing: Backing | null = null;
  #isForcedReadOnly = false;

  constructor(loops: Loops, unit: number) {
    this.loops = loops;
    this.unit = unit;
    this.name = `loop${unit}`;
    this.rdev = makedev(LOOP_MAJOR, unit);
  }

  get backing(): Backing | null {
    return this.#backing;
  }

  get isReadOnly(): boolean {
    return this.#isForcedReadOnly || (this.flags & LO_FLAGS_READ_ONLY) !== 0;
  }

  get discardBytes(): number {
    if (!this.#backing || this.isReadOnly) return 0;
    return this.#backing.disk ? this.#backing.disk.discardBytes : DISCARD_BYTES;
  }

  setReadOnly(isReadOnly: boolean): number {
    if (!isReadOnly && (this.flags & LO_FLAGS_READ_ONLY) !== 0) return EACCES;
    this.#isForcedReadOnly = isReadOnly;
    return 0;
  }

  partitionRdev(number: number): number {
    return makedev(BLOCK_EXT_MAJOR, this.unit * PARTITION_MINORS + number);
  }

  /** Puts it on `backing`, which it keeps, or on nothing. What it stood on is let go. */
  standOn(backing: Backing | null): void {
    this.#backing?.release();
    this.#backing = backing;
    if (!backing) {
      this.flags = 0;
      this.offset = 0;
      this.sizeLimit = 0;
      this.fileName = new Uint8Array(64);
      this.blockSize = SECTOR;
      this.#isForcedReadOnly = false;
    }
    this.resize();
  }

  /** Works its size out anew: of the file from `offset` on, as far as the limit lets it. */
  resize(): void {
    // Its pages are clean, as after any ioctl(2), but may show another part of a file now.
    this.cache?.flush();
    const bytes = Math.max(0, (this.#backing?.sizeBytes ?? 0) - this.offset);
    const size = this.sizeLimit > 0 ? Math.min(bytes, this.sizeLimit) : bytes;
    this.sizeBytes = size - (size % SECTOR);
    this.loops.disks.changed(this);
  }

  read(offset: number, into: Uint8Array): number {
    if (!this.#holds(offset, into.length)) return EIO;
    this.counts.reads++;
    this.counts.sectorsRead += Math.ceil(into.length / SECTOR);
    if (!this.#enter()) return EIO;
    const since = this.loops.clock.monotonicNs();
    const r = this.#backing!.read(this.offset + offset, into);
    this.counts.readNs += this.loops.clock.monotonicNs() - since;
    this.loops.depth--;
    return failed(r) ? r : 0;
  }

  write(offset: number, from: Uint8Array): number {
    if (!this.#holds(offset, from.length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(from.length / SECTOR);
    if (!this.#enter()) return EIO;
    const since = this.loops.clock.monotonicNs();
    const r = this.#backing!.write(this.offset + offset, from);
    this.counts.writeNs += this.loops.clock.monotonicNs() - since;
    this.loops.depth--;
    return failed(r) ? r : 0;
  }

  flush(): number {
    this.counts.flushes++;
    if (!this.#backing || this.isReadOnly) return 0;
    if (!this.#enter()) return EIO;
    const since = this.loops.clock.monotonicNs();
    const r = this.#backing.flush();
    this.counts.flushNs += this.loops.clock.monotonicNs() - since;
    this.loops.depth--;
    return r;
  }

  discard(offset: number, length: number): number {
    if (!this.#holds(offset, length)) return EIO;
    if (this.isReadOnly) return EROFS;
    if (this.discardBytes === 0) return EOPNOTSUPP;
    this.counts.discards++;
    this.counts.sectorsDiscarded += Math.ceil(length / SECTOR);
    if (!this.#enter()) return EIO;
    const since = this.loops.clock.monotonicNs();
    const r = this.#backing!.discard(this.offset + offset, length);
    this.counts.discardNs += this.loops.clock.monotonicNs() - since;
    this.loops.depth--;
    return r;
  }

  writeZeroes(offset: number, length: number): number {
    if (!this.#holds(offset, length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(length / SECTOR);
    if (!this.#enter()) return EIO;
    const since = this.loops.clock.monotonicNs();
    const r = this.#backing!.writeZeroes(this.offset + offset, length);
    this.counts.writeNs += this.loops.clock.monotonicNs() - since;
    this.loops.depth--;
    return r;
  }

  ioctl(td: Thread, request: number, arg: number, mem: UserMemory, isWritable: boolean): number {
    return loopIoctl(this, td, request, arg, mem, isWritable);
  }

  /** Somebody closed it, or unmounted what was on it. */
  closed(): void {
    if ((this.flags & LO_FLAGS_AUTOCLEAR) !== 0 && !this.loops.isBusy(this)) {
      this.loops.clear(this);
    }
  }

  /** /sys/block/loopN/loop, while it stands on a file. */
  attributes(): readonly (readonly [path: string, value: string])[] {
    if (!this.#backing) return [];
    const flag = (bit: number): string => ((this.flags & bit) !== 0 ? "1\n" : "0\n");
    return [
      ["loop/backing_file", `${this.#backing.file.describe()}\n`],
      ["loop/offset", `${this.offset}\n`],
      ["loop/sizelimit", `${this.sizeLimit}\n`],
      ["loop/autoclear", flag(LO_FLAGS_AUTOCLEAR)],
      ["loop/partscan", flag(LO_FLAGS_PARTSCAN)],
      ["loop/dio", flag(LO_FLAGS_DIRECT_IO)],
    ];
  }

  #holds(offset: number, length: number): boolean {
    if (!this.#backing || !Number.isSafeInteger(offset) || offset < 0) return false;
    return offset + length <= this.sizeBytes;
  }

  #enter(): boolean {
    if (this.loops.depth >= MAX_DEPTH) return false;
    this.loops.depth++;
    return true;
  }
}
