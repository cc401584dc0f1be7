/**
 * Small files inside their inode: written there while they fit in what the inode
 * has set aside for them, moved to a block when they grow.
 * Source: fs/ext4/inline.c of Linux.
 */
import { failed } from "../../abi/errno.ts";
import { freeBlocks } from "./alloc.ts";
import { homeOf, MAP_CREDITS, mapBlocks } from "./filemap.ts";
import { dropInlineData, inlineData, inlineValue } from "./inline.ts";
import type { Inode } from "./inode.ts";

/** What lies in i_block. */
const FIRST_BYTES = 60;

/** Bytes that the inode has set aside; EUCLEAN. */
export function inlineRoom(ip: Inode): number {
  const rest = inlineValue(ip);
  return typeof rest === "number" ? rest : FIRST_BYTES + rest.length;
}

/** Stores the file out of `from`, which is its first page, when `start` is 0. 0, EUCLEAN, EIO, EROFS. */
export function storeInline(ip: Inode, start: number, from: Uint8Array): number {
  if (start > 0) return 0;
  const rest = inlineValue(ip);
  if (typeof rest === "number") return rest;
  const r = ip.volume.tx.start(1);
  if (failed(r)) return r;
  ip.block.set(from.subarray(0, FIRST_BYTES));
  rest.set(from.subarray(FIRST_BYTES, FIRST_BYTES + rest.length));
  ip.diskSizeBytes = ip.sizeBytes;
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
