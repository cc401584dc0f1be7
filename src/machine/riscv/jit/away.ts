/**
 * Which loads and stores find their pages away from home (mmu/home.ts), by the physical address of the instruction.
 *
 * The interpreter marks each access that hits the TLB for a page that is not at home; what has eight marks when code is compiled
 * looks in the TLB there too. A hint, as ways are (ways.ts): compiled code that hopes for home in vain leaves its region, and who does
 * so often is remembered as long as marks are.
 */
import { AWAY_MARKS, BRANCH_BYTES } from "../../layout.ts";
import { type PageTable, PTE_V, PTE_X } from "../../mmu/pagetable.ts";
import { PAGE_SIZE, type PhysMem } from "../../physmem.ts";

/** Eight marks. */
const OFTEN = 0xff;
/** Misses of one instruction that are not put down to pages being new. */
const MANY = 16;
/** Instructions that are remembered. */
const MAX_REMEMBERED = 1 << 16;

export class Away {
  readonly #mem: PhysMem;
  readonly #misses = new Map<number, number>();

  constructor(mem: PhysMem) {
    this.#mem = mem;
  }

  /** True if the access of the instruction at physical address `pa` is not likely to find its page at home. */
  isAway(pa: number): boolean {
    const mark = this.#mem.u8[AWAY_MARKS + (pa & (BRANCH_BYTES - 2))]!;
    return mark === OFTEN || (this.#misses.get(pa) ?? 0) >= MANY;
  }

  /** Pages come to hold other code: marks begin anew. */
  forget(): void {
    this.#mem.u8.fill(0, AWAY_MARKS, AWAY_MARKS + BRANCH_BYTES);
    this.#misses.clear();
  }

  /** An earlier machine made a region of this code, in which these accesses did not hope for home. */
  learn(pages: ReadonlyMap<number, number>, aways: readonly number[]): void {
    for (const pc of aways) this.#note(pages.get(pc - (pc % PAGE_SIZE))! + (pc % PAGE_SIZE), MANY);
  }

  /** The access at `pc`, which hoped for home, left its region. True if that hope was vain often. */
  missed(pt: PageTable, pc: number): boolean {
    const pte = pt.get(pc);
    if ((pte & (PTE_V | PTE_X)) !== (PTE_V | PTE_X)) return false;
    const pa = ((pte & ~0xfff) >>> 0) + (pc % PAGE_SIZE);
    return this.#note(pa, 1) >= MANY;
  }

  /** Counts misses of the instruction at physical address `pa`: how many there were. */
  #note(pa: number, more: number): number {
    const misses = (this.#misses.get(pa) ?? 0) + more;
    if (misses === more && this.#misses.size >= MAX_REMEMBERED) this.#misses.clear();
    this.#misses.set(pa, misses);
    return misses;
  }
}
