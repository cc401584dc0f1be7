/**
 * The bytes that wait in a stream socket: a ring that grows as it fills.
 *
 * How much may wait is the caller's business; this only pays for what it
 * keeps, and hands out no more room than was paid for. It keeps its size until
 * the socket is closed, because a stream that was full once is full again. See sockbuf(9).
 */
import type { KernelMemory } from "../kern/kmem.ts";

const FIRST_BYTES = 4096;
/** However large a buffer may be asked for. */
const MAX_BYTES = 4 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

export class SockBuf {
  length = 0;
  readonly #kmem: KernelMemory;
  #ring = NOTHING;
  #head = 0;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  /** The longest run of bytes that lie together from `offset` on, of `max` at most. */
  peek(offset: number, max: number): Uint8Array {
    const size = this.#ring.length;
    let at = this.#head + offset;
    if (at >= size) at -= size;
    const n = Math.min(max, this.length - offset, size - at);
    return n === size ? this.#ring : this.#ring.subarray(at, at + n);
  }

  drop(count: number): void {
    this.length -= count;
    this.#head += count;
    if (this.length === 0) this.#head = 0;
    else if (this.#head >= this.#ring.length) this.#head -= this.#ring.length;
  }

  /** A run of free bytes, of `max` at most: empty if there is no memory. `commit` makes them part of the stream. */
  space(max: number): Uint8Array {
    if (this.length + max > this.#ring.length) this.#grow(this.length + max);
    const size = this.#ring.length;
    const want = Math.min(max, size - this.length);
    let tail = this.#head + this.length;
    if (tail >= size) tail -= size;
    const n = Math.min(want, size - tail);
    return this.#ring.subarray(tail, tail + n);
  }

  commit(count: number): void {
    this.length += count;
  }

  /** The end of it: what was not read is lost. */
  close(): void {
    this.#kmem.give(this.#ring.length);
    this.#ring = NOTHING;
    this.length = this.#head = 0;
  }

  #grow(need: number): void {
    const old = this.#ring.length;
    let size = Math.max(old, FIRST_BYTES);
    while (size < need && size < MAX_BYTES) size *= 2;
    if (size === old) return;
    if (!this.#kmem.takeSpare(size - old)) {
      if (old > 0 || !this.#kmem.take(FIRST_BYTES)) return;
      size = FIRST_BYTES;
    }
    const ring = new Uint8Array(size);
    const first = this.peek(0, this.length);
    ring.set(first);
    ring.set(this.#ring.subarray(0, this.length - first.length), first.length);
    this.#ring = ring;
    this.#head = 0;
  }
}
