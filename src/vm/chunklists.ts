/**
 * Chunks of frames in the lists of their states: FREE, HOME_FREE, PARTIAL and RESERVED. Those that are
 * VIRGIN or FULL are in none. What the states mean, page.ts says.
 *
 * Invariant: a chunk is in the list of its state, and in no other; `homeFree` is the length of that of HOME_FREE.
 */
export const VIRGIN = 0;
export const FREE = 1;
export const HOME_FREE = 2;
export const PARTIAL = 3;
export const RESERVED = 4;
export const FULL = 5;
/** No chunk. */
export const NONE = -1;

export class ChunkLists {
  /** By chunk. To be changed by the methods only. */
  readonly state: Uint8Array;
  /** First chunk of each list, or NONE. */
  readonly head = new Int32Array(FULL).fill(NONE);
  homeFree = 0;
  readonly #tail = new Int32Array(FULL).fill(NONE);
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  /** The chunk that `putBack` had last. */
  #lastFreed = NONE;

  /** `chunks` of them, all VIRGIN. */
  constructor(chunks: number) {
    this.state = new Uint8Array(chunks);
    this.#next = new Int32Array(chunks);
    this.#prev = new Int32Array(chunks);
  }

  /** Puts a chunk, whatever state it is in, at the end of the list of another. */
  move(chunk: number, to: number): void {
    this.#unlink(chunk);
    this.state[chunk] = to;
    if (to === FULL) return;
    if (to === HOME_FREE) this.homeFree++;
    const last = this.#tail[to]!;
    this.#prev[chunk] = last;
    this.#next[chunk] = NONE;
    if (last === NONE) this.head[to] = chunk;
    else this.#next[last] = chunk;
    this.#tail[to] = chunk;
  }

  /** The same, but at its beginning. */
  moveToFront(chunk: number, to: number): void {
    this.#unlink(chunk);
    this.#prepend(chunk, to);
  }

  /**
   * Puts a chunk into FREE: what was used last comes first, for the host has memory behind it, and perhaps it is in a
   * cache. But neighbours that are freed one after the other stay in the order of their addresses, so that
   * who takes them gets memory in one piece.
   */
  putBack(chunk: number): void {
    this.#unlink(chunk);
    const before = this.#lastFreed;
    this.#lastFreed = chunk;
    if (before !== chunk - 1 || before < 0 || this.state[before] !== FREE) {
      this.#prepend(chunk, FREE);
      return;
    }
    const next = this.#next[before]!;
    this.state[chunk] = FREE;
    this.#prev[chunk] = before;
    this.#next[chunk] = next;
    this.#next[before] = chunk;
    if (next === NONE) this.#tail[FREE] = chunk;
    else this.#prev[next] = chunk;
  }

  #prepend(chunk: number, list: number): void {
    this.state[chunk] = list;
    if (list === HOME_FREE) this.homeFree++;
    const first = this.head[list]!;
    this.#next[chunk] = first;
    this.#prev[chunk] = NONE;
    if (first === NONE) this.#tail[list] = chunk;
    else this.#prev[first] = chunk;
    this.head[list] = chunk;
  }

  #unlink(chunk: number): void {
    const list = this.state[chunk]!;
    if (list === FULL || list === VIRGIN) return;
    if (list === HOME_FREE) this.homeFree--;
    const prev = this.#prev[chunk]!;
    const next = this.#next[chunk]!;
    if (prev === NONE) this.head[list] = next;
    else this.#next[prev] = next;
    if (next === NONE) this.#tail[list] = prev;
    else this.#prev[next] = prev;
  }
}
