/**
 * How many files of the host one share holds open.
 *
 * A file that a program has open keeps its handles (it may have no name any
 * more); there may be so many of those. All others can be had again by
 * their name, so the longest unused ones are closed when there are too many.
 */
import { EMFILE, ENFILE, failed } from "../../abi/errno.ts";

/** Who holds handles that it can do without. */
export interface HandleHolder {
  closeHandles(): void;
}

const MAX_IDLE = 256;
const MAX_PINNED = 4096;

export class Handles {
  /** The longest unused first. */
  readonly #idle = new Set<HandleHolder>();
  #pinned = 0;
  /** Handles closed although somebody might have used them again. */
  evicted = 0;
  readonly #maxIdle: number;
  readonly #maxPinned: number;

  constructor(maxIdle = MAX_IDLE, maxPinned = MAX_PINNED) {
    this.#maxIdle = maxIdle;
    this.#maxPinned = maxPinned;
  }

  get idle(): number {
    return this.#idle.size;
  }

  get pinned(): number {
    return this.#pinned;
  }

  /** `holder` uses handles, and has no right to keep them. */
  used(holder: HandleHolder): void {
    this.#idle.delete(holder);
    this.#idle.add(holder);
    if (this.#idle.size > this.#maxIdle) this.#evictOldest();
  }

  /** Its handles are closed. */
  gone(holder: HandleHolder): void {
    this.#idle.delete(holder);
  }

  /** `holder` must keep its handles from now on: 0, or ENFILE if too many must. */
  pin(holder: HandleHolder): number {
    if (this.#pinned >= this.#maxPinned) return ENFILE;
    this.#pinned++;
    this.#idle.delete(holder);
    return 0;
  }

  unpin(): void {
    this.#pinned--;
  }

  /** A handle, from `open`; where the host has no more of them, once more after closing idle ones. */
  opened(open: () => number): number {
    const r = open();
    if (r !== EMFILE && r !== ENFILE) return r;
    for (let left = this.#idle.size >>> 1; left > 0; left--) this.#evictOldest();
    const again = open();
    return failed(again) && again === EMFILE ? ENFILE : again;
  }

  #evictOldest(): void {
    for (const holder of this.#idle) {
      this.#idle.delete(holder);
      holder.closeHandles();
      this.evicted++;
      return;
    }
  }
}
