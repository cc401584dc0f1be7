/**
 * The extent tree, changed: extents come in merged with their neighbours, nodes
 * split when they are full, empty ones go.
 *
 * Every index entry's key is the first block of its child, and no node but the
 * root is empty, whenever a function here returns. What can fail for want of
 * space happens first and leaves a sound tree. The caller has the transaction
 * and makes the inode dirty afterwards.
 * Source: fs/ext4/extents.c of Linux for what must hold.
 */
import { EFBIG, type Errno, failed } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import { allocBlocks, freeBlocks } from "./alloc.ts";
import {
  changed,
  childBlock,
  childNode,
  depthOf,
  entries,
  firstBlock,
  formatNode,
  INIT_MAX_LEN,
  isUnwritten,
  lengthOf,
  MAX_DEPTH,
  maxEntries,
  moveEntries,
  type Node,
  openEntry,
  removeEntry,
  rootNode,
  search,
  setDepth,
  setExtent,
  setFirstBlock,
  setIndex,
  startBlock,
  UNWRITTEN_MAX_LEN,
} from "./extentnode.ts";
import type { Inode } from "./inode.ts";

/** Blocks that inserting or cutting changes at most: a split on each level, their bitmaps, the inode. */
export const EXTENT_CREDITS = 5 * (MAX_DEPTH + 1) + 1;

/** A node on the way down, and its entry that the way goes through; -1: before the first of a leaf. */
interface Level {
  readonly node: Node;
  index: number;
}

/** Maps [lblk, lblk + count), which is a hole, to blocks from `pblk` on. ENOSPC, EIO, EUCLEAN. */
export function insertExtent(
  ip: Inode,
  lblk: number,
  pblk: number,
  count: number,
  unwritten: boolean,
): number {
  for (;;) {
    const path = descend(ip, lblk);
    if (typeof path === "number") return path;
    const { node, index } = path[path.length - 1]!;
    if (mergeIn(ip, path, lblk, pblk, count, unwritten)) return 0;
    if (entries(node) < maxEntries(node)) {
      openEntry(node, index + 1);
      setExtent(node, index + 1, lblk, pblk, count, unwritten);
      changed(ip, node);
      correctKeys(ip, path, path.length - 1);
      return 0;
    }
    const r = split(ip, path, lblk);
    if (failed(r)) return r;
  }
}

/** Changes whether [lblk, lblk + count), which lies in one extent, reads as zeroes. ENOSPC, EIO, EUCLEAN. */
export function markExtent(ip: Inode, lblk: number, count: number, unwritten: boolean): number {
  const path = descendToCut(ip, lblk, lblk + count, 1);
  if (typeof path === "number") return path;
  const { node, index } = path[path.length - 1]!;
  if (index < 0 || !contains(node, index, lblk, count)) {
    return ip.volume.corrupt(`inode #${ip.ino}: extent at ${lblk} is not what it was`);
  }
  if (isUnwritten(node, index) === unwritten) return 0;
  const pblk = startBlock(node, index) + lblk - firstBlock(node, index);
  cut(ip, path, lblk, lblk + count);
  return insertExtent(ip, lblk, pblk, count, unwritten);
}

/** Sees to it that no extent reaches across the edge before `lblk`. ENOSPC, EIO, EUCLEAN. */
export function splitExtent(ip: Inode, lblk: number): number {
  const path = descendToCut(ip, lblk, lblk, 0);
  if (typeof path === "number") return path;
  const { node, index } = path[path.length - 1]!;
  if (index >= 0 && contains(node, index, lblk - 1, 2)) cut(ip, path, lblk, lblk);
  return 0;
}

/**
 * Unmaps, from the end, what one leaf maps of [from, end), at most `most` extents of it,
 * and frees the blocks. Answers from which block on nothing of [from, end) is mapped any
 * more: `from` when all is done. ENOSPC only if an extent is to be cut in two.
 */
export function unmapExtents(ip: Inode, from: number, end: number, most: number): number {
  const path = descendToCut(ip, from, end, 0);
  if (typeof path === "number") return path;
  const leaf = path[path.length - 1]!;
  const { node } = leaf;
  if (leaf.index < 0) return Math.max(from, keyOnTheLeft(path, from));
  let mapped = end;
  let result = 0;
  for (let n = 0; n < most && leaf.index >= 0 && mapped > from; n++) {
    const first = firstBlock(node, leaf.index);
    const stop = first + lengthOf(node, leaf.index);
    const lo = Math.max(first, from);
    const hi = Math.min(stop, mapped);
    if (hi > lo) {
      const pblk = startBlock(node, leaf.index) + lo - first;
      cut(ip, path, lo, hi);
      const r = holdLess(ip, pblk, hi - lo, ip.isMetadata);
      if (failed(r)) result = r;
    }
    mapped = hi > lo && first > from ? lo : from;
    leaf.index--;
  }
  const r = prune(ip, path);
  if (failed(r)) return r;
  return failed(result) ? result : mapped;
}

