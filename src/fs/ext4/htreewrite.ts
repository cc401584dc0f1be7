/**
 * Adding a name to a hashed directory: splitting leaves and nodes, growing the tree.
 *
 * All blocks that an insertion needs are there before anything is changed. A
 * node is never left with less than one entry, a leaf's names stay within the
 * range of hashes that the tree says. Source: fs/ext4/namei.c.
 */
import { ENOSPC, failed } from "../../abi/errno.ts";
import { LOG_WARNING } from "../../kern/log.ts";
import type { Buf } from "../../vfs/bio.ts";
import {
  dirtyLeaf,
  dirtyNode,
  disguiseNode,
  leafChain,
  nodeCountAt,
  nodeLimit,
} from "./dirblock.ts";
import {
  type Chain,
  clearChain,
  entriesIn,
  entrySize,
  findRoom,
  insertAt,
  isDots,
  nameAt,
  recordLength,
  setRecordLength,
  writeEntry,
} from "./direntry.ts";
import { isKnownHash } from "./dirhash.ts";
import { growDirectory, type NewBlock } from "./dirspace.ts";
import {
  countOf,
  type DirIndex,
  DX_ENTRY_SIZE,
  DX_INFO_LENGTH,
  descend,
  dirIndexOf,
  type Frame,
  hashAt,
  hashOf,
  leafOf,
  levelsMax,
} from "./htree.ts";
import type { Inode } from "./inode.ts";
import { DirEntry, INDEX_FL, SuperBlock } from "./layout.ts";

const LEVELS_AT = 0x1e;
const DOT_SIZE = 12;

/** Adds an entry; `name` is not there. 0, ENOSPC, EUCLEAN, EFSBADCRC, EIO. */
export function insertIndexed(
  dir: Inode,
  index: DirIndex,
  name: Uint8Array,
  ino: number,
  type: number,
): number {
  const hash = hashOf(dir, index.hashVersion, name);
  const frame = descend(dir, index, hash);
  if (typeof frame === "number") return frame;
  const leaf = leafOf(dir, frame);
  if (typeof leaf === "number") return leaf;
  if (put(dir, leaf, name, ino, type)) return 0;
  const needed = blocksNeeded(dir, index, frame);
  if (failed(needed)) return needed;
  const map = hashesOf(dir, index, leafChain(dir, leaf));
  if (map.length < 2) return dir.volume.corrupt(`inode #${dir.ino}: bad directory leaf`);
  const blocks = growDirectory(dir, needed);
  if (typeof blocks === "number") return blocks;
  const lower = roomy(dir, frame, blocks);
  const upper = splitLeaf(dir, leaf, map, lower, blocks.pop()!);
  const target = hash >= upper.hash ? upper.leaf : leaf;
  if (put(dir, target, name, ino, type)) return 0;
  return dir.volume.corrupt(`inode #${dir.ino}: no room in a directory block just split`);
}

/** Gives a directory of one block an index: its names move to a second block. 0 or an error. */
export function makeIndexed(dir: Inode, root: Buf): number {
  const { volume } = dir;
  const chain = leafChain(dir, root);
  const dotdot = recordLength(root.view, 0);
  const isSound = DirEntry.inode.get(root.view, 0) !== 0 && dotdot < chain.end;
  if (!isSound || !isDots(root.data, 0) || !isDots(root.data, dotdot)) {
    return volume.corrupt(`inode #${dir.ino}: directory without "." and ".."`);
  }
  const version = SuperBlock.s_def_hash_version.get(volume.superView, 0);
  const parent = DirEntry.inode.get(root.view, dotdot);
  const type = DirEntry.file_type.get(root.view, dotdot);
  const blocks = growDirectory(dir, 1);
  if (typeof blocks === "number") return blocks;
  const { bp, lblk } = blocks[0]!;
  const leaf = leafChain(dir, bp);
  const moved = entriesIn(chain).filter((at) => !isDots(root.data, at));
  pack(leaf, root.data.slice(), moved);
  dirtyLeaf(dir, bp);
  const dots = root.data.slice(0, DOT_SIZE);
  root.data.fill(0);
  root.data.set(dots);
  setRecordLength(root.view, 0, DOT_SIZE);
  const whole = { ...chain, end: root.data.length };
  const name = new Uint8Array([0x2e, 0x2e]);
  writeEntry(whole, DOT_SIZE, root.data.length - DOT_SIZE, name, parent, type);
  root.data[0x1c] = isKnownHash(version) ? version % 3 : 1;
  root.data[0x1d] = DX_INFO_LENGTH;
  const at = nodeCountAt(0);
  root.view.setUint16(at, nodeLimit(dir, 0), true);
  root.view.setUint16(at + 2, 1, true);
  root.view.setUint32(at + 4, lblk, true);
  dir.flags |= INDEX_FL;
  dirtyNode(dir, root, 0);
  return 0;
}

