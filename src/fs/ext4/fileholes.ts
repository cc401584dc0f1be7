/**
 * Which parts of a file are there: SEEK_DATA and SEEK_HOLE of lseek(2), and the
 * extents that FS_IOC_FIEMAP tells. What is delayed is data; what is
 * allocated and unwritten is a hole, but where its pages are dirty.
 */
import { EFBIG, ENXIO, type Errno, failed } from "../../abi/errno.ts";
import {
  FIEMAP_EXTENT_DATA_INLINE,
  FIEMAP_EXTENT_DELALLOC,
  FIEMAP_EXTENT_MERGED,
  FIEMAP_EXTENT_NOT_ALIGNED,
  FIEMAP_EXTENT_UNKNOWN,
  FIEMAP_EXTENT_UNWRITTEN,
} from "../../abi/fiemap.ts";
import type { FileExtent } from "../../vfs/fiemap.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import type { FileData } from "./filedata.ts";
import { LBLK_MAX } from "./filemap.ts";
import { EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";

/** The first offset at or after `offset` with data, or without. ENXIO: no data follows. EIO, EUCLEAN. */
export function seekFile(
  data: FileData,
  offset: number,
  isHole: boolean,
  sizeBytes: number,
): number {
  const { blockSize } = data.inode.volume.geometry;
  const end = Math.ceil(sizeBytes / blockSize);
  const first = Math.floor(offset / blockSize);
  const lblk = isHole ? nextHole(data, first, end) : nextData(data, first, end);
  if (failed(lblk)) return lblk;
  const at = Math.max(offset, lblk * blockSize);
  if (isHole) return Math.min(at, sizeBytes);
  return lblk < end ? at : ENXIO;
}

/** The first block of [lblk, end) with data, or `end`. */
function nextData(data: FileData, lblk: number, end: number): number {
  const { inode: ip } = data;
  if (ip.has(INLINE_DATA_FL)) return lblk;
  const delayed = data.delayed.blocks;
  const run = new BlockRun();
  for (let at = lblk; at < end; at = run.lblk + run.count) {
    const r = mapBlock(ip, at, run);
    if (failed(r)) return r;
    if (run.pblk !== HOLE) return at;
    const stop = Math.min(run.lblk + run.count, end);
    const found = Math.min(
      delayed.next(at),
      run.unwritten === HOLE ? stop : firstDirty(data, at, stop),
    );
    if (found < stop) return found;
  }
  return end;
}

/** The first block of [lblk, end) without data, or `end`. */
function nextHole(data: FileData, lblk: number, end: number): number {
  const { inode: ip } = data;
  if (ip.has(INLINE_DATA_FL)) return end;
  const { blockSize, blocksCount } = ip.volume.geometry;
  const delayed = data.delayed.blocks;
  const run = new BlockRun();
  let mapped = 0;
  for (let at = lblk; at < end; ) {
    const gap = delayed.nextGap(at);
    if (gap > at) {
      at = gap;
      continue;
    }
    const r = mapBlock(ip, at, run);
    if (failed(r)) return r;
    if (run.pblk === HOLE) {
      if (run.unwritten === HOLE || firstDirty(data, at, at + 1) > at) return at;
      // Dirty: data as far as its page goes.
      const page = Math.floor((at * blockSize) / PAGE_SIZE);
      const stop = Math.ceil(((page + 1) * PAGE_SIZE) / blockSize);
      at = Math.min(stop, run.lblk + run.count);
      continue;
    }
    mapped += run.count;
    if (mapped > blocksCount) return ip.volume.corrupt(`inode #${ip.ino}: blocks mapped twice`);
    at = run.lblk + run.count;
  }
  return end;
}

/** The first block of [from, end) in a dirty page, or `end`. */
function firstDirty(data: FileData, from: number, end: number): number {
  const { blockSize } = data.inode.volume.geometry;
  const firstPage = Math.floor((from * blockSize) / PAGE_SIZE);
  const endPage = Math.ceil((end * blockSize) / PAGE_SIZE);
  const page = data.object.dirtyWithin(firstPage, endPage)[0];
  if (page === undefined) return end;
  return Math.min(end, Math.max(from, Math.floor((page * PAGE_SIZE) / blockSize)));
}

/** The first piece of the disk that holds bytes at or after `offset`; null if there is none. EUCLEAN, EIO. */
export function extentOf(data: FileData, offset: number): FileExtent | null | Errno {
  const { inode: ip } = data;
  const { blockSize } = ip.volume.geometry;
  if (ip.has(INLINE_DATA_FL)) {
    const length = ip.sizeBytes;
    const flags = FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED;
    return offset < length ? { offset: 0, length, physical: 0, flags } : null;
  }
  const delayed = data.delayed.blocks;
  const kind = ip.has(EXTENTS_FL) ? 0 : FIEMAP_EXTENT_MERGED;
  const run = new BlockRun();
  for (let at = Math.floor(offset / blockSize); at < LBLK_MAX; ) {
    const gap = delayed.nextGap(at);
    if (gap > at) {
      const flags = kind | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN;
      return { offset: at * blockSize, length: (gap - at) * blockSize, physical: 0, flags };
    }
    const r = mapBlock(ip, at, run);
    if (failed(r)) return r === EFBIG ? null : (r as Errno);
    const start = run.pblk === HOLE ? run.unwritten : run.pblk;
    if (start !== HOLE) {
      return {
        offset: at * blockSize,
        length: run.count * blockSize,
        physical: start * blockSize,
        flags: kind | (run.pblk === HOLE ? FIEMAP_EXTENT_UNWRITTEN : 0),
      };
    }
    at = Math.min(at + run.count, delayed.next(at));
  }
  return null;
}
