/**
 * Pages that code was translated from: whoever stores to one has the translator told first.
 *
 * A page's flag keeps it out of all write TLBs and home maps. Setting it takes out what is there.
 */
import {
  BANK_WRITE,
  BANK_WRITE_PAGES,
  PAGE_HAS_CODE,
  PAGE_IN_WRITE_TLB,
  PAGE_TLB_ENTRIES,
  TLB_ENTRIES,
} from "../../layout.ts";
import { protectHome } from "../../mmu/home.ts";
import { PAGE_SIZE, type PhysMem } from "../../physmem.ts";

export class CodePages {
  readonly #mem: PhysMem;
  readonly #banks: ReadonlyMap<number, unknown>;

  /** `banks` has the address of every bank there is. */
  constructor(mem: PhysMem, banks: ReadonlyMap<number, unknown>) {
    this.#mem = mem;
    this.#banks = banks;
  }

  /** From now on a store to the physical page (number) is told of first. */
  protect(page: number): void {
    const at = this.#mem.pageFlags + page;
    const flags = this.#mem.u8[at]!;
    this.#mem.u8[at] = PAGE_HAS_CODE;
    if (!(flags & PAGE_IN_WRITE_TLB)) return;
    const pa = page * PAGE_SIZE;
    for (const bank of this.#banks.keys()) {
      this.#dropEntriesOf(pa, bank + BANK_WRITE, TLB_ENTRIES);
      this.#dropEntriesOf(pa, bank + BANK_WRITE_PAGES, PAGE_TLB_ENTRIES);
      protectHome(this.#mem, bank, pa);
    }
  }

  unprotect(page: number): void {
    const at = this.#mem.pageFlags + page;
    this.#mem.u8[at] = this.#mem.u8[at]! & ~PAGE_HAS_CODE;
  }

  #dropEntriesOf(pa: number, tlb: number, entries: number): void {
    const { u32 } = this.#mem;
    const from = tlb >>> 2;
    for (let i = from; i < from + entries * 4; i += 4) {
      // The window's last access ends 8 bytes after where the last begins.
      const end = ((u32[i]! + u32[i + 2]!) >>> 0) + 8;
      if (pa < end && pa >= end - 7 - u32[i + 3]!) u32.fill(0, i, i + 4);
    }
  }
}
