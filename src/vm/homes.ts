/**
 * Homes: where the frames of an address space's private pages should lie.
 *
 * A home is a distance D from virtual to physical addresses (PageTable.home): the page of `va` is at home in
 * the frame at `va + D`. The machine needs no TLB for such pages; wherever else a page
 * lies, it is only slower. So all here is best effort: that frame may be another's.
 *
 * A program's memory begins at the bottom of the first HOME_BYTES, where it and its heap are, and at their top, with
 * libraries and stack (proc/layout.ts); in between there is mostly nothing. So homes are a small STEP apart: the heap of one
 * falls where another's would be only when it is long. Those that are handed out after each other
 * are far apart, and who needs one gets the one given back last: the host has memory behind its frames.
 */
import { HOME_BYTES } from "../machine/layout.ts";
import { CHUNK_SIZE } from "./param.ts";

const COUNT_SHIFT = 5;
const COUNT = 1 << COUNT_SHIFT;
const STEP = 16 << 20;
const TWO32 = 2 ** 32;

export class Homes {
  /** The first home's distance, modulo 2^32. */
  readonly #base: number;
  /** How many address spaces have each. */
  readonly #users = new Uint32Array(COUNT);
  /** Those that nobody has, the next one last. */
  readonly #free: number[] = [];
  #next = 0;

  /** `end`: past the last frame. */
  constructor(end: number) {
    // No distance is 0, which says that there is none.
    this.#base = end - HOME_BYTES - (end % STEP === 0 ? CHUNK_SIZE : 0);
    for (let i = COUNT - 1; i >= 0; i--) this.#free.push(reversed(i));
  }

  /** For a new program: a home of its own, or when there are no more, one that others have too. */
  take(): number {
    const k = this.#free.pop() ?? this.#next++ % COUNT;
    this.#users[k]!++;
    return this.#at(k);
  }

  /** For a copy: it has its parent's pages. */
  hold(home: number): number {
    if (home !== 0) this.#users[this.#indexOf(home)]!++;
    return home;
  }

  release(home: number): void {
    if (home === 0) return;
    const k = this.#indexOf(home);
    if (--this.#users[k]! === 0) this.#free.push(k);
  }

  #at(k: number): number {
    return (this.#base - k * STEP + TWO32) % TWO32;
  }

  #indexOf(home: number): number {
    return ((this.#base - home + TWO32) % TWO32) / STEP;
  }
}

/** `i` with its bits in the opposite order. */
function reversed(i: number): number {
  let r = 0;
  for (let bit = 0; bit < COUNT_SHIFT; bit++) r |= ((i >>> bit) & 1) << (COUNT_SHIFT - 1 - bit);
  return r;
}
