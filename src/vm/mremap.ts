/**
 * mremap(2): grows, shrinks or moves a map. Pages move with their page table
 * entries; nothing is copied.
 */
import { EFAULT, EINVAL, ENOMEM, EPERM, failed } from "../abi/errno.ts";
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from "../abi/mman.ts";
import { PTE_CONTIG, PTE_FLAGS } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { type MapEntry, VM_LOCKED, VM_LOCKONFAULT } from "./mapentry.ts";
import { isAnySealed } from "./mseal.ts";
import { CHUNK_SIZE, MMAP_MIN_ADDR, PAGE_SIZE, pageCeil, USER_END } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

/** The new address, or EINVAL, EFAULT, ENOMEM. */
export function remap(
  vs: Vmspace,
  addr: number,
  oldSize: number,
  newSize: number,
  flags: number,
  newAddr: number,
): number {
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return EINVAL;
  const mayMove = (flags & MREMAP_MAYMOVE) !== 0;
  const isFixed = (flags & MREMAP_FIXED) !== 0;
  const keepsOld = (flags & MREMAP_DONTUNMAP) !== 0;
  if ((isFixed || keepsOld) && !mayMove) return EINVAL;
  if (keepsOld && oldSize !== newSize) return EINVAL;
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  let oldLength = pageCeil(oldSize);
  const newLength = pageCeil(newSize);
  if (newLength === 0) return EINVAL;
  if (!(newLength <= USER_END && oldLength <= USER_END && addr < USER_END)) {
    return isFixed || keepsOld
      ? EINVAL
      : addr < USER_END && oldLength <= USER_END
        ? ENOMEM
        : EFAULT;
  }
  if (isFixed || keepsOld) {
    if (newAddr % PAGE_SIZE !== 0 || !(newAddr <= USER_END - newLength)) return EINVAL;
    if (addr + oldLength > newAddr && newAddr + newLength > addr) return EINVAL;
    if (isFixed && newAddr < MMAP_MIN_ADDR) return EINVAL;
  }
  const e = vs.entries.find(addr);
  if (!e) return EFAULT;
  if (!vs.mayAddEntries(4)) return ENOMEM;
  if (oldLength === 0 && !e.isShared) return EINVAL;
  if (isFixed) {
    const r = vs.unmapRange(newAddr, newAddr + newLength);
    if (failed(r)) return r;
  }
  if (oldLength > newLength) {
    const r = vs.munmap(addr + newLength, oldLength - newLength);
    if (failed(r)) return r;
    oldLength = newLength;
  }
  if (oldLength === newLength && !isFixed && !keepsOld) return addr;
  if (vs.hasSeals && isAnySealed(vs, addr, addr + Math.max(oldLength, PAGE_SIZE))) return EPERM;
  // The unmapping above may have cut or ended the entry.
  const from = vs.entries.find(addr);
  if (!from || oldLength > from.end - addr) return EFAULT;
  if (newLength > oldLength) {
    const r = mayResize(vs, from, addr, newLength, newLength - oldLength);
    if (failed(r)) return r;
    if (!isFixed && oldLength > 0 && addr + oldLength === from.end) {
      if (vs.entries.isFree(from.end, addr + newLength) && addr + newLength <= USER_END) {
        extend(vs, from, addr + newLength);
        return addr;
      }
    }
    if (!mayMove) return ENOMEM;
  } else if (keepsOld) {
    const r = vs.mayGrow(newLength, from.prot, from.flags);
    if (failed(r)) return r;
  }
  const to = isFixed ? newAddr : findPlace(vs, newAddr, newLength, keepsOld);
  if (failed(to)) return to;
  return move(vs, from, addr, oldLength, to, newLength, keepsOld);
}

function mayResize(
  vs: Vmspace,
  e: MapEntry,
  addr: number,
  newLength: number,
  growth: number,
): number {
  if (e.object && !(e.offset + (addr - e.start) + newLength <= Number.MAX_SAFE_INTEGER)) {
    return EINVAL;
  }
  if (e.object?.isOfFixedSize) return EFAULT;
  return vs.mayGrow(growth, e.prot, e.flags);
}

function extend(vs: Vmspace, e: MapEntry, end: number): void {
  const oldEnd = e.end;
  vs.account(e, -1);
  e.end = end;
  vs.account(e, 1);
  vs.entries.merge(vs.entries.indexAfter(e.start));
  if ((e.flags & VM_LOCKED) !== 0) vs.populate(oldEnd, end);
}

function findPlace(vs: Vmspace, hint: number, length: number, hasHint: boolean): number {
  const isUsable = hasHint && hint >= MMAP_MIN_ADDR && hint % PAGE_SIZE === 0;
  if (isUsable && hint <= USER_END - length && vs.entries.isFree(hint, hint + length)) return hint;
  return vs.findGap(length);
}

function move(
  vs: Vmspace,
  from: MapEntry,
  addr: number,
  oldLength: number,
  to: number,
  newLength: number,
  keepsOld: boolean,
): number {
  const pt = vs.pageTable;
  const end = addr + oldLength;
  // All tables first, so that nothing can fail half way.
  for (let at = pt.nextPresent(addr, end); at >= 0; at = pt.nextPresent(at + PAGE_SIZE, end)) {
    if (failed(pt.prepare(to + (at - addr)))) return ENOMEM;
  }
  const moved = from.clone(vs, addr, addr);
  moved.start = to;
  moved.end = to + newLength;
  const wasLocked = (from.flags & VM_LOCKED) !== 0;
  for (let at = pt.nextPresent(addr, end); at >= 0; at = pt.nextPresent(at + PAGE_SIZE, end)) {
    const pte = pt.remove(at);
    const pa = ((pte & ~PTE_FLAGS) >>> 0) as Paddr;
    pt.enter(to + (at - addr), pa, pte & PTE_FLAGS & ~PTE_CONTIG);
  }
  for (let run = to; run < to + oldLength; run += CHUNK_SIZE) pt.promote(run);
  pt.invalidate(addr, oldLength);
  vs.add(moved);
  if (!keepsOld) {
    if (oldLength > 0) vs.unmapRange(addr, end);
  } else if (wasLocked) unlock(vs, addr, end);
  if (wasLocked) vs.populate(to, to + newLength);
  return to;
}

function unlock(vs: Vmspace, start: number, end: number): void {
  const i = vs.clip(start, end);
  const e = failed(i) ? undefined : vs.entries.at(i);
  if (!e) return;
  vs.account(e, -1);
  e.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
  vs.account(e, 1);
  vs.mergeRange(start, end);
}
