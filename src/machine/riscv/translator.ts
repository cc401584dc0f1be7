/**
 * Owns the generated code of one Worker: the runtime with the interpreter, and what the JIT
 * compiled. Decides what to compile when.
 *
 * The interpreter counts visits to jump targets and reports them here (`visit`). A target that was
 * visited often enough waits for the next such report, so that several are compiled as one module.
 */
import {
  BANK_JUMP,
  BANK_SWITCH,
  BANK_WRITE,
  BANK_WRITE_PAGES,
  HEAT_BUCKETS,
  HEAT_TABLE,
  PAGE_HAS_CODE,
  PAGE_IN_WRITE_TLB,
  PAGE_TLB_ENTRIES,
  TLB_ENTRIES,
} from "../layout.ts";
import type { MachineStats } from "../machine.ts";
import type { PageTable } from "../mmu/pagetable.ts";
import type { PhysMem } from "../physmem.ts";
import { Decoder } from "./decode.ts";
import { heatOffset, JUMP_BESIDE, jumpOffset } from "./interp.ts";
import { RV64GC } from "./isa/rv64gc.ts";
import { compileBatch } from "./jit/compile.ts";
import { Doubts } from "./jit/doubts.ts";
import { Discovery, followsCall, type Graph } from "./jit/graph.ts";
import { type Region, Regions } from "./jit/regions.ts";
import { Switches } from "./jit/switches.ts";
import {
  buildRuntime,
  buildStep,
  type RegionFunc,
  type Runtime,
  type RuntimeParts,
  TABLE_SIZE,
} from "./runtime.ts";
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
/**
 * Code behind a call waits this many times the threshold: it is hot as soon as its function is, but once that
 * is compiled, hardly anybody enters there.
 */
const RETURN_PATIENCE = 15;
/** Entries that may wait at once. */
const MAX_WAITING = 16384;
/** Address spaces that begin between two coolings. */
const ADOPTIONS_PER_COOLING = 32;
/** Visits before something that could not be compiled is tried again: it may have been rewritten. */
const UNCOMPILABLE_WAIT = 1_000_000;
/** Visits are counted in 16 bits. */
const MAX_THRESHOLD = 0xffff;
const TWO32 = 0x1_0000_0000;

interface Pending {
  readonly pt: PageTable;
  readonly pc: number;
}

export interface TranslatorOptions {
  readonly clockNs: () => number;
  /** Visits of a jump target before it is compiled. */
  readonly threshold: number;
  /** WebAssembly calls that may stand for guest calls at once; each takes a frame of this thread's stack. */
  readonly maxDepth: number;
  /** See MachineOptions. */
  readonly maxDoubts: number;
  readonly maxMisses: number;
}

/** Who runs generated code, and what that asks of it. */
export interface Runner {
  /** Serves the ecall at the context's pc: the fuel to go on with, or the complement of a trap. */
  serve(fuel: number): number;
  /** The page of the noted fault is to be made accessible: true if it was. */
  resolve(isWrite: boolean): boolean;
}

export class Translator {
  /** Changes whenever generated code that may be running goes stale. */
  epoch = 0;
  readonly mem: PhysMem;
  readonly stats: MachineStats;
  readonly #clockNs: () => number;
  readonly #threshold: number;
  readonly #maxDepth: number;
  readonly #decoder = new Decoder(RV64GC);
  readonly #table: WebAssembly.Table;
  readonly #parts: RuntimeParts;
  readonly #runtime: Runtime;
  #step: RegionFunc | undefined;
  readonly #banks = new Map<number, PageTable>();
  readonly #regions = new Regions();
  readonly #switches = new Switches();
  readonly #doubts: Doubts;
  readonly #misses: Doubts;
  /** How often translations of a physical page were dropped because it was written. */
  readonly #drops = new Map<number, number>();
  /** Visits that are still to come before something is compiled from such a page. */
  readonly #pageWaits = new Map<number, number>();
  /** Entries that must wait longer than others: for how many visits yet. */
  readonly #waits = new Map<number, number>();
  /** Regions by the bucket of their entry, which is kept full, so that visits are reported. */
  readonly #regionsIn = new Uint16Array(HEAT_BUCKETS);
  #pending: Pending[] = [];
  #runner: Runner | undefined;
  #nextSlot = 1;
  #adoptions = 0;
  #freeSlots: number[] = [];