/** Adds to a directory that is small no longer. */
export function indexAndInsert(
  dir: Inode,
  root: Buf,
  name: Uint8Array,
  ino: number,
  type: number,
): number {
  const r = makeIndexed(dir, root);
  if (failed(r)) return r;
  const index = dirIndexOf(dir);
  if (typeof index === "number") return index;
  if (!index) return dir.volume.corrupt(`inode #${dir.ino}: index lost`);
  return insertIndexed(dir, index, name, ino, type);
}

/** Adds the entry if the leaf has room. */
function put(dir: Inode, leaf: Buf, name: Uint8Array, ino: number, type: number): boolean {
  const chain = leafChain(dir, leaf);
  const at = findRoom(chain, entrySize(name.length));
  if (at < 0) return false;
  insertAt(chain, at, name, ino, type);
  dirtyLeaf(dir, leaf);
  return true;
}

/** One block for the new leaf, and one for every full node above it. */
function blocksNeeded(dir: Inode, index: DirIndex, lowest: Frame): number {
  let needed = 1;
  let up: Frame | null = lowest;
  for (; up && countOf(up) >= nodeLimit(dir, up.lblk); up = up.parent) needed++;
  if (up || index.levels + 1 < levelsMax(dir.volume)) return needed;
  const { log, device } = dir.volume;
  log.log(LOG_WARNING, `EXT4-fs (${device.name}): inode #${dir.ino}: directory index full`);
  return ENOSPC;
}

/** `frame`, or what became of its chosen entry's place, with room for one entry more. */
function roomy(dir: Inode, frame: Frame, blocks: NewBlock[]): Frame {
  const limit = nodeLimit(dir, frame.lblk);
  if (countOf(frame) < limit) return frame;
  if (!frame.parent) return deepen(dir, frame, blocks.pop()!);
  const parent = roomy(dir, frame.parent, blocks);
  frame.parent = parent;
  const { bp, lblk } = blocks.pop()!;
  const count = countOf(frame);
  const half = count >> 1;
  const above = newNode(dir, bp, lblk, frame, half, count);
  insertEntry(dir, parent, hashAt(frame, half), lblk);
  setCount(frame, half);
  dirtyNode(dir, frame.bp, frame.lblk);
  if (frame.index < half) return frame;
  parent.index++;
  return { ...above, parent, index: frame.index - half };
}

/** A full root hands all its entries to a node below it. */
function deepen(dir: Inode, root: Frame, { bp, lblk }: NewBlock): Frame {
  const node = newNode(dir, bp, lblk, root, 0, countOf(root));
  const index = root.index;
  root.index = 0;
  setCount(root, 1);
  root.bp.view.setUint32(root.at + 4, lblk, true);
  root.bp.data[LEVELS_AT]!++;
  dirtyNode(dir, root.bp, 0);
  return { ...node, parent: root, index };
}

