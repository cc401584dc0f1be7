/**
 * Direct I/O: transfers that leave nothing in the page cache, and find in the
 * file what is in the cache.
 *
 * Offset, length and every buffer must be multiples of a block of the disk, 512 bytes. What the cache has
 * of the range is written back first; a write has reached the disk when it
 * returns. The bytes still pass through pages, which are given up at once: a
 * copy more, and one truth less to keep. See open(2), O_DIRECT.
 */
import { EINVAL, failed } from "../abi/errno.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import { readObject } from "./pagecache.ts";
import { FADV_RANDOM, ReadAhead } from "./readahead.ts";

const PAGE = 4096;
const SECTOR = 512;

/** EINVAL if a direct transfer must not begin here; 0. */
export function refuseUnaligned(uio: Uio, offset: number, unit = SECTOR): number {
  return offset % unit === 0 && uio.isAligned(unit) ? 0 : EINVAL;
}

/** As `readObject`; `unit` is what all must be a multiple of. */
export function readDirect(object: VmObject, uio: Uio, offset: number, unit = SECTOR): number {
  if (object.isShmem || offset >= object.sizeBytes) return readObject(object, uio, offset);
  const refused = refuseUnaligned(uio, offset, unit);
  if (refused < 0) return refused;
  const first = Math.floor(offset / PAGE);
  const end = Math.ceil((offset + uio.resid) / PAGE);
  const written = object.sync(first, end);
  if (failed(written)) return written;
  const wasCached = object.lookup(first) !== 0;
  const exact = new ReadAhead();
  exact.advice = FADV_RANDOM;
  const r = readObject(object, uio, offset, exact);
  if (!wasCached) object.dropClean(first, end);
  return r;
}

/** What follows a write of `count` bytes at `offset` through the cache: `count`, or the error it met. */
export function finishDirectWrite(object: VmObject, offset: number, count: number): number {
  if (object.isShmem) return count;
  const first = Math.floor(offset / PAGE);
  const end = Math.ceil((offset + count) / PAGE);
  const r = object.sync(first, end);
  if (failed(r)) return r;
  object.dropClean(first, end);
  return count;
}
