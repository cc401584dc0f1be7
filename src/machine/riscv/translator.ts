/**
 * Owns the generated code of one Worker: the runtime with the interpreter, and what the JIT
 * compiled. Decides what to compile when.
 *
 * The interpreter counts visits to jump targets in the jump cache and reports them here
 * (`visit`). A target that was visited often enough waits for the next such report, so
 * that several are compiled as one module.
 */
import {
  BANK_JUMP,
  BANK_SIZE,
  BANK_SWITCH,
  BANK_WRITE,
  BANK_WRITE_PAGES,
  PAGE_HAS_CODE,
  PAGE_IN_WRITE_TLB,
  PAGE_TLB_ENTRIES,
  TLB_ENTRIES,
} from "../layout.ts";
import type { MachineStats } from "../machine.ts";
import type { PageTable } from "../mmu/pagetable.ts";
import type { PhysMem } from "../physmem.ts";
import { Decoder } from "./decode.ts";
import { jumpOffset } from "./interp.ts";
import { RV64GC } from "./isa/rv64gc.ts";
import { compileBatch } from "./jit/compile.ts";
import { Discovery, type Graph } from "./jit/graph.ts";
import { type Region, Regions } from "./jit/regions.ts";
import { Switches } from "./jit/switches.ts";
import { buildRuntime, type Runtime, TABLE_SIZE } from "./runtime.ts";
import { softFloatImport } from "./softfloat/softfloat.ts";

/** Regions that may be alive at once; each is some tens of KB of machine code. */
const MAX_REGIONS = 12_000;
/** Targets that may wait for compilation. */
const MAX_PENDING = 32;
/**
 * A page that was written this often since it was first translated is compiled more and more
 * reluctantly: data and code that share a page would be compiled for ever.
 */
const DROPS_FORGIVEN = 8;
/** Pages whose writes are counted at once. */
const MAX_COUNTED_PAGES = 4096;
/** A visit count that never reaches the threshold again. */
const NEVER = -0x4000_0000;
const TWO32 = 0x1_0000_0000;

interface Pending {
  readonly pt: PageTable;
  readonly pc: number;
}

export class Translator {
  readonly mem: PhysMem;
  readonly stats: MachineStats;
  readonly #threshold: number;
  readonly #decoder = new Decoder(RV64GC);
  readonly #table: WebAssembly.Table;
  readonly #runtime: Runtime;
  readonly #banks = new Map<number, PageTable>();
  readonly #regions = new Regions();
  readonly #switches = new Switches();
  /**
   * How often translations of a physical page were dropped because it was written; negative once
   * its code waited for that, until the next time.
   */
  readonly #drops = new Map<number, number>();
  #pending: Pending[] = [];
  #nextSlot = 1;
  #freeSlots: number[] = [];
  /** Slots that some jump cache may still name. */
  #staleSlots: number[] = [];

  constructor(mem: PhysMem, stats: MachineStats, clockNs: () => number, threshold: number) {
    this.mem = mem;
    this.stats = stats;
    this.#threshold = threshold;
    this.#decoder.install(mem);
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
    this.#runtime = buildRuntime(mem, this.#table, this.#decoder, host, threshold);
    this.#table.set(0, this.#runtime.miss);
  }

  /** Runs the context at `ctx` against the bank for `fuel` jumps: the trap. */
  enter(ctx: number, bank: number, fuel: number): number {
    return ~this.#runtime.enter(ctx, bank, fuel, 0);
  }

  /** Runs one instruction. */
  step(ctx: number, bank: number): number {
    return ~this.#runtime.step(ctx, bank, 1, 0);
  }

  /** The bank at `addr` now serves `pt`. */
  adoptBank(addr: number, pt: PageTable): void {
    this.#banks.set(addr, pt);
  }

  /** Drops what was compiled from a physical page. */
  pageWritten(page: number): void {
    const regions = this.#regions.onPage(page);
    if (regions.length > 0) {
      if (this.#drops.size >= MAX_COUNTED_PAGES) this.#drops.clear();
      this.#drops.set(page, Math.abs(this.#drops.get(page) ?? 0) + 1);
      for (const region of regions) this.#drop(region);
    }
    const at = this.mem.pageFlags + page;
    this.mem.u8[at] = this.mem.u8[at]! & ~PAGE_HAS_CODE;
  }

  /**
   * The interpreter was at `pc` for the `heat`-th time; 0 when compiled code came there and the jump
   * cache did not know it. The function to go on with, or 0.
   */
  #visit(bank: number, pc: number, heat: number): number {
    const pt = this.#banks.get(bank)!;
    if (heat > 0) this.#noteSwitch(bank, pc);
    const known = this.#regions.find(pt, pc);
    if (known) {
      this.#setJump(bank, pc, known.slot, 0);
      return known.slot;
    }
    if (heat < this.#threshold) {
      if (heat === 0) this.#setJump(bank, pc, 0, 1);
      return 0;
    }
    const reluctance = this.#reluctance(pt, pc);
    if (reluctance > 0) {
      this.#setJump(bank, pc, 0, -reluctance);
      return 0;
    }
    if (heat === this.#threshold && this.#threshold > 1 && this.#pending.length < MAX_PENDING) {
      this.#pending.push({ pt, pc });
      return 0;
    }
    this.#pending.push({ pt, pc });
    this.#compilePending();
    const made = this.#regions.find(pt, pc);
    this.#setJump(bank, pc, made?.slot ?? 0, made ? 0 : NEVER);
    return made?.slot ?? 0;
  }

