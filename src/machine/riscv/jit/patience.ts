/**
 * How hot a jump target must be before it is compiled.
 *
 * The interpreter counts visits in buckets that many targets share, and reports each visit of a full one. The
 * bucket of a compiled region is kept full, so that every jump to it is reported until the jump
 * cache knows it; others that share it count their own visits here.
 */
import { HEAT_BUCKETS, HEAT_TABLE } from "../../layout.ts";
import type { PageTable } from "../../mmu/pagetable.ts";
import type { PhysMem } from "../../physmem.ts";
import { heatOffset } from "../pchash.ts";
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
  readonly #mem: PhysMem;
  readonly #threshold: number;
  /** How often translations of a physical page were dropped because it was written. */
  readonly #drops = new Map<number, number>();
  /** Visits that are still to come before something is compiled from such a page. */
  readonly #pageWaits = new Map<number, number>();
  /** Entries that must wait longer than others: for how many visits yet. */
  readonly #waits = new Map<number, number>();
  /** Regions by the bucket of their entry. */
  readonly #regionsIn = new Uint16Array(HEAT_BUCKETS);

  /** `threshold`: visits of an ordinary target before it is compiled. */
  constructor(mem: PhysMem, threshold: number) {
    this.#mem = mem;
    this.#threshold = threshold;
  }

  /**
   * True if `pc`, whose bucket is full, has been visited often enough itself to be compiled; `isInner`: a region
   * has it as an inner loop.
   */
  isDue(pt: PageTable, pc: number, isInner: boolean): boolean {
    const bucket = bucketOf(pc);
    // A bucket with a region stays full, others start again: what this visit stands for.
    const isShared = this.#regionsIn[bucket]! > 0;
    const visits = isShared ? 1 : Math.max(1, this.#threshold);
    let wait = this.#waits.get(pc);
    if (wait === undefined) {
      wait = this.#forWithin(pt, pc, isInner) + (isShared ? this.#threshold >>> 1 : 0);
    } else {
      wait = Math.max(0, wait - visits);
    }
    if (wait > 0 && this.#waits.size >= MAX_WAITING) this.#waits.clear();
    if (wait > 0 || this.#waits.has(pc)) this.#waits.set(pc, wait);
    if (wait === 0 && !this.#isReluctant(pt.get(pc) >>> 12, visits)) return true;
    if (!isShared) this.#setHeat(bucket, 0);
    return false;
  }

  /** Visits of `pc` so far, and of what shares its bucket. */
  visits(pc: number): number {
    return this.#mem.u16[(HEAT_TABLE >>> 1) + bucketOf(pc)]!;
  }

  /** The target `pc`, which is due, is reported again only after so many visits: true if that can be. */
  rest(pc: number, visits: number): boolean {
    const bucket = bucketOf(pc);
    if (this.#regionsIn[bucket]! > 0 || visits >= this.#threshold) return false;
    this.#setHeat(bucket, this.#threshold - visits);
    return true;
  }

  /** Nothing could be made of the code at `pc`. */
  uncompilable(pc: number): void {
    this.#waits.set(pc, UNCOMPILABLE_WAIT);
  }

  /** There is a region more at `entry`. */
  regionMade(entry: number): void {
    const bucket = bucketOf(entry);
    this.#regionsIn[bucket]!++;
    this.#setHeat(bucket, this.#threshold);
  }

  regionDropped(entry: number): void {
    this.#waits.delete(entry);
    const bucket = bucketOf(entry);
    if (--this.#regionsIn[bucket]! === 0) this.#setHeat(bucket, 0);
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

  /** Halves the heat of what is not compiled: many programs share the buckets, one after the other. */
  cool(): void {
    const { u16 } = this.#mem;
    for (let i = 0; i < HEAT_BUCKETS; i++) {
      const at = (HEAT_TABLE >>> 1) + i;
      if (this.#regionsIn[i] === 0) u16[at] = u16[at]! >>> 1;
    }
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

  #setHeat(bucket: number, heat: number): void {
    this.#mem.u16[(HEAT_TABLE >>> 1) + bucket] = heat;
  }
}

const bucketOf = (pc: number): number => heatOffset(pc | 0) >>> 1;
