/**
 * A partition: a run of another disk's bytes, as a disk of its own.
 *
 * It has no more than its place: nothing outside of it can be reached, and what
 * it does is counted for it and for the whole disk.
 */
import { EACCES, EIO, EROFS } from "../../abi/errno.ts";
import {
  type Disk,
  type DiskCounts,
  newDiskCounts,
  type PartitionPlace,
} from "../../vfs/blockdevice.ts";

const SECTOR = 512;

export class Partition implements Disk {
  readonly name: string;
  readonly rdev: number;
  readonly place: PartitionPlace;
  readonly serial = "";
  readonly counts: DiskCounts = newDiskCounts();
  /** BLKPG may give it another; within its disk. */
  sizeBytes: number;
  openers = 0;
  readAheadSectors = 256;
  #isForcedReadOnly = false;

  /** `place` and `sizeBytes` are within the whole disk: whoever makes it has seen to that. */
  constructor(place: PartitionPlace, sizeBytes: number, rdev: number) {
    const { name } = place.whole;
    this.name = /\d$/.test(name) ? `${name}p${place.number}` : `${name}${place.number}`;
    this.rdev = rdev;
    this.place = place;
    this.sizeBytes = sizeBytes;
  }

  get isReadOnly(): boolean {
    return this.#isForcedReadOnly || this.place.whole.isReadOnly;
  }

  get isVolatile(): boolean {
    return this.place.whole.isVolatile ?? false;
  }

  get blockSize(): number {
    return this.place.whole.blockSize;
  }

  get isRemovable(): boolean {
    return false;
  }

  get discardBytes(): number {
    return this.place.whole.discardBytes;
  }

  setReadOnly(isReadOnly: boolean): number {
    if (!isReadOnly && this.place.whole.isReadOnly) return EACCES;
    this.#isForcedReadOnly = isReadOnly;
    return 0;
  }

  read(offset: number, into: Uint8Array): number {
    if (!this.#holds(offset, into.length)) return EIO;
    this.counts.reads++;
    this.counts.sectorsRead += Math.ceil(into.length / SECTOR);
    const { counts } = this.place.whole;
    const before = counts.readNs;
    const r = this.place.whole.read(this.place.startBytes + offset, into);
    this.counts.readNs += counts.readNs - before;
    return r;
  }

  write(offset: number, from: Uint8Array): number {
    if (!this.#holds(offset, from.length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(from.length / SECTOR);
    const { counts } = this.place.whole;
    const before = counts.writeNs;
    const r = this.place.whole.write(this.place.startBytes + offset, from);
    this.counts.writeNs += counts.writeNs - before;
    return r;
  }

  flush(): number {
    this.counts.flushes++;
    const { counts } = this.place.whole;
    const before = counts.flushNs;
    const r = this.place.whole.flush();
    this.counts.flushNs += counts.flushNs - before;
    return r;
  }

  discard(offset: number, length: number): number {
    if (!this.#holds(offset, length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.discards++;
    this.counts.sectorsDiscarded += Math.ceil(length / SECTOR);
    const { counts } = this.place.whole;
    const before = counts.discardNs;
    const r = this.place.whole.discard(this.place.startBytes + offset, length);
    this.counts.discardNs += counts.discardNs - before;
    return r;
  }

  writeZeroes(offset: number, length: number): number {
    if (!this.#holds(offset, length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(length / SECTOR);
    const { counts } = this.place.whole;
    const before = counts.writeNs;
    const r = this.place.whole.writeZeroes(this.place.startBytes + offset, length);
    this.counts.writeNs += counts.writeNs - before;
    return r;
  }

  #holds(offset: number, length: number): boolean {
    return Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.sizeBytes;
  }
}
