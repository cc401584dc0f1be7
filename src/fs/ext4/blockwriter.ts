/**
 * Writing out the contents of a file: finding where its blocks are or shall be, writing them, and
 * then letting the map and the size on the disk show them.
 *
 * In this order, in one transaction for each run, so that no crash shows what a block held before.
 * See fs/ext4/inode.c of Linux for what must hold.
 */
import { EAGAIN, EBUSY, failed } from "../../abi/errno.ts";
import { type AllocOptions, freeBlocks, type Run } from "./alloc.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import type { Delayed } from "./delayed.ts";
import { markExtent } from "./extenttree.ts";
import { homeOf, MAP_CREDITS, mapBlocks } from "./filemap.ts";
import type { Inode } from "./inode.ts";

/** Unwritten extents are one block shorter at most than others. */
const MARK_MAX = 32767;

export class BlockWriter {
  readonly inode: Inode;
  /** The last run that was looked up, to read or to write. */
  readonly run = new BlockRun();
  /** Times changed in memory that the inode table does not have yet. */
  timesPending = false;
  readonly #delayed: Delayed;
  /** Where the last run that was allocated ends, in the file and on the volume. */
  #lastEnd = -1;
  #lastPblk = 0;

  constructor(inode: Inode, delayed: Delayed) {
    this.inode = inode;
    this.#delayed = delayed;
  }

  /** The map was changed: what is remembered of it is void. */
  mapChanged(): void {
    this.run.set(0, HOLE, 0);
    this.#lastEnd = -1;
  }

  /** Writes the bytes [start, end) of the file, out of `from`, which begins at `start`. 0 or an error. */
  write(start: number, end: number, from: Uint8Array): number {
    const { blockSize } = this.inode.volume.geometry;
    const stop = Math.ceil(end / blockSize);
    for (let lblk = Math.floor(start / blockSize); lblk < stop; ) {
      const { run } = this;
      const r = run.covers(lblk) ? 0 : mapBlock(this.inode, lblk, run);
      if (failed(r)) return r;
      const runEnd = Math.min(stop, run.lblk + run.count);
      let n = runEnd - lblk;
      let w = 0;
      if (run.pblk !== HOLE) {
        w = this.#put(run.at(lblk), lblk, n, start, from, false);
      } else if (run.unwritten !== HOLE) {
        n = Math.min(n, MARK_MAX);
        w = this.#fillUnwritten(run.unwritten + lblk - run.lblk, lblk, n, start, from);
      } else if (this.#delayed.blocks.next(lblk) === lblk) {
        n = Math.min(runEnd, this.#delayed.blocks.nextGap(lblk)) - lblk;
        w = this.#fillHole(lblk, n, start, from, true);
        if (!failed(w)) n = w;
      } else {
        // Nobody promised space for it, so it is zeroes, unless a map stored into a page that was dirty already.
        n = Math.min(runEnd, this.#delayed.blocks.next(lblk)) - lblk;
        const zeroes = this.#zeroBlocks(lblk, n, start, from);
        if (zeroes > 0) {
          n = zeroes;
        } else {
          w = this.#fillHole(lblk, 1, start, from, false);
          if (!failed(w)) n = w;
        }
      }
      if (failed(w)) return w;
      lblk += n;
    }
    return 0;
  }

  /** Allocates up to `count` blocks, writes and maps them: how many. */
  #fillHole(
    lblk: number,
    count: number,
    start: number,
    from: Uint8Array,
    isReserved: boolean,
  ): number {
    const { inode: ip } = this;
    const { volume } = ip;
    const r = volume.tx.start(MAP_CREDITS);
    if (failed(r)) return r === EBUSY ? EAGAIN : r;
    const done = this.#allocAndWrite(lblk, count, start, from, { isReserved });
    volume.tx.stop();
    return done;
  }

  #allocAndWrite(
    lblk: number,
    count: number,
    start: number,
    from: Uint8Array,
    options: AllocOptions,
  ): number {
    const { inode: ip } = this;
    const { volume } = ip;
    const run = this.#allocate(lblk, count, options);
    if (typeof run === "number") return run;
    let r = this.#put(run.start, lblk, run.count, start, from, true);
    if (!failed(r)) r = mapBlocks(ip, lblk, run.start, run.count, false);
    if (failed(r)) {
      freeBlocks(volume, run.start, run.count, { isMetadata: false });
      return r;
    }
    ip.blocks512 += run.count * (volume.geometry.blockSize / 512);
    this.#lastEnd = lblk + run.count;
    this.#lastPblk = run.start + run.count;
    this.run.set(lblk, run.start, run.count);
    this.reach((lblk + run.count) * volume.geometry.blockSize);
    this.#delayed.remove(lblk, lblk + run.count);
    const dirtied = ip.dirty();
    this.timesPending = false;
    return failed(dirtied) ? dirtied : run.count;
  }

