/**
 * truncate(2) on a file's contents: pages, promises, blocks and both sizes.
 *
 * A cut that takes more than one transaction is on the orphan list meanwhile.
 * What is left of the last block is zeroed on the disk before the transaction
 * that cuts the file commits, so that nobody ever sees it again.
 */
import { EFBIG, EROFS, failed } from "../../abi/errno.ts";
import type { PagedObject } from "../../vm/pagedobject.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import type { FileData } from "./filedata.ts";
import { LBLK_MAX, maxBytes, unmapCredits, unmapRange, unmapStep } from "./filemap.ts";
import { inlineRoom, storeInline } from "./inlinefile.ts";
import { INLINE_DATA_FL } from "./layout.ts";
import { ORPHAN_CREDITS } from "./orphan.ts";
import type { OrderedData } from "./transaction.ts";

/** Makes the file `size` bytes long. 0, EFBIG, ENOSPC, EROFS, EIO, EUCLEAN. */
export function resizeFile(data: FileData, size: number): number {
  const { inode: ip } = data;
  if (ip.volume.isReadOnly) return EROFS;
  if (size > maxBytes(ip)) return EFBIG;
  if (ip.has(INLINE_DATA_FL)) {
    if (size <= inlineRoom(ip)) return resizeInline(data, size);
    const r = data.leaveInline();
    if (failed(r)) return r;
  }
  return size < ip.sizeBytes ? shrink(data, size) : grow(data, size);
}

function grow(data: FileData, size: number): number {
  const { inode: ip } = data;
  const r = ip.volume.tx.start(1);
  if (failed(r)) return r;
  data.object.zeroTail();
  data.object.truncate(size);
  ip.resize(size);
  const dirtied = ip.dirty();
  ip.volume.tx.stop();
  return dirtied;
}

function shrink(data: FileData, size: number): number {
  const { inode: ip, object } = data;
  const { volume } = ip;
  const { blockSize } = volume.geometry;
  const tail = readTail(data, size);
  if (typeof tail === "number") return tail;
  const first = Math.ceil(size / blockSize);
  const begun = volume.tx.start(unmapCredits(ip) + ORPHAN_CREDITS);
  if (failed(begun)) return begun;
  object.truncate(size);
  if (size === 0) data.isReplaced = true;
  data.forgetDelayed(first);
  data.mapChanged();
  ip.resize(size);
  if (tail) volume.tx.order(tail);
  const rest = unmapStep(ip, first, LBLK_MAX);
  const wasOrphan = ip.isOrphan;
  let r = rest > first ? volume.orphans.add(ip) : 0;
  if (!failed(r)) r = ip.dirty();
  volume.tx.stop();
  if (failed(rest)) return rest;
  if (failed(r) || rest === first) return r;
  r = unmapRange(ip, first, rest);
  if (failed(r) || wasOrphan) return r;
  const last = volume.tx.start(ORPHAN_CREDITS);
  if (failed(last)) return last;
  r = volume.orphans.remove(ip);
  if (!failed(r)) r = ip.dirty();
  volume.tx.stop();
  return r;
}

function resizeInline(data: FileData, size: number): number {
  const { inode: ip, object } = data;
  const pa = object.getPage(0, false);
  if (failed(pa)) return pa;
  const page = object.frames.mem.u8.slice(pa, pa + PAGE_SIZE);
  if (size < ip.sizeBytes) page.fill(0, size);
  if (size === 0) data.isReplaced = true;
  object.zeroTail();
  object.truncate(size);
  ip.sizeBytes = size;
  return storeInline(ip, page);
}

/** Zeroes the rest of the block that the new end is in, the part in its page only in memory; null if there is none. */
function readTail(data: FileData, size: number): Tail | null | number {
  const { inode: ip } = data;
  const { volume } = ip;
  const { blockSize } = volume.geometry;
  if (size % blockSize === 0) return null;
  const run = new BlockRun();
  const lblk = Math.floor(size / blockSize);
  const r = mapBlock(ip, lblk, run);
  if (failed(r)) return r;
  if (run.pblk === HOLE) return null;
  const page = Math.floor(size / PAGE_SIZE);
  const isWithin = size % PAGE_SIZE !== 0;
  const pa = isWithin ? data.object.getPage(page, true) : 0;
  if (failed(pa)) return pa;
  // Of a block larger than a page: the pages behind will be gone, and must not come back.
  const from = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE - lblk * blockSize;
  if (from < blockSize) {
    const w = volume.writeData(run.pblk * blockSize + from, new Uint8Array(blockSize - from));
    if (failed(w)) return w;
  }
  return isWithin ? new Tail(data.object, page) : null;
}

/** The page with the end of a file, to be written when the transaction that cut it commits. */
class Tail implements OrderedData {
  readonly #object: PagedObject;
  readonly #page: number;

  constructor(object: PagedObject, page: number) {
    this.#object = object;
    this.#page = page;
  }

  writeOut(): number {
    return this.#object.sync(this.#page, this.#page + 1);
  }
}
