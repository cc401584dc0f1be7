/**
 * Decides what to compile when, for the generated code of one Worker: the runtime with the interpreter, and what the
 * JIT compiled, which jit/codecache.ts has.
 *
 * The interpreter counts visits to jump targets and reports them here (`visit`). Targets that were
 * visited often enough are compiled several at a time (jit/queue.ts).
 */

import type { TranslationStore } from "../../platform/translations.ts";
import { BANK_SWITCH } from "../layout.ts";
import type { MachineStats } from "../machine.ts";
import type { PageTable } from "../mmu/pagetable.ts";
import type { PhysMem } from "../physmem.ts";
import { Decoder } from "./decode.ts";
import { MAX_HEAT } from "./heat.ts";
import { RV64GC } from "./isa/rv64gc.ts";
import { Archive } from "./jit/archive.ts";
import { Away } from "./jit/away.ts";
import { CodeCache } from "./jit/codecache.ts";
import {
  assemble,
  compileRegion,
  type Functions,
  isRefusal,
  link,
  type RegionCode,
  type Unlinked,
} from "./jit/compile.ts";
import { Doubts } from "./jit/doubts.ts";
import { awaysOf, Discovery, type Graph } from "./jit/graph.ts";
import { Patience } from "./jit/patience.ts";
import { CompileQueue, type Target } from "./jit/queue.ts";
import type { RegionRecord } from "./jit/record.ts";
import type { Hope } from "./jit/region.ts";
import { Switches } from "./jit/switches.ts";
import { isBranchAt, Ways } from "./jit/ways.ts";
import {
  buildRuntime,
  buildStep,
  type EnterFunc,
  type Runtime,
  type RuntimeParts,
  TABLE_SIZE,
} from "./runtime.ts";
import { softFloatImport } from "./softfloat/softfloat.ts";

/** Address spaces that begin between two coolings. */
const ADOPTIONS_PER_COOLING = 32;
/** And before the ways that branches went are forgotten. */
const ADOPTIONS_PER_FORGETTING = 512;
/**
 * Visits of a target before a translation of an earlier machine is looked for: having one costs as much as so many visits of
 * the interpreter, and what was hot in another program need not get hot in this one. With it come others that are on their way.
 */
const RESTORE_THRESHOLD = 512;
/** Visits of those. */
const WARM_THRESHOLD = 64;
const TWO32 = 0x1_0000_0000;

export interface TranslatorOptions {
  readonly clockNs: () => number;
  /** Visits of a jump target before it is compiled. */
  readonly threshold: number;
  /** WebAssembly calls that may stand for guest calls at once; each takes a frame of this thread's stack. */
  readonly maxDepth: number;
  /** See MachineOptions. */
  readonly maxDoubts: number;
  readonly maxMisses: number;
  readonly maxRegions: number;
  /** Where translations are kept from machine to machine. */
  readonly store: TranslationStore | null;
}

/** Who runs generated code, and what that asks of it. */
export interface Runner {
  /** Serves the ecall at the context's pc: the fuel to go on with, or the complement of a trap. */
  serve(fuel: number): number;
  /** The page of the noted fault is to be made accessible: true if it was. */
  resolve(isWrite: boolean): boolean;
}

export class Translator {
  readonly mem: PhysMem;
  readonly stats: MachineStats;
  readonly #clockNs: () => number;
  readonly #threshold: number;
  readonly #maxDepth: number;
  readonly #decoder = new Decoder(RV64GC);
  readonly #table: WebAssembly.Table;
  readonly #parts: RuntimeParts;
  readonly #runtime: Runtime;
  #step: EnterFunc | undefined;
  readonly #banks = new Map<number, PageTable>();
  readonly #cache: CodeCache;
  readonly #switches = new Switches();
  readonly #doubts: Doubts;
  readonly #misses: Doubts;
  readonly #patience: Patience;
  readonly #archive: Archive | null;
  readonly #ways: Ways;
  readonly #queue = new CompileQueue();
  readonly #away: Away;
  #runner: Runner | undefined;
  #adoptions = 0;

  constructor(
    mem: PhysMem,
    stats: MachineStats,
    { clockNs, threshold, maxDepth, maxDoubts, maxMisses, maxRegions, store }: TranslatorOptions,
  ) {
    this.mem = mem;
    this.#maxDepth = maxDepth;
    this.stats = stats;
    this.#clockNs = clockNs;
    this.#threshold = threshold > MAX_HEAT ? Number.POSITIVE_INFINITY : threshold;
    this.#patience = new Patience(mem, this.#threshold);
    this.#archive = store === null ? null : new Archive(store, maxDepth, (m) => this.#link(m));
    this.#ways = new Ways(mem, threshold > 1);
    this.#away = new Away(mem);
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
      softFloat: softFloatImport(mem.i32),
      serve: (_ctx: number, _bank: number, fuel: number) => this.#runner!.serve(fuel),
      resolve: (write: number) => (this.#runner?.resolve(write !== 0) ? 1 : 0),
      codeWrite: (page: number) => this.pageWritten(page >>> 0),
      visit: (bank: number, pc: number, heat: number) => this.#visit(bank, pc, heat),
      doubted: (bank: number, entry: number) => this.#doubted(bank, entry),
      missed: (bank: number, entry: number, offset: number) =>
        this.#missed(bank, entry, entry + offset),
    };
    this.#parts = {
      mem,
      table: this.#table,
      decoder: this.#decoder,
      host,
      threshold: this.#threshold,
      maxDepth,
      store,
    };
    this.#runtime = buildRuntime(this.#parts);
    const functions = { table: this.#table, miss: this.#runtime.miss };
    this.#cache = new CodeCache(mem, stats, functions, this.#banks, this.#patience, maxRegions);
  }

