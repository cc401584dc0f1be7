/** Pages made present before they are touched: MAP_POPULATE, mlock(2). */
import { PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { PTE_W } from "../machine/mmu/pagetable.ts";
import { faultIn } from "./fault.ts";
import { FAULT_MAPERR, FAULT_OK } from "./faultcode.ts";
import { PAGE_SIZE } from "./param.ts";
import type { Vmspace } from "./vmspace.ts";

/** Touches [start, end) as far as it is mapped and memory lasts: 0, or the first FAULT_*. */
export function populate(vs: Vmspace, start: number, end: number): number {
  for (let at = start; at < end; ) {
    const e = vs.entries.find(at);
    if (!e) return FAULT_MAPERR;
    const isWrite = !e.isShared && (e.prot & PROT_WRITE) !== 0;
    const stop = Math.min(end, e.end);
    for (; at < stop; at += PAGE_SIZE) {
      const pte = vs.pageTable.get(at);
      if (pte !== 0 && (!isWrite || (pte & PTE_W) !== 0)) continue;
      const r = faultIn(vs, e, at, isWrite ? PROT_WRITE : PROT_READ);
      if (r !== FAULT_OK) return r;
    }
  }
  return FAULT_OK;
}
