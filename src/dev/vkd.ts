/**
 * vkd0 … vkd15: virtual disks over images of the host.
 *
 * Every access is checked against the disk's bounds here, so nothing above
 * need trust an image. A copy-on-write disk never touches its image, which
 * many machines may share: see vkdcow.ts. What a disk may do in a second is
 * counted here too: see iolimit.ts. See vkd(4).
 */
import { EACCES, EIO, ENOSPC, EOPNOTSUPP, EROFS, failed } from "../abi/errno.ts";
import type { Cpu } from "../kern/cpu.ts";
import { type KernelLog, LOG_ERR } from "../kern/log.ts";
import { IO_PRESSURE } from "../kern/pressure.ts";
import type { BlockStore } from "../platform/host.ts";
import { type Disk, type DiskCounts, newDiskCounts } from "../vfs/blockdevice.ts";
import { makedev } from "../vfs/device.ts";
import type { IoLimit, IoRates } from "./iolimit.ts";
import { CowStore } from "./vkdcow.ts";

/** A major of Linux's range for local use. */
export const VKD_MAJOR = 254;
/** Minors per disk: the whole disk, and its partitions. */
export const VKD_MINORS = 16;
export const VKD_UNITS = 16;

const SECTOR = 512;
const ZERO_CHUNK = 1 << 20;
/** Past this many complaints about its image a disk falls silent. */
const COMPLAINTS_MAX = 16;

export interface VkdOptions {
  /** -R: writes go to memory. */
  readonly isCopyOnWrite: boolean;
  /** Most bytes that the overlay may hold. */
  readonly overlayLimitBytes: number;
  /** As -r file:serno gives it; shown in sysctl and sysfs. */
  readonly serial: string;
  /** Null or absent: as fast as it goes. */
  readonly limit?: IoLimit | null;
  /** Whose threads are charged; absent: nobody's. */
  readonly cpu?: Cpu;
  /** Where the host's errors are noted. */
  readonly log?: KernelLog;
}

export class Vkd implements Disk {
  readonly unit: number;
  readonly name: string;
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly serial: string;
  readonly isCopyOnWrite: boolean;
  readonly blockSize = SECTOR;
  readonly isRemovable = false;
  readonly place = null;
  readonly counts: DiskCounts = newDiskCounts();
  openers = 0;
  readAheadSectors = 256;
  readonly #store: BlockStore;
  readonly #limit: IoLimit | null;
  readonly #cpu: Cpu | null;
  readonly #log: KernelLog | null;
  #isForcedReadOnly = false;
  #complaints = 0;

  constructor(unit: number, store: BlockStore, options: VkdOptions) {
    this.unit = unit;
    this.name = `vkd${unit}`;
    this.rdev = makedev(VKD_MAJOR, unit * VKD_MINORS);
    this.sizeBytes = store.sizeBytes - (store.sizeBytes % SECTOR);
    this.serial = options.serial;
    this.isCopyOnWrite = options.isCopyOnWrite;
    this.#store = this.isCopyOnWrite ? new CowStore(store, options.overlayLimitBytes) : store;
    this.#limit = options.limit ?? null;
    this.#cpu = options.cpu ?? null;
    this.#log = options.log ?? null;
  }

  get isReadOnly(): boolean {
    return this.#isForcedReadOnly || this.#store.isReadOnly;
  }

  get isVolatile(): boolean {
    return this.isCopyOnWrite;
  }

  get discardBytes(): number {
    return this.#store.isReadOnly ? 0 : (this.#store.discardBytes ?? 0);
  }

  /** What it may do in a second; null for all it can. */
  get rates(): IoRates | null {
    return this.#limit?.rates ?? null;
  }

  /** Bytes that copy-on-write holds in memory, or that the image's format has taken. */
  get overlayBytes(): number {
    return this.#store.heldBytes ?? 0;
  }

