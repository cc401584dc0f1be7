/**
 * vkd0 … vkd15: virtual disks over images of the host.
 *
 * Every access is checked against the disk's bounds here, so nothing above
 * need trust an image. A copy-on-write disk keeps what is written in memory,
 * in blocks of 4 KiB up to a limit, and never touches its image, which many
 * machines may share. See vkd(4).
 */
import { EIO, ENOSPC, EROFS, failed } from "../abi/errno.ts";
import type { BlockStore } from "../platform/host.ts";
import type { BlockDevice, BlockDevices, DiskCounts } from "../vfs/blockdevice.ts";
import { makedev } from "../vfs/device.ts";

/** A major of Linux's range for local use. */
export const VKD_MAJOR = 254;
/** Minors per disk: the whole disk, and room for partitions. */
export const VKD_MINORS = 16;
export const VKD_UNITS = 16;

const OVERLAY_BLOCK = 4096;

export interface VkdOptions {
  /** -R: writes go to memory. */
  readonly isCopyOnWrite: boolean;
  /** Most bytes that the overlay may hold. */
  readonly overlayLimitBytes: number;
  /** As -r file:serno gives it; shown in sysctl and sysfs. */
  readonly serial: string;
}

export class Vkd implements BlockDevice {
  readonly unit: number;
  readonly name: string;
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly serial: string;
  readonly isCopyOnWrite: boolean;
  readonly counts: DiskCounts = {
    reads: 0,
    sectorsRead: 0,
    writes: 0,
    sectorsWritten: 0,
    flushes: 0,
  };
  readonly #store: BlockStore;
  readonly #overlayMax: number;
  /** Written blocks of a copy-on-write disk by number. */
  readonly #overlay = new Map<number, Uint8Array>();

  constructor(unit: number, store: BlockStore, options: VkdOptions) {
    this.unit = unit;
    this.name = `vkd${unit}`;
    this.rdev = makedev(VKD_MAJOR, unit * VKD_MINORS);
    this.sizeBytes = store.sizeBytes - (store.sizeBytes % 512);
    this.serial = options.serial;
    this.isCopyOnWrite = options.isCopyOnWrite;
    this.#store = store;
    this.#overlayMax = Math.floor(options.overlayLimitBytes / OVERLAY_BLOCK);
  }

  get isReadOnly(): boolean {
    return !this.isCopyOnWrite && this.#store.isReadOnly;
  }

  /** Bytes that copy-on-write holds in memory. */
  get overlayBytes(): number {
    return this.#overlay.size * OVERLAY_BLOCK;
  }

  read(offset: number, into: Uint8Array): number {
    if (!this.#holds(offset, into.length)) return EIO;
    this.counts.reads++;
    this.counts.sectorsRead += Math.ceil(into.length / 512);
    if (this.#overlay.size === 0) return this.#store.read(offset, into);
    for (let done = 0; done < into.length; ) {
      const n = this.#readRun(offset + done, into.subarray(done));
      if (failed(n)) return n;
      done += n;
    }
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    if (!this.#holds(offset, from.length)) return EIO;
    if (this.isReadOnly) return EROFS;
    this.counts.writes++;
    this.counts.sectorsWritten += Math.ceil(from.length / 512);
    if (!this.isCopyOnWrite) return this.#store.write(offset, from);
    if (!this.#hasRoom(offset, from.length)) return ENOSPC;
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const inBlock = at % OVERLAY_BLOCK;
      const part = from.subarray(done, done + OVERLAY_BLOCK - inBlock);
      const block = this.#blockToWrite((at - inBlock) / OVERLAY_BLOCK, part.length);
      if (typeof block === "number") return block;
      block.set(part, inBlock);
      done += part.length;
    }
    return 0;
  }

  flush(): number {
    this.counts.flushes++;
    return this.isReadOnly || this.isCopyOnWrite ? 0 : this.#store.flush();
  }

  close(): void {
    this.#overlay.clear();
    this.#store.close();
  }

  #holds(offset: number, length: number): boolean {
    return Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.sizeBytes;
  }

  /** Reads up to the next change between overlay and image; how many bytes. */
  #readRun(offset: number, into: Uint8Array): number {
    const inBlock = offset % OVERLAY_BLOCK;
    const first = (offset - inBlock) / OVERLAY_BLOCK;
    const held = this.#overlay.get(first);
    if (held) {
      const n = Math.min(into.length, OVERLAY_BLOCK - inBlock);
      into.set(held.subarray(inBlock, inBlock + n));
      return n;
    }
    let end = OVERLAY_BLOCK - inBlock;
    for (let b = first + 1; end < into.length && !this.#overlay.has(b); b++) end += OVERLAY_BLOCK;
    const part = into.subarray(0, end);
    const r = this.#store.read(offset, part);
    return failed(r) ? r : part.length;
  }

  /** A write is whole or nothing: its new blocks must all fit. */
  #hasRoom(offset: number, length: number): boolean {
    const last = Math.floor((offset + length - 1) / OVERLAY_BLOCK);
    let fresh = 0;
    for (let b = Math.floor(offset / OVERLAY_BLOCK); b <= last; b++) {
      if (!this.#overlay.has(b)) fresh++;
    }
    return this.#overlay.size + fresh <= this.#overlayMax;
  }

  /** The overlay's block, made from the image unless all of it is about to be written. */
  #blockToWrite(block: number, writeBytes: number): Uint8Array | number {
    const held = this.#overlay.get(block);
    if (held) return held;
    const fresh = new Uint8Array(OVERLAY_BLOCK);
    if (writeBytes < OVERLAY_BLOCK) {
      const at = block * OVERLAY_BLOCK;
      const r = this.#store.read(at, fresh.subarray(0, this.sizeBytes - at));
      if (failed(r)) return r;
    }
    this.#overlay.set(block, fresh);
    return fresh;
  }
}

/** All disks of a machine. */
export class Disks implements BlockDevices {
  readonly #units: Vkd[] = [];

  add(disk: Vkd): void {
    this.#units.push(disk);
  }

  get all(): readonly Vkd[] {
    return this.#units;
  }

  disk(rdev: number): Vkd | null {
    return this.#units.find((d) => d.rdev === rdev) ?? null;
  }
}