  /**
   * Further visits to wait for before code at `pc` is compiled. They are asked for once: whoever
   * comes again has waited.
   */
  #reluctance(pt: PageTable, pc: number): number {
    const page = pt.get(pc) >>> 12;
    const drops = this.#drops.get(page) ?? 0;
    if (drops <= DROPS_FORGIVEN) return 0;
    this.#drops.set(page, -drops);
    return this.#threshold * 2 ** Math.min(drops - DROPS_FORGIVEN, 10);
  }

  /** Remembers the interpreter's last indirect jump if that is what led to `pc`. */
  #noteSwitch(bank: number, pc: number): void {
    const at = (bank + BANK_SWITCH) >>> 2;
    const u32 = this.mem.u32;
    if (u32[at + 3]! * TWO32 + u32[at + 2]! !== pc) return;
    this.#switches.note(u32[at + 1]! * TWO32 + u32[at]!, pc);
  }

  #compilePending(): void {
    const graphs: Graph[] = [];
    const taken = new Map<number, PageTable>();
    for (const { pt, pc } of this.#pending) {
      if (taken.get(pc) === pt || this.#regions.find(pt, pc)) continue;
      taken.set(pc, pt);
      const graph = new Discovery(pt, this.#decoder, this.#switches, pc).run();
      if (graph) graphs.push(graph);
    }
    this.#pending = [];
    if (graphs.length === 0) return;
    if (this.#regions.size + graphs.length > MAX_REGIONS) this.#evict();
    const batch = compileBatch(graphs, this.mem, this.#table, this.#runtime);
    this.stats.modules++;
    this.stats.bytesTranslated += batch.bytes;
    graphs.forEach((graph, i) => {
      const slot = this.#takeSlot();
      this.#table.set(slot, batch.funcs[i]);
      this.#regions.add({ entry: graph.entry, slot, pages: graph.pages });
      for (const pa of graph.pages.values()) this.#protect(pa >>> 12);
      this.stats.regionsMade++;
      this.stats.insnsTranslated += graph.insns;
    });
    this.stats.regions = this.#regions.size;
  }

  /** From now on a store to the page comes to `pageWritten` first. */
  #protect(page: number): void {
    const at = this.mem.pageFlags + page;
    const flags = this.mem.u8[at]!;
    this.mem.u8[at] = PAGE_HAS_CODE;
    if (flags & PAGE_IN_WRITE_TLB) this.#dropWriteEntries(page);
  }

  #dropWriteEntries(page: number): void {
    for (const bank of this.#banks.keys()) {
      this.#dropEntriesOf(page * 4096, bank + BANK_WRITE, TLB_ENTRIES);
      this.#dropEntriesOf(page * 4096, bank + BANK_WRITE_PAGES, PAGE_TLB_ENTRIES);
    }
  }

  #dropEntriesOf(pa: number, tlb: number, entries: number): void {
    const u32 = this.mem.u32;
    const from = tlb >>> 2;
    for (let i = from; i < from + entries * 4; i += 4) {
      const base = u32[i + 2]!;
      if (pa >= base && pa < base + u32[i + 3]! + 7) u32.fill(0, i, i + 4);
    }
  }

  #drop(region: Region): void {
    this.#regions.remove(region);
    this.#table.set(region.slot, this.#runtime.miss);
    this.#staleSlots.push(region.slot);
    for (const pa of region.pages.values()) {
      const page = pa >>> 12;
      if (this.#regions.onPage(page).length === 0) {
        const at = this.mem.pageFlags + page;
        this.mem.u8[at] = this.mem.u8[at]! & ~PAGE_HAS_CODE;
      }
    }
    this.stats.regionsDropped++;
    this.stats.regions = this.#regions.size;
  }

  /** Drops the older half. */
  #evict(): void {
    for (const region of this.#regions.oldest(MAX_REGIONS >>> 1)) this.#drop(region);
  }

  #takeSlot(): number {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    if (this.#nextSlot < TABLE_SIZE) return this.#nextSlot++;
    for (const bank of this.#banks.keys()) {
      this.mem.u8.fill(0, bank + BANK_JUMP, bank + BANK_SIZE);
    }
    this.#freeSlots = this.#staleSlots;
    this.#staleSlots = [];
    return this.#freeSlots.pop()!;
  }

  #setJump(bank: number, pc: number, slot: number, heat: number): void {
    const low = (pc % TWO32) | 0;
    const at = (bank + BANK_JUMP + jumpOffset(low)) >>> 2;
    this.mem.u32[at] = low;
    this.mem.u32[at + 1] = Math.floor(pc / TWO32);
    this.mem.u32[at + 2] = slot;
    this.mem.i32[at + 3] = heat;
  }
}
