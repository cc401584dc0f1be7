/**
 * Owns the generated code of one Worker: the interpreter module and what the JIT compiled.
 */
import type { MachineStats } from "../machine.ts";
import type { PageTable } from "../mmu/pagetable.ts";
import type { PhysMem } from "../physmem.ts";

export class Translator {
  readonly mem: PhysMem;
  readonly stats: MachineStats;
  readonly clockNs: () => number;
  readonly threshold: number;
  /** Runs `ctx` against `bank` for `fuel`: the trap. */
  enter: (ctx: number, bank: number, fuel: number) => number = () => {
    throw new Error("no interpreter yet");
  };
  /** Runs one instruction. */
  step: (ctx: number, bank: number) => number = () => {
    throw new Error("no interpreter yet");
  };
  readonly #banks = new Map<number, PageTable>();

  constructor(mem: PhysMem, stats: MachineStats, clockNs: () => number, threshold: number) {
    this.mem = mem;
    this.stats = stats;
    this.clockNs = clockNs;
    this.threshold = threshold;
  }

  /** The bank at `addr` now serves `pt`. */
  adoptBank(addr: number, pt: PageTable): void {
    this.#banks.set(addr, pt);
  }

  /** Drops what was compiled from a physical page. */
  pageWritten(page: number): void {
    this.mem.u8[this.mem.pageFlags + page] = 0;
  }
}