  setReadOnly(isReadOnly: boolean): number {
    if (!isReadOnly && this.#store.isReadOnly) return EACCES;
    this.#isForcedReadOnly = isReadOnly;
    return 0;
  }

  read(offset: number, into: Uint8Array): number {
    if (!this.#holds(offset, into.length)) return EIO;
    this.counts.reads++;
    this.counts.sectorsRead += Math.ceil(into.length / SECTOR);
    this.#limit?.charge(into.length);
    this.#account(into.length, false);
    const since = this.#nowNs;
    const r = this.#store.read(offset, into);
    this.counts.readNs += this.#heldSince(since);
    return failed(r) ? this.#noted(r, "READ", offset) : r;
  }

  write(offset: number, from: Uint8Array): number {
    if (!this.#holds(offset, from.length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(from.length / SECTOR);
    this.#limit?.charge(from.length);
    this.#account(from.length, true);
    const since = this.#nowNs;
    const r = this.#store.write(offset, from);
    this.counts.writeNs += this.#heldSince(since);
    return failed(r) ? this.#noted(r, "WRITE", offset) : r;
  }

  /** A transfer counts for the thread at work, and for its control group, which may make it wait. */
  #account(length: number, isWrite: boolean): void {
    const td = this.#cpu?.current;
    if (!td) return;
    const bytes = Math.ceil(length / SECTOR) * SECTOR;
    if (isWrite) td.diskBytesWritten += bytes;
    else td.diskBytesRead += bytes;
    const group = td.cgroup.ioGroup;
    if (!group) return;
    const now = td.cpu.clock.monotonicNs();
    const dueNs = group.transferred(this.rdev, bytes, isWrite, now);
    if (dueNs > 0) td.cpu.delayCurrent(dueNs - now);
  }

  flush(): number {
    this.counts.flushes++;
    this.#limit?.charge(0);
    const since = this.#nowNs;
    const r = this.#store.flush();
    this.counts.flushNs += this.#heldSince(since);
    return failed(r) ? this.#noted(r, "FLUSH", 0) : r;
  }

  discard(offset: number, length: number): number {
    if (!this.#holds(offset, length)) return EIO;
    if (this.isReadOnly) return EROFS;
    if (!this.#store.discard || this.discardBytes === 0) return EOPNOTSUPP;
    this.counts.discards++;
    this.counts.sectorsDiscarded += Math.ceil(length / SECTOR);
    this.#limit?.charge(0);
    const since = this.#nowNs;
    const r = this.#store.discard(offset, length);
    this.counts.discardNs += this.#heldSince(since);
    return r;
  }

  writeZeroes(offset: number, length: number): number {
    if (!this.#holds(offset, length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(length / SECTOR);
    this.#limit?.charge(length);
    const since = this.#nowNs;
    const r = this.#store.writeZeroes?.(offset, length) ?? this.#writeZeroBytes(offset, length);
    this.counts.writeNs += this.#heldSince(since);
    return r;
  }

  #writeZeroBytes(offset: number, length: number): number {
    const zeroes = new Uint8Array(Math.min(ZERO_CHUNK, length));
    for (let done = 0; done < length; done += ZERO_CHUNK) {
      const r = this.#store.write(offset + done, zeroes.subarray(0, length - done));
      if (r < 0) return r;
    }
    return 0;
  }

  close(): void {
    this.#store.close();
  }

  /** The host could not, for which the one who asked may not be there to hear: in the words of Linux's blk_print_req_error. */
  #noted(error: number, what: string, offset: number): number {
    if (this.#complaints++ < COMPLAINTS_MAX) {
      const kind = error === ENOSPC ? "critical space allocation" : "I/O";
      const at = `dev ${this.name}, sector ${Math.floor(offset / SECTOR)}`;
      this.#log?.log(LOG_ERR, `${kind} error, ${at} op ${what}`);
    }
    return error;
  }

  /** How long a transfer took, during which the thread at work was held up. */
  #heldSince(sinceNs: number): number {
    this.#cpu?.stalls.held(IO_PRESSURE, sinceNs);
    return this.#nowNs - sinceNs;
  }

  get #nowNs(): number {
    return this.#cpu?.clock.monotonicNs() ?? 0;
  }

  #holds(offset: number, length: number): boolean {
    return Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.sizeBytes;
  }
}
