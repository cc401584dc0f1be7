/**
 * The blocks of a file, mapped and unmapped: extents or the old block map.
 *
 * Functions that take many steps to finish make each a transaction of its own,
 * after which the file is sound; within somebody else's operation they are part of it.
 */
import { EFBIG, ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import { allocBlocks, CREDITS_PER_RUN, freeBlocks } from "./alloc.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { EXTENT_CREDITS, extentBlocksFor, insertExtent, unmapExtents } from "./extenttree.ts";
import {
  INDIRECT_CREDITS,
  indirectBlocksFor,
  mapIndirectBlocks,
  unmapIndirect,
} from "./indirectmap.ts";
import type { Inode } from "./inode.ts";
import { EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";

/** Blocks are numbered up to this within a file; the last number means "none". */
export const LBLK_MAX = 0xffffffff;
/** Blocks of metadata that mapping one run changes at most, its allocation included. */
export const MAP_CREDITS = EXTENT_CREDITS + INDIRECT_CREDITS + CREDITS_PER_RUN;
/** Groups that the runs freed in one transaction may touch. */
const GROUPS_PER_STEP = 32;
/** Longest extent. */
const RUN_MAX = 32768;

/** The largest size that a file of this kind can have, in bytes. */
export function maxBytes(ip: Inode): number {
  const { blockSize } = ip.volume.geometry;
  if (ip.has(EXTENTS_FL) || ip.has(INLINE_DATA_FL)) return LBLK_MAX * blockSize;
  const per = blockSize / 4;
  return Math.min(LBLK_MAX, 12 + per + per * per + per * per * per) * blockSize;
}

/** Maps [lblk, lblk + count), which is a hole, to blocks from `pblk` on. ENOSPC, EFBIG, EIO, EUCLEAN. */
export function mapBlocks(
  ip: Inode,
  lblk: number,
  pblk: number,
  count: number,
  unwritten: boolean,
): number {
  if (ip.has(EXTENTS_FL)) return insertExtent(ip, lblk, pblk, count, unwritten);
  const r = mapIndirectBlocks(ip, lblk, pblk, count);
  if (failed(r)) unmapStep(ip, lblk, lblk + count, Number.POSITIVE_INFINITY);
  return r;
}

/** Blocks of metadata that mapping `count` more blocks in `ranges` places may need. */
export function mapBlocksFor(ip: Inode, count: number, ranges: number): number {
  const { blockSize } = ip.volume.geometry;
  return ip.has(EXTENTS_FL)
    ? extentBlocksFor(blockSize, count)
    : indirectBlocksFor(blockSize, count, ranges);
}

/** Where a new block of the file is best looked for if none precedes it: in its inode's group. */
export function homeOf(ip: Inode): number {
  const { groups, geometry } = ip.volume;
  return groups.firstBlock(Math.floor((ip.ino - 1) / geometry.inodesPerGroup));
}

/**
 * Allocates a block of metadata (a directory's, a symlink's, an attribute's) and maps it at `lblk`, which is a hole;
 * within an operation. The block's number. ENOSPC, EIO.
 */
export function growBlock(ip: Inode, lblk: number): number {
  const before = new BlockRun();
  if (lblk > 0) {
    const r = mapBlock(ip, lblk - 1, before);
    if (failed(r)) return r;
  }
  const isNext = before.pblk !== HOLE;
  const run = allocBlocks(ip.volume, isNext ? before.pblk + 1 : homeOf(ip), 1, { isNext });
  if (typeof run === "number") return run;
  const r = mapBlocks(ip, lblk, run.start, 1, false);
  if (failed(r)) {
    freeBlocks(ip.volume, run.start, 1, { isMetadata: true });
    return r;
  }
  ip.blocks512 += ip.volume.geometry.blockSize / 512;
  return run.start;
}

/** Unmaps and frees all blocks from `from` on. 0, EIO, EUCLEAN. */
export function truncateBlocks(ip: Inode, from: number): number {
  return unmapRange(ip, from, LBLK_MAX);
}

/** Unmaps and frees the blocks [from, end). 0; ENOSPC if an extent must be cut in two; EIO, EUCLEAN. */
export function unmapRange(ip: Inode, from: number, end: number): number {
  let stop = end;
  while (stop > from) {
    const r = ip.volume.tx.start(unmapCredits(ip));
    if (failed(r)) return r;
    const next = unmapStep(ip, from, stop);
    const dirtied = ip.dirty();
    ip.volume.tx.stop();
    if (failed(next)) return next;
    if (failed(dirtied)) return dirtied;
    stop = next;
  }
  return 0;
}

/** Blocks of metadata that one step of unmapping changes at most. */
export function unmapCredits(ip: Inode): number {
  return runsPerStep(ip) * CREDITS_PER_RUN * groupsPerRun(ip) + MAP_CREDITS;
}

function runsPerStep(ip: Inode): number {
  return Math.max(1, Math.floor(GROUPS_PER_STEP / groupsPerRun(ip)));
}

function groupsPerRun(ip: Inode): number {
  return Math.ceil(RUN_MAX / ip.volume.geometry.blocksPerGroup) + 1;
}

/** One step of `unmapRange`, within an operation of `unmapCredits`: the end of what is still to be unmapped. */
export function unmapStep(ip: Inode, from: number, end: number, most = runsPerStep(ip)): number {
  if (ip.type !== S_IFREG && ip.type !== S_IFDIR && ip.type !== S_IFLNK) return from;
  if (ip.has(INLINE_DATA_FL)) return from;
  if (ip.has(EXTENTS_FL)) return unmapExtents(ip, from, end, most);
  const per = ip.volume.geometry.blockSize / 4;
  const limit = Math.min(end, 12 + per + per * per + per * per * per);
  return limit <= from ? from : unmapIndirect(ip, from, limit, most);
}

/** True if `error` means that the file cannot be that large or the volume has no room. */
export function isFull(error: number): error is Errno {
  return error === ENOSPC || error === EFBIG;
}
