/**
 * Which regions give way when there is room for no more: those that nobody has come to lately.
 *
 * Compiled code finds its way by the jump cache and leaves no trace. So when room becomes scarce all regions are
 * marked idle and the jump caches emptied: whoever comes to a region then asks the translator, which takes the mark
 * away. (Second chance, as for pages.)
 */
import type { Region, Regions } from "./regions.ts";

export class RegionClock {
  readonly #max: number;
  #isMarked = false;

  /** For `max` regions at once. */
  constructor(max: number) {
    this.#max = max;
  }

  /** True if room is scarce for `n` more: idle ones are to be told from others. Says so once for each time that some gave way. */
  isScarce(regions: Regions, n: number): boolean {
    if (this.#isMarked || regions.size + n <= this.#max - (this.#max >>> 2)) return false;
    this.#isMarked = true;
    regions.markIdle();
    return true;
  }

  /** Those that have to go before there are `n` more: idle ones, at most half; for want of them the eldest eighth. */
  inTheWay(regions: Regions, n: number): readonly Region[] {
    if (regions.size + n <= this.#max) return [];
    this.#isMarked = false;
    const least = Math.max(n, this.#max >>> 3);
    const idle = regions.oldest(Math.max(n, this.#max >>> 1), true);
    return idle.length >= least ? idle : regions.oldest(least, false);
  }
}
