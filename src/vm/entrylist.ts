/**
 * The map entries of an address space, in order, and the gaps between them.
 *
 * Entries never overlap and neighbours that continue each other are merged, so
 * equal maps have equal lists. Gaps are found from the top of an area down; an area's `gapTop` and
 * `gapMax` remember that no gap longer than `gapMax` lies wholly above
 * `gapTop`, which keeps a long list from being walked for every mmap.
 */
import { type MapEntry, VM_GROWSDOWN } from "./mapentry.ts";
import { MMAP_MIN_ADDR, STACK_GUARD_GAP, USER_END } from "./param.ts";

/** Addresses [floor, ceiling) where mmap may choose. */
export interface MmapArea {
  readonly floor: number;
  readonly ceiling: number;
}

/** Where mmap chooses: what is not long in `low`, if there is that and room in it, else in `high`. */
export interface MmapLayout {
  readonly low: MmapArea | null;
  readonly high: MmapArea;
}

export const WHOLE_SPACE: MmapLayout = {
  low: null,
  high: { floor: MMAP_MIN_ADDR, ceiling: USER_END },
};

/** An area, and what is known of its gaps. */
class Gaps {
  readonly floor: number;
  readonly ceiling: number;
  gapTop: number;
  gapMax = 0;

  constructor({ floor, ceiling }: MmapArea) {
    this.floor = floor;
    this.ceiling = ceiling;
    this.gapTop = ceiling;
  }
}

export class EntryList {
  readonly layout: MmapLayout;
  readonly #list: MapEntry[] = [];
  /** Index of the entry found last. */
  #hint = 0;
  readonly #low: Gaps | null;
  readonly #high: Gaps;

  constructor(layout: MmapLayout) {
    this.layout = layout;
    this.#low = layout.low && new Gaps(layout.low);
    this.#high = new Gaps(layout.high);
  }

  get length(): number {
    return this.#list.length;
  }

  at(index: number): MapEntry | undefined {
    return this.#list[index];
  }

  [Symbol.iterator](): IterableIterator<MapEntry> {
    return this.#list[Symbol.iterator]();
  }

  /** The entry that holds `addr`, or null. */
  find(addr: number): MapEntry | null {
    const e = this.#list[this.indexAfter(addr)];
    return e !== undefined && e.start <= addr ? e : null;
  }

  /** Index of the first entry that ends after `addr`; the length if none does. */
  indexAfter(addr: number): number {
    const list = this.#list;
    const hint = list[this.#hint];
    if (hint !== undefined && hint.start <= addr && addr < hint.end) return this.#hint;
    let lo = 0;
    let hi = list.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (list[mid]!.end > addr) hi = mid;
      else lo = mid + 1;
    }
    this.#hint = lo;
    return lo;
  }

  /** True if nothing is mapped in [start, end). */
  isFree(start: number, end: number): boolean {
    const e = this.#list[this.indexAfter(start)];
    return e === undefined || e.start >= end;
  }

  /** Puts an entry into a gap. Merges nothing. */
  insert(e: MapEntry): void {
    this.#list.splice(this.indexAfter(e.start), 0, e);
  }

  /** Adds an entry above all others. */
  append(e: MapEntry): void {
    this.#list.push(e);
  }

  /** Joins the entry at `index` with those before and after it where they continue. */
  merge(index: number): void {
    const e = this.#list[index];
    if (!e) return;
    const next = this.#list[index + 1];
    if (next && e.continuesIn(next)) {
      e.end = next.end;
      this.#list.splice(index + 1, 1);
      next.dispose();
    }
    const prev = this.#list[index - 1];
    if (prev?.continuesIn(e)) {
      prev.end = e.end;
      this.#list.splice(index, 1);
      e.dispose();
    }
  }

  /** Cuts the entry that holds `addr` so that one starts there; the index of what starts at or after. */
  splitAt(addr: number): number {
    const i = this.indexAfter(addr);
    const e = this.#list[i];
    if (!e || e.start >= addr) return i;
    const upper = e.clone(e.space, addr, e.end);
    e.end = addr;
    this.#list.splice(i + 1, 0, upper);
    return i + 1;
  }

  /** Takes the entries [from, to) out of the list; disposing of them is the caller's. */
  take(from: number, to: number): MapEntry[] {
    const gone = this.#list.splice(from, to - from);
    const first = gone[0];
    const last = gone[gone.length - 1];
    if (first && last) this.#noteGap(first.start, last.end);
    return gone;
  }

  /** How many cuts `splitAt` at both ends of [start, end) would make. */
  cutsFor(start: number, end: number): number {
    const a = this.find(start);
    const b = this.find(end);
    return (a && a.start < start ? 1 : 0) + (b && b.start < end ? 1 : 0);
  }

  /** Highest address of a gap of `length` bytes in an area; -1 if there is none. */
  findGap(length: number, isLow: boolean): number {
    const gaps = isLow ? this.#low : this.#high;
    if (!gaps) return -1;
    const { floor } = gaps;
    const fromTop = length <= gaps.gapMax;
    let top = fromTop ? gaps.ceiling : gaps.gapTop;
    let longest = fromTop ? 0 : gaps.gapMax;
    // The entry below `top`, and so on down.
    let i = this.indexAfter(top - 1);
    const over = this.#list[i];
    if (over) top = Math.min(top, gapEnd(over));
    for (;;) {
      const below = this.#list[--i];
      const bottom = Math.max(below ? below.end : floor, floor);
      if (top - bottom >= length) {
        gaps.gapTop = top;
        gaps.gapMax = longest;
        return top - length;
      }
      if (top > bottom) longest = Math.max(longest, top - bottom);
      if (!below || below.start <= floor) return -1;
      top = Math.min(top, gapEnd(below));
    }
  }

  #noteGap(start: number, end: number): void {
    if (this.#low) this.#noteGapOf(this.#low, start, end);
    this.#noteGapOf(this.#high, start, end);
  }

  #noteGapOf(gaps: Gaps, start: number, end: number): void {
    if (end <= gaps.gapTop) return;
    const i = this.indexAfter(end - 1);
    const above = this.#list[i];
    const below = this.#list[i - 1];
    const gapStart = Math.min(below ? below.end : 0, start);
    const gapLimit = Math.min(above ? above.start : gaps.ceiling, gaps.ceiling);
    if (gapStart < gaps.gapTop) gaps.gapTop = Math.max(gapLimit, gaps.gapTop);
    else gaps.gapMax = Math.max(gaps.gapMax, gapLimit - gapStart);
  }
}

/** Where the gap below an entry ends: a stack keeps its guard. */
function gapEnd(e: MapEntry): number {
  return (e.flags & VM_GROWSDOWN) !== 0 ? e.start - STACK_GUARD_GAP : e.start;
}
