/**
 * The buffer cache: metadata blocks of one mounted device, by block number.
 *
 * A buffer is a private copy of its block; whoever holds the object may go on
 * reading it after it was evicted. The cache is bounded in bytes and forgets
 * the block used longest ago. File contents do not pass through here: they
 * live in the page cache. See buffercache(9), xv6's bio.c.
 */
import { EIO, type Errno, failed } from "../abi/errno.ts";
import type { BlockDevice } from "./blockdevice.ts";

export class Buf {
  readonly blkno: number;
  readonly data: Uint8Array;
  readonly view: DataView;
  /** Whoever checked the contents and found them sound; checked once per stay in the cache. */
  soundFor: object | null = null;

  constructor(blkno: number, data: Uint8Array) {
    this.blkno = blkno;
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }
}

export class BufferCache {
  readonly device: BlockDevice;
  readonly blockSize: number;
  readonly #limit: number;
  /** In order of last use: a Map iterates as it was filled, and a hit is filled in anew. */
  readonly #bufs = new Map<number, Buf>();

  constructor(device: BlockDevice, blockSize: number, limitBytes: number) {
    this.device = device;
    this.blockSize = blockSize;
    this.#limit = Math.max(16, Math.floor(limitBytes / blockSize));
  }

  /** The block `blkno`, read if it is not here. EIO beyond the device or if it cannot be read. */
  bread(blkno: number): Buf | Errno {
    const held = this.#bufs.get(blkno);
    if (held) {
      this.#bufs.delete(blkno);
      this.#bufs.set(blkno, held);
      return held;
    }
    if (!(blkno >= 0) || (blkno + 1) * this.blockSize > this.device.sizeBytes) return EIO;
    const data = new Uint8Array(this.blockSize);
    const r = this.device.read(blkno * this.blockSize, data);
    if (failed(r)) return r;
    const bp = new Buf(blkno, data);
    if (this.#bufs.size >= this.#limit) this.#evict();
    this.#bufs.set(blkno, bp);
    return bp;
  }

  /** Forgets everything: the device changed below. */
  clear(): void {
    this.#bufs.clear();
  }

  #evict(): void {
    for (const blkno of this.#bufs.keys()) {
      this.#bufs.delete(blkno);
      return;
    }
  }
}
