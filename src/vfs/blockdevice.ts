/**
 * What a file system may ask of the disk below it.
 *
 * Offsets and lengths are bytes; a transfer is whole or it is an error. Calls
 * complete before they return: the host's disks never make the kernel wait.
 */

import type { Thread } from "../kern/thread.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import type { VmObject } from "../vm/object.ts";
import type { UserMemory } from "../vm/usermem.ts";

/** Transfers so far, for /proc/diskstats; a sector is 512 bytes. */
export interface DiskCounts {
  reads: number;
  sectorsRead: number;
  writes: number;
  sectorsWritten: number;
  flushes: number;
  discards: number;
  sectorsDiscarded: number;
  /** How long they took, one after the other. */
  readNs: number;
  writeNs: number;
  flushNs: number;
  discardNs: number;
}

/** What transfers are timed by. */
export interface IoClock {
  monotonicNs(): number;
}

export interface BlockDevice {
  /** As messages spell it: "vkd0". */
  readonly name: string;
  /** Device number of its special file; st_dev of what is mounted from it. */
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** What is written to it ends with the machine; absent: it stays. */
  readonly isVolatile?: boolean;
  readonly counts: DiskCounts;
  /** Fills `into` whole. 0, or EIO beyond the end or when the host fails. */
  read(offset: number, into: Uint8Array): number;
  /** 0, EROFS, ENOSPC of an overlay or of the host, or EIO. */
  write(offset: number, from: Uint8Array): number;
  /** Returns when all writes are on stable storage. */
  flush(): number;
  /**
   * Nobody needs these bytes any more: afterwards they read as before or as zeroes. EOPNOTSUPP, as
   * where there is no such method, if the disk gains nothing by it. What FITRIM comes down to.
   */
  discard?(offset: number, length: number): number;
  /** Afterwards these bytes read as zeroes. Where there is no such method, write them. */
  writeZeroes?(offset: number, length: number): number;
}

/** What is cached of a disk because its special file is open. */
export interface DiskCache {
  /** The pages that the special file shows. */
  object(): VmObject;
  /** How many of them are in memory. */
  readonly pages: number;
  /** Writes the dirty ones: whoever reads the disk past them must have it done. 0, EIO, ENOSPC. */
  sync(): number;
  /** As `sync`, and forgets them. */
  flush(): number;
  close(): void;
}

/** Where a partition lies on its disk. */
export interface PartitionPlace {
  readonly whole: Disk;
  /** From 1, as in vkd0p1. */
  readonly number: number;
  readonly startBytes: number;
  /** PARTUUID as blkid(8) spells it; may be "". */
  readonly uuid: string;
  /** PARTLABEL; may be "". */
  readonly label: string;
}

/** A block device with a name of its own in /dev, /sys and /proc: a disk, or a part of one. */
export interface Disk extends BlockDevice {
  /** What transfers of the device are a multiple of: 512, or 2048 of a CD-ROM. */
  readonly blockSize: number;
  readonly isRemovable: boolean;
  /** May be "". */
  readonly serial: string;
  /** Granularity of `discard` in bytes; 0 if it cannot. */
  readonly discardBytes: number;
  /** Null for a whole disk. */
  readonly place: PartitionPlace | null;
  /** Open descriptions of its special file. */
  openers: number;
  /** Null, or absent, while there are none. */
  cache?: DiskCache | null;
  /** BLKRASET's number, in sectors. */
  readAheadSectors: number;
  discard(offset: number, length: number): number;
  writeZeroes(offset: number, length: number): number;
  /** Requests of this kind of disk alone; ENOTTY, as where there is no such method, for the rest. */
  ioctl?(td: Thread, request: number, arg: number, mem: UserMemory, isWritable: boolean): number;
  /** Somebody closed its special file or a part's, or unmounted what was on it. */
  closed?(): void;
  /** Number of a partition, where it does not follow from the disk's. */
  partitionRdev?(number: number): number;
  /** What this kind of disk alone shows in sysfs, by "directory/name"; may become other when it changes. */
  attributes?(): readonly (readonly [path: string, value: string])[];
  /** BLKROSET. EACCES if what is below cannot be written anyway. */
  setReadOnly(isReadOnly: boolean): number;
}

/** The disks of a machine by device number; what a file system type mounts from. */
export interface BlockDevices {
  disk(rdev: number): BlockDevice | null;
  readonly all: readonly Disk[];
}

/** What a transfer had better be a multiple of: a page, where blocks are smaller than a CD-ROM's. */
export function physicalBlockSize({ blockSize }: Disk): number {
  return blockSize === 512 ? 4096 : blockSize;
}

export function newDiskCounts(): DiskCounts {
  return {
    reads: 0,
    sectorsRead: 0,
    writes: 0,
    sectorsWritten: 0,
    flushes: 0,
    discards: 0,
    sectorsDiscarded: 0,
    readNs: WIDE_ZERO,
    writeNs: WIDE_ZERO,
    flushNs: WIDE_ZERO,
    discardNs: WIDE_ZERO,
  };
}

/**
 * The numbers of /sys/block/DISK/stat and of /proc/diskstats: Documentation/admin-guide/iostats.rst. Nothing is
 * merged, and nothing under way when somebody looks.
 */
export function diskStatNumbers(c: DiskCounts): readonly number[] {
  const ms = (ns: number): number => (ns < 1e6 ? 0 : Math.floor(ns / 1e6));
  const busyMs = ms(c.readNs + c.writeNs + c.flushNs + c.discardNs);
  return [
    ...[c.reads, 0, c.sectorsRead, ms(c.readNs)],
    ...[c.writes, 0, c.sectorsWritten, ms(c.writeNs)],
    ...[0, busyMs, busyMs],
    ...[c.discards, 0, c.sectorsDiscarded, ms(c.discardNs)],
    ...[c.flushes, ms(c.flushNs)],
  ];
}