/** Moves the extents of the leaf that `lblk` is in, those at or after `from`, by `by` blocks. */
export function shiftLeaf(ip: Inode, lblk: number, from: number, by: number): Neighbours | Errno {
  const path = descend(ip, lblk);
  if (typeof path === "number") return path;
  const { node } = path[path.length - 1]!;
  const around = {
    first: entries(node) > 0 ? firstBlock(node, 0) : 0,
    next: keyOnTheRight(path),
    isFirst: path.slice(0, -1).every((level) => level.index === 0),
  };
  let i = search(node, from);
  if (i < 0 || firstBlock(node, i) < from) i++;
  if (i === entries(node)) return around;
  for (let k = i; k < entries(node); k++) setFirstBlock(node, k, firstBlock(node, k) + by);
  changed(ip, node);
  correctKeys(ip, path, path.length - 1);
  return around;
}

/** Where a leaf began before it was shifted, and where the leaf after it begins; Infinity if it is the last. */
export interface Neighbours {
  readonly first: number;
  readonly next: number;
  readonly isFirst: boolean;
}

/** Blocks that the tree may need at most to map `count` more blocks, each an extent of its own. */
export function extentBlocksFor(blockSize: number, count: number): number {
  if (count === 0) return 0;
  const half = Math.floor((blockSize - 12) / 24);
  let blocks = 2;
  for (let n = count; n > 1; ) {
    n = Math.ceil(n / half);
    blocks += n;
  }
  return blocks;
}

/** The way to the leaf in which `lblk` is or belongs. */
function descend(ip: Inode, lblk: number): Level[] | Errno {
  let node = rootNode(ip);
  if (typeof node === "number") return node;
  const path: Level[] = [];
  for (let depth = depthOf(node); depth > 0; depth--) {
    const index = Math.max(0, search(node, lblk));
    path.push({ node, index });
    node = childNode(ip, node, index, depth - 1);
    if (typeof node === "number") return node;
  }
  path.push({ node, index: search(node, lblk) });
  return path;
}

/**
 * The way to the last extent that begins before `hi`, in a leaf with room for the pieces
 * that are left of it when [lo, hi) is cut out, and for `more` entries.
 */
function descendToCut(ip: Inode, lo: number, hi: number, more: number): Level[] | Errno {
  for (;;) {
    const path = descend(ip, hi - 1);
    if (typeof path === "number") return path;
    const { node, index } = path[path.length - 1]!;
    if (index < 0) return path;
    const first = firstBlock(node, index);
    const stop = first + lengthOf(node, index);
    const slots = (first < lo ? 1 : 0) + (stop > hi ? 1 : 0) - 1 + more;
    if (stop <= lo || entries(node) + slots <= maxEntries(node)) return path;
    const r = split(ip, path, null);
    if (failed(r)) return r;
  }
}

function contains(node: Node, index: number, lblk: number, count: number): boolean {
  const first = firstBlock(node, index);
  return first <= lblk && first + lengthOf(node, index) >= lblk + count;
}

/** Cuts [lo, hi) out of the extent that `path` leads to; there is room for what is left. */
function cut(ip: Inode, path: readonly Level[], lo: number, hi: number): void {
  const { node, index } = path[path.length - 1]!;
  const first = firstBlock(node, index);
  const pblk = startBlock(node, index);
  const stop = first + lengthOf(node, index);
  const unwritten = isUnwritten(node, index);
  if (first === lo && stop === hi) removeEntry(node, index);
  if (first < lo) setExtent(node, index, first, pblk, lo - first, unwritten);
  if (stop > hi) {
    const at = first < lo ? index + 1 : index;
    if (first < lo) openEntry(node, at);
    setExtent(node, at, hi, pblk + hi - first, stop - hi, unwritten);
  }
  changed(ip, node);
}

/** Makes the new extent part of those beside it, if they go on where it begins and ends. */
function mergeIn(
  ip: Inode,
  path: readonly Level[],
  lblk: number,
  pblk: number,
  count: number,
  unwritten: boolean,
): boolean {
  const { node, index } = path[path.length - 1]!;
  const max = unwritten ? UNWRITTEN_MAX_LEN : INIT_MAX_LEN;
  const right = index + 1;
  let before = 0;
  let after = 0;
  if (index >= 0 && isUnwritten(node, index) === unwritten) {
    const length = lengthOf(node, index);
    const isNext = firstBlock(node, index) + length === lblk;
    if (isNext && startBlock(node, index) + length === pblk) before = length;
  }
  if (right < entries(node) && isUnwritten(node, right) === unwritten) {
    const isNext = firstBlock(node, right) === lblk + count;
    if (isNext && startBlock(node, right) === pblk + count) after = lengthOf(node, right);
  }
  if (before > 0 && before + count <= max) {
    const isWhole = after > 0 && before + count + after <= max;
    const length = before + count + (isWhole ? after : 0);
    setExtent(node, index, lblk - before, pblk - before, length, unwritten);
    if (isWhole) removeEntry(node, right);
  } else if (after > 0 && count + after <= max) {
    setExtent(node, right, lblk, pblk, count + after, unwritten);
  } else {
    return false;
  }
  changed(ip, node);
  correctKeys(ip, path, path.length - 1);
  return true;
}

