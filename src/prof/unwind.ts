/**
 * Who called whom: from a thread's registers and stack to the addresses of its call chain.
 *
 * riscv64 programs keep no frame pointers, so each step follows the caller's rule in .eh_frame. Where a file has
 * none (hand-written leaf functions, as of the C library), the innermost frame's caller is taken from ra, and
 * further out the chain ends. Nothing is changed by looking: memory that is not present ends it as well.
 */
import { PTE_FLAGS, PTE_R } from "../machine/mmu/pagetable.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { RA, S0, SP } from "./callframe.ts";
import type { Images, Place } from "./images.ts";

export const MAX_DEPTH = 96;
const PAGE_MASK = 4095;
const TWO32 = 0x1_0000_0000;

/** The places of the call chain, innermost first; a call's place is the call itself, not where it returns to. */
export function callChain(td: Lwp, images: Images): Place[] {
  const vs = td.proc.vmspace;
  const { context } = td;
  const chain: Place[] = [];
  let pc = context.pc;
  let sp = context.getXu(SP);
  let s0 = context.getXu(S0);
  const ra = context.getXu(RA);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const place = images.placeOf(vs, depth === 0 ? pc : pc - 1);
    if (!place) break;
    chain.push(place);
    const rule = place.image?.frames?.ruleAt(place.vaddr) ?? null;
    if (rule === null) {
      if (depth > 0) break;
      pc = ra;
      continue;
    }
    if (rule.isOutermost) break;
    const cfa = (rule.cfaRegister === SP ? sp : s0) + rule.cfaOffset;
    const caller = rule.ra !== null ? load(vs, cfa + rule.ra) : depth === 0 ? ra : 0;
    const callerS0 = rule.s0 !== null ? load(vs, cfa + rule.s0) : s0;
    // The stack of a caller lies higher, always: what says otherwise would go round for ever.
    if (!(caller > 0) || callerS0 < 0 || !(depth === 0 ? cfa >= sp : cfa > sp)) break;
    pc = caller;
    s0 = callerS0;
    sp = cfa;
  }
  return chain;
}

/** The 8 bytes at `addr` if their page is present; else -1. */
function load(vs: Vmspace, addr: number): number {
  if (!(addr >= 0) || addr % 8 !== 0) return -1;
  const pte = vs.pageTable.get(addr);
  if ((pte & PTE_R) === 0) return -1;
  const at = (((pte & ~PTE_FLAGS) >>> 0) + (addr & PAGE_MASK)) >>> 2;
  const { u32 } = vs.frames.mem;
  return u32[at + 1]! * TWO32 + u32[at]!;
}
