/**
 * The code cache: the regions that are alive, their functions in the table, and all that has to know of both.
 *
 * Invariants: no jump cache names the function of a region that was dropped; the physical pages that regions were
 * read from are protected (codepages.ts), and no others; there are no more regions than there may be.
 */
import type { MachineStats } from "../../machine.ts";
import type { PageTable } from "../../mmu/pagetable.ts";
import type { PhysMem } from "../../physmem.ts";
import type { HeatTable } from "../heat.ts";
import { forgetAllJumps, forgetJumps, occupyZero, setJump } from "../jumpcache.ts";
import { RegionClock } from "./clock.ts";
import { CodePages } from "./codepages.ts";
import { type Region, Regions } from "./regions.ts";

/** What a region is made of, beside its function. */
type Piece = Pick<Region, "entry" | "pages" | "innerLoops" | "aways">;

/** Who is told of regions that come and go. */
type Observer = Pick<HeatTable, "regionMade" | "regionDropped">;

export class CodeCache {
  /** Changes whenever generated code that may be running goes stale. */
  epoch = 0;
  readonly #mem: PhysMem;
  readonly #stats: MachineStats;
  readonly #table: WebAssembly.Table;
  /** What is in the table where no region is. */
  readonly #miss: unknown;
  /** Page tables by the bank that serves them. */
  readonly #banks: ReadonlyMap<number, PageTable>;
  readonly #observer: Observer;
  readonly #regions = new Regions();
  readonly #clock: RegionClock;
  readonly #codePages: CodePages;
  /** There are more slots than regions may be. */
  #nextSlot = 1;
  readonly #freeSlots: number[] = [];

  constructor(
    mem: PhysMem,
    stats: MachineStats,
    { table, miss }: { readonly table: WebAssembly.Table; readonly miss: unknown },
    banks: ReadonlyMap<number, PageTable>,
    observer: Observer,
    maxRegions: number,
  ) {
    this.#mem = mem;
    this.#stats = stats;
    this.#table = table;
    this.#miss = miss;
    this.#banks = banks;
    this.#observer = observer;
    this.#clock = new RegionClock(maxRegions);
    this.#codePages = new CodePages(mem, banks);
    table.set(0, miss);
  }

  get size(): number {
    return this.#regions.size;
  }

  /** A region at `pc` that is valid in `pt`. */
  find(pt: PageTable, pc: number): Region | undefined {
    return this.#regions.find(pt, pc);
  }

  /** The function of the region at `pc`, for the address space of this bank, which finds it itself from now on; 0 if there is none. */
  lookUp(bank: number, pc: number): number {
    const region = this.#regions.find(this.#banks.get(bank)!, pc);
    if (!region) return 0;
    setJump(this.#mem, bank, pc, region.slot);
    return region.slot;
  }

  /** True if in a region that is valid in `pt` there is, in another loop, a loop that begins at `pc`. */
  haveInnerLoop(pt: PageTable, pc: number): boolean {
    return this.#regions.haveInnerLoop(pt, pc);
  }

  /** A region whose function is `func`; there is room for it. */
  add({ entry, pages, innerLoops, aways }: Piece, func: unknown): void {
    const slot = this.#freeSlots.pop() ?? this.#nextSlot++;
    this.#table.set(slot, func);
    this.#regions.add({ entry, slot, pages, innerLoops, aways, isIdle: false });
    this.#observer.regionMade(entry);
    for (const pa of pages.values()) this.#codePages.protect(pa >>> 12);
    this.#stats.regionsMade++;
    this.#stats.regions = this.#regions.size;
  }

  drop(region: Region): void {
    this.epoch++;
    this.#regions.remove(region);
    this.#observer.regionDropped(region.entry);
    forgetJumps(this.#mem, this.#banks.keys(), region);
    this.#table.set(region.slot, this.#miss);
    this.#freeSlots.push(region.slot);
    for (const pa of region.pages.values()) {
      const page = pa >>> 12;
      if (this.#regions.onPage(page).length === 0) this.#codePages.unprotect(page);
    }
    this.#stats.regionsDropped++;
    this.#stats.regions = this.#regions.size;
  }

  /** Drops what was made from a physical page (number): true if anything was. */
  dropPage(page: number): boolean {
    const regions = this.#regions.onPage(page);
    for (const region of regions) this.drop(region);
    this.#codePages.unprotect(page);
    return regions.length > 0;
  }

  /** The bank at `addr`, whose jump cache is empty, is one of ours now. */
  adopted(addr: number): void {
    occupyZero(this.#mem, addr);
  }

  /** The address space of this bank finds no region any more without being told of it again. */
  remapped(bank: number): void {
    this.epoch++;
    forgetAllJumps(this.#mem, bank);
  }

  /** For `n` regions more. */
  makeRoom(n: number): void {
    for (const region of this.#clock.inTheWay(this.#regions, n)) {
      this.drop(region);
      this.#stats.regionsEvicted++;
    }
    if (!this.#clock.isScarce(this.#regions, n)) return;
    for (const bank of this.#banks.keys()) forgetAllJumps(this.#mem, bank);
  }
}
