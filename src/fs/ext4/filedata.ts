/**
 * Contents of a regular file in memory: the pager of its page cache, with delayed allocation.
 *
 * A block that was written in memory and has none on the disk yet is *delayed*:
 * space for it, and for the block map's growth, is promised from the moment
 * its page gets dirty, so that writing it out cannot fail for want of space.
 * Writing out takes a whole run, writes it, and only then maps it and lets the
 * size on disk reach it, all in one transaction: no crash shows a block's
 * earlier contents. What is delayed is a hole of the map.
 * See fs/ext4/inode.c of Linux for what must hold.
 */
import { EAGAIN, EBUSY, EFBIG, ENOSPC, EROFS, failed } from "../../abi/errno.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { PagedObject } from "../../vm/pagedobject.ts";
import type { Pager } from "../../vm/pager.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import type { DirtyDomain } from "../../vm/writeback.ts";
import { type AllocOptions, freeBlocks, type Run } from "./alloc.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { readData } from "./data.ts";
import { Delayed } from "./delayed.ts";
import { markExtent } from "./extenttree.ts";
import { homeOf, MAP_CREDITS, mapBlocks, maxBytes } from "./filemap.ts";
import { inlineRoom, leaveInline, mayBeInline, storeInline } from "./inlinefile.ts";
import type { Inode } from "./inode.ts";
import { INLINE_DATA_FL } from "./layout.ts";

/** Unwritten extents are one block shorter at most than others. */
const MARK_MAX = 32767;

/** Commits what changed of an inode: all, or what reading it back needs. 0 or EIO. */
export function syncInode(ip: Inode, dataOnly: boolean): number {
  const { tx, device } = ip.volume;
  const sequence = dataOnly ? ip.dataSequence : ip.sequence;
  return sequence === 0 || tx.isCommitted(sequence) ? device.flush() : tx.commit();
}

export class FileData implements Pager {
  readonly inode: Inode;
  readonly object: PagedObject;
  /** It was cut to nothing: what is written then replaces what was there. */
  isReplaced = false;
  /** Times changed in memory that the inode table does not have yet. */
  timesPending = false;
  readonly delayed: Delayed;
  /** The last run that was looked up. */
  readonly #run = new BlockRun();
  /** Where the last run that was allocated ends, in the file and on the volume. */
  #lastEnd = -1;
  #lastPblk = 0;
  /** Blocks whose space `prepareWrite` has promised, while the write is under way. */
  #writeFrom = 0;
  #writeEnd = 0;
  /** The last writer may use what is kept for the superuser. */
  #isPrivileged = true;

  constructor(inode: Inode, frames: PageAllocator, domain: DirtyDomain) {
    this.inode = inode;
    this.delayed = new Delayed(inode, domain);
    this.object = new PagedObject(frames, this, inode.sizeBytes, domain);
  }

  // The pager.

