/**
 * The extent tree: nodes of sorted entries, the root inside the inode.
 *
 * A node's depth must be one less than its parent's, so a search ends after at
 * most MAX_DEPTH nodes whatever the image says; each node is checked whole
 * before it is searched, once per stay of its buffer in the cache.
 * Source: fs/ext4/extents.c, Documentation/filesystems/ext4/ifork.rst.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { type BlockRun, HOLE } from "./blockmap.ts";
import type { Inode } from "./inode.ts";
import { DiskInode, EXTENT_MAGIC, Extent, ExtentHeader, ExtentIndex } from "./layout.ts";

const MAX_DEPTH = 5;
const HEADER_SIZE = ExtentHeader.sizeof;
const ENTRY_SIZE = Extent.sizeof;
/** Lengths above this mark unwritten extents. */
const INIT_MAX_LEN = 32768;
const TWO32 = 4294967296;
const ROOT_SIZE = 60;

/** A node in some buffer; the root's is the inode itself. */
interface Node {
  readonly view: DataView;
  readonly at: number;
}

export function mapExtent(ip: Inode, lblk: number, run: BlockRun): number {
  const base = DiskInode.i_block.offset;
  let node: Node = { view: ip.view, at: base };
  let depth = ExtentHeader.eh_depth.get(ip.view, base);
  if (depth > MAX_DEPTH) return ip.volume.corrupt(`inode #${ip.ino}: extent tree too deep`);
  if (!ip.isExtentRootSound) {
    const r = checkNode(ip, node, ROOT_SIZE, depth);
    if (failed(r)) return r;
    ip.isExtentRootSound = true;
  }
  /** First logical block that belongs to the next entry of a node passed on the way. */
  let limit = TWO32;
  for (; depth > 0; depth--) {
    const i = search(node, lblk);
    if (i + 1 < entries(node)) limit = firstBlock(node, i + 1);
    if (i < 0) {
      const first = entries(node) > 0 ? firstBlock(node, 0) : limit;
      run.set(lblk, HOLE, first - lblk);
      return 0;
    }
    const child = readChild(ip, node, i, depth - 1);
    if (typeof child === "number") return child;
    node = child;
  }
  const i = search(node, lblk);
  if (i + 1 < entries(node)) limit = Math.min(limit, firstBlock(node, i + 1));
  if (i >= 0) {
    const at = entryAt(node, i);
    const from = Extent.ee_block.get(node.view, at);
    const rawLength = Extent.ee_len.get(node.view, at);
    const isUnwritten = rawLength > INIT_MAX_LEN;
    const length = isUnwritten ? rawLength - INIT_MAX_LEN : rawLength;
    if (lblk < from + length) {
      const skip = lblk - from;
      run.set(lblk, isUnwritten ? HOLE : startBlock(node.view, at) + skip, length - skip);
      return 0;
    }
  }
  run.set(lblk, HOLE, Math.max(1, limit - lblk));
  return 0;
}

function readChild(ip: Inode, node: Node, index: number, depth: number): Node | Errno {
  const at = entryAt(node, index);
  const block =
    ExtentIndex.ei_leaf_lo.get(node.view, at) + ExtentIndex.ei_leaf_hi.get(node.view, at) * TWO32;
  const bp = ip.volume.bread(block);
  if (typeof bp === "number") return bp;
  const child = { view: bp.view, at: 0 };
  if (bp.soundFor === ip && ExtentHeader.eh_depth.get(bp.view, 0) === depth) return child;
  const r = checkNode(ip, child, bp.data.length, depth);
  if (failed(r)) return r;
  if (ip.volume.hasMetadataCsum) {
    const tail = HEADER_SIZE + ENTRY_SIZE * ExtentHeader.eh_max.get(bp.view, 0);
    if (crc32c(ip.csumSeed, bp.data, 0, tail) !== bp.view.getUint32(tail, true)) {
      return ip.volume.corrupt(`inode #${ip.ino}: extent block ${block} checksum invalid`, true);
    }
  }
  bp.soundFor = ip;
  return child;
}

/** A node is sound if its header fits, and its entries ascend, do not overlap and stay on the volume. */
function checkNode(ip: Inode, node: Node, sizeBytes: number, depth: number): number {
  const { view, at } = node;
  const bad = (): Errno => ip.volume.corrupt(`inode #${ip.ino}: bad extent node`);
  const max = ExtentHeader.eh_max.get(view, at);
  const count = ExtentHeader.eh_entries.get(view, at);
  const tail = ip.volume.hasMetadataCsum && sizeBytes !== ROOT_SIZE ? 4 : 0;
  if (
    ExtentHeader.eh_magic.get(view, at) !== EXTENT_MAGIC ||
    ExtentHeader.eh_depth.get(view, at) !== depth ||
    count > max ||
    HEADER_SIZE + max * ENTRY_SIZE + tail > sizeBytes ||
    (count === 0 && depth > 0)
  ) {
    return bad();
  }
  let next = 0;
  for (let i = 0; i < count; i++) {
    const entry = entryAt(node, i);
    const from = Extent.ee_block.get(view, entry);
    if (from < next) return bad();
    if (depth > 0) {
      const leaf =
        ExtentIndex.ei_leaf_lo.get(view, entry) + ExtentIndex.ei_leaf_hi.get(view, entry) * TWO32;
      if (!ip.volume.holds(leaf, 1)) return bad();
      next = from + 1;
      continue;
    }
    const raw = Extent.ee_len.get(view, entry);
    const length = raw > INIT_MAX_LEN ? raw - INIT_MAX_LEN : raw;
    if (length === 0 || from + length > TWO32) return bad();
    if (!ip.volume.holds(startBlock(view, entry), length)) return bad();
    next = from + length;
  }
  return 0;
}

/** Index of the last entry that begins at or before `lblk`; -1 if all begin after it. */
function search(node: Node, lblk: number): number {
  let low = 0;
  let high = entries(node);
  while (low < high) {
    const mid = (low + high) >> 1;
    if (firstBlock(node, mid) <= lblk) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}

function entries(node: Node): number {
  return ExtentHeader.eh_entries.get(node.view, node.at);
}

function entryAt(node: Node, index: number): number {
  return node.at + HEADER_SIZE + index * ENTRY_SIZE;
}

/** First logical block of an entry: at the same place in leaves and indexes. */
function firstBlock(node: Node, index: number): number {
  return Extent.ee_block.get(node.view, entryAt(node, index));
}

function startBlock(view: DataView, at: number): number {
  return Extent.ee_start_lo.get(view, at) + Extent.ee_start_hi.get(view, at) * TWO32;
}
