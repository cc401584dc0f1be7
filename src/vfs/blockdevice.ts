/**
 * What a file system may ask of the disk below it.
 *
 * Offsets and lengths are bytes; a transfer is whole or it is an error. Calls
 * complete before they return: the host's disks never make the kernel wait.
 */

/** Transfers so far, for /proc/diskstats; a sector is 512 bytes. */
export interface DiskCounts {
  reads: number;
  sectorsRead: number;
  writes: number;
  sectorsWritten: number;
  flushes: number;
}

export interface BlockDevice {
  /** As messages spell it: "vkd0". */
  readonly name: string;
  /** Device number of its special file; st_dev of what is mounted from it. */
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly counts: DiskCounts;
  /** Fills `into` whole. 0, or EIO beyond the end or when the host fails. */
  read(offset: number, into: Uint8Array): number;
  /** 0, EROFS, ENOSPC of an overlay, or EIO. */
  write(offset: number, from: Uint8Array): number;
  /** Returns when all writes are on stable storage. */
  flush(): number;
}

/** The disks of a machine by device number; what a file system type mounts from. */
export interface BlockDevices {
  disk(rdev: number): BlockDevice | null;
  readonly all: readonly BlockDevice[];
}
