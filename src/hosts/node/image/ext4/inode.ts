/**
 * Turns a node of the tree into the 256 bytes of its ext4 inode.
 *
 * Up to four extents live in the inode; more go to one level of leaf blocks,
 * which the caller allocates. Every inode and leaf ends with its checksum,
 * seeded by file system, inode number and generation (always 0 here).
 */
import { crcU32 } from "../../../../fs/ext4/checksum.ts";
import {
  DiskInode,
  EXTENT_MAGIC,
  EXTENTS_FL,
  ExtentHeader,
  ExtentIndex,
  Extent as ExtentLeaf,
} from "../../../../fs/ext4/layout.ts";
import { crc32c } from "../../../../lib/crc32c.ts";
import { ImageError } from "../error.ts";
import type { Extent, Meta } from "../tree.ts";
import { BLOCK_SIZE, EXTRA_ISIZE, INODE_SIZE } from "./format.ts";

const INLINE_EXTENTS = 4;
const LEAF_EXTENTS = Math.floor((BLOCK_SIZE - ExtentHeader.sizeof) / ExtentLeaf.sizeof);
const MAX_EXTENT_BLOCKS = 32768;
const SECTOR = 512;
/** Extents and block counts below are 32-bit halves. */
const TWO32 = 4294967296;

export interface InodeFields extends Meta {
  /** S_IFMT bits. */
  readonly type: number;
  readonly links: number;
  readonly size: number;
  /** Blocks of the file in order, or the literal i_block of a fast symlink or device. */
  readonly content: readonly Extent[] | Uint8Array;
}

/** A block the inode needs beside its data: an extent leaf. */
export interface LeafBlock {
  readonly block: number;
  readonly data: Uint8Array;
}

/** The seed of all checksums that belong to inode `ino`. */
export function inodeSeed(fsSeed: number, ino: number): number {
  const generation = 0;
  return crcU32(crcU32(fsSeed, ino), generation);
}

/** Encodes an inode; leaf blocks are taken from `allocate` and returned to be written. */
export function encodeInode(
  fields: InodeFields,
  seed: number,
  allocate: () => number,
): { inode: Uint8Array; leaves: LeafBlock[] } {
  const inode = new Uint8Array(INODE_SIZE);
  const view = new DataView(inode.buffer);
  const leaves: LeafBlock[] = [];
  const mtime = Math.max(0, Math.floor(fields.mtime)) % TWO32;
  DiskInode.i_mode.set(view, 0, fields.type | fields.mode);
  DiskInode.i_uid.set(view, 0, fields.uid & 0xffff);
  DiskInode.i_uid_high.set(view, 0, (fields.uid >>> 16) & 0xffff);
  DiskInode.i_gid.set(view, 0, fields.gid & 0xffff);
  DiskInode.i_gid_high.set(view, 0, (fields.gid >>> 16) & 0xffff);
  DiskInode.i_size_lo.set(view, 0, fields.size % TWO32);
  DiskInode.i_size_high.set(view, 0, Math.floor(fields.size / TWO32));
  for (const time of [
    DiskInode.i_atime,
    DiskInode.i_ctime,
    DiskInode.i_mtime,
    DiskInode.i_crtime,
  ]) {
    time.set(view, 0, mtime);
  }
  DiskInode.i_links_count.set(view, 0, fields.links);
  DiskInode.i_extra_isize.set(view, 0, EXTRA_ISIZE);
  if (fields.content instanceof Uint8Array) {
    DiskInode.i_block.set(view, 0, fields.content);
  } else {
    const runs = splitRuns(fields.content);
    DiskInode.i_flags.set(view, 0, EXTENTS_FL);
    if (runs.length <= INLINE_EXTENTS) {
      writeLeaf(view, DiskInode.i_block.offset, INLINE_EXTENTS, runs, 0);
    } else {
      writeTree(view, runs, seed, allocate, leaves);
    }
    const blocks = runs.reduce((sum, run) => sum + run.count, leaves.length);
    const sectors = blocks * (BLOCK_SIZE / SECTOR);
    DiskInode.i_blocks_lo.set(view, 0, sectors % TWO32);
    DiskInode.i_blocks_high.set(view, 0, Math.floor(sectors / TWO32));
  }
  const sum = crc32c(seed, inode);
  DiskInode.i_checksum_lo.set(view, 0, sum & 0xffff);
  DiskInode.i_checksum_hi.set(view, 0, sum >>> 16);
  return { inode, leaves };
}

function writeTree(
  view: DataView,
  runs: readonly Extent[],
  seed: number,
  allocate: () => number,
  leaves: LeafBlock[],
): void {
  const count = Math.ceil(runs.length / LEAF_EXTENTS);
  if (count > INLINE_EXTENTS) throw new ImageError("a file is too scattered for one extent level");
  const root = DiskInode.i_block.offset;
  writeHeader(view, root, count, INLINE_EXTENTS, 1);
  let logical = 0;
  for (let i = 0; i < count; i++) {
    const part = runs.slice(i * LEAF_EXTENTS, (i + 1) * LEAF_EXTENTS);
    const block = allocate();
    const data = new Uint8Array(BLOCK_SIZE);
    const leaf = new DataView(data.buffer);
    const at = root + ExtentHeader.sizeof + i * ExtentIndex.sizeof;
    ExtentIndex.ei_block.set(view, at, logical);
    ExtentIndex.ei_leaf_lo.set(view, at, block % TWO32);
    ExtentIndex.ei_leaf_hi.set(view, at, Math.floor(block / TWO32));
    logical = writeLeaf(leaf, 0, LEAF_EXTENTS, part, logical);
    const tail = ExtentHeader.sizeof + LEAF_EXTENTS * ExtentLeaf.sizeof;
    leaf.setUint32(tail, crc32c(seed, data, 0, tail), true);
    leaves.push({ block, data });
  }
}

/** Writes header and extents at `at`; returns the logical block after them. */
function writeLeaf(
  view: DataView,
  at: number,
  max: number,
  runs: readonly Extent[],
  first: number,
): number {
  let logical = first;
  writeHeader(view, at, runs.length, max, 0);
  runs.forEach((run, i) => {
    const entry = at + ExtentHeader.sizeof + i * ExtentLeaf.sizeof;
    ExtentLeaf.ee_block.set(view, entry, logical);
    ExtentLeaf.ee_len.set(view, entry, run.count);
    ExtentLeaf.ee_start_lo.set(view, entry, run.start % TWO32);
    ExtentLeaf.ee_start_hi.set(view, entry, Math.floor(run.start / TWO32));
    logical += run.count;
  });
  return logical;
}

function writeHeader(view: DataView, at: number, entries: number, max: number, depth: number) {
  ExtentHeader.eh_magic.set(view, at, EXTENT_MAGIC);
  ExtentHeader.eh_entries.set(view, at, entries);
  ExtentHeader.eh_max.set(view, at, max);
  ExtentHeader.eh_depth.set(view, at, depth);
}

function splitRuns(extents: readonly Extent[]): Extent[] {
  const runs: Extent[] = [];
  for (const extent of extents) {
    for (let done = 0; done < extent.count; done += MAX_EXTENT_BLOCKS) {
      const count = Math.min(MAX_EXTENT_BLOCKS, extent.count - done);
      runs.push({ start: extent.start + done, count });
    }
  }
  return runs;
}
