/**
 * The machine that the kernel above sees: physical memory, page tables, contexts, harts.
 *
 * Nothing here is RISC-V: another instruction set or a native machine can stand beside
 * this one behind the same calls. One Machine belongs to one Worker.
 */
import type { TranslationStore } from "../platform/translations.ts";
import { type Context, ContextPool } from "./context.ts";
import { Hart } from "./hart.ts";
import { PAGE_HAS_CODE } from "./layout.ts";
import { type FrameSource, PageTable } from "./mmu/pagetable.ts";
import { type Paddr, PhysMem } from "./physmem.ts";
import { Translator } from "./riscv/translator.ts";

export interface MachineOptions {
  readonly ramBytes: number;
  /** Addresses beyond those that RAM needs: see PhysMemOptions. */
  readonly spareBytes?: number;
  /** Monotonic nanoseconds, for the time CSR (which counts at 1 GHz). */
  readonly clockNs: () => number;
  readonly maxHarts?: number;
  readonly maxContexts?: number;
  /** Visits of a jump target before it is compiled; Infinity leaves everything to the interpreter. */
  readonly jitThreshold?: number;
  /** Guest calls that may be host calls at once: more predict more returns, and need more of the host's stack. */
  readonly maxCallDepth?: number | undefined;
  /** Doubts about floating point within 100 ms after which a region is compiled to be careful. */
  readonly maxDoubts?: number;
  /** TLB misses within 100 ms after which a region is compiled to go on after them. */
  readonly maxMisses?: number;
  /** Regions that may be alive at once; each is some tens of KB of machine code. */
  readonly maxRegions?: number;
  /** Where translations outlive the machine; absent or null for nowhere. */
  readonly translations?: TranslationStore | null;
}

export interface MachineStats {
  /** Compiled regions alive, ever made, and dropped because their page was written. */
  regions: number;
  regionsMade: number;
  regionsDropped: number;
  /** Regions that an earlier machine had made. */
  regionsRestored: number;
  /** Guest instructions and WebAssembly bytes translated; milliseconds are the caller's to measure. */
  insnsTranslated: number;
  bytesTranslated: number;
  /** WebAssembly modules made. */
  modules: number;
  /** Regions dropped because there were too many. */
  regionsEvicted: number;
  /** Times that a region was in doubt about floating point, and regions that have become careful by that. */
  doubts: number;
  /** TLB misses for which compiled code left. */
  misses: number;
  regionsCareful: number;
  /** Times that compiled code left for a branch that goes where its region does not, and regions made again for that. */
  strays: number;
  regionsRemade: number;
  /** Regions whose code WebAssembly did not accept, by a fault of the compiler's: they are interpreted. */
  regionsRefused: number;
  /** Nanoseconds spent making regions, V8's own lazy part aside. */
  translateNs: number;
  /** Times that the interpreter reported a jump target: to find its region, or to have one made. */
  visits: number;
  /** Accesses that found nothing in the first level of the TLBs, and of these those that walked the page table. */
  tlbMisses: number;
  tlbWalks: number;
}

export class Machine {
  readonly mem: PhysMem;
  readonly harts: Hart[] = [];
  readonly stats: MachineStats = {
    regions: 0,
    regionsMade: 0,
    regionsDropped: 0,
    regionsRestored: 0,
    insnsTranslated: 0,
    bytesTranslated: 0,
    modules: 0,
    regionsEvicted: 0,
    doubts: 0,
    misses: 0,
    regionsCareful: 0,
    strays: 0,
    regionsRemade: 0,
    regionsRefused: 0,
    translateNs: 0,
    visits: 0,
    tlbMisses: 0,
    tlbWalks: 0,
  };
  readonly #contexts: ContextPool;
  readonly #translator: Translator;
  #nextAsid = 1;

  constructor(options: MachineOptions) {
    this.mem = new PhysMem({
      ramBytes: options.ramBytes,
      spareBytes: options.spareBytes ?? 0,
      maxHarts: options.maxHarts ?? 4,
      maxContexts: options.maxContexts ?? 16384,
    });
    this.#contexts = new ContextPool(this.mem);
    this.#translator = new Translator(this.mem, this.stats, {
      clockNs: options.clockNs,
      threshold: options.jitThreshold ?? DEFAULT_JIT_THRESHOLD,
      maxDepth: options.maxCallDepth ?? DEFAULT_CALL_DEPTH,
      maxDoubts: options.maxDoubts ?? DEFAULT_MAX_DOUBTS,
      maxMisses: options.maxMisses ?? DEFAULT_MAX_MISSES,
      maxRegions: Math.min(options.maxRegions ?? MAX_REGIONS, MAX_REGIONS),
      store: options.translations ?? null,
    });
  }

  /** A further hart; at most `maxHarts`. */
  newHart(): Hart {
    const hart = new Hart(this.mem, this.harts.length, this.#translator, this.stats);
    this.harts.push(hart);
    return hart;
  }

  /** Brings `stats` up to now. */
  settleStats(): void {
    for (const hart of this.harts) hart.settleStats();
  }

  /** Nothing runs any more: what was translated goes to the store. */
  finish(): void {
    this.#translator.finish();
  }

  /** An empty address space whose tables come from `frames`. */
  newPageTable(frames: FrameSource): PageTable {
    return new PageTable(this.mem, frames, this, this.#nextAsid++);
  }

  /** A cleared context; undefined when all are in use. */
  newContext(): Context | undefined {
    return this.#contexts.alloc();
  }

  /**
   * Drops what was compiled from [pa, pa+len). Call it after the kernel wrote to a frame that
   * may hold code, and when a frame is freed. Costs next to nothing where there is no code.
   */
  codeWritten(pa: Paddr, len: number): void {
    const flags = this.mem.pageFlags;
    for (let page = pa >>> 12; page <= (pa + Math.max(len, 1) - 1) >>> 12; page++) {
      if (this.mem.u8[flags + page]! & PAGE_HAS_CODE) this.#translator.pageWritten(page);
    }
  }

  /** See TlbKeeper. */
  shootdown(pt: PageTable, va: number, len: number, exec: boolean): void {
    for (const hart of this.harts) hart.shootdown(pt, va, len, exec);
  }

  /** See TlbKeeper. */
  retire(pt: PageTable): void {
    for (const hart of this.harts) hart.retire(pt);
  }
}

const DEFAULT_JIT_THRESHOLD = 1500;
const DEFAULT_CALL_DEPTH = 150;
const DEFAULT_MAX_DOUBTS = 200;
/** As 200 ns each, a hundredth of the time. */
const DEFAULT_MAX_MISSES = 5000;
/** One program that compiles has some 10,000. The table of them has slots for more. */
const MAX_REGIONS = 24_000;
