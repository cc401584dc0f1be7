/**
 * A set of whole numbers kept as ranges: sorted, apart from each other, found by bisection.
 */
export class RangeSet {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #size = 0;

  /** How many numbers are in it, and in how many ranges. */
  get size(): number {
    return this.#size;
  }

  get rangeCount(): number {
    return this.#starts.length;
  }

  has(n: number): boolean {
    return this.containsAll(n, n + 1);
  }

  clear(): void {
    this.#starts.length = 0;
    this.#ends.length = 0;
    this.#size = 0;
  }

  *[Symbol.iterator](): Iterator<readonly [from: number, end: number]> {
    for (let i = 0; i < this.rangeCount; i++) yield [this.#starts[i]!, this.#ends[i]!];
  }

  /** True if all of [from, end) is in it. */
  containsAll(from: number, end: number): boolean {
    const i = this.#after(from);
    return i < this.#starts.length && this.#starts[i]! <= from && this.#ends[i]! >= end;
  }

  /** The first number at or after `from` that is in it; Infinity if there is none. */
  next(from: number): number {
    const i = this.#after(from);
    return i < this.#starts.length ? Math.max(from, this.#starts[i]!) : Number.POSITIVE_INFINITY;
  }

  /** The first number at or after `from` that is not in it. */
  nextGap(from: number): number {
    const i = this.#after(from);
    return i < this.#starts.length && this.#starts[i]! <= from ? this.#ends[i]! : from;
  }

  /** Adds [from, end): how many of them are new. */
  add(from: number, end: number): number {
    if (from >= end) return 0;
    // Ranges that touch the new one become part of it.
    const first = this.#after(from - 1);
    let last = first;
    let start = from;
    let stop = end;
    let had = 0;
    while (last < this.#starts.length && this.#starts[last]! <= end) {
      start = Math.min(start, this.#starts[last]!);
      stop = Math.max(stop, this.#ends[last]!);
      had += this.#ends[last]! - this.#starts[last]!;
      last++;
    }
    this.#starts.splice(first, last - first, start);
    this.#ends.splice(first, last - first, stop);
    const added = stop - start - had;
    this.#size += added;
    return added;
  }

  /** Removes [from, end): how many of them were in it. */
  remove(from: number, end: number): number {
    const first = this.#after(from);
    if (from >= end || first === this.#starts.length || this.#starts[first]! >= end) return 0;
    let last = first;
    const starts: number[] = [];
    const ends: number[] = [];
    let removed = 0;
    while (last < this.#starts.length && this.#starts[last]! < end) {
      const start = this.#starts[last]!;
      const stop = this.#ends[last]!;
      if (start < from) {
        starts.push(start);
        ends.push(from);
      }
      if (stop > end) {
        starts.push(end);
        ends.push(stop);
      }
      removed += Math.min(stop, end) - Math.max(start, from);
      last++;
    }
    this.#starts.splice(first, last - first, ...starts);
    this.#ends.splice(first, last - first, ...ends);
    this.#size -= removed;
    return removed;
  }

  /** Index of the first range that ends after `n`. */
  #after(n: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! > n) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
