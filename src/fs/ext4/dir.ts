/**
 * Directories read in the order of their blocks: listing, and lookup where
 * there is no index.
 *
 * The offset of an entry is its byte offset in the directory, so a listing
 * goes on where it stopped; what is no longer an entry is looked for from the
 * start of its block. Source: fs/ext4/dir.c.
 */
import { ENOENT, type Errno, failed } from "../../abi/errno.ts";
import { byteString } from "../../lib/bytes.ts";
import type { DirSink } from "../../vfs/vnode.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { isChainSound, readDirBlock, recordLength } from "./dirblock.ts";
import { dirIndexOf, lookupIndexed } from "./htree.ts";
import { inlineData } from "./inline.ts";
import type { Inode } from "./inode.ts";
import { DirEntry, INLINE_DATA_FL } from "./layout.ts";

const HEADER_SIZE = DirEntry.sizeof;
/** An inline directory starts with its parent's number, in place of "." and "..". */
const INLINE_START = 4;
const INODE_BLOCK_SIZE = 60;

/** File types of directory entries as S_IFMT values; 0 is unknown. */
const types: readonly number[] = [
  0, 0o100000, 0o040000, 0o020000, 0o060000, 0o010000, 0o140000, 0o120000,
];

/** Inode number that `name` (a byte string) has in `dir`; ENOENT, EUCLEAN, EFSBADCRC, EIO. */
export function lookupName(dir: Inode, name: string): number {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  if (dir.has(INLINE_DATA_FL)) return lookupInline(dir, bytes);
  const index = dirIndexOf(dir);
  if (typeof index === "number" && failed(index)) return index;
  if (index) return lookupIndexed(dir, index, bytes);
  const blocks = blockCount(dir);
  if (failed(blocks)) return blocks;
  const run = new BlockRun();
  for (let lblk = 0; lblk < blocks; lblk++) {
    const pblk = blockAt(dir, lblk, run);
    if (failed(pblk)) return pblk;
    if (pblk === HOLE) {
      lblk = run.lblk + run.count - 1;
      continue;
    }
    const bp = readDirBlock(dir, lblk, pblk);
    if (typeof bp === "number") return bp;
    const ino = findIn(bp.data, bp.view, 0, bp.data.length, bytes);
    if (ino !== 0) return ino;
  }
  return ENOENT;
}

/** Emits entries from `offset` on until the sink is full. 0, or an error. */
export function listDirectory(dir: Inode, offset: number, sink: DirSink): number {
  if (dir.has(INLINE_DATA_FL)) return listInline(dir, offset, sink);
  const blocks = blockCount(dir);
  if (failed(blocks)) return blocks;
  const { blockSize } = dir.volume.geometry;
  const run = new BlockRun();
  for (let lblk = Math.floor(offset / blockSize); lblk < blocks; lblk++) {
    const pblk = blockAt(dir, lblk, run);
    if (failed(pblk)) return pblk;
    if (pblk === HOLE) {
      lblk = run.lblk + run.count - 1;
      continue;
    }
    const bp = readDirBlock(dir, lblk, pblk);
    if (typeof bp === "number") return bp;
    const base = lblk * blockSize;
    const r = emit(dir, bp.data, bp.view, 0, blockSize, base, offset, sink);
    if (r !== 0) return Math.min(r, 0);
  }
  return 0;
}

/** Inode number of the entry called `name` in the sound chain `[start, end)`; 0 if none is. */
export function findIn(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  name: Uint8Array,
): number {
  const length = name.length;
  for (let at = start; at < end; at += recordLength(view, at)) {
    if (bytes[at + 6] !== length) continue;
    let i = 0;
    while (i < length && bytes[at + HEADER_SIZE + i] === name[i]) i++;
    if (i < length) continue;
    const ino = DirEntry.inode.get(view, at);
    if (ino !== 0) return ino;
  }
  return 0;
}

/** Emits the entries of a sound chain; 0 to go on, 1 when the sink is full, or an error. */
function emit(
  dir: Inode,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  base: number,
  offset: number,
  sink: DirSink,
): number {
  for (let at = start; at < end; ) {
    const length = recordLength(view, at);
    const ino = DirEntry.inode.get(view, at);
    if (ino !== 0 && base + at >= offset) {
      const nameEnd = at + HEADER_SIZE + DirEntry.name_len.get(view, at);
      const name = byteString(bytes, at + HEADER_SIZE, nameEnd);
      if (name === "" || name.includes("/") || name.includes("\0")) {
        return dir.volume.corrupt(`inode #${dir.ino}: bad name in directory`);
      }
      const type = types[DirEntry.file_type.get(view, at)] ?? 0;
      if (!sink.entry(name, ino, type, base + at + length)) return 1;
    }
    at += length;
  }
  return 0;
}

function blockAt(dir: Inode, lblk: number, run: BlockRun): number {
  if (!run.covers(lblk)) {
    const r = mapBlock(dir, lblk, run);
    if (failed(r)) return r;
  }
  return run.at(lblk);
}

/** A directory cannot be larger than its volume: a size that says so would only cost time. */
function blockCount(dir: Inode): number {
  const { blockSize, blocksCount } = dir.volume.geometry;
  const blocks = Math.floor(dir.sizeBytes / blockSize);
  if (blocks * blockSize !== dir.sizeBytes || blocks > blocksCount) {
    return dir.volume.corrupt(`inode #${dir.ino}: bad directory size ${dir.sizeBytes}`);
  }
  return blocks;
}

interface InlineDir {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Both chains of an inline directory, checked. */
function inlineDir(dir: Inode): InlineDir | Errno {
  const bytes = inlineData(dir);
  if (typeof bytes === "number") return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (
    !isChainSound(view, INLINE_START, INODE_BLOCK_SIZE) ||
    !isChainSound(view, INODE_BLOCK_SIZE, bytes.length)
  ) {
    return dir.volume.corrupt(`inode #${dir.ino}: bad inline directory`);
  }
  return { bytes, view };
}

function lookupInline(dir: Inode, name: Uint8Array): number {
  const d = inlineDir(dir);
  if (typeof d === "number") return d;
  const ino =
    findIn(d.bytes, d.view, INLINE_START, INODE_BLOCK_SIZE, name) ||
    findIn(d.bytes, d.view, INODE_BLOCK_SIZE, d.bytes.length, name);
  return ino === 0 ? ENOENT : ino;
}

/** Offsets 0 and 1 are "." and "..", which are not stored; others count as bytes. */
function listInline(dir: Inode, offset: number, sink: DirSink): number {
  const d = inlineDir(dir);
  if (typeof d === "number") return d;
  const directory = types[2] as number;
  if (offset < 1 && !sink.entry(".", dir.ino, directory, 1)) return 0;
  const parent = d.view.getUint32(0, true);
  if (offset < 2 && !sink.entry("..", parent, directory, 2)) return 0;
  for (const [start, end] of [
    [INLINE_START, INODE_BLOCK_SIZE],
    [INODE_BLOCK_SIZE, d.bytes.length],
  ] as const) {
    const r = emit(dir, d.bytes, d.view, start, end, 0, offset, sink);
    if (r !== 0) return Math.min(r, 0);
  }
  return 0;
}
