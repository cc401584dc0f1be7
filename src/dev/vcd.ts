/**
 * vcd0 … vcd15: CD-ROMs over images of the host, read-only.
 *
 * A drive always holds its disc: one session, one track, which is data. See
 * vcd(4), cdrom(4); cdio.ts for what programs ask a drive.
 */
import { EACCES, EIO, EOPNOTSUPP, EROFS } from "../abi/errno.ts";
import type { Thread } from "../kern/thread.ts";
import type { BlockStore } from "../platform/host.ts";
import { type Disk, type DiskCounts, type IoClock, newDiskCounts } from "../vfs/blockdevice.ts";
import { makedev } from "../vfs/device.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { cdIoctl } from "./cdio.ts";
import type { IoLimit } from "./iolimit.ts";

/** A major of Linux's range for local use. */
export const VCD_MAJOR = 253;
/** As of a vkd, although a disc is hardly ever partitioned. */
export const VCD_MINORS = 16;
export const VCD_UNITS = 16;

const BLOCK = 2048;
const SECTOR = 512;

export class Vcd implements Disk {
  readonly unit: number;
  readonly name: string;
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly serial: string;
  readonly blockSize = BLOCK;
  readonly isReadOnly = true;
  readonly isRemovable = true;
  readonly discardBytes = 0;
  readonly place = null;
  readonly counts: DiskCounts = newDiskCounts();
  openers = 0;
  readAheadSectors = 256;
  readonly #store: BlockStore;
  readonly #limit: IoLimit | null;
  readonly #clock: IoClock | null;

  /** What does not fill a last block of `store` is not there. */
  constructor(
    unit: number,
    store: BlockStore,
    serial: string,
    limit: IoLimit | null = null,
    clock: IoClock | null = null,
  ) {
    this.unit = unit;
    this.name = `vcd${unit}`;
    this.rdev = makedev(VCD_MAJOR, unit * VCD_MINORS);
    this.sizeBytes = store.sizeBytes - (store.sizeBytes % BLOCK);
    this.serial = serial;
    this.#store = store;
    this.#limit = limit;
    this.#clock = clock;
  }

  setReadOnly(isReadOnly: boolean): number {
    return isReadOnly ? 0 : EACCES;
  }

  read(offset: number, into: Uint8Array): number {
    const isThere = Number.isSafeInteger(offset) && offset >= 0;
    if (!isThere || offset + into.length > this.sizeBytes) return EIO;
    this.counts.reads++;
    this.counts.sectorsRead += Math.ceil(into.length / SECTOR);
    this.#limit?.charge(into.length);
    const since = this.#clock?.monotonicNs() ?? 0;
    const r = this.#store.read(offset, into);
    this.counts.readNs += (this.#clock?.monotonicNs() ?? 0) - since;
    return r;
  }

  write(): number {
    return EROFS;
  }

  flush(): number {
    return 0;
  }

  discard(): number {
    return EOPNOTSUPP;
  }

  writeZeroes(): number {
    return EROFS;
  }

  ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    return cdIoctl(this.sizeBytes / BLOCK, td, request, arg, mem);
  }
}
