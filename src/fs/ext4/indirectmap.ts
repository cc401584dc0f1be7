/**
 * The block map of ext2 and ext3, changed: tables of block numbers are made
 * where blocks are mapped and freed when nothing is left in them.
 *
 * The caller has the transaction and makes the inode dirty afterwards.
 * Source: fs/ext4/indirect.c of Linux; see indirect.ts for the form.
 */
import { EFBIG, ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import { allocBlocks, freeBlocks } from "./alloc.ts";
import type { Inode } from "./inode.ts";
import { DiskInode } from "./layout.ts";

const DIRECT = 12;
const LEVELS = 3;
const TWO32 = 4294967296;

/** Blocks that mapping a run within one table changes at most: tables and bitmaps. */
export const INDIRECT_CREDITS = 4 + 2 * LEVELS + 1;

/** A table of block numbers: in the inode (null) or in a block. */
interface Table {
  readonly bp: Buf | null;
  /** The first block of the file that it is about, and how many blocks each entry stands for. */
  readonly first: number;
  readonly span: number;
  /** The entry that the way goes through. */
  index: number;
}

/** Maps [lblk, lblk + count), a hole, to blocks from `pblk` on. ENOSPC, EFBIG, EIO, EUCLEAN: some may be mapped. */
export function mapIndirectBlocks(ip: Inode, lblk: number, pblk: number, count: number): number {
  if (pblk + count > TWO32) return ENOSPC;
  for (let done = 0; done < count; ) {
    const path = descend(ip, lblk + done, pblk + count);
    if (typeof path === "number") return path;
    const leaf = path[path.length - 1]!;
    const n = Math.min(count - done, entriesOf(ip, leaf) - leaf.index);
    for (let i = 0; i < n; i++) setEntry(ip, leaf, leaf.index + i, pblk + done + i);
    if (leaf.bp) ip.volume.tx.dirty(leaf.bp);
    done += n;
  }
  return 0;
}

/**
 * Unmaps, from the end, what one table maps of [from, end), at most `most` runs of it, and frees the
 * blocks. Answers from which block on nothing of [from, end) is mapped any more.
 */
export function unmapIndirect(ip: Inode, from: number, end: number, most: number): number {
  const path = descend(ip, end - 1, null);
  if (typeof path === "number") return path;
  const leaf = path[path.length - 1]!;
  if (leaf.span > 1) {
    // No table below that entry: nothing there is mapped.
    return Math.max(from, leaf.first + (leaf.index - firstIndex(leaf)) * leaf.span);
  }
  const lo = Math.max(from, leaf.first);
  let index = leaf.index;
  let runs = 0;
  const low = lo - leaf.first;
  while (index >= low && runs < most) {
    const last = entry(ip, leaf, index);
    if (last === 0) {
      index--;
      continue;
    }
    let start = last;
    while (index > low && entry(ip, leaf, index - 1) === start - 1) {
      start--;
      index--;
    }
    for (let i = 0; i <= last - start; i++) setEntry(ip, leaf, index + i, 0);
    if (leaf.bp) ip.volume.tx.dirty(leaf.bp);
    const r = release(ip, start, last - start + 1, false);
    if (failed(r)) return r;
    index--;
    runs++;
  }
  const r = freeEmpty(ip, path);
  return failed(r) ? r : leaf.first + index + 1;
}

/** Blocks of tables that may be needed to map `count` more blocks, in `ranges` places. */
export function indirectBlocksFor(blockSize: number, count: number, ranges: number): number {
  return count === 0 ? 0 : Math.ceil(count / (blockSize / 4)) + LEVELS * ranges + LEVELS;
}

/**
 * The tables on the way to `lblk`. With a `goal`, missing ones are made, near it; without, the way may end
 * early, at the table whose entry is 0.
 */
function descend(ip: Inode, lblk: number, goal: number | null): Table[] | Errno {
  const { volume } = ip;
  const perBlock = volume.geometry.blockSize / 4;
  if (lblk < DIRECT) return [{ bp: null, first: 0, span: 1, index: lblk }];
  let first = DIRECT;
  let level = 1;
  let span = perBlock;
  while (lblk - first >= span) {
    first += span;
    span *= perBlock;
    if (++level > LEVELS) return EFBIG;
  }
  const path: Table[] = [{ bp: null, first, span, index: DIRECT + level - 1 }];
  for (;;) {
    const table = path[path.length - 1]!;
    if (table.span === 1) return path;
    let block = entry(ip, table, table.index);
    let bp: Buf | Errno;
    if (block === 0) {
      if (goal === null) return path;
      bp = makeTable(ip, goal);
      if (typeof bp === "number") return bp;
      block = bp.blkno;
      setEntry(ip, table, table.index, block);
      if (table.bp) volume.tx.dirty(table.bp);
    } else {
      if (!volume.holds(block, 1)) {
        return volume.corrupt(`inode #${ip.ino}: indirect block ${block} out of range`);
      }
      bp = volume.bread(block);
      if (typeof bp === "number") return bp;
    }
    const base = table.first + (table.index - firstIndex(table)) * table.span;
    const below = table.span / perBlock;
    path.push({ bp, first: base, span: below, index: Math.floor((lblk - base) / below) });
  }
}

/** Frees tables that have no entries, from the leaf up. */
function freeEmpty(ip: Inode, path: readonly Table[]): number {
  for (let level = path.length - 1; level > 0; level--) {
    const { bp } = path[level]!;
    if (!bp || bp.data.some((byte) => byte !== 0)) return 0;
    const parent = path[level - 1]!;
    setEntry(ip, parent, parent.index, 0);
    if (parent.bp) ip.volume.tx.dirty(parent.bp);
    const r = release(ip, bp.blkno, 1, true);
    if (failed(r)) return r;
  }
  return 0;
}

/** Where the entries that belong to a table begin: the inode's have others beside them. */
function firstIndex(table: Table): number {
  return table.bp || table.span === 1 ? 0 : table.index;
}

function entriesOf(ip: Inode, table: Table): number {
  return table.bp ? ip.volume.geometry.blockSize / 4 : DIRECT;
}

function entry(ip: Inode, table: Table, index: number): number {
  if (table.bp) return table.bp.view.getUint32(index * 4, true);
  return ip.view.getUint32(DiskInode.i_block.offset + index * 4, true);
}

function setEntry(ip: Inode, table: Table, index: number, block: number): void {
  if (table.bp) table.bp.view.setUint32(index * 4, block, true);
  else ip.view.setUint32(DiskInode.i_block.offset + index * 4, block, true);
}

function makeTable(ip: Inode, goal: number): Buf | Errno {
  const { volume } = ip;
  const run = allocBlocks(volume, goal, 1, { isReserved: true });
  if (typeof run === "number") return run;
  const bp = run.start < TWO32 ? volume.bnew(run.start) : ENOSPC;
  if (typeof bp === "number") {
    freeBlocks(volume, run.start, 1, { isMetadata: true });
    return bp;
  }
  ip.blocks512 += volume.geometry.blockSize / 512;
  volume.tx.dirty(bp);
  return bp;
}

/** Gives blocks of the inode back: 0, or what is wrong with them. */
function release(ip: Inode, start: number, count: number, isTable: boolean): number {
  const isMetadata = isTable || ip.isMetadata;
  const r = freeBlocks(ip.volume, start, count, { isMetadata });
  const held = ip.blocks512 - count * (ip.volume.geometry.blockSize / 512);
  ip.blocks512 = Math.max(0, held);
  return r;
}
