/**
 * fallocate(2): blocks ahead of their contents, holes, zeroes, and ranges taken out of a file or put in.
 *
 * Blocks that are allocated here are unwritten, so nothing is written to them.
 * Ranges that must not be in memory meanwhile are written out first; the edges
 * that are less than a block are zeroed through the page cache.
 * Source: ext4_fallocate and those it calls, fs/ext4/extents.c.
 */
import { EFBIG, EINVAL, EOPNOTSUPP, EROFS, failed } from "../../abi/errno.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "../../abi/fcntl.ts";
import { zeroObject } from "../../vfs/pagecache.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { freeBlocks } from "./alloc.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { markExtent, shiftLeaf, splitExtent } from "./extenttree.ts";
import type { FileData } from "./filedata.ts";
import { homeOf, LBLK_MAX, MAP_CREDITS, mapBlocks, maxBytes, unmapRange } from "./filemap.ts";
import { inlineRoom, mayBeInline } from "./inlinefile.ts";
import type { Inode } from "./inode.ts";
import { EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";

/** Longest unwritten extent. */
const UNWRITTEN_MAX = 32767;
/** A block of every level of the tree, and the inode. */
const SHIFT_CREDITS = 8;

/** 0, or EOPNOTSUPP, EINVAL, EFBIG, ENOSPC, EROFS, EIO, EUCLEAN; what was done until then stays. */
export function fallocate(data: FileData, mode: number, offset: number, length: number): number {
  const { inode: ip } = data;
  if (ip.volume.isReadOnly) return EROFS;
  const end = offset + length;
  const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  const what = mode & ~FALLOC_FL_KEEP_SIZE;
  if (mayBeInline(ip)) {
    // What waits in memory would go into the inode later, when there are blocks already.
    const r = data.object.sync(0, Number.POSITIVE_INFINITY);
    if (failed(r)) return r;
  }
  if (ip.has(INLINE_DATA_FL)) {
    const r = what === 0 && end <= inlineRoom(ip) ? 0 : data.leaveInline();
    if (failed(r)) return r;
    if (ip.has(INLINE_DATA_FL)) return reach(data, keepsSize ? 0 : end);
  }
  if (what === FALLOC_FL_PUNCH_HOLE) return keepsSize ? punch(data, offset, end) : EOPNOTSUPP;
  if (!ip.has(EXTENTS_FL)) return EOPNOTSUPP;
  if (what === FALLOC_FL_COLLAPSE_RANGE) return keepsSize ? EINVAL : collapse(data, offset, end);
  if (what === FALLOC_FL_INSERT_RANGE) return keepsSize ? EINVAL : insert(data, offset, length);
  if (end > maxBytes(ip)) return EFBIG;
  if (what === FALLOC_FL_ZERO_RANGE) return zero(data, offset, end, keepsSize);
  return what === 0 ? preallocate(data, offset, end, keepsSize) : EOPNOTSUPP;
}

function preallocate(data: FileData, offset: number, end: number, keepsSize: boolean): number {
  let r = writeRange(data, offset, end);
  if (!failed(r)) r = fillHoles(data, offset, end);
  if (failed(r)) return r;
  return reach(data, keepsSize ? 0 : end);
}

/** Zeroes in blocks that stay allocated. */
function zero(data: FileData, offset: number, end: number, keepsSize: boolean): number {
  const { inode: ip, object } = data;
  const { blockSize } = ip.volume.geometry;
  let r = writeRange(data, offset, end);
  if (!failed(r)) r = fillHoles(data, offset, end);
  if (!failed(r)) r = zeroEdges(data, offset, end);
  if (failed(r)) return r;
  const first = Math.ceil(offset / blockSize);
  const stop = Math.floor(end / blockSize);
  const run = new BlockRun();
  for (let lblk = first; lblk < stop; ) {
    r = mapBlock(ip, lblk, run);
    if (failed(r)) return r;
    const n = Math.min(run.count, stop - lblk, UNWRITTEN_MAX);
    if (run.pblk !== HOLE) {
      r = change(data, MAP_CREDITS, () => markExtent(ip, lblk, n, true));
      if (failed(r)) return r;
    }
    lblk += n;
  }
  dropBlocks(data, first, stop);
  // Zeroed edges of pages that are partly in blocks that went stay dirty.
  object.zeroTail();
  return reach(data, keepsSize ? 0 : end);
}

function punch(data: FileData, offset: number, end: number): number {
  const { inode: ip } = data;
  const { blockSize } = ip.volume.geometry;
  const first = Math.ceil(offset / blockSize);
  const stop = Math.min(LBLK_MAX, Math.floor(end / blockSize));
  let r = zeroEdges(data, offset, end);
  if (failed(r) || first >= stop) return r;
  r = unmapRange(ip, first, stop);
  data.mapChanged();
  if (!failed(r)) dropBlocks(data, first, stop);
  return r;
}

function collapse(data: FileData, offset: number, end: number): number {
  const { inode: ip } = data;
  const { blockSize } = ip.volume.geometry;
  if (offset % blockSize !== 0 || end % blockSize !== 0 || end >= ip.sizeBytes) return EINVAL;
  let r = emptyCache(data, offset);
  if (failed(r)) return r;
  const first = offset / blockSize;
  const stop = end / blockSize;
  r = unmapRange(ip, first, stop);
  for (let at = stop; !failed(r) && at < LBLK_MAX; ) {
    r = change(data, SHIFT_CREDITS, () => {
      const around = shiftLeaf(ip, at, stop, first - stop);
      if (typeof around === "number") return around;
      at = around.next;
      return 0;
    });
  }
  if (failed(r)) return r;
  return setSize(data, ip.sizeBytes - (end - offset));
}

function insert(data: FileData, offset: number, length: number): number {
  const { inode: ip } = data;
  const { blockSize } = ip.volume.geometry;
  if (offset % blockSize !== 0 || length % blockSize !== 0 || offset >= ip.sizeBytes) return EINVAL;
  if (ip.sizeBytes + length > maxBytes(ip)) return EFBIG;
  let r = emptyCache(data, offset);
  if (failed(r)) return r;
  const first = offset / blockSize;
  const count = length / blockSize;
  // What is allocated behind the end moves as well.
  const run = new BlockRun();
  r = mapBlock(ip, LBLK_MAX - count, run);
  if (failed(r)) return r;
  if (run.pblk !== HOLE || run.unwritten !== HOLE || LBLK_MAX - count + run.count < LBLK_MAX) {
    return EFBIG;
  }
  r = setSize(data, ip.sizeBytes + length);
  if (!failed(r)) r = change(data, MAP_CREDITS, () => splitExtent(ip, first));
  for (let at = LBLK_MAX - 1; !failed(r) && at >= first; ) {
    r = change(data, SHIFT_CREDITS, () => {
      const around = shiftLeaf(ip, at, first, count);
      if (typeof around === "number") return around;
      at = around.isFirst ? -1 : around.first - 1;
      return 0;
    });
  }
  return r;
}

/** Gives every hole in the blocks of the bytes [offset, end) unwritten blocks. */
function fillHoles(data: FileData, offset: number, end: number): number {
  const { inode: ip } = data;
  const { volume } = ip;
  const { blockSize } = volume.geometry;
  const first = Math.floor(offset / blockSize);
  const stop = Math.ceil(end / blockSize);
  const run = new BlockRun();
  let pblk = HOLE;
  if (first > 0) {
    const r = mapBlock(ip, first - 1, run);
    if (failed(r)) return r;
    pblk = lastOf(run, first - 1);
  }
  for (let lblk = first; lblk < stop; ) {
    let r = mapBlock(ip, lblk, run);
    if (failed(r)) return r;
    const n = Math.min(run.count, stop - lblk);
    if (run.pblk !== HOLE || run.unwritten !== HOLE) {
      pblk = lastOf(run, lblk + n - 1);
      lblk += n;
      continue;
    }
    r = volume.alloc.makeRoom(Math.min(n, UNWRITTEN_MAX), true);
    if (failed(r)) return r;
    r = change(data, MAP_CREDITS, () => {
      const goal = pblk === HOLE ? homeOf(ip) : pblk + 1;
      const got = addUnwritten(ip, lblk, Math.min(n, UNWRITTEN_MAX), goal, pblk !== HOLE);
      if (failed(got)) return got;
      lblk += got;
      return 0;
    });
    if (failed(r)) return r;
    r = mapBlock(ip, lblk - 1, run);
    if (failed(r)) return r;
    pblk = lastOf(run, lblk - 1);
  }
  return 0;
}

/** Maps up to `count` unwritten blocks: how many. */
function addUnwritten(
  ip: Inode,
  lblk: number,
  count: number,
  goal: number,
  isNext: boolean,
): number {
  const { volume } = ip;
  const run = volume.alloc.alloc(goal, count, { isNext });
  if (typeof run === "number") return run;
  const r = mapBlocks(ip, lblk, run.start, run.count, true);
  if (failed(r)) {
    freeBlocks(volume, run.start, run.count, { isMetadata: false });
    return r;
  }
  ip.blocks512 += (run.count * volume.geometry.blockSize) / 512;
  return run.count;
}

function lastOf(run: BlockRun, lblk: number): number {
  const start = run.pblk === HOLE ? run.unwritten : run.pblk;
  return start === HOLE ? HOLE : start + lblk - run.lblk;
}

/** Zeroes those bytes of [offset, end) that are in blocks not wholly inside it. */
function zeroEdges(data: FileData, offset: number, end: number): number {
  const { inode: ip } = data;
  const { blockSize } = ip.volume.geometry;
  const size = ip.sizeBytes;
  const head = Math.min(end, Math.ceil(offset / blockSize) * blockSize);
  const tail = Math.max(head, Math.floor(end / blockSize) * blockSize);
  const r = zeroBytes(data, offset, Math.min(head, size));
  return failed(r) ? r : zeroBytes(data, tail, Math.min(end, size));
}

/** Zeroes bytes within one block, on the disk too unless it is a hole. */
function zeroBytes(data: FileData, from: number, end: number): number {
  const { inode: ip, object } = data;
  if (from >= end) return 0;
  const { blockSize } = ip.volume.geometry;
  const run = new BlockRun();
  const r = mapBlock(ip, Math.floor(from / blockSize), run);
  if (failed(r)) return r;
  for (let page = Math.floor(from / PAGE_SIZE); page * PAGE_SIZE < end; page++) {
    if (run.pblk === HOLE && object.lookup(page) === 0) continue;
    const pa = object.getPage(page, run.pblk !== HOLE);
    if (failed(pa)) return pa;
  }
  return zeroObject(object, from, end);
}

/** The blocks [first, stop) read as zeroes now: so do the pages. */
function dropBlocks(data: FileData, first: number, stop: number): void {
  const { object } = data;
  const { blockSize } = data.inode.volume.geometry;
  const from = first * blockSize;
  const end = stop * blockSize;
  if (from >= end) return;
  data.forgetDelayed(first, stop);
  const firstPage = Math.ceil(from / PAGE_SIZE);
  const lastPage = Math.floor(end / PAGE_SIZE);
  if (firstPage > lastPage) {
    zeroObject(object, from, end);
    return;
  }
  zeroObject(object, from, firstPage * PAGE_SIZE);
  zeroObject(object, lastPage * PAGE_SIZE, end);
  object.discard(firstPage, lastPage);
}

function writeRange(data: FileData, offset: number, end: number): number {
  return data.object.sync(Math.floor(offset / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
}

/** Writes out all that is dirty, and forgets the pages from `offset` on. */
function emptyCache(data: FileData, offset: number): number {
  const { object } = data;
  const r = object.sync(0, Number.POSITIVE_INFINITY);
  if (failed(r)) return r;
  object.discard(Math.floor(offset / PAGE_SIZE), Number.POSITIVE_INFINITY);
  return 0;
}

/** Makes the file reach `end`, if it is shorter. */
function reach(data: FileData, end: number): number {
  return end > data.inode.sizeBytes ? setSize(data, end) : 0;
}

function setSize(data: FileData, size: number): number {
  const { inode: ip, object } = data;
  return change(data, 1, () => {
    object.zeroTail();
    object.truncate(size);
    ip.resize(size);
    return 0;
  });
}

/** Runs `what` in a transaction that makes the inode dirty. */
function change(data: FileData, credits: number, what: () => number): number {
  const { inode: ip } = data;
  const begun = ip.volume.tx.start(credits);
  if (failed(begun)) return begun;
  const r = what();
  data.mapChanged();
  const dirtied = ip.dirty();
  ip.volume.tx.stop();
  return failed(r) ? r : dirtied;
}
