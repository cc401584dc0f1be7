/**
 * A machine with one address space for unit tests: place code, map pages, run.
 */
import assert from "node:assert/strict";
import type { Context } from "../../src/machine/context.ts";
import type { Hart } from "../../src/machine/hart.ts";
import { Machine } from "../../src/machine/machine.ts";
import { type PageTable, PTE_R, PTE_W, PTE_X } from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { assemble } from "../../src/machine/riscv/assemble.ts";
import type { TranslationStore } from "../../src/platform/translations.ts";

export const RX = PTE_R | PTE_X;
export const RW = PTE_R | PTE_W;
export const RWX = PTE_R | PTE_W | PTE_X;
export const PLENTY = 10_000_000;

export class Board {
  readonly machine: Machine;
  readonly hart: Hart;
  readonly ctx: Context;
  space: PageTable;
  /** WebAssembly may refuse what is compiled here. */
  expectsRefusals = false;
  #next: number;

  constructor(
    jitThreshold: number,
    maxDoubts = 200,
    maxCallDepth = 150,
    translations: TranslationStore | null = null,
    maxRegions?: number,
  ) {
    this.machine = new Machine({
      ramBytes: 32 << 20,
      clockNs: () => 0,
      maxHarts: 1,
      maxContexts: 4,
      jitThreshold,
      maxDoubts,
      maxCallDepth,
      translations,
      ...(maxRegions !== undefined && { maxRegions }),
    });
    this.#next = this.machine.mem.ramBase;
    this.hart = this.machine.newHart();
    this.ctx = this.machine.newContext()!;
    this.space = this.newSpace();
  }

  newSpace(): PageTable {
    return this.machine.newPageTable({ allocTable: () => this.frame(), freeTable: () => {} });
  }

  /** `n` zeroed contiguous frames, the first on a 64 KiB boundary if there are 16. */
  frame(n = 1): Paddr {
    if (n === 16) this.#next = Math.ceil(this.#next / 65536) * 65536;
    const pa = this.#next as Paddr;
    this.#next += n * PAGE_SIZE;
    return pa;
  }

  map(va: number, pa: Paddr, flags: number): void {
    assert.equal(this.space.enter(va, pa, flags), 0);
  }

  /** Writes a program to a frame, as the kernel would. */
  place(pa: Paddr, text: string, pc: number): void {
    const words = assemble(text, pc);
    this.machine.mem.u32.set(words, pa >>> 2);
    this.machine.codeWritten(pa, words.length * 4);
  }

  run(pc: number, fuel = PLENTY): number {
    this.ctx.pc = pc;
    const trap = this.hart.run(this.ctx, this.space, fuel);
    // Nobody else would notice: what is refused is interpreted.
    if (!this.expectsRefusals) assert.equal(this.machine.stats.regionsRefused, 0);
    return trap;
  }

  /** Registers, exactly. */
  state(): string {
    const { ctx } = this;
    const hex = (b: Uint8Array) => Buffer.from(b).toString("hex");
    return `${ctx.pc.toString(16)} ${ctx.fcsr} ${hex(ctx.xBytes)} ${hex(ctx.fBytes)}`;
  }
}