  #fillUnwritten(
    pblk: number,
    lblk: number,
    count: number,
    start: number,
    from: Uint8Array,
  ): number {
    const { inode: ip } = this;
    const { volume } = ip;
    const begun = volume.tx.start(MAP_CREDITS);
    if (failed(begun)) return begun === EBUSY ? EAGAIN : begun;
    let r = this.#put(pblk, lblk, count, start, from, true);
    if (!failed(r)) r = markExtent(ip, lblk, count, false);
    this.run.set(0, HOLE, 0);
    if (!failed(r)) {
      this.reach((lblk + count) * volume.geometry.blockSize);
      r = ip.dirty();
      this.timesPending = false;
    }
    volume.tx.stop();
    return r;
  }

  /** A run for `lblk` on, behind what the file has before it if that can be. */
  #allocate(lblk: number, count: number, options: AllocOptions): Run | number {
    const { inode: ip } = this;
    let goal = homeOf(ip);
    let isNext = false;
    if (this.#lastEnd === lblk) {
      goal = this.#lastPblk;
      isNext = true;
    } else if (lblk > 0) {
      const before = new BlockRun();
      const r = mapBlock(ip, lblk - 1, before);
      if (failed(r)) return r;
      const pblk = before.pblk === HOLE ? before.unwritten : before.pblk;
      if (pblk !== HOLE) {
        goal = pblk + 1;
        isNext = true;
      }
    }
    return ip.volume.alloc.alloc(goal, count, { ...options, isNext });
  }

  /**
   * Writes `count` blocks from `lblk` on to `pblk`, out of `from`, which begins at byte `start` of the file.
   * Of a block larger than a page `from` may have a part only: if `isFresh`, the rest becomes zeroes.
   */
  #put(
    pblk: number,
    lblk: number,
    count: number,
    start: number,
    from: Uint8Array,
    isFresh: boolean,
  ): number {
    const { volume } = this.inode;
    const { blockSize } = volume.geometry;
    const at = lblk * blockSize;
    const end = at + count * blockSize;
    const lo = Math.max(at, start);
    const hi = Math.min(end, start + from.length);
    const to = pblk * blockSize;
    if (isFresh && lo > at) {
      const r = volume.writeData(to, new Uint8Array(lo - at));
      if (failed(r)) return r;
    }
    if (isFresh && hi < end) {
      const r = volume.writeData(to + hi - at, new Uint8Array(end - hi));
      if (failed(r)) return r;
    }
    return volume.writeData(to + lo - at, from.subarray(lo - start, hi - start));
  }

  /** How many of the `count` blocks from `lblk` on hold nothing but zeroes in `from`. */
  #zeroBlocks(lblk: number, count: number, start: number, from: Uint8Array): number {
    const { blockSize } = this.inode.volume.geometry;
    for (let i = 0; i < count; i++) {
      const at = Math.max(0, (lblk + i) * blockSize - start);
      const end = Math.min(from.length, (lblk + i + 1) * blockSize - start);
      for (let k = at; k < end; k++) if (from[k] !== 0) return i;
    }
    return count;
  }

  /** The contents are on the disk up to byte `end`: the size there may reach it. */
  reach(end: number): void {
    const { inode: ip } = this;
    const size = Math.min(end, ip.sizeBytes);
    if (size > ip.diskSizeBytes) ip.diskSizeBytes = size;
  }
}
