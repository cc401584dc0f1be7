/**
 * A queue of bytes with a bound, that holds memory only while it holds bytes.
 *
 * The bytes are in a ring that grows by doubling up to the bound. `peek` is a
 * window on the ring, valid until the next change.
 */
const FIRST_BYTES = 1024;
const NOTHING = new Uint8Array(0);

export class ByteFifo {
  readonly limit: number;
  #ring = NOTHING;
  #start = 0;
  #length = 0;

  /** `limit`: how many bytes it holds at most. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  get room(): number {
    return this.limit - this.#length;
  }

  /** Takes as many of `bytes` as there is room for; answers how many. */
  put(bytes: Uint8Array): number {
    const n = Math.min(bytes.length, this.room);
    if (n === 0) return 0;
    if (this.#length + n > this.#ring.length) this.#grow(this.#length + n);
    const at = (this.#start + this.#length) % this.#ring.length;
    const first = Math.min(n, this.#ring.length - at);
    this.#ring.set(first === bytes.length ? bytes : bytes.subarray(0, first), at);
    if (n > first) this.#ring.set(bytes.subarray(first, n), 0);
    this.#length += n;
    return n;
  }

  /** The oldest bytes that lie together, at most `max`; not empty unless the queue is. */
  peek(max = this.#length): Uint8Array {
    const n = Math.min(max, this.#length, this.#ring.length - this.#start);
    return this.#ring.subarray(this.#start, this.#start + n);
  }

  /** Forgets the `count` oldest bytes. */
  drop(count: number): void {
    this.#length -= count;
    if (this.#length === 0) this.clear();
    else this.#start = (this.#start + count) % this.#ring.length;
  }

  /** Forgets all but the `length` oldest bytes. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = length;
    if (this.#length === 0) this.clear();
  }

  clear(): void {
    this.#start = this.#length = 0;
    if (this.#ring.length > FIRST_BYTES) this.#ring = NOTHING;
  }

  #grow(needed: number): void {
    let size = Math.max(FIRST_BYTES, this.#ring.length);
    while (size < needed) size *= 2;
    const bigger = new Uint8Array(size);
    const first = this.peek();
    bigger.set(first, 0);
    if (first.length < this.#length) {
      bigger.set(this.#ring.subarray(0, this.#length - first.length), first.length);
    }
    this.#ring = bigger;
    this.#start = 0;
  }
}
