/**
 * Small files inside their inode: kept there while they fit beside its attributes,
 * moved to a block when they grow. A new file decides when it is first written out.
 * Source: fs/ext4/inline.c of Linux.
 */
import { failed } from "../../abi/errno.ts";
import { freeBlocks } from "./alloc.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { INCOMPAT_INLINE_DATA } from "./features.ts";
import { homeOf, LBLK_MAX, MAP_CREDITS, mapBlocks } from "./filemap.ts";
import { dropInlineData, inlineData } from "./inline.ts";
import type { Inode } from "./inode.ts";
import { EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";
import {
  INDEX_SYSTEM,
  inodeXattrRoom,
  inodeXattrs,
  storeInodeXattrs,
  type Xattr,
  xattrsSize,
} from "./xattrentry.ts";

/** What lies in i_block; the rest is the value of an attribute. */
const FIRST_BYTES = 60;

/** Bytes that fit into the inode, or less than 0: not even the attribute does. EUCLEAN as that. */
export function inlineRoom(ip: Inode): number {
  const others = otherXattrs(ip);
  if (typeof others === "number") return others;
  const left = inodeXattrRoom(ip) - xattrsSize([...others, dataXattr(new Uint8Array(0))]);
  return left < 0 ? -1 : FIRST_BYTES + left - (left % 4);
}

/** A file of the volume's that has no blocks, and could as well lie in its inode. */
export function mayBeInline(ip: Inode): boolean {
  if ((ip.volume.incompat & INCOMPAT_INLINE_DATA) === 0 || !ip.has(EXTENTS_FL)) return false;
  if (ip.sizeBytes > inlineRoom(ip)) return false;
  const run = new BlockRun();
  if (failed(mapBlock(ip, 0, run))) return false;
  return run.pblk === HOLE && run.unwritten === HOLE && run.count >= LBLK_MAX;
}

/** Stores the file in its inode, out of its first page; it fits. 0, EUCLEAN, EIO, EROFS. */
export function storeInline(ip: Inode, page: Uint8Array): number {
  const others = otherXattrs(ip);
  if (typeof others === "number") return others;
  const r = ip.volume.tx.start(1);
  if (failed(r)) return r;
  const size = ip.sizeBytes;
  ip.flags = (ip.flags & ~EXTENTS_FL) | INLINE_DATA_FL;
  ip.isExtentRootSound = false;
  ip.block.fill(0);
  ip.block.set(page.subarray(0, Math.min(size, FIRST_BYTES)));
  const rest = page.subarray(FIRST_BYTES, Math.max(size, FIRST_BYTES));
  storeInodeXattrs(ip, [dataXattr(rest), ...others]);
  ip.diskSizeBytes = size;
  const dirtied = ip.dirty();
  ip.volume.tx.stop();
  return dirtied;
}

/** Moves what the inode holds to a block of its own. 0, ENOSPC, EIO, EUCLEAN, EROFS. */
export function leaveInline(ip: Inode): number {
  const { volume } = ip;
  const { blockSize } = volume.geometry;
  const data = inlineData(ip);
  if (typeof data === "number") return data;
  const begun = volume.tx.start(MAP_CREDITS);
  if (failed(begun)) return begun;
  const r = moveOut(ip, data.subarray(0, ip.diskSizeBytes), blockSize);
  const dirtied = ip.dirty();
  volume.tx.stop();
  return failed(r) ? r : dirtied;
}

function moveOut(ip: Inode, data: Uint8Array, blockSize: number): number {
  const { volume } = ip;
  if (data.length === 0) return dropInlineData(ip);
  const run = volume.alloc.alloc(homeOf(ip), 1, {});
  if (typeof run === "number") return run;
  const block = new Uint8Array(blockSize);
  block.set(data);
  let r = volume.writeData(run.start * blockSize, block);
  if (!failed(r)) r = dropInlineData(ip);
  // An empty map has room for one block.
  if (!failed(r)) r = mapBlocks(ip, 0, run.start, 1, false);
  if (failed(r)) freeBlocks(volume, run.start, 1, { isMetadata: false });
  else ip.blocks512 += blockSize / 512;
  return r;
}

function otherXattrs(ip: Inode): readonly Xattr[] | number {
  const all = inodeXattrs(ip);
  if (typeof all === "number") return all;
  return all.filter((x) => x.nameIndex !== INDEX_SYSTEM || x.name !== "data");
}

function dataXattr(value: Uint8Array): Xattr {
  const valueSize = value.length;
  return { nameIndex: INDEX_SYSTEM, name: "data", value, valueIno: 0, valueSize, hash: 0 };
}
