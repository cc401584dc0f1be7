/**
 * mprotect(2): new rights for entries, and at once for the pages present.
 */
import { EACCES, EINVAL, ENOMEM, EPERM, failed } from "../abi/errno.ts";
import { PROT_GROWSDOWN, PROT_GROWSUP, PROT_SEM, PROT_WRITE } from "../abi/mman.ts";
import { PTE_FLAGS, PTE_R, PTE_W, PTE_X } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { type MapEntry, PROT_ALL, VM_GROWSDOWN, VM_SEALED } from "./mapentry.ts";
import { PAGE_SIZE, pageCeil, USER_END } from "./param.ts";
import { PTE_ANON, readRights } from "./pte.ts";
import type { Vmspace } from "./vmspace.ts";

const RIGHTS = PTE_R | PTE_W | PTE_X;

export function protectRange(vs: Vmspace, addr: number, length: number, rawProt: number): number {
  const grows = rawProt & (PROT_GROWSDOWN | PROT_GROWSUP);
  const prot = rawProt & ~(grows | PROT_SEM);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP) || addr % PAGE_SIZE !== 0) return EINVAL;
  if (length === 0) return 0;
  const end = addr + pageCeil(length);
  if (!(end <= USER_END)) return ENOMEM;
  if ((prot & ~PROT_ALL) !== 0) return EINVAL;
  let first = vs.entries.at(vs.entries.indexAfter(addr));
  if (!first) return ENOMEM;
  let start = addr;
  if ((grows & PROT_GROWSDOWN) !== 0) {
    if (first.start >= end) return ENOMEM;
    if ((first.flags & VM_GROWSDOWN) === 0) return EINVAL;
    start = first.start;
  } else if (first.start > addr) return ENOMEM;
  else if ((grows & PROT_GROWSUP) !== 0) return EINVAL;

  let result = 0;
  let at = start;
  for (; at < end; at = first.end) {
    first = vs.entries.at(vs.entries.indexAfter(at));
    if (!first || first.start > at) result = ENOMEM;
    else if ((prot & ~first.maxProt) !== 0) result = EACCES;
    else result = protectOne(vs, at, Math.min(end, first.end), prot);
    if (failed(result) || !first) break;
  }
  vs.mergeRange(start, Math.min(at, end));
  return result;
}

/** Changes [start, end), which lies in one entry. */
function protectOne(vs: Vmspace, start: number, end: number, prot: number): number {
  const old = vs.entries.find(start)!;
  if ((old.flags & VM_SEALED) !== 0) return EPERM;
  if (old.prot === prot) return 0;
  if ((prot & PROT_WRITE) !== 0 && (old.prot & PROT_WRITE) === 0) {
    // Only what becomes accountable by being writable counts, not the size itself.
    const r = vs.mayGrow(end - start, prot, old.flags);
    if (failed(r) && !failed(vs.mayGrow(end - start, old.prot, old.flags))) return r;
  }
  const i = vs.clip(start, end);
  if (failed(i)) return i;
  const e = vs.entries.at(i)!;
  vs.account(e, -1);
  e.prot = prot;
  vs.account(e, 1);
  protectPages(vs, e);
  return 0;
}

function protectPages(vs: Vmspace, e: MapEntry): void {
  const { pageTable: pt, frames } = vs;
  const rights = readRights(e.prot);
  const isWritable = (e.prot & PROT_WRITE) !== 0;
  let lost = 0;
  for (
    let at = pt.nextPresent(e.start, e.end);
    at >= 0;
    at = pt.nextPresent(at + PAGE_SIZE, e.end)
  ) {
    const pte = pt.get(at);
    let want = rights;
    if (isWritable) {
      const isOwn =
        !e.isShared &&
        (pte & PTE_ANON) !== 0 &&
        frames.refs(((pte & ~PTE_FLAGS) >>> 0) as Paddr) === 1;
      if (isOwn) want |= PTE_W;
      else want |= pte & PTE_W;
    }
    if ((pte & RIGHTS) === want) continue;
    lost |= pte & RIGHTS & ~want;
    pt.setFlags(at, (pte & PTE_FLAGS & ~RIGHTS) | want);
  }
  // setFlags ended the blocks it met.
  for (let run = e.start; e.end - e.start >= 65536 && run < e.end; run += 65536) pt.promote(run);
  if (lost !== 0) pt.invalidate(e.start, e.end - e.start);
}
