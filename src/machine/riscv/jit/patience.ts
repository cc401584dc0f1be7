/**
 * How hot a jump target must be before it is compiled.
 *
 * The interpreter counts visits, of many targets together, and reports them when they are enough (heat.ts). Where each visit is
 * reported, as there are regions of the same bucket, or of the same address in another address space, they are counted here.
 */
import type { PageTable } from "../../mmu/pagetable.ts";
import type { PhysMem } from "../../physmem.ts";
import { HeatTable } from "../heat.ts";
import { followsCall } from "./graph.ts";

/**
 * A page that was written this often since it was first translated is compiled more and more
 * reluctantly: data and code that share a page would be compiled for ever.
 */
const DROPS_FORGIVEN = 8;
/** Pages whose writes are counted at once. */
const MAX_COUNTED_PAGES = 4096;
/**
 * An inner loop of a region waits this many times the threshold more: who comes there left that region for a moment. A region
 * from there would have the outer loop as well, and never be left for the first again, though it is
 * made for a loop that goes round often (parking.ts), and this one got hot after the one around it.
 */
const INNER_PATIENCE = 15;
/**
 * Code behind a call waits this many times the threshold more: it is hot as soon as its function is, but once that
 * is compiled, hardly anybody enters there, unless its region ended before.
 */
const RETURN_PATIENCE = 1;
/** Entries that may wait at once. */
const MAX_WAITING = 16384;
/** Visits before something that could not be compiled is tried again: it may have been rewritten. */
const UNCOMPILABLE_WAIT = 1_000_000;

export class Patience {
  readonly #heat: HeatTable;
  readonly #threshold: number;
  /** How often translations of a physical page were dropped because it was written. */
  readonly #drops = new Map<number, number>();
  /** Visits that are still to come before something is compiled from such a page. */
  readonly #pageWaits = new Map<number, number>();
  /** Entries that must wait longer than others: for how many visits yet. */
  readonly #waits = new Map<number, number>();

  /** `threshold`: visits of an ordinary target before it is compiled. */
  constructor(mem: PhysMem, threshold: number) {
    this.#heat = new HeatTable(mem);
    this.#threshold = threshold;
  }

  /**
   * True if `pc`, of which enough visits were counted, or which is reported each time, has been visited often enough itself to be
   * compiled; `isInner`: a region has it as an inner loop.
   */
  isDue(pt: PageTable, pc: number, isInner: boolean): boolean {
    // What this visit stands for.
    const isReported = this.#heat.isReported(pc);
    const visits = isReported ? 1 : Math.max(1, this.#threshold);
    let wait = this.#waits.get(pc);
    if (wait === undefined) {
      wait = this.#forWithin(pt, pc, isInner) + (isReported ? this.#threshold >>> 1 : 0);
    } else {
      wait = Math.max(0, wait - visits);
    }
    if (wait > 0 || this.#waits.has(pc)) this.#setWait(pc, wait);
    if (wait === 0 && !this.#isReluctant(pt.get(pc) >>> 12, visits)) return true;
    this.#heat.setVisits(pc, 0);
    return false;
  }

  /** Visits of `pc` so far, and of what counts with it. */
  visits(pc: number): number {
    return this.#heat.visits(pc);
  }

  /** The target `pc`, which is due, is reported again only after so many visits: true if that can be. */
  rest(pc: number, visits: number): boolean {
    if (this.#heat.isReported(pc) || visits >= this.#threshold) return false;
    this.#heat.setVisits(pc, this.#threshold - visits);
    return true;
  }

  /** Nothing could be made of the code at `pc`. */
  uncompilable(pc: number): void {
    this.#setWait(pc, UNCOMPILABLE_WAIT);
  }

  /** There is a region more at `entry`. */
  regionMade(entry: number): void {
    this.#heat.regionMade(entry);
  }

  regionDropped(entry: number): void {
    this.#waits.delete(entry);
    this.#heat.regionDropped(entry);
  }

  /** Translations of this physical page were dropped because it was written. */
  pageWritten(page: number): void {
    if (this.#drops.size >= MAX_COUNTED_PAGES) {
      this.#drops.clear();
      this.#pageWaits.clear();
    }
    this.#drops.set(page, (this.#drops.get(page) ?? 0) + 1);
    this.#pageWaits.delete(page);
  }

  /** Halves what was counted: many programs share the buckets, one after the other. */
  cool(): void {
    this.#heat.cool();
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

  /** Further visits that an inner loop or a return point waits for. */
  #forWithin(pt: PageTable, pc: number, isInner: boolean): number {
    if (this.#threshold <= 1) return 0;
    if (isInner) return this.#threshold * INNER_PATIENCE;
    return followsCall(pt, pc) ? this.#threshold * RETURN_PATIENCE : 0;
  }

  #setWait(pc: number, visits: number): void {
    if (this.#waits.size >= MAX_WAITING && !this.#waits.has(pc)) this.#waits.clear();
    this.#waits.set(pc, visits);
  }
}