  /** Changes whenever generated code that may be running goes stale. */
  get epoch(): number {
    return this.#cache.epoch;
  }

  /** Runs the context at `ctx` against the bank for `fuel` jumps, on behalf of `runner`: the trap. */
  enter(runner: Runner, ctx: number, bank: number, fuel: number): number {
    this.#runner = runner;
    return ~this.#runtime.enter(ctx, bank, fuel);
  }

  /** Runs one instruction. */
  step(ctx: number, bank: number): number {
    this.#step ??= buildStep(this.#parts);
    this.#runner = undefined;
    return ~this.#step(ctx, bank, 1);
  }

  /** The bank at `addr`, emptied, now serves `pt`. */
  adoptBank(addr: number, pt: PageTable): void {
    this.#banks.set(addr, pt);
    this.#cache.adopted(addr);
    if (++this.#adoptions % ADOPTIONS_PER_COOLING === 0) this.#patience.cool();
    if (this.#adoptions % ADOPTIONS_PER_FORGETTING === 0) {
      this.#ways.forget();
      this.#away.forget();
    }
  }

  /** The machine is ending: what it made goes to the store. */
  finish(): void {
    this.#archive?.finish();
  }

  /** An executable mapping of the address space of this bank has changed. */
  codeRemapped(bank: number): void {
    this.#cache.remapped(bank);
  }

  /** Drops what was compiled from a physical page. */
  pageWritten(page: number): void {
    if (this.#cache.dropPage(page)) this.#patience.pageWritten(page);
  }

  /**
   * The interpreter was at `pc`, for whose bucket that is the `count`-th time. The function to go on
   * with, or 0.
   */
  #visit(bank: number, pc: number, count: number): number {
    const pt = this.#banks.get(bank)!;
    this.stats.visits++;
    this.#noteSwitch(bank, pc);
    const known = this.#cache.lookUp(bank, pc);
    if (known !== 0) return known;
    const isInner = this.#cache.haveInnerLoop(pt, pc);
    const isDue = (): boolean => count >= this.#threshold && this.#patience.isDue(pt, pc, isInner);
    if (isInner && !isDue()) return 0;
    if (count >= Math.min(RESTORE_THRESHOLD, this.#threshold) && this.#restore(pt, pc)) {
      return this.#cache.lookUp(bank, pc);
    }
    if (!isInner && !isDue()) return 0;
    const rest = (visits: number) => this.#patience.rest(pc, visits);
    const isTime = this.#queue.isTime({ pt, pc }, this.#cache.size, rest);
    if (!isTime && this.#threshold > 1) return 0;
    const begin = this.#clockNs();
    this.#compile(this.#queue.take());
    this.stats.translateNs += this.#clockNs() - begin;
    const made = this.#cache.lookUp(bank, pc);
    if (made === 0) this.#patience.uncompilable(pc);
    return made;
  }

  /** The region at `entry` was in doubt; one that often is is compiled again, with care. */
  #doubted(bank: number, entry: number): void {
    this.stats.doubts++;
    if (this.#doubts.note(entry, this.#clockNs())) this.#compileAgain(bank, entry);
  }

  /**
   * The region at `entry` left for a miss at `pc`, of the TLB or of the home map; one that often does is compiled again, to go
   * on after misses or to look elsewhere first. Or it left for a branch that goes where it does not: the same, to go there.
   */
  #missed(bank: number, entry: number, pc: number): void {
    if (isBranchAt(this.#banks.get(bank)!, pc)) {
      this.stats.strays++;
      if (this.#ways.strayed(entry)) this.#remake(bank, entry);
      return;
    }
    this.stats.misses++;
    if (!this.#misses.mayHope(entry)) return;
    if (this.#misses.note(entry, this.#clockNs())) this.#compileAgain(bank, entry);
    else if (this.#hopedInVain(bank, entry, pc) && this.#ways.strayed(entry)) {
      this.#remake(bank, entry);
    }
  }

  /** The access at `pc` of the region at `entry` hoped for home, and should not have. */
  #hopedInVain(bank: number, entry: number, pc: number): boolean {
    const pt = this.#banks.get(bank)!;
    const region = this.#cache.find(pt, entry);
    return region !== undefined && !region.aways.includes(pc) && this.#away.missed(pt, pc);
  }

  #compileAgain(bank: number, entry: number): void {
    const pt = this.#banks.get(bank)!;
    const region = this.#cache.find(pt, entry);
    if (!region) return;
    this.#cache.drop(region);
    this.stats.regionsCareful++;
    // An earlier machine may have come to this as well.
    if (this.#restore(pt, entry)) return;
    this.#compile([{ pt, pc: entry }]);
  }

  /** Compiles a region again, as what is known of the ways through it has changed. */
  #remake(bank: number, entry: number): void {
    const pt = this.#banks.get(bank)!;
    const region = this.#cache.find(pt, entry);
    if (!region) return;
    this.#cache.drop(region);
    this.stats.regionsRemade++;
    this.#compile([{ pt, pc: entry }]);
  }

  /** Remembers the interpreter's last indirect jump if that is what led to `pc`. */
  #noteSwitch(bank: number, pc: number): void {
    const at = (bank + BANK_SWITCH) >>> 2;
    const u32 = this.mem.u32;
    if (u32[at + 3]! * TWO32 + u32[at + 2]! !== pc) return;
    this.#switches.note(u32[at + 1]! * TWO32 + u32[at]!, pc);
  }

  /** Compiles regions at these as one module. */
  #compile(targets: readonly Target[]): void {
    const graphs: Graph[] = [];
    const taken = new Map<number, PageTable>();
    for (const { pt, pc } of targets) {
      if (taken.get(pc) === pt || this.#cache.find(pt, pc)) continue;
      taken.set(pc, pt);
      // Careful code has no calls on its way out.
      const isChoosy = this.#ways.isChoosy(pc) && this.#misses.mayHope(pc);
      const ways = isChoosy ? this.#ways : undefined;
      const hopesForHome = this.#ways.mayHope(pc);
      const isAway = (pa: number): boolean => !hopesForHome || this.#away.isAway(pa);
      const isErratic = (pa: number): boolean => this.#ways.isErratic(pa);
      const hints = { switches: this.#switches, ways, isErratic, isAway };
      const graph = new Discovery(pt, this.#decoder, hints, pc).run();
      if (graph) graphs.push(graph);
    }
    if (graphs.length === 0) return;
    this.#cache.makeRoom(graphs.length);
    const hopes = graphs.map(({ entry }) => this.#hopeFor(entry));
    const codes = graphs.map((graph, i) => compileRegion(graph, this.#maxDepth, hopes[i]!));
    const funcs = this.#functionsOf(codes);
    graphs.forEach((graph, i) => {
      const { entry, pages, insns } = graph;
      const { innerLoops } = codes[i]!;
      this.stats.insnsTranslated += insns;
      if (funcs[i] === undefined) {
        this.#patience.uncompilable(entry);
        return;
      }
      const aways = awaysOf(graph);
      this.#cache.add({ entry, pages, innerLoops, aways }, funcs[i]);
      this.#archive?.keep(graph, hopes[i]!, codes[i]!, aways, this.mem);
    });
  }

  /**
   * The functions of these in one module; undefined for one that WebAssembly refuses. That is a fault of ours, but none that what runs here
   * should end for: its code is left to the interpreter.
   */
  #functionsOf(codes: readonly RegionCode[]): readonly unknown[] {
    const module = assemble(codes.map(({ code }) => code));
    try {
      const funcs = this.#link(module);
      this.stats.modules++;
      this.stats.bytesTranslated += module.bytes.length;
      return codes.map((_, i) => funcs[`r${i}`]);
    } catch (e) {
      if (!isRefusal(e)) throw e;
      if (codes.length > 1) return codes.flatMap((code) => this.#functionsOf([code]));
      this.stats.regionsRefused++;
      return [undefined];
    }
  }

  #link(module: Unlinked): Functions {
    return link(module, this.mem, this.#table, this.#runtime);
  }

  #hopeFor(entry: number): Hope {
    return { arithmetic: this.#doubts.mayHope(entry), hits: this.#misses.mayHope(entry) };
  }

  /** Adds the region at `pc` as an earlier machine made it of the same code, if one did; others that may be wanted soon come with it. */
  #restore(pt: PageTable, pc: number): boolean {
    if (!this.#archive) return false;
    const mayHave = ({ entry, hope }: RegionRecord): boolean => {
      const { arithmetic, hits } = this.#hopeFor(entry);
      return (arithmetic || !hope.arithmetic) && (hits || !hope.hits);
    };
    const isWarm = (entry: number): boolean =>
      this.#patience.visits(entry) >= WARM_THRESHOLD && this.#isNew(pt, entry);
    const found = this.#archive.restore(pt, pc, mayHave, isWarm);
    if (found.length === 0) return false;
    this.#cache.makeRoom(found.length);
    for (const piece of found) {
      this.stats.regionsRestored++;
      this.#ways.learn(piece.pages, piece.spans);
      this.#away.learn(piece.pages, piece.aways);
      this.#cache.add(piece, piece.func);
    }
    return this.#cache.find(pt, pc) !== undefined;
  }

  /** There is no region at `pc`, nor one that has it as an inner loop. */
  #isNew(pt: PageTable, pc: number): boolean {
    return !this.#cache.find(pt, pc) && !this.#cache.haveInnerLoop(pt, pc);
  }
}
