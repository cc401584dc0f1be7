/**
 * What the vm floor notes in page table entries, and which rights it gives there.
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { PTE_D, PTE_R, PTE_SW0, PTE_SW1, PTE_SW2, PTE_W, PTE_X } from "../machine/mmu/pagetable.ts";

/** A private page: it lives in page tables alone. */
export const PTE_ANON = PTE_SW0;
/** A page of shared memory, as against a file. */
export const PTE_SHMEM = PTE_SW1;
/** The page of zeroes: in nobody's resident set. */
export const PTE_ZERO = PTE_SW2;

/** Page table rights of a page mapped with `prot` but for writing, which faults decide. */
export function readRights(prot: number): number {
  return (
    ((prot & (PROT_READ | PROT_WRITE)) !== 0 ? PTE_R : 0) | ((prot & PROT_EXEC) !== 0 ? PTE_X : 0)
  );
}

/**
 * Of a private page of one's own. It counts as dirty from the start, as it has nothing to be
 * written back to; so one TLB entry for writing covers it and those beside it at once.
 */
export function ownRights(prot: number): number {
  return readRights(prot) | PTE_ANON | PTE_D | ((prot & PROT_WRITE) !== 0 ? PTE_W : 0);
}