/**
 * Makes room on the way: splits the highest node that has to be, or lets the tree grow by a level.
 * If `next` goes behind all that its leaf has, the new leaf starts empty with it: files that
 * grow fill their leaves.
 */
function split(ip: Inode, path: readonly Level[], next: number | null): number {
  let level = path.length - 1;
  const isFull = (n: Node): boolean => entries(n) >= maxEntries(n);
  while (level > 0 && isFull(path[level - 1]!.node)) level--;
  if (level === 0) return grow(ip, path[0]!.node);
  const { node, index } = path[level]!;
  const count = entries(node);
  const isLast = index + 1 === count;
  const isLeaf = level === path.length - 1;
  let at = count >>> 1;
  if (isLast && next !== null) at = isLeaf ? count : count - 1;
  const bp = newBlock(ip, node.bp!.blkno);
  if (typeof bp === "number") return bp;
  const key = at === count ? next! : firstBlock(node, at);
  const made = formatNode(ip, bp, depthOf(node));
  moveEntries(node, at, made);
  changed(ip, made);
  changed(ip, node);
  const parent = path[level - 1]!;
  openEntry(parent.node, parent.index + 1);
  setIndex(parent.node, parent.index + 1, key, bp.blkno);
  changed(ip, parent.node);
  return 0;
}

/** Moves what the root has into a new node below it. */
function grow(ip: Inode, root: Node): number {
  const depth = depthOf(root);
  if (depth >= MAX_DEPTH) return EFBIG;
  const bp = newBlock(ip, depth > 0 ? childBlock(root, 0) : startBlock(root, 0));
  if (typeof bp === "number") return bp;
  const made = formatNode(ip, bp, depth);
  moveEntries(root, 0, made);
  changed(ip, made);
  setDepth(root, depth + 1);
  openEntry(root, 0);
  setIndex(root, 0, firstBlock(made, 0), bp.blkno);
  return 0;
}

/** After entries went: frees nodes that are empty, corrects keys, and takes back into the root what fits. */
function prune(ip: Inode, path: readonly Level[]): number {
  let level = path.length - 1;
  for (; level > 0 && entries(path[level]!.node) === 0; level--) {
    const parent = path[level - 1]!;
    removeEntry(parent.node, parent.index);
    changed(ip, parent.node);
    const r = holdLess(ip, path[level]!.node.bp!.blkno, 1, true);
    if (failed(r)) return r;
  }
  const root = path[0]!.node;
  if (entries(root) === 0) {
    setDepth(root, 0);
    return 0;
  }
  correctKeys(ip, path, level);
  while (depthOf(root) > 0 && entries(root) === 1) {
    const child = childNode(ip, root, 0, depthOf(root) - 1);
    if (typeof child === "number" || entries(child) > maxEntries(root)) return 0;
    const block = childBlock(root, 0);
    removeEntry(root, 0);
    moveEntries(child, 0, root);
    setDepth(root, depthOf(child));
    const r = holdLess(ip, block, 1, true);
    if (failed(r)) return r;
  }
  return 0;
}

/** Sets the keys above the node at `level` to its first block. */
function correctKeys(ip: Inode, path: readonly Level[], level: number): void {
  for (let k = level; k > 0; k--) {
    const parent = path[k - 1]!;
    const key = firstBlock(path[k]!.node, 0);
    if (firstBlock(parent.node, parent.index) === key) return;
    setFirstBlock(parent.node, parent.index, key);
    changed(ip, parent.node);
    if (parent.index > 0) return;
  }
}

/** The key of the branch that the way goes through, where it has branches to its left; else `none`. */
function keyOnTheLeft(path: readonly Level[], none: number): number {
  for (let k = path.length - 2; k >= 0; k--) {
    const { node, index } = path[k]!;
    if (index > 0) return firstBlock(node, index);
  }
  return none;
}

function keyOnTheRight(path: readonly Level[]): number {
  for (let k = path.length - 2; k >= 0; k--) {
    const { node, index } = path[k]!;
    if (index + 1 < entries(node)) return firstBlock(node, index + 1);
  }
  return Number.POSITIVE_INFINITY;
}

/** A zeroed block for the tree, which the inode holds from now on. */
function newBlock(ip: Inode, goal: number): Buf | Errno {
  const { volume } = ip;
  const run = allocBlocks(volume, goal, 1, { isReserved: true });
  if (typeof run === "number") return run;
  const bp = volume.bnew(run.start);
  if (typeof bp === "number") {
    freeBlocks(volume, run.start, 1, { isMetadata: true });
    return bp;
  }
  ip.blocks512 += volume.geometry.blockSize / 512;
  return bp;
}

/** Gives blocks of the inode back: 0, or what is wrong with them. */
function holdLess(ip: Inode, start: number, count: number, isMetadata: boolean): number {
  const r = freeBlocks(ip.volume, start, count, { isMetadata });
  const held = ip.blocks512 - count * (ip.volume.geometry.blockSize / 512);
  ip.blocks512 = Math.max(0, held);
  return r;
}
