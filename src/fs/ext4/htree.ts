/**
 * Hashed directories: a tree of hash ranges over the blocks of a directory.
 *
 * The tree is one to three levels deep and points at ordinary blocks, so it
 * only tells where to look. Names whose hashes collide may go on in the next
 * block, whose hash then has its lowest bit set.
 * Source: fs/ext4/namei.c, Documentation/filesystems/ext4/directory.rst.
 */
import type { Errno } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import { BlockRun } from "./blockmap.ts";
import { dirBlock, nodeCountAt, nodeLimit } from "./dirblock.ts";
import { dirHash, isKnownHash } from "./dirhash.ts";
import * as feature from "./features.ts";
import type { Inode } from "./inode.ts";
import { INDEX_FL, SB_UNSIGNED_HASH, SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

export const DX_ENTRY_SIZE = 8;
export const DX_INFO_LENGTH = 8;
/** Hash versions 0–2 become 3–5 where the maker's char was unsigned. */
const UNSIGNED = 3;

export interface DirIndex {
  readonly root: Buf;
  readonly hashVersion: number;
  /** Levels of nodes below the root. */
  readonly levels: number;
}

/** One node on the way down, and which of its entries was taken. */
export interface Frame {
  readonly bp: Buf;
  readonly lblk: number;
  /** Where its entries start. */
  readonly at: number;
  parent: Frame | null;
  index: number;
}

/** The directory's index; null if it has none that this kernel understands. */
export function dirIndexOf(dir: Inode): DirIndex | null | Errno {
  if (!dir.has(INDEX_FL)) return null;
  const bp = readIndexed(dir, 0);
  if (typeof bp === "number") return bp;
  const version = bp.data[0x1c]!;
  const levels = bp.data[0x1e]!;
  const isSound =
    bp.data[0x1d] === DX_INFO_LENGTH &&
    levels < levelsMax(dir.volume) &&
    (bp.data[0x1f]! & 1) === 0;
  if (!isSound || !isKnownHash(version)) return null;
  return { root: bp, hashVersion: effectiveHash(dir.volume, version), levels };
}

/** How many levels of nodes an index may have, the root counted. */
export function levelsMax(volume: Volume): number {
  return (volume.incompat & feature.INCOMPAT_LARGEDIR) !== 0 ? 3 : 2;
}

/** The hash that is computed where `version` is written. */
export function effectiveHash(volume: Volume, version: number): number {
  const flags = SuperBlock.s_flags.get(volume.superView, 0);
  const isUnsigned = version <= 2 && (flags & SB_UNSIGNED_HASH) !== 0;
  return isUnsigned ? version + UNSIGNED : version;
}

export function hashOf(dir: Inode, hashVersion: number, name: Uint8Array): number {
  return dirHash(name, hashVersion, SuperBlock.s_hash_seed.get(dir.volume.superView, 0));
}

/** The way down to the leaf where `hash` belongs: the lowest frame. EUCLEAN, EFSBADCRC, EIO. */
export function descend(dir: Inode, index: DirIndex, hash: number): Frame | Errno {
  let frame = frameOf(dir, index.root, 0, null);
  for (let level = 0; ; level++) {
    if (typeof frame === "number") return frame;
    frame.index = search(frame, hash);
    if (level === index.levels) return frame;
    frame = childFrame(dir, frame);
  }
}

/** The leaf that the lowest frame points at. */
export function leafOf(dir: Inode, frame: Frame): Buf | Errno {
  return readIndexed(dir, blockAt(frame, frame.index));
}

/**
 * The lowest frame of the next leaf, null after the last. With `hash`, only
 * if names with that very hash go on there.
 */
export function nextLeaf(dir: Inode, lowest: Frame, hash = -1): Frame | null | Errno {
  let depth = 0;
  let up: Frame | null = lowest;
  while (up && up.index + 1 >= countOf(up)) {
    up = up.parent;
    depth++;
  }
  if (!up) return null;
  const next = hashAt(up, up.index + 1);
  if (hash >= 0 && ((next & 1) === 0 || (next & ~1) >>> 0 !== hash)) return null;
  up.index++;
  for (; depth > 0; depth--) {
    const child: Frame | Errno = childFrame(dir, up);
    if (typeof child === "number") return child;
    up = child;
  }
  return up;
}

/** Lowest hash of the entry after the one that was taken; Infinity after the last of all. */
export function nextHash(lowest: Frame): number {
  let up: Frame | null = lowest;
  while (up && up.index + 1 >= countOf(up)) up = up.parent;
  return up ? hashAt(up, up.index + 1) : Number.POSITIVE_INFINITY;
}

export function countOf(f: Frame): number {
  return f.bp.view.getUint16(f.at + 2, true);
}

/** The first entry of a node has no hash: count and limit stand there. */
export function hashAt(f: Frame, index: number): number {
  return index === 0 ? 0 : f.bp.view.getUint32(f.at + index * DX_ENTRY_SIZE, true);
}

export function blockAt(f: Frame, index: number): number {
  return f.bp.view.getUint32(f.at + index * DX_ENTRY_SIZE + 4, true) & 0xfffffff;
}

function childFrame(dir: Inode, parent: Frame): Frame | Errno {
  const lblk = blockAt(parent, parent.index);
  const bp = readIndexed(dir, lblk);
  return typeof bp === "number" ? bp : frameOf(dir, bp, lblk, parent);
}

function frameOf(dir: Inode, bp: Buf, lblk: number, parent: Frame | null): Frame | Errno {
  const at = nodeCountAt(lblk);
  const limit = bp.view.getUint16(at, true);
  const count = bp.view.getUint16(at + 2, true);
  if (count === 0 || count > limit || limit !== nodeLimit(dir, lblk)) {
    return dir.volume.corrupt(`inode #${dir.ino}: bad directory index`);
  }
  return { bp, lblk, at, parent, index: 0 };
}

/** The last entry whose hash is not above `hash`; the first one's hash counts as 0. */
function search(f: Frame, hash: number): number {
  let low = 1;
  let high = countOf(f);
  while (low < high) {
    const mid = (low + high) >> 1;
    if (hashAt(f, mid) > hash) high = mid;
    else low = mid + 1;
  }
  return low - 1;
}

function readIndexed(dir: Inode, lblk: number): Buf | Errno {
  if (lblk * dir.volume.geometry.blockSize >= dir.sizeBytes) {
    return dir.volume.corrupt(`inode #${dir.ino}: directory index points past the end`);
  }
  const bp = dirBlock(dir, lblk, new BlockRun());
  return bp ?? dir.volume.corrupt(`inode #${dir.ino}: directory hole`);
}
