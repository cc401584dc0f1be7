/**
 * Reading and writing the pages of an object: read(2) and write(2) on regular
 * files, through the same frames that mmap(2) shows.
 *
 * Runs of physically contiguous pages move in one copy. A frame is held while
 * user memory is touched, because that may fault, allocate and so reclaim it.
 */
import { failed } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { ReadAhead } from "./readahead.ts";

const PAGE = 4096;
/** Most pages read at once for one read(2): 1 MiB. */
const FILL_MAX = 256;
/** Most pages written with one copy. */
const RUN_MAX = 16;

/**
 * Moves bytes from `offset` up to the end of the object. Bytes moved, 0 at the end, or an error.
 * `ahead`: what is known of how its open file is read.
 */
export function readObject(
  object: VmObject,
  uio: Uio,
  offset: number,
  ahead: ReadAhead | null = null,
): number {
  const n = Math.min(uio.resid, object.sizeBytes - offset);
  let done = 0;
  while (done < n) {
    const at = offset + done;
    const pindex = Math.floor(at / PAGE);
    const inPage = at % PAGE;
    let step = Math.min(PAGE - inPage, n - done);
    let pa: number = object.lookup(pindex);
    if (pa === 0) {
      if (object.isShmem) {
        const r = uio.zero(step);
        if (r < 0) return done > 0 ? done : r;
        done += r;
        if (r < step) return done;
        continue;
      }
      pa = readIn(object, pindex, Math.ceil((inPage + n - done) / PAGE), ahead);
      if (failed(pa)) return done > 0 ? done : pa;
    }
    // Of a page read in pieces only the first counts as its use.
    let next = pindex;
    if (ahead?.lastPage !== pindex) object.touch(pa as Paddr);
    while (step < n - done && object.lookup(next + 1) === pa + (next + 1 - pindex) * PAGE) {
      next++;
      object.touch((pa + (next - pindex) * PAGE) as Paddr);
      step += Math.min(PAGE, n - done - step);
    }
    if (ahead) ahead.lastPage = next;
    const r = copyout(object, uio, pa, inPage, step);
    if (r < 0) return done > 0 ? done : r;
    done += r;
    if (r < step) return done;
  }
  return done;
}

/** The frame of an absent page, of which `wanted` are asked for from here on; or an error. */
function readIn(object: VmObject, pindex: number, wanted: number, ahead: ReadAhead | null): number {
  if (!ahead) return object.getPage(pindex, false);
  const r = object.fill(pindex, pindex + ahead.pagesFrom(pindex, Math.min(wanted, FILL_MAX)));
  if (failed(r)) return r;
  return object.lookup(pindex) || object.getPage(pindex, false);
}

/** How many of `count` bytes from `offset` on a read finds in memory. */
export function cachedBytes(object: VmObject, offset: number, count: number): number {
  const end = Math.min(offset + count, object.sizeBytes);
  let at = offset;
  while (at < end && (object.isShmem || object.lookup(Math.floor(at / PAGE)) !== 0)) {
    at += PAGE - (at % PAGE);
  }
  return Math.min(at, end) - offset;
}

function copyout(object: VmObject, uio: Uio, pa: number, at: number, count: number): number {
  const { frames } = object;
  const from = (pa + at) as Paddr;
  if (object.isShmem) return uio.copyoutPhys(frames.mem, from, count);
  const pages = Math.ceil((at + count) / PAGE);
  for (let i = 0; i < pages; i++) frames.hold((pa + i * PAGE) as Paddr);
  const r = uio.copyoutPhys(frames.mem, from, count);
  for (let i = 0; i < pages; i++) frames.release((pa + i * PAGE) as Paddr);
  return r;
}

/** Moves bytes to `offset`, growing the object as they arrive. Bytes moved, or an error. */
export function writeObject(object: VmObject, uio: Uio, offset: number): number {
  const n = uio.resid;
  if (offset + n > object.sizeBytes) object.zeroTail();
  object.willOutgrowPage = offset + n > PAGE;
  let done = 0;
  while (done < n) {
    const at = offset + done;
    const inPage = at % PAGE;
    const step = Math.min(PAGE - inPage, n - done);
    const pindex = Math.floor(at / PAGE);
    const busy = object.throttle();
    if (failed(busy)) return done > 0 ? done : busy;
    // What is overwritten as far as the file reaches need not be read first.
    const isWhole = inPage === 0 && (step === PAGE || at + step >= object.sizeBytes);
    const isFresh = isWhole && object.lookup(pindex) === 0 && uio.touch(step);
    let r = isFresh ? writeFresh(object, uio, pindex, step) : 0;
    if (r === 0) r = writeRun(object, uio, pindex, inPage, n - done);
    if (r < 0) return done > 0 ? done : r;
    done += r;
    if (offset + done > object.sizeBytes) object.grow(offset + done);
    if (r < step) return done;
  }
  return done;
}

/**
 * Moves `count` bytes to the beginning of an absent page. What its frame held before is never seen: the bytes
 * come without a fault, or not at all. `count`; 0 if they would not come so; or an error.
 */
function writeFresh(object: VmObject, uio: Uio, pindex: number, count: number): number {
  const { frames } = object;
  const pa = object.grabPage(pindex);
  if (failed(pa)) return pa;
  // Memory for it may have been had from the caller's own pages.
  if (!uio.isReady(count)) {
    object.discard(pindex, pindex + 1);
    return 0;
  }
  const r = uio.copyinPhys(frames.mem, pa, count);
  if (count < PAGE) frames.mem.bulk.zero(pa + count, PAGE - count);
  frames.codeWritten(pa, PAGE);
  return r;
}

/** Moves up to `count` bytes into a page and those that follow it in memory: bytes moved, or an error. */
function writeRun(
  object: VmObject,
  uio: Uio,
  pindex: number,
  inPage: number,
  count: number,
): number {
  const { frames } = object;
  const { passes } = frames.writeback;
  const pa = object.getPage(pindex, true);
  if (failed(pa)) return pa;
  let pages = 1;
  let bytes = Math.min(PAGE - inPage, count);
  while (bytes < count && pages < RUN_MAX) {
    const next = pa + pages * PAGE;
    if (object.lookup(pindex + pages) !== next) break;
    if (object.getPage(pindex + pages, true) !== next) break;
    bytes = Math.min(bytes + PAGE, count);
    pages++;
  }
  for (let i = 0; i < pages; i++) frames.hold((pa + i * PAGE) as Paddr);
  const r = uio.copyinPhys(frames.mem, (pa + inPage) as Paddr, bytes);
  frames.codeWritten((pa + inPage) as Paddr, bytes);
  // Space for one of them, or memory for the caller's own pages, may have been had by writing these back.
  const mayBeClean = frames.writeback.passes !== passes;
  let error = 0;
  for (let i = 0; i < pages; i++) {
    const again = mayBeClean ? object.markDirty(pindex + i) : 0;
    if (failed(again)) error = again;
    frames.release((pa + i * PAGE) as Paddr);
  }
  return failed(error) ? error : r;
}

/** Zeroes the bytes [from, end) of an object without growing it: holes stay holes. */
export function zeroObject(object: VmObject, from: number, end: number): number {
  const { frames } = object;
  for (let at = from; at < end; ) {
    const pindex = Math.floor(at / PAGE);
    const inPage = at % PAGE;
    const step = Math.min(PAGE - inPage, end - at);
    const pa = object.lookup(pindex);
    if (pa !== 0) {
      frames.mem.bulk.zero(pa + inPage, step);
      frames.codeWritten((pa + inPage) as typeof pa, step);
    }
    at += step;
  }
  return 0;
}
