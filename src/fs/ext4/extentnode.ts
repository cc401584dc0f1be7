/**
 * One node of an extent tree, in its buffer: entries of twelve bytes behind a
 * header, sorted by the first block of the file that they are about.
 *
 * The root lies inside the inode. Any other node ends in a checksum where the
 * volume has them, which is set when it is written; `changed` hands it to the transaction.
 * Source: Documentation/filesystems/ext4/ifork.rst, fs/ext4/ext4_extents.h.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { wide } from "../../lib/wide.ts";
import type { Buf, Seal } from "../../vfs/bio.ts";
import type { Inode } from "./inode.ts";
import { DiskInode, EXTENT_MAGIC, Extent, ExtentHeader, ExtentIndex } from "./layout.ts";

export const MAX_DEPTH = 5;
/** Longest extent; lengths above this mark unwritten ones, which so are one block shorter at most. */
export const INIT_MAX_LEN = 32768;
export const UNWRITTEN_MAX_LEN = INIT_MAX_LEN - 1;

const HEADER_SIZE = ExtentHeader.sizeof;
const ENTRY_SIZE = Extent.sizeof;
const TWO32 = 4294967296;
const ROOT_SIZE = 60;

export interface Node {
  readonly view: DataView;
  readonly at: number;
  /** Null for the root. */
  readonly bp: Buf | null;
}

/** The root of `ip`'s tree, sound; or EUCLEAN. */
export function rootNode(ip: Inode): Node | Errno {
  const node: Node = { view: ip.view, at: DiskInode.i_block.offset, bp: null };
  if (ip.isExtentRootSound) return node;
  const depth = depthOf(node);
  if (depth > MAX_DEPTH) return ip.volume.corrupt(`inode #${ip.ino}: extent tree too deep`);
  const r = check(ip, node, ROOT_SIZE, depth);
  if (failed(r)) return r;
  ip.isExtentRootSound = true;
  return node;
}

/** The child that entry `index` of `node` points to, which must be `depth` levels above the leaves. */
export function childNode(ip: Inode, node: Node, index: number, depth: number): Node | Errno {
  const block = childBlock(node, index);
  const bp = ip.volume.bread(block);
  if (typeof bp === "number") return bp;
  const child: Node = { view: bp.view, at: 0, bp };
  if (bp.soundFor === ip && depthOf(child) === depth) return child;
  const r = check(ip, child, bp.data.length, depth);
  if (failed(r)) return r;
  if (ip.volume.hasMetadataCsum && bp.seal === null) {
    const tail = tailAt(child);
    if (crc32c(ip.csumSeed, bp.data, 0, tail) !== bp.view.getUint32(tail, true)) {
      return ip.volume.corrupt(`inode #${ip.ino}: extent block ${block} checksum invalid`, true);
    }
  }
  bp.soundFor = ip;
  return child;
}

/** Makes an empty node of a buffer that is nobody's yet. */
export function formatNode(ip: Inode, bp: Buf, depth: number): Node {
  const node: Node = { view: bp.view, at: 0, bp };
  ExtentHeader.eh_magic.set(bp.view, 0, EXTENT_MAGIC);
  ExtentHeader.eh_max.set(bp.view, 0, Math.floor((bp.data.length - HEADER_SIZE) / ENTRY_SIZE));
  ExtentHeader.eh_depth.set(bp.view, 0, depth);
  bp.soundFor = ip;
  return node;
}

/** Makes the root a leaf without entries. */
export function formatRoot(ip: Inode): void {
  ip.block.fill(0);
  const at = DiskInode.i_block.offset;
  ExtentHeader.eh_magic.set(ip.view, at, EXTENT_MAGIC);
  ExtentHeader.eh_max.set(ip.view, at, (ROOT_SIZE - HEADER_SIZE) / ENTRY_SIZE);
  ip.isExtentRootSound = true;
}

/** `node` was changed. The root goes with its inode, which is the caller's to make dirty. */
export function changed(ip: Inode, node: Node): void {
  const { bp } = node;
  if (!bp) return;
  ip.volume.tx.dirty(bp);
  if (!ip.volume.hasMetadataCsum) return;
  if (!(bp.seal instanceof NodeSeal && bp.seal.ip === ip)) bp.seal = new NodeSeal(ip);
}

/** The checksum behind the entries of a node of `ip`'s tree. */
class NodeSeal implements Seal {
  readonly ip: Inode;

  constructor(ip: Inode) {
    this.ip = ip;
  }

  seal(bp: Buf): void {
    const tail = tailAt({ view: bp.view, at: 0, bp });
    bp.view.setUint32(tail, crc32c(this.ip.csumSeed, bp.data, 0, tail), true);
  }
}