  pageIn(first: number, into: Uint8Array): number {
    return readData(this.inode, first * PAGE_SIZE, into, this.#run);
  }

  pageOut(first: number, from: Uint8Array): number {
    const { inode: ip } = this;
    const { volume } = ip;
    if (volume.isReadOnly) return EROFS;
    if (volume.cache.isBusy) return EAGAIN;
    const start = first * PAGE_SIZE;
    const end = Math.min(start + from.length, ip.sizeBytes);
    if (end > start) {
      const r = this.#isInline(start) ? storeInline(ip, from) : this.#writeBlocks(start, end, from);
      if (failed(r)) return r === EBUSY ? EAGAIN : r;
    }
    this.delayed.remove(this.#blockAt(start), this.#blockAt(start + from.length));
    return this.#saveInode(end);
  }

  mayDirty(pindex: number): number {
    const { inode: ip } = this;
    if (ip.volume.isReadOnly) return EROFS;
    if (ip.has(INLINE_DATA_FL)) return 0;
    const { blockSize } = ip.volume.geometry;
    const from = Math.floor((pindex * PAGE_SIZE) / blockSize);
    const end = Math.ceil(((pindex + 1) * PAGE_SIZE) / blockSize);
    if (from < this.#writeEnd && end > this.#writeFrom) return 0;
    const got = this.delayed.add(from, end, this.#isPrivileged, null);
    if (failed(got)) return got;
    if (got === end) return 0;
    this.delayed.remove(from, got);
    return ENOSPC;
  }

  undirtied(pindex: number): void {
    const { blockSize } = this.inode.volume.geometry;
    let from = Math.floor((pindex * PAGE_SIZE) / blockSize);
    const end = Math.ceil(((pindex + 1) * PAGE_SIZE) / blockSize);
    if (blockSize > PAGE_SIZE) {
      const pages = blockSize / PAGE_SIZE;
      if (this.object.dirtyWithin(from * pages, end * pages).length > 0) from = end;
    }
    this.delayed.remove(from, end);
  }

  grown(sizeBytes: number): void {
    this.inode.sizeBytes = sizeBytes;
  }

  // What the vnode asks for.

  /**
   * Before `count` bytes are written at `offset`: makes sure of their space. How many can be
   * written, or ENOSPC, EFBIG, EROFS, EIO, EUCLEAN. `finishWrite` must follow unless it fails.
   */
  prepareWrite(offset: number, count: number, isPrivileged: boolean): number {
    const { inode: ip } = this;
    const { volume } = ip;
    if (volume.isReadOnly) return EROFS;
    this.#isPrivileged = isPrivileged;
    if (ip.has(INLINE_DATA_FL)) {
      if (offset + count <= inlineRoom(ip)) return count;
      const r = this.leaveInline();
      if (failed(r)) return r;
    }
    const limit = maxBytes(ip);
    if (offset >= limit) return EFBIG;
    const wanted = Math.min(count, limit - offset);
    const from = this.#blockBefore(offset);
    const end = this.#blockAt(offset + wanted);
    this.#writeFrom = from;
    this.#writeEnd = from;
    const got = this.delayed.add(from, end, isPrivileged, this.#added);
    if (failed(got)) return got;
    this.#writeEnd = got;
    const bytes = Math.min(wanted, got * volume.geometry.blockSize - offset);
    if (bytes > 0) return bytes;
    this.finishWrite(offset, 0);
    return ENOSPC;
  }

  /** Takes back the promise for what was not written after all: `done` bytes were. */
  finishWrite(offset: number, done: number): void {
    const kept = done > 0 ? this.#blockAt(offset + done) : this.#writeFrom;
    this.#writeEnd = this.#writeFrom;
    for (let i = 0; i < this.#added.length; i += 2) {
      const end = this.#added[i + 1]!;
      if (end > kept) this.delayed.remove(Math.max(kept, this.#added[i]!), end);
    }
    this.#added.length = 0;
  }
  /** Ranges of blocks that the write under way added to what is delayed. */
  readonly #added: number[] = [];

  /** Writes dirty pages, and the size and times that wait. 0, or the first error. */
  writeOut(): number {
    const r = this.object.sync(0, Number.POSITIVE_INFINITY);
    // With nothing left to write, what is missing at the end of the file is a hole.
    const isAll = !failed(r) && this.delayed.blocks.size === 0;
    const saved = this.#saveInode(isAll ? this.inode.sizeBytes : 0);
    return failed(r) ? r : saved;
  }

  /** Somebody is done with writing it. What replaces a file does not wait, as with Linux's auto_da_alloc. */
  writerClosed(): void {
    if (!this.isReplaced) return;
    this.isReplaced = false;
    this.object.sync(0, Number.POSITIVE_INFINITY);
  }

  /** All of it, or all that reading it back needs, is on stable storage. 0, EIO, ENOSPC. */
  fsync(dataOnly: boolean): number {
    const r =
      dataOnly && this.inode.diskSizeBytes >= this.inode.sizeBytes
        ? this.object.sync(0, Number.POSITIVE_INFINITY)
        : this.writeOut();
    const synced = syncInode(this.inode, dataOnly);
    return failed(r) ? r : synced;
  }

  /** The contents changed now. */
  touch(): void {
    const { inode: ip } = this;
    const now = ip.volume.clock.realtime();
    ip.mtime = now;
    ip.ctime = now;
    this.timesPending = true;
  }

  /** Brings the times that wait to the inode table. */
  saveTimes(): number {
    return this.#saveInode(0);
  }

  /** The map was changed: what is remembered of it is void. */
  mapChanged(): void {
    this.#run.set(0, HOLE, 0);
    this.#lastEnd = -1;
  }

  /** None of the blocks [from, end) is delayed any more. */
  forgetDelayed(from: number, end: number = Number.POSITIVE_INFINITY): void {
    this.delayed.remove(from, end);
  }

  /** Moves contents that lie in the inode to a block. */
  leaveInline(): number {
    const r = this.object.sync(0, Number.POSITIVE_INFINITY);
    if (failed(r)) return r;
    this.mapChanged();
    return leaveInline(this.inode);
  }

  /** Lets go of memory and promises: nobody uses the file any more. */
  release(): void {
    this.object.release();
    this.forgetDelayed(0);
  }

  // Writing out.

  /** The page at `start` is all of the file, and goes into the inode; if it is there and does not fit any more, moves it out. */
  #isInline(start: number): boolean {
    const { inode: ip } = this;
    if (!ip.has(INLINE_DATA_FL)) return start === 0 && mayBeInline(ip);
    if (ip.sizeBytes <= inlineRoom(ip)) return true;
    leaveInline(ip);
    return ip.has(INLINE_DATA_FL);
  }

  #writeBlocks(start: number, end: number, from: Uint8Array): number {
    const { blockSize } = this.inode.volume.geometry;
    const stop = this.#blockAt(end);
    for (let lblk = Math.floor(start / blockSize); lblk < stop; ) {
      const r = this.#find(lblk);
      if (failed(r)) return r;
      const run = this.#run;
      const runEnd = Math.min(stop, run.lblk + run.count);
      let n = runEnd - lblk;
      let w = 0;
      if (run.pblk !== HOLE) {
        w = this.#put(run.at(lblk), lblk, n, start, from, false);
      } else if (run.unwritten !== HOLE) {
        n = Math.min(n, MARK_MAX);
        w = this.#fillUnwritten(run.unwritten + lblk - run.lblk, lblk, n, start, from);
      } else if (this.delayed.blocks.next(lblk) === lblk) {
        n = Math.min(runEnd, this.delayed.blocks.nextGap(lblk)) - lblk;
        w = this.#fillHole(lblk, n, start, from, true);
        if (!failed(w)) n = w;
      } else {
        // Nobody promised space for it, so it is zeroes, unless a map stored into a page that was dirty already.
        n = Math.min(runEnd, this.delayed.blocks.next(lblk)) - lblk;
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
    this.#run.set(lblk, run.start, run.count);
    this.#reach((lblk + run.count) * volume.geometry.blockSize);
    this.delayed.remove(lblk, lblk + run.count);
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
    this.#run.set(0, HOLE, 0);
    if (!failed(r)) {
      this.#reach((lblk + count) * volume.geometry.blockSize);
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
  #reach(end: number): void {
    const { inode: ip } = this;
    const size = Math.min(end, ip.sizeBytes);
    if (size > ip.diskSizeBytes) ip.diskSizeBytes = size;
  }

  /** Brings the size up to `end`, and times, to the inode table if they wait. */
  #saveInode(end: number): number {
    const { inode: ip } = this;
    const { volume } = ip;
    const grows = Math.min(end, ip.sizeBytes) > ip.diskSizeBytes;
    if ((!grows && !this.timesPending) || volume.isReadOnly) return 0;
    const r = volume.tx.start(1);
    if (failed(r)) return r === EBUSY ? EAGAIN : r;
    this.#reach(end);
    const saved = grows ? ip.dirty() : ip.dirtyTimes();
    this.timesPending = false;
    volume.tx.stop();
    return saved;
  }

  // Small things.

  /** Makes `#run` cover `lblk`. */
  #find(lblk: number): number {
    return this.#run.covers(lblk) ? 0 : mapBlock(this.inode, lblk, this.#run);
  }

  #blockBefore(offset: number): number {
    return Math.floor(offset / this.inode.volume.geometry.blockSize);
  }

  /** The first block that begins at or after byte `offset`. */
  #blockAt(offset: number): number {
    return Math.ceil(offset / this.inode.volume.geometry.blockSize);
  }
}
