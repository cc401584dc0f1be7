/**
 * The extent tree, searched: nodes of sorted entries, the root inside the inode.
 *
 * A node's depth must be one less than its parent's, so a search ends after at
 * most MAX_DEPTH nodes whatever the image says; each node is checked whole
 * before it is searched, once per stay of its buffer in the cache.
 * Source: fs/ext4/extents.c, Documentation/filesystems/ext4/ifork.rst.
 */
import { type BlockRun, HOLE } from "./blockmap.ts";
import {
  childNode,
  depthOf,
  entries,
  firstBlock,
  isUnwritten,
  lengthOf,
  rootNode,
  search,
  startBlock,
} from "./extentnode.ts";
import type { Inode } from "./inode.ts";

const TWO32 = 4294967296;

export function mapExtent(ip: Inode, lblk: number, run: BlockRun): number {
  let node = rootNode(ip);
  if (typeof node === "number") return node;
  /** First logical block that belongs to the next entry of a node passed on the way. */
  let limit = TWO32;
  for (let depth = depthOf(node); depth > 0; depth--) {
    const i = search(node, lblk);
    if (i + 1 < entries(node)) limit = firstBlock(node, i + 1);
    if (i < 0) {
      const first = entries(node) > 0 ? firstBlock(node, 0) : limit;
      run.set(lblk, HOLE, first - lblk);
      return 0;
    }
    node = childNode(ip, node, i, depth - 1);
    if (typeof node === "number") return node;
  }
  const i = search(node, lblk);
  if (i + 1 < entries(node)) limit = Math.min(limit, firstBlock(node, i + 1));
  if (i >= 0) {
    const skip = lblk - firstBlock(node, i);
    const length = lengthOf(node, i);
    if (skip < length) {
      const pblk = startBlock(node, i) + skip;
      if (isUnwritten(node, i)) run.set(lblk, HOLE, length - skip, pblk);
      else run.set(lblk, pblk, length - skip);
      return 0;
    }
  }
  run.set(lblk, HOLE, Math.max(1, limit - lblk));
  return 0;
}
