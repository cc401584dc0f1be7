/**
 * madvise(2). Advice that changes what memory holds is obeyed to the letter;
 * advice on the future is taken where it is cheap.
 */
import { EACCES, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, EPERM, failed } from "../abi/errno.ts";
import {
  MADV_COLD,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_HWPOISON,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  PROT_READ,
  PROT_WRITE,
} from "../abi/mman.ts";
import { PTE_W } from "../machine/mmu/pagetable.ts";
import { faultIn } from "./fault.ts";
import { FAULT_ACCERR, FAULT_OK, FAULT_OOM } from "./faultcode.ts";
import {
  type MapEntry,
  VM_DONTDUMP,
  VM_DONTFORK,
  VM_DROPPABLE,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEALED,
  VM_SEQ_READ,
  VM_WIPEONFORK,
} from "./mapentry.ts";
import { PAGE_SIZE, pageCeil, USER_END } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

/** Most that one MADV_WILLNEED reads ahead. */
const READ_AHEAD_PAGES = 512;

/** What an advice does to entry flags: bits to clear, bits to set. */
const FLAG_CHANGES = new Map<number, readonly [number, number]>([
  [MADV_NORMAL, [VM_SEQ_READ | VM_RAND_READ, 0]],
  [MADV_RANDOM, [VM_SEQ_READ, VM_RAND_READ]],
  [MADV_SEQUENTIAL, [VM_RAND_READ, VM_SEQ_READ]],
  [MADV_DONTFORK, [0, VM_DONTFORK]],
  [MADV_DOFORK, [VM_DONTFORK, 0]],
  [MADV_DONTDUMP, [0, VM_DONTDUMP]],
  [MADV_DODUMP, [VM_DONTDUMP, 0]],
  [MADV_WIPEONFORK, [0, VM_WIPEONFORK]],
  [MADV_KEEPONFORK, [VM_WIPEONFORK, 0]],
  [MADV_HUGEPAGE, [VM_NOHUGEPAGE, VM_HUGEPAGE]],
  [MADV_NOHUGEPAGE, [VM_HUGEPAGE, VM_NOHUGEPAGE]],
]);

const PAGE_ADVICE: readonly number[] = [
  MADV_WILLNEED,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_REMOVE,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
];

/** What takes contents away, which of sealed memory only who may write there may do. */
const LOSES = new Set([
  MADV_FREE,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_REMOVE,
  MADV_DONTFORK,
  MADV_WIPEONFORK,
]);

function isReadOnlyAnon(e: MapEntry): boolean {
  return e.object === null && (e.prot & PROT_WRITE) === 0;
}

export function adviseRange(vs: Vmspace, addr: number, length: number, advice: number): number {
  if (advice === MADV_HWPOISON) return EPERM;
  const change = FLAG_CHANGES.get(advice);
  if (!change && !PAGE_ADVICE.includes(advice)) return EINVAL;
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  if (!(addr <= USER_END && length <= Number.MAX_SAFE_INTEGER)) return EINVAL;
  if (length === 0) return 0;
  const end = addr + pageCeil(length);
  let hasHole = false;
  let at = addr;
  while (at < end) {
    const e = vs.entries.at(vs.entries.indexAfter(at));
    if (!e || e.start >= end) {
      hasHole = true;
      break;
    }
    if (e.start > at) hasHole = true;
    const lo = Math.max(at, e.start);
    const hi = Math.min(end, e.end);
    if ((e.flags & VM_SEALED) !== 0 && LOSES.has(advice) && isReadOnlyAnon(e)) return EPERM;
    if (hasHole && (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE)) break;
    const r = change
      ? adviseFlags(vs, e, lo, hi, advice, change)
      : advisePages(vs, e, lo, hi, advice);
    if (failed(r)) return r;
    at = hi;
  }
  if (change) vs.mergeRange(addr, Math.min(end, USER_END));
  return hasHole ? ENOMEM : 0;
}

function adviseFlags(
  vs: Vmspace,
  e: MapEntry,
  start: number,
  end: number,
  advice: number,
  [clear, set]: readonly [number, number],
): number {
  if (advice === MADV_WIPEONFORK && (e.object !== null || e.isShared)) return EINVAL;
  const isKept = (e.flags & VM_DROPPABLE) !== 0;
  if (isKept && (advice === MADV_KEEPONFORK || advice === MADV_DODUMP)) return EINVAL;
  if (((e.flags & ~clear) | set) === e.flags) return 0;
  const i = vs.clip(start, end);
  if (failed(i)) return i;
  const part = vs.entries.at(i)!;
  part.flags = (part.flags & ~clear) | set;
  return 0;
}

function advisePages(vs: Vmspace, e: MapEntry, start: number, end: number, advice: number): number {
  const isLocked = (e.flags & VM_LOCKED) !== 0;
  switch (advice) {
    case MADV_DONTNEED:
      if (isLocked) return EINVAL;
      vs.unmapPages(start, end, true);
      return 0;
    case MADV_DONTNEED_LOCKED:
      vs.unmapPages(start, end, true);
      return 0;
    case MADV_FREE:
      if (isLocked || e.object) return EINVAL;
      vs.unmapPages(start, end, true);
      return 0;
    case MADV_REMOVE:
      if (isLocked || !e.object) return EINVAL;
      if (!e.isShared || (e.prot & PROT_WRITE) === 0) return EACCES;
      if (!e.object.isShmem) return EOPNOTSUPP;
      e.object.discard(e.pindexOf(start), e.pindexOf(end));
      return 0;
    case MADV_WILLNEED:
      readAhead(e, start, end);
      return 0;
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
      return prefault(vs, e, start, end, advice === MADV_POPULATE_WRITE ? PROT_WRITE : PROT_READ);
    default:
      // COLD, PAGEOUT: there is no swap to send private pages to.
      return isLocked ? EINVAL : retire(vs, e, start, end, advice === MADV_PAGEOUT);
  }
}

function readAhead(e: MapEntry, start: number, end: number): void {
  const object = e.object;
  if (!object || object.isShmem) return;
  const first = e.pindexOf(start);
  const pages = Math.min(
    (end - start) / PAGE_SIZE,
    READ_AHEAD_PAGES,
    Math.ceil(object.sizeBytes / PAGE_SIZE) - first,
  );
  // Advice: what cannot be read now will be missed later.
  object.fill(first, first + pages);
}

/** COLD: the file's pages go first when memory is short. PAGEOUT: now, if nobody else uses them. */
function retire(vs: Vmspace, e: MapEntry, start: number, end: number, isAtOnce: boolean): number {
  const { object } = e;
  if (!object) return 0;
  const first = e.pindexOf(start);
  const last = e.pindexOf(end);
  object.deactivate(first, last);
  if (!isAtOnce || object.isShmem) return 0;
  object.sync(first, last);
  vs.unmapPages(start, end, false);
  object.dropClean(first, last);
  return 0;
}

function prefault(vs: Vmspace, e: MapEntry, start: number, end: number, access: number): number {
  for (let at = start; at < end; at += PAGE_SIZE) {
    const pte = vs.pageTable.get(at);
    if (pte !== 0 && (access === PROT_READ || (pte & PTE_W) !== 0)) continue;
    const r = faultIn(vs, e, at, access);
    if (r === FAULT_OK) continue;
    if (r === FAULT_ACCERR) return EINVAL;
    return r === FAULT_OOM ? ENOMEM : EFAULT;
  }
  return 0;
}
