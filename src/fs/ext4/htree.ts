/**
 * Hashed directories: a tree of hash ranges over the blocks of a directory.
 *
 * The tree is one to three levels deep and points at ordinary blocks, so it
 * only tells where to look. Names whose hashes collide may go on in the next
 * block, whose hash then has its lowest bit set.
 * Source: fs/ext4/namei.c, Documentation/filesystems/ext4/directory.rst.
 */
import { ENOENT, type Errno, failed } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { findIn } from "./dir.ts";
import { readDirBlock } from "./dirblock.ts";
import { dirHash, isKnownHash } from "./dirhash.ts";
import * as feature from "./features.ts";
import type { Inode } from "./inode.ts";
import { INDEX_FL, SB_UNSIGNED_HASH, SuperBlock } from "./layout.ts";

const ROOT_ENTRIES_AT = 32;
const NODE_ENTRIES_AT = 8;
const ENTRY_SIZE = 8;
const INFO_LENGTH = 8;
/** Hash versions 0–2 become 3–5 where the maker's char was unsigned. */
const UNSIGNED = 3;

export interface DirIndex {
  readonly root: Buf;
  readonly hashVersion: number;
  readonly levels: number;
}

/** One node on the way down, and which of its entries was taken. */
interface Frame {
  readonly bp: Buf;
  readonly at: number;
  readonly count: number;
  index: number;
}

/** The directory's index; null if it has none that this kernel understands. */
export function dirIndexOf(dir: Inode): DirIndex | null | Errno {
  if (!dir.has(INDEX_FL)) return null;
  const bp = readBlock(dir, 0);
  if (typeof bp === "number") return bp;
  const version = bp.data[0x1c]!;
  const levels = bp.data[0x1e]!;
  const isLarge = (dir.volume.incompat & feature.INCOMPAT_LARGEDIR) !== 0;
  const isSound =
    bp.data[0x1d] === INFO_LENGTH && levels < (isLarge ? 3 : 2) && (bp.data[0x1f]! & 1) === 0;
  if (!isSound || !isKnownHash(version)) return null;
  const flags = SuperBlock.s_flags.get(dir.volume.superView, 0);
  const isUnsigned = version <= 2 && (flags & SB_UNSIGNED_HASH) !== 0;
  return { root: bp, hashVersion: isUnsigned ? version + UNSIGNED : version, levels };
}

/** Inode number of `name`; ENOENT, EUCLEAN, EFSBADCRC, EIO. */
export function lookupIndexed(dir: Inode, index: DirIndex, name: Uint8Array): number {
  if (name.length <= 2 && name[0] === 0x2e && (name.length === 1 || name[1] === 0x2e)) {
    return findIn(index.root.data, index.root.view, 0, index.root.data.length, name) || ENOENT;
  }
  const hash = dirHash(
    name,
    index.hashVersion,
    SuperBlock.s_hash_seed.get(dir.volume.superView, 0),
  );
  const path: Frame[] = [];
  let bp = index.root;
  let at = ROOT_ENTRIES_AT;
  for (let level = 0; level <= index.levels; level++) {
    const frame = frameOf(dir, bp, at);
    if (typeof frame === "number") return frame;
    frame.index = search(frame, hash);
    path.push(frame);
    if (level === index.levels) break;
    const child = readBlock(dir, blockOf(frame));
    if (typeof child === "number") return child;
    bp = child;
    at = NODE_ENTRIES_AT;
  }
  const blocksMax = dir.sizeBytes / dir.volume.geometry.blockSize;
  for (let tries = 0; tries <= blocksMax; tries++) {
    const leaf = readBlock(dir, blockOf(path[path.length - 1]!));
    if (typeof leaf === "number") return leaf;
    const ino = findIn(leaf.data, leaf.view, 0, leaf.data.length, name);
    if (ino !== 0) return ino;
    const more = advance(dir, path, hash);
    if (failed(more)) return more;
    if (more === 0) return ENOENT;
  }
  return dir.volume.corrupt(`inode #${dir.ino}: directory index has a loop`);
}

/** Moves on to the next leaf if the hash goes on there: 1, else 0, or an error. */
function advance(dir: Inode, path: Frame[], hash: number): number {
  let depth = path.length - 1;
  while (path[depth]!.index + 1 >= path[depth]!.count) if (--depth < 0) return 0;
  const up = path[depth]!;
  up.index++;
  const next = up.bp.view.getUint32(up.at + up.index * ENTRY_SIZE, true);
  if ((next & 1) === 0 || (next & ~1) >>> 0 !== hash) return 0;
  for (depth++; depth < path.length; depth++) {
    const bp = readBlock(dir, blockOf(path[depth - 1]!));
    if (typeof bp === "number") return bp;
    const frame = frameOf(dir, bp, NODE_ENTRIES_AT);
    if (typeof frame === "number") return frame;
    path[depth] = frame;
  }
  return 1;
}

function frameOf(dir: Inode, bp: Buf, at: number): Frame | Errno {
  const limit = bp.view.getUint16(at, true);
  const count = bp.view.getUint16(at + 2, true);
  if (count === 0 || count > limit || at + limit * ENTRY_SIZE > bp.data.length) {
    return dir.volume.corrupt(`inode #${dir.ino}: bad directory index`);
  }
  return { bp, at, count, index: 0 };
}

/** The last entry whose hash is not above `hash`; the first one's hash counts as 0. */
function search(f: Frame, hash: number): number {
  let low = 1;
  let high = f.count;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (f.bp.view.getUint32(f.at + mid * ENTRY_SIZE, true) > hash) high = mid;
    else low = mid + 1;
  }
  return low - 1;
}

function blockOf(f: Frame): number {
  return f.bp.view.getUint32(f.at + f.index * ENTRY_SIZE + 4, true) & 0xfffffff;
}

function readBlock(dir: Inode, lblk: number): Buf | Errno {
  const run = new BlockRun();
  if (lblk * dir.volume.geometry.blockSize >= dir.sizeBytes) {
    return dir.volume.corrupt(`inode #${dir.ino}: directory index points past the end`);
  }
  const r = mapBlock(dir, lblk, run);
  if (failed(r)) return r;
  if (run.pblk === HOLE) return dir.volume.corrupt(`inode #${dir.ino}: directory hole`);
  return readDirBlock(dir, lblk, run.pblk);
}