/** A node with entries `[from, end)` of another one. */
function newNode(
  dir: Inode,
  bp: Buf,
  lblk: number,
  source: Frame,
  from: number,
  end: number,
): Frame {
  bp.data.fill(0);
  disguiseNode(bp);
  const node: Frame = { bp, lblk, at: nodeCountAt(lblk), parent: null, index: 0 };
  const start = source.at + from * DX_ENTRY_SIZE;
  bp.data.set(source.bp.data.subarray(start, source.at + end * DX_ENTRY_SIZE), node.at);
  bp.view.setUint16(node.at, nodeLimit(dir, lblk), true);
  setCount(node, end - from);
  dirtyNode(dir, bp, lblk);
  return node;
}

/** Adds an entry after the one that was taken. */
function insertEntry(dir: Inode, f: Frame, hash: number, lblk: number): void {
  const { bp, at } = f;
  const count = countOf(f);
  const place = at + (f.index + 1) * DX_ENTRY_SIZE;
  bp.data.copyWithin(place + DX_ENTRY_SIZE, place, at + count * DX_ENTRY_SIZE);
  bp.view.setUint32(place, hash, true);
  bp.view.setUint32(place + 4, lblk, true);
  setCount(f, count + 1);
  dirtyNode(dir, bp, f.lblk);
}

function setCount(f: Frame, count: number): void {
  f.bp.view.setUint16(f.at + 2, count, true);
}

interface Hashed {
  readonly hash: number;
  readonly at: number;
  readonly size: number;
}

/** The entries of a leaf in the order of their hashes. */
function hashesOf(dir: Inode, index: DirIndex, chain: Chain): Hashed[] {
  const map = entriesIn(chain)
    .filter((at) => chain.bytes[at + 6] !== 0)
    .map((at) => {
      const name = nameAt(chain.bytes, at);
      return { hash: hashOf(dir, index.hashVersion, name), at, size: entrySize(name.length) };
    });
  return map.sort((a, b) => a.hash - b.hash);
}

/** Moves the upper half, by bytes, to a new leaf, which the tree learns of. */
function splitLeaf(
  dir: Inode,
  leaf: Buf,
  map: readonly Hashed[],
  frame: Frame,
  { bp, lblk }: NewBlock,
): { readonly hash: number; readonly leaf: Buf } {
  const split = splitPoint(map, leaf.data.length);
  const { hash } = map[split]!;
  const isContinued = map[split - 1]!.hash === hash;
  const old = leaf.data.slice();
  const places = (part: readonly Hashed[]) => part.map((e) => e.at).sort((a, b) => a - b);
  pack(leafChain(dir, bp), old, places(map.slice(split)));
  pack(leafChain(dir, leaf), old, places(map.slice(0, split)));
  dirtyLeaf(dir, bp);
  dirtyLeaf(dir, leaf);
  insertEntry(dir, frame, hash + (isContinued ? 1 : 0), lblk);
  return { hash, leaf: bp };
}

/** First entry of the upper half. */
function splitPoint(map: readonly Hashed[], blockSize: number): number {
  let size = 0;
  let at = map.length;
  for (; at > 0; at--) {
    const entry = map[at - 1]!.size;
    if (size + (entry >> 1) > blockSize >> 1) break;
    size += entry;
  }
  return at > 0 && at < map.length ? at : map.length >> 1;
}

/** Fills a chain with entries of `from`, side by side; the last record takes what is left. */
function pack(chain: Chain, from: Uint8Array, entries: readonly number[]): void {
  const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
  clearChain(chain);
  let at = chain.start;
  for (let i = 0; i < entries.length; i++) {
    const source = entries[i]!;
    const name = nameAt(from, source);
    const length = i + 1 < entries.length ? entrySize(name.length) : chain.end - at;
    const ino = DirEntry.inode.get(view, source);
    writeEntry(chain, at, length, name, ino, DirEntry.file_type.get(view, source));
    at += length;
  }
}