/** Index of the last entry that begins at or before `lblk`; -1 if all begin after it. */
export function search(node: Node, lblk: number): number {
  let low = 0;
  let high = entries(node);
  while (low < high) {
    const mid = (low + high) >> 1;
    if (firstBlock(node, mid) <= lblk) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}

export function depthOf(node: Node): number {
  return ExtentHeader.eh_depth.get(node.view, node.at);
}

export function setDepth(node: Node, depth: number): void {
  ExtentHeader.eh_depth.set(node.view, node.at, depth);
}

export function entries(node: Node): number {
  return ExtentHeader.eh_entries.get(node.view, node.at);
}

export function maxEntries(node: Node): number {
  return ExtentHeader.eh_max.get(node.view, node.at);
}

/** First logical block of an entry: at the same place in leaves and indexes. */
export function firstBlock(node: Node, index: number): number {
  return Extent.ee_block.get(node.view, entryAt(node, index));
}

export function setFirstBlock(node: Node, index: number, lblk: number): void {
  Extent.ee_block.set(node.view, entryAt(node, index), lblk);
}

/** Of a leaf's entry: where it begins on the volume, how long it is, and whether it reads as zeroes. */
export function startBlock(node: Node, index: number): number {
  const at = entryAt(node, index);
  return wide(Extent.ee_start_hi.get(node.view, at), Extent.ee_start_lo.get(node.view, at));
}

export function lengthOf(node: Node, index: number): number {
  const raw = Extent.ee_len.get(node.view, entryAt(node, index));
  return raw > INIT_MAX_LEN ? raw - INIT_MAX_LEN : raw;
}

export function isUnwritten(node: Node, index: number): boolean {
  return Extent.ee_len.get(node.view, entryAt(node, index)) > INIT_MAX_LEN;
}

export function setExtent(
  node: Node,
  index: number,
  lblk: number,
  pblk: number,
  count: number,
  unwritten: boolean,
): void {
  const { view } = node;
  const at = entryAt(node, index);
  Extent.ee_block.set(view, at, lblk);
  Extent.ee_len.set(view, at, unwritten ? count + INIT_MAX_LEN : count);
  Extent.ee_start_lo.set(view, at, pblk % TWO32);
  Extent.ee_start_hi.set(view, at, Math.floor(pblk / TWO32));
}

export function childBlock(node: Node, index: number): number {
  const at = entryAt(node, index);
  return wide(ExtentIndex.ei_leaf_hi.get(node.view, at), ExtentIndex.ei_leaf_lo.get(node.view, at));
}

export function setIndex(node: Node, index: number, lblk: number, block: number): void {
  const { view } = node;
  const at = entryAt(node, index);
  ExtentIndex.ei_block.set(view, at, lblk);
  ExtentIndex.ei_leaf_lo.set(view, at, block % TWO32);
  ExtentIndex.ei_leaf_hi.set(view, at, Math.floor(block / TWO32));
  ExtentIndex.ei_unused.set(view, at, 0);
}

/** Opens a gap of one entry at `index`; there must be room. */
export function openEntry(node: Node, index: number): void {
  const count = entries(node);
  bytesOf(node).copyWithin(place(index + 1), place(index), place(count));
  ExtentHeader.eh_entries.set(node.view, node.at, count + 1);
}

export function removeEntry(node: Node, index: number): void {
  const count = entries(node);
  bytesOf(node).copyWithin(place(index), place(index + 1), place(count));
  ExtentHeader.eh_entries.set(node.view, node.at, count - 1);
}

/** Moves the entries from `index` on to the end of `to`, which has the room. */
export function moveEntries(from: Node, index: number, to: Node): void {
  const count = entries(from);
  const have = entries(to);
  bytesOf(to).set(bytesOf(from).subarray(place(index), place(count)), place(have));
  ExtentHeader.eh_entries.set(to.view, to.at, have + count - index);
  ExtentHeader.eh_entries.set(from.view, from.at, index);
}

/** A node is sound if its header fits, and its entries ascend, do not overlap and stay on the volume. */
function check(ip: Inode, node: Node, sizeBytes: number, depth: number): number {
  const { view, at } = node;
  const bad = (): Errno => ip.volume.corrupt(`inode #${ip.ino}: bad extent node`);
  const max = maxEntries(node);
  const count = entries(node);
  const tail = ip.volume.hasMetadataCsum && sizeBytes !== ROOT_SIZE ? 4 : 0;
  if (
    ExtentHeader.eh_magic.get(view, at) !== EXTENT_MAGIC ||
    depthOf(node) !== depth ||
    count > max ||
    HEADER_SIZE + max * ENTRY_SIZE + tail > sizeBytes ||
    (count === 0 && depth > 0)
  ) {
    return bad();
  }
  let next = 0;
  for (let i = 0; i < count; i++) {
    const from = firstBlock(node, i);
    if (from < next) return bad();
    if (depth > 0) {
      if (!ip.volume.holds(childBlock(node, i), 1)) return bad();
      next = from + 1;
      continue;
    }
    const length = lengthOf(node, i);
    if (length === 0 || from + length > TWO32) return bad();
    if (!ip.volume.holds(startBlock(node, i), length)) return bad();
    next = from + length;
  }
  return 0;
}

function tailAt(node: Node): number {
  return place(maxEntries(node));
}

function place(index: number): number {
  return HEADER_SIZE + index * ENTRY_SIZE;
}

function entryAt(node: Node, index: number): number {
  return node.at + place(index);
}

function bytesOf(node: Node): Uint8Array {
  const { view, at } = node;
  return new Uint8Array(view.buffer, view.byteOffset + at, view.byteLength - at);
}