  constructor(
    mem: PhysMem,
    stats: MachineStats,
    { clockNs, threshold, maxDepth, maxDoubts, maxMisses }: TranslatorOptions,
  ) {
    this.mem = mem;
    this.#maxDepth = maxDepth;
    this.stats = stats;
    this.#clockNs = clockNs;
    this.#threshold = threshold > MAX_THRESHOLD ? Number.POSITIVE_INFINITY : threshold;
    this.#doubts = new Doubts(maxDoubts);
    this.#misses = new Doubts(maxMisses);
    this.#decoder.install(mem);
    this.#table = new WebAssembly.Table({
      element: "anyfunc",
      initial: TABLE_SIZE,
      maximum: TABLE_SIZE,
    });
    const host = {
      clockNs,
      expandHalf: (half: number) => this.#decoder.expandInto(mem, half),
      softFloat: softFloatImport(mem.i32),
      serve: (_ctx: number, _bank: number, fuel: number) => this.#runner!.serve(fuel),
      resolve: (write: number) => (this.#runner?.resolve(write !== 0) ? 1 : 0),
      codeWrite: (page: number) => this.pageWritten(page >>> 0),
      visit: (bank: number, pc: number, heat: number) => this.#visit(bank, pc, heat),
      doubted: (bank: number, entry: number) => this.#doubted(bank, entry),
      missed: (bank: number, entry: number) => this.#missed(bank, entry),
    };
    this.#parts = {
      mem,
      table: this.#table,
      decoder: this.#decoder,
      host,
      threshold: this.#threshold,
      maxDepth,
    };
    this.#runtime = buildRuntime(this.#parts);
    this.#table.set(0, this.#runtime.miss);
  }

  /** Runs the context at `ctx` against the bank for `fuel` jumps, on behalf of `runner`: the trap. */
  enter(runner: Runner, ctx: number, bank: number, fuel: number): number {
    this.#runner = runner;
    return ~this.#runtime.enter(ctx, bank, fuel, 0);
  }

  /** Runs one instruction. */
  step(ctx: number, bank: number): number {
    this.#step ??= buildStep(this.#parts);
    this.#runner = undefined;
    return ~this.#step(ctx, bank, 1, 0);
  }

  /** The bank at `addr` now serves `pt`. */
  adoptBank(addr: number, pt: PageTable): void {
    this.#banks.set(addr, pt);
    if (++this.#adoptions % ADOPTIONS_PER_COOLING === 0) this.#cool();
  }

  /** Halves the heat of what is not compiled: many programs share the buckets, one after the other. */
  #cool(): void {
    const { u16 } = this.mem;
    for (let i = 0; i < HEAT_BUCKETS; i++) {
      const at = (HEAT_TABLE >>> 1) + i;
      if (this.#regionsIn[i] === 0) u16[at] = u16[at]! >>> 1;
    }
  }

  /** Drops what was compiled from a physical page. */
  pageWritten(page: number): void {
    const regions = this.#regions.onPage(page);
    if (regions.length > 0) {
      if (this.#drops.size >= MAX_COUNTED_PAGES) {
        this.#drops.clear();
        this.#pageWaits.clear();
      }
      this.#drops.set(page, (this.#drops.get(page) ?? 0) + 1);
      this.#pageWaits.delete(page);
      for (const region of regions) this.#drop(region);
    }
    const at = this.mem.pageFlags + page;
    this.mem.u8[at] = this.mem.u8[at]! & ~PAGE_HAS_CODE;
  }

  /**
   * The interpreter was at `pc`, for whose bucket that is the `count`-th time. The function to go on
   * with, or 0.
   */
  #visit(bank: number, pc: number, count: number): number {
    const pt = this.#banks.get(bank)!;
    this.stats.visits++;
    this.#noteSwitch(bank, pc);
    const known = this.#regions.find(pt, pc);
    if (known) {
      this.#setJump(bank, pc, known.slot);
      return known.slot;
    }
    if (count < this.#threshold || !this.#isDue(pt, pc)) return 0;
    const isSecond = this.#pending.some((p) => p.pc === pc && p.pt === pt);
    if (!isSecond) this.#pending.push({ pt, pc });
    if (!isSecond && this.#threshold > 1 && this.#pending.length < MAX_PENDING) return 0;
    const begin = this.#clockNs();
    this.#compilePending();
    this.stats.translateNs += this.#clockNs() - begin;
    const made = this.#regions.find(pt, pc);
    if (!made) {
      this.#waits.set(pc, UNCOMPILABLE_WAIT);
      return 0;
    }
    this.#setJump(bank, pc, made.slot);
    return made.slot;
  }

  /** The region at `entry` was in doubt; one that often is is compiled again, with care. */
  #doubted(bank: number, entry: number): void {
    this.stats.doubts++;
    if (this.#doubts.note(entry, this.#clockNs())) this.#compileAgain(bank, entry);
  }

  /** The region at `entry` left for a TLB miss; one that often does is compiled again, to go on after misses. */
  #missed(bank: number, entry: number): void {
    this.stats.misses++;
    if (this.#misses.note(entry, this.#clockNs())) this.#compileAgain(bank, entry);
  }

  #compileAgain(bank: number, entry: number): void {
    const pt = this.#banks.get(bank)!;
    const region = this.#regions.find(pt, entry);
    if (!region) return;
    this.#drop(region);
    this.stats.regionsCareful++;
    this.#pending.push({ pt, pc: entry });
    this.#compilePending();
  }

  /** True if `pc`, whose bucket is full, has been visited often enough itself to be compiled. */
  #isDue(pt: PageTable, pc: number): boolean {
    const bucket = heatOffset(pc | 0) >>> 1;
    // A bucket with a region stays full, others start again: what this visit stands for.
    const isShared = this.#regionsIn[bucket]! > 0;
    const visits = isShared ? 1 : Math.max(1, this.#threshold);
    let wait = this.#waits.get(pc);
    if (wait === undefined) {
      wait = this.#patience(pt, pc) + (isShared ? this.#threshold >>> 1 : 0);
    } else {
      wait = Math.max(0, wait - visits);
    }
    if (wait > 0 && this.#waits.size >= MAX_WAITING) this.#waits.clear();
    if (wait > 0 || this.#waits.has(pc)) this.#waits.set(pc, wait);
    if (wait === 0 && !this.#isReluctant(pt.get(pc) >>> 12, visits)) return true;
    if (!isShared) this.mem.u16[(HEAT_TABLE >>> 1) + bucket] = 0;
    return false;
  }

  /** True while a page that keeps being written has not been visited often since it last was. */
  #isReluctant(page: number, visits: number): boolean {
    const drops = this.#drops.get(page) ?? 0;
    if (drops <= DROPS_FORGIVEN) return false;
    // A threshold of one means at once, whatever it costs.
    const whole = (this.#threshold - 1) * 2 ** Math.min(drops - DROPS_FORGIVEN, 10);
    const wait = (this.#pageWaits.get(page) ?? whole) - visits;
    this.#pageWaits.set(page, wait);
    return wait > 0;
  }

  /** Further visits that a return point waits for. */
  #patience(pt: PageTable, pc: number): number {
    return this.#threshold > 1 && followsCall(pt, pc) ? this.#threshold * RETURN_PATIENCE : 0;
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
    const depth = this.#maxDepth;
    const hopeFor = ({ entry }: Graph) => ({
      arithmetic: this.#doubts.mayHope(entry),
      hits: this.#misses.mayHope(entry),
    });
    const batch = compileBatch(graphs, depth, this.mem, this.#table, this.#runtime, hopeFor);
    this.stats.modules++;
    this.stats.bytesTranslated += batch.bytes;
    graphs.forEach((graph, i) => {
      const slot = this.#takeSlot();
      this.#table.set(slot, batch.funcs[i]);
      this.#regions.add({ entry: graph.entry, slot, pages: graph.pages });
      const bucket = heatOffset(graph.entry | 0) >>> 1;
      this.#regionsIn[bucket]!++;
      this.mem.u16[(HEAT_TABLE >>> 1) + bucket] = this.#threshold;
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
    this.epoch++;
    this.#regions.remove(region);
    this.#waits.delete(region.entry);
    const bucket = heatOffset(region.entry | 0) >>> 1;
    if (--this.#regionsIn[bucket]! === 0) this.mem.u16[(HEAT_TABLE >>> 1) + bucket] = 0;
    this.#forgetJumps(region);
    this.#table.set(region.slot, this.#runtime.miss);
    this.#freeSlots.push(region.slot);
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
    for (const region of this.#regions.oldest(MAX_REGIONS >>> 1)) {
      this.#drop(region);
      this.stats.regionsEvicted++;
    }
  }

  /** There are more slots than MAX_REGIONS. */
  #takeSlot(): number {
    return this.#freeSlots.pop() ?? this.#nextSlot++;
  }

  /** No jump cache names the region any more. */
  #forgetJumps(region: Region): void {
    const { u32 } = this.mem;
    const offset = jumpOffset(region.entry | 0);
    for (const bank of this.#banks.keys()) {
      for (const beside of [0, JUMP_BESIDE]) {
        const at = (bank + BANK_JUMP + (offset ^ beside)) >>> 2;
        if (u32[at + 2] === region.slot) u32.fill(0, at, at + 4);
      }
    }
  }

  /** Sets the jump cache entry of `pc`. What was there moves to the entry beside it. */
  #setJump(bank: number, pc: number, slot: number): void {
    const { u32 } = this.mem;
    const low = (pc % TWO32) | 0;
    const high = Math.floor(pc / TWO32);
    const offset = jumpOffset(low);
    const at = (bank + BANK_JUMP + offset) >>> 2;
    if (u32[at + 2] !== 0 && (u32[at] !== low >>> 0 || u32[at + 1] !== high)) {
      u32.copyWithin((bank + BANK_JUMP + (offset ^ JUMP_BESIDE)) >>> 2, at, at + 4);
    }
    u32[at] = low;
    u32[at + 1] = high;
    u32[at + 2] = slot;
  }
}
