/**
 * Contents of a regular file in memory: the pager of its page cache, with delayed allocation.
 *
 * A block that was written in memory and has none on the disk yet is *delayed*:
 * space for it, and for the block map's growth, is promised from the moment
 * its page gets dirty, so that writing it out cannot fail for want of space.
 * What is delayed is a hole of the map until it is written (blockwriter.ts).
 * See fs/ext4/inode.c of Linux for what must hold.
 */
import { EAGAIN, EBUSY, EFBIG, ENOSPC, EROFS, failed } from "../../abi/errno.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { PagedObject } from "../../vm/pagedobject.ts";
import type { Pager } from "../../vm/pager.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import type { DirtyDomain } from "../../vm/writeback.ts";
import { BlockWriter } from "./blockwriter.ts";
import { readData } from "./data.ts";
import { Delayed } from "./delayed.ts";
import { maxBytes } from "./filemap.ts";
import { inlineRoom, leaveInline, mayBeInline, storeInline } from "./inlinefile.ts";
import type { Inode } from "./inode.ts";
import { INLINE_DATA_FL } from "./layout.ts";

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
  readonly delayed: Delayed;
  readonly #writer: BlockWriter;
  /** Blocks whose space `prepareWrite` has promised, while the write is under way. */
  #writeFrom = 0;
  #writeEnd = 0;
  /** The last writer may use what is kept for the superuser. */
  #isPrivileged = true;

  constructor(inode: Inode, frames: PageAllocator, domain: DirtyDomain) {
    this.inode = inode;
    this.delayed = new Delayed(inode, domain);
    this.#writer = new BlockWriter(inode, this.delayed);
    this.object = new PagedObject(frames, this, inode.sizeBytes, domain);
  }

  // The pager.

  pageIn(first: number, into: Uint8Array): number {
    return readData(this.inode, first * PAGE_SIZE, into, this.#writer.run);
  }

  pageOut(first: number, from: Uint8Array): number {
    const { inode: ip } = this;
    const { volume } = ip;
    if (volume.isReadOnly) return EROFS;
    if (volume.cache.isBusy) return EAGAIN;
    const start = first * PAGE_SIZE;
    const end = Math.min(start + from.length, ip.sizeBytes);
    if (end > start) {
      const r = this.#isInline(start)
        ? storeInline(ip, from)
        : this.#writer.write(start, end, from);
      if (r === EBUSY) return EAGAIN;
      if (failed(r)) {
        if (r !== EAGAIN) volume.warn(`inode #${ip.ino}: error ${-r} writing at offset ${start}`);
        return r;
      }
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
    return this.#promise(from, end);
  }

  /** Of a page of several blocks write(2) may have dirtied one. */
  mayStore(pindex: number): number {
    const { inode: ip } = this;
    const per = PAGE_SIZE / ip.volume.geometry.blockSize;
    if (per <= 1 || ip.has(INLINE_DATA_FL)) return 0;
    return this.#promise(pindex * per, (pindex + 1) * per);
  }

  /** Space for the holes among [from, end), all or none. */
  #promise(from: number, end: number): number {
    const added: number[] = [];
    const got = this.delayed.add(from, end, this.#isPrivileged, added);
    if (got === end) return 0;
    for (let i = 0; i < added.length; i += 2) this.delayed.remove(added[i]!, added[i + 1]!);
    return failed(got) ? got : ENOSPC;
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
    this.#writer.timesPending = true;
  }

  /** Brings the times that wait to the inode table. */
  saveTimes(): number {
    return this.#saveInode(0);
  }

  /** The map was changed: what is remembered of it is void. */
  mapChanged(): void {
    this.#writer.mapChanged();
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

  /** Brings the size up to `end`, and times, to the inode table if they wait. */
  #saveInode(end: number): number {
    const { inode: ip } = this;
    const { volume } = ip;
    const grows = Math.min(end, ip.sizeBytes) > ip.diskSizeBytes;
    if ((!grows && !this.#writer.timesPending) || volume.isReadOnly) return 0;
    const r = volume.tx.start(1);
    if (failed(r)) return r === EBUSY ? EAGAIN : r;
    this.#writer.reach(end);
    const saved = grows ? ip.dirty() : ip.dirtyTimes();
    this.#writer.timesPending = false;
    volume.tx.stop();
    return saved;
  }

  // Small things.

  #blockBefore(offset: number): number {
    return Math.floor(offset / this.inode.volume.geometry.blockSize);
  }

  /** The first block that begins at or after byte `offset`. */
  #blockAt(offset: number): number {
    return Math.ceil(offset / this.inode.volume.geometry.blockSize);
  }
}
