/**
 * Which regions are disappointed too often to be optimistic: about floating point, where programs
 * never compute anything inexact, or use other rounding modes, infinities or subnormals a lot; about
 * the TLB, where they touch more memory than it reaches.
 *
 * A doubt costs about a microsecond, as the interpreter goes on to the next jump. Regions are known
 * by their address alone: two programs' regions at one address are careful together.
 */

/** The time in which doubts are counted. */
const WINDOW_NS = 100e6;
/** Addresses that are remembered, of either sort. */
const MAX_REMEMBERED = 4096;

export class Doubts {
  readonly #max: number;
  readonly #careful = new Set<number>();
  readonly #counts = new Map<number, { since: number; n: number }>();

  /** More than `max` doubts of one region within 100 ms are too many. */
  constructor(max: number) {
    this.#max = max;
  }

  /** False if the region at this address has to be careful. */
  mayHope(entry: number): boolean {
    return !this.#careful.has(entry);
  }

  /** The region at `entry` was in doubt. True if from now on it has to be careful. */
  note(entry: number, nowNs: number): boolean {
    let count = this.#counts.get(entry);
    if (!count || nowNs - count.since > WINDOW_NS) {
      if (this.#counts.size >= MAX_REMEMBERED) this.#counts.clear();
      count = { since: nowNs, n: 0 };
      this.#counts.set(entry, count);
    }
    if (++count.n <= this.#max) return false;
    if (this.#careful.size >= MAX_REMEMBERED) this.#careful.clear();
    this.#careful.add(entry);
    this.#counts.delete(entry);
    return true;
  }
}
