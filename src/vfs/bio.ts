/**
 * The buffer cache: metadata blocks of one mounted device, by block number.
 *
 * There is one buffer for a block at a time. A clean one may go at any moment
 * outside an operation of its file system, so nobody keeps it from one to the
 * next without holding it; whoever only reads may go on reading an evicted one.
 * A dirty buffer is pinned until it was written. Clean buffers are bounded in
 * bytes, the one used longest ago goes first. File contents do not pass
 * through here: they live in the page cache. See buffercache(9), xv6's bio.c.
 */
import { EIO, type Errno, failed } from "../abi/errno.ts";
import type { BlockDevice } from "./blockdevice.ts";

/** Most bytes of neighbouring blocks that are written with one request. */
const CLUSTER_BYTES = 256 << 10;
/** How far past its limit an operation may fill the cache before blocks go under its feet. */
const SLACK = 8;

/** What completes the contents of a changed buffer when they are written: a checksum, computed once and not at each change. */
export interface Seal {
  seal(bp: Buf): void;
}

export class Buf {
  readonly blkno: number;
  readonly data: Uint8Array;
  readonly view: DataView;
  /** Whoever checked the contents and found them sound; checked once per stay in the cache. */
  soundFor: object | null = null;
  /** What the contents lack until they are written: no checksum in them is right before. */
  seal: Seal | null = null;
  /** Newer than the disk. */
  isDirty = false;
  /** Those who keep the object for longer than an operation. */
  holds = 0;

  constructor(blkno: number, data: Uint8Array) {
    this.blkno = blkno;
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }
}

export class BufferCache {
  readonly device: BlockDevice;
  readonly blockSize: number;
  /** An operation is under way: buffers that it read stay. */
  isBusy = false;
  readonly #limit: number;
  /** Clean ones in order of last use: a Map iterates as it was filled, and a hit is filled in anew. */
  readonly #clean = new Map<number, Buf>();
  /** Dirty and held ones. */
  readonly #pinned = new Map<number, Buf>();
  /** Where neighbours are put side by side to be written. */
  #cluster: Uint8Array | null = null;

  constructor(device: BlockDevice, blockSize: number, limitBytes: number) {
    this.device = device;
    this.blockSize = blockSize;
    this.#limit = Math.max(16, Math.floor(limitBytes / blockSize));
  }

  /** The block `blkno`, read if it is not here. EIO beyond the device or if it cannot be read. */
  bread(blkno: number): Buf | Errno {
    const held = this.peek(blkno);
    if (held) return held;
    if (!this.#isOnDevice(blkno)) return EIO;
    const data = new Uint8Array(this.blockSize);
    const r = this.device.read(blkno * this.blockSize, data);
    if (failed(r)) return r;
    return this.#enter(new Buf(blkno, data));
  }

  /** A zeroed buffer for a block whose contents no longer matter: not read. */
  bnew(blkno: number): Buf | Errno {
    if (!this.#isOnDevice(blkno)) return EIO;
    const held = this.peek(blkno);
    if (held) {
      held.data.fill(0);
      held.soundFor = null;
      held.seal = null;
      return held;
    }
    return this.#enter(new Buf(blkno, new Uint8Array(this.blockSize)));
  }

  /** The buffer of `blkno` if it is here. */
  peek(blkno: number): Buf | null {
    const pinned = this.#pinned.get(blkno);
    if (pinned) return pinned;
    const clean = this.#clean.get(blkno);
    if (!clean) return null;
    this.#clean.delete(blkno);
    this.#clean.set(blkno, clean);
    return clean;
  }

  /** True if some buffers may be newer than the disk. */
  get hasPinned(): boolean {
    return this.#pinned.size > 0;
  }

  /** Pins `bp` until `write` or `forget`. False if another buffer took its place meanwhile. */
  markDirty(bp: Buf): boolean {
    if (bp.isDirty) return true;
    const { blkno } = bp;
    const known = this.#pinned.get(blkno) ?? this.#clean.get(blkno);
    if (known && known !== bp) return false;
    this.#clean.delete(blkno);
    this.#pinned.set(blkno, bp);
    bp.isDirty = true;
    return true;
  }

  /** Keeps `bp` here until `release`. */
  hold(bp: Buf): Buf {
    bp.holds++;
    this.#clean.delete(bp.blkno);
    this.#pinned.set(bp.blkno, bp);
    return bp;
  }

  release(bp: Buf): void {
    bp.holds--;
    this.#unpin(bp);
  }

  /** Drops the buffer of a block that means nothing any more, dirty or not. */
  forget(blkno: number): void {
    const bp = this.#pinned.get(blkno);
    if (bp) {
      bp.isDirty = false;
      bp.seal = null;
    }
    this.#pinned.delete(blkno);
    this.#clean.delete(blkno);
  }

  /** Writes `bufs` in the order of the disk, neighbours together; they are clean then. 0 or an error. */
  write(bufs: Iterable<Buf>): number {
    const sorted = [...bufs].sort((a, b) => a.blkno - b.blkno);
    const most = Math.max(1, Math.floor(CLUSTER_BYTES / this.blockSize));
    for (let i = 0; i < sorted.length; ) {
      let n = 1;
      while (n < most && i + n < sorted.length && sorted[i + n]!.blkno === sorted[i]!.blkno + n) {
        n++;
      }
      const run = sorted.slice(i, i + n);
      const r = this.writeRun(
        run[0]!.blkno,
        run.map((bp) => bp.data),
      );
      if (failed(r)) return r;
      for (const bp of run) {
        bp.isDirty = false;
        this.#unpin(bp);
      }
      i += n;
    }
    return 0;
  }

  /** Writes `blocks` side by side from block `start` on, past the cache. 0 or an error. */
  writeRun(start: number, blocks: readonly Uint8Array[]): number {
    const size = this.blockSize;
    if (blocks.length === 1) return this.device.write(start * size, blocks[0]!);
    this.#cluster ??= new Uint8Array(Math.max(CLUSTER_BYTES, size));
    const most = Math.floor(this.#cluster.length / size);
    for (let done = 0; done < blocks.length; done += most) {
      const part = blocks.slice(done, done + most);
      part.forEach((block, i) => {
        this.#cluster!.set(block, i * size);
      });
      const r = this.device.write(
        (start + done) * size,
        this.#cluster.subarray(0, part.length * size),
      );
      if (failed(r)) return r;
    }
    return 0;
  }

  /** Gives up what is over the limit. */
  trim(): void {
    while (this.#clean.size > this.#limit) this.#evict();
  }

  /** Forgets everything: the device changed below. */
  clear(): void {
    for (const bp of this.#pinned.values()) bp.isDirty = false;
    this.#clean.clear();
    this.#pinned.clear();
  }

  #isOnDevice(blkno: number): boolean {
    return blkno >= 0 && (blkno + 1) * this.blockSize <= this.device.sizeBytes;
  }

  #enter(bp: Buf): Buf {
    const limit = this.isBusy ? this.#limit * SLACK : this.#limit;
    if (this.#clean.size >= limit) this.#evict();
    this.#clean.set(bp.blkno, bp);
    return bp;
  }

  #unpin(bp: Buf): void {
    if (bp.isDirty || bp.holds > 0 || this.#pinned.get(bp.blkno) !== bp) return;
    this.#pinned.delete(bp.blkno);
    this.#enter(bp);
  }

  #evict(): void {
    for (const blkno of this.#clean.keys()) {
      this.#clean.delete(blkno);
      return;
    }
  }
}
