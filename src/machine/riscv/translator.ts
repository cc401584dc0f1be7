/**
 * Owns the generated code of one Worker: the interpreter module and what the JIT compiled.
 */
import type { MachineStats } from "../machine.ts";
import type { PageTable } from "../mmu/pagetable.ts";
import type { PhysMem } from "../physmem.ts";
import { Decoder } from "./decode.ts";
import { RV64GC } from "./isa/rv64gc.ts";
import { buildRuntime, type Runtime, TABLE_SIZE } from "./runtime.ts";
import { softFloatImport } from "./softfloat/softfloat.ts";

export class Translator {
  readonly mem: PhysMem;
  readonly stats: MachineStats;
  readonly #table: WebAssembly.Table;
  readonly #runtime: Runtime;
  readonly #banks = new Map<number, PageTable>();

  constructor(mem: PhysMem, stats: MachineStats, clockNs: () => number, threshold: number) {
    this.mem = mem;
    this.stats = stats;
    const decoder = new Decoder(RV64GC);
    decoder.install(mem);
    this.#table = new WebAssembly.Table({
      element: "anyfunc",
      initial: TABLE_SIZE,
      maximum: TABLE_SIZE,
    });
    const host = {
      clockNs,
      softFloat: softFloatImport(mem.i32),
      codeWrite: (page: number) => this.pageWritten(page >>> 0),
      visit: (bank: number, pc: number, heat: number) => this.#visit(bank, pc, heat),
    };
    this.#runtime = buildRuntime(mem, this.#table, decoder, host, threshold);
    this.#table.set(0, this.#runtime.miss);
  }

  /** Runs the context at `ctx` against the bank for `fuel` jumps: the trap. */
  enter(ctx: number, bank: number, fuel: number): number {
    return this.#runtime.enter(ctx, bank, fuel);
  }

  /** Runs one instruction. */
  step(ctx: number, bank: number): number {
    return this.#runtime.step(ctx, bank, 1);
  }

  /** The bank at `addr` now serves `pt`. */
  adoptBank(addr: number, pt: PageTable): void {
    this.#banks.set(addr, pt);
  }

  /** Drops what was compiled from a physical page. */
  pageWritten(page: number): void {
    this.mem.u8[this.mem.pageFlags + page] = 0;
  }

  #visit(_bank: number, _pc: number, _heat: number): number {
    return 0;
  }
}
