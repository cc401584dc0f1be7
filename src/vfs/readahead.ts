/**
 * Read-ahead: how much to read when a page of an open file is not in memory.
 *
 * Who reads in order gets more each time, up to 512 KiB; who reads here and
 * there gets what was asked for. One per open file, as two readers of one file
 * may be at different places. See Linux's mm/readahead.c, posix_fadvise(2).
 */

export const FADV_NORMAL = 0;
export const FADV_RANDOM = 1;
export const FADV_SEQUENTIAL = 2;

const MAX_PAGES = 128;

export class ReadAhead {
  /** One of FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL. */
  advice = FADV_NORMAL;
  /** Page of the last byte that was read. */
  lastPage = -1;
  #window = 0;

  /** How many pages to bring in from `pindex`, the first that is absent of those wanted: `wanted` at least. */
  pagesFrom(pindex: number, wanted: number): number {
    if (this.advice === FADV_RANDOM) return wanted;
    const max = this.advice === FADV_SEQUENTIAL ? 2 * MAX_PAGES : MAX_PAGES;
    const isInOrder = pindex === 0 || pindex === this.lastPage || pindex === this.lastPage + 1;
    if (!isInOrder) this.#window = 0;
    else if (this.#window === 0) this.#window = firstWindow(wanted, max);
    else this.#window = Math.min(max, this.#window * (this.#window < max / 16 ? 4 : 2));
    return Math.max(wanted, this.#window);
  }
}

/** Two to four times what was asked for. */
function firstWindow(wanted: number, max: number): number {
  const n = 2 ** Math.ceil(Math.log2(wanted));
  if (n <= max / 32) return n * 4;
  return n <= max / 4 ? n * 2 : max;
}
