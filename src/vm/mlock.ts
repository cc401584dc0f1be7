/**
 * mlock(2) and msync(2), mincore(2): calls that ask for pages to be present, or written, or which are.
 *
 * Nothing is ever swapped here, so locking means: present now, refused to
 * MADV_DONTNEED, and counted. Limits are the system call's to check.
 */
import { EAGAIN, EBUSY, EINVAL, ENOMEM, failed } from "../abi/errno.ts";
import {
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
} from "../abi/mman.ts";
import { FAULT_OK } from "./faultcode.ts";
import { VM_LOCKED, VM_LOCKONFAULT } from "./mapentry.ts";
import { PAGE_SIZE, pageCeil, pageFloor, USER_END } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

const LOCK_FLAGS = VM_LOCKED | VM_LOCKONFAULT;

/** True for a length that is nothing when it is made whole pages of, in 64 bits. */
export function isWrapped(length: number): boolean {
  return pageCeil(length) >= 2 ** 64;
}

/** Locks (`flags` of VM_LOCKED and VM_LOCKONFAULT) or unlocks (0) the pages that hold any byte of the range. */
export function lockRange(vs: Vmspace, addr: number, length: number, flags: number): number {
  const start = pageFloor(addr);
  const end = pageCeil(addr + length);
  if (isWrapped(length + (addr - start))) return 0;
  if (!(addr + length < Number.MAX_SAFE_INTEGER)) return EINVAL;
  if (length === 0) return 0;
  if (!(end <= USER_END)) return ENOMEM;
  let at = start;
  let result = 0;
  while (at < end) {
    const e = vs.entries.find(at);
    if (!e) {
      result = ENOMEM;
      break;
    }
    const stop = Math.min(end, e.end);
    if ((e.flags & LOCK_FLAGS) !== flags) {
      const i = vs.clip(at, stop);
      if (failed(i)) {
        result = i;
        break;
      }
      const part = vs.entries.at(i)!;
      vs.account(part, -1);
      part.flags = (part.flags & ~LOCK_FLAGS) | flags;
      vs.account(part, 1);
    }
    at = stop;
  }
  vs.mergeRange(start, Math.min(at, end));
  if (failed(result) || flags !== VM_LOCKED) return result;
  return populateReadable(vs, start, end) === FAULT_OK ? 0 : ENOMEM;
}

/** mlockall(2) with MCL_* flags; 0 is munlockall(2). */
export function lockAll(vs: Vmspace, flags: number): number {
  const kind = VM_LOCKED | ((flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0);
  if (flags === 0) vs.lockFuture = 0;
  else if ((flags & (MCL_CURRENT | MCL_FUTURE)) === 0) return EINVAL;
  if ((flags & MCL_FUTURE) !== 0) vs.lockFuture = kind;
  else if ((flags & MCL_CURRENT) !== 0) vs.lockFuture = 0;
  if (flags !== 0 && (flags & MCL_CURRENT) === 0) return 0;
  for (const e of [...vs.entries]) {
    vs.account(e, -1);
    e.flags = (e.flags & ~LOCK_FLAGS) | (flags === 0 ? 0 : kind);
    vs.account(e, 1);
  }
  vs.mergeRange(0, USER_END);
  if (flags === 0 || (kind & VM_LOCKONFAULT) !== 0) return 0;
  // As in Linux, pages that cannot be brought in do not fail the call.
  for (const e of [...vs.entries]) if (e.prot !== 0) vs.populate(e.start, e.end);
  return 0;
}

/** Populates what allows access; PROT_NONE maps are stepped over. */
function populateReadable(vs: Vmspace, start: number, end: number): number {
  for (let at = start; at < end; ) {
    const e = vs.entries.find(at)!;
    const stop = Math.min(e.end, end);
    const r = vs.populate(at, stop);
    if (r !== FAULT_OK) return r;
    at = stop;
  }
  return FAULT_OK;
}

export function syncRange(vs: Vmspace, addr: number, length: number, flags: number): number {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || addr % PAGE_SIZE !== 0)
    return EINVAL;
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return EINVAL;
  const end = addr + pageCeil(length);
  if (isWrapped(length)) return 0;
  if (!(end <= USER_END)) return ENOMEM;
  let hasHole = false;
  for (let at = addr; at < end; ) {
    const e = vs.entries.at(vs.entries.indexAfter(at));
    if (!e || e.start >= end) {
      hasHole = true;
      break;
    }
    if (e.start > at) hasHole = true;
    const lo = Math.max(at, e.start);
    at = Math.min(end, e.end);
    if ((flags & MS_INVALIDATE) !== 0 && (e.flags & VM_LOCKED) !== 0) return EBUSY;
    if ((flags & MS_SYNC) === 0 || !e.object || !e.isShared) continue;
    const r = e.object.sync(e.pindexOf(lo), e.pindexOf(at));
    const whole = e.object.errors ? (e.file?.fsync(true) ?? 0) : 0;
    if (failed(whole)) return whole;
    if (failed(r)) return r;
  }
  return hasHole ? ENOMEM : 0;
}

/** Most pages that one answer covers, so that the vector stays small. */
const MINCORE_BATCH = 4096;

/** One byte per page into `vec` at `vecAddr`: bit 0 set if it is in memory. */
export function mincore(vs: Vmspace, addr: number, length: number, vecAddr: number): number {
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  if (!(addr <= USER_END && length <= USER_END - addr)) return ENOMEM;
  const pages = pageCeil(length) / PAGE_SIZE;
  for (let done = 0; done < pages; done += MINCORE_BATCH) {
    const n = Math.min(MINCORE_BATCH, pages - done);
    const vec = new Uint8Array(n);
    for (let i = 0; i < n; i++) {
      const at = addr + (done + i) * PAGE_SIZE;
      const e = vs.entries.find(at);
      if (!e) return ENOMEM;
      const isPresent =
        vs.pageTable.get(at) !== 0 || (e.object !== null && e.object.lookup(e.pindexOf(at)) !== 0);
      vec[i] = isPresent ? 1 : 0;
    }
    const r = vs.copyout(vecAddr + done, vec);
    if (failed(r)) return r;
  }
  return 0;
}

/** EAGAIN or ENOMEM where a limit of `limitBytes` forbids locking `moreBytes`; else 0. */
export function mayLock(
  vs: Vmspace,
  moreBytes: number,
  limitBytes: number,
  isMap: boolean,
): number {
  return vs.lockedBytes + moreBytes <= limitBytes ? 0 : isMap ? EAGAIN : ENOMEM;
}
