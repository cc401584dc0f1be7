/**
 * The bytes that a connection has yet to see acknowledged: a chain of chunks.
 *
 * Bytes that were committed never change, so segments, and the receiver where
 * that is another socket of this machine, refer to them without a copy, until all of
 * them gave back what they were lent. Each chunk is paid for while the chain has it. See sockbuf(9).
 */
import type { KernelMemory } from "../../kern/kmem.ts";
import { CHUNK_BYTES, type Chunk, type ChunkPool } from "../chunkpool.ts";

const MIN_CHUNK = 2048;

export class SendBuffer {
  /** Sequence numbers: of the first byte it has, and after the last one. */
  start = 0;
  end = 0;
  readonly #kmem: KernelMemory;
  readonly #pool: ChunkPool;
  #chunks: Chunk[] = [];

  constructor(kmem: KernelMemory, pool: ChunkPool) {
    this.#kmem = kmem;
    this.#pool = pool;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Empty, with the first byte to come at `seq`. */
  reset(seq: number): void {
    this.#drop(this.#chunks.length);
    this.start = this.end = seq;
  }

  /** Room for up to `max` bytes more: not all of it in one piece; empty if there is no memory. */
  space(max: number): Uint8Array {
    let tail = this.#chunks[this.#chunks.length - 1];
    if (!tail || tail.used === tail.bytes.length) {
      const size = max > CHUNK_BYTES / 2 ? CHUNK_BYTES : Math.max(max, MIN_CHUNK);
      // The first one is anybody's right; more is for when there is plenty.
      const isPaid = tail ? this.#kmem.takeSpare(size) : this.#kmem.take(size);
      if (!isPaid) return NOTHING;
      tail = this.#pool.make(size, this.end);
      this.#chunks.push(tail);
    }
    return tail.bytes.subarray(tail.used, Math.min(tail.used + max, tail.bytes.length));
  }

  /** The first `count` bytes of what `space` gave are part of the stream now. */
  commit(count: number): void {
    this.#chunks[this.#chunks.length - 1]!.used += count;
    this.end += count;
  }

  /** The bytes [from, from + count), which it has; `lenders` gets the chunks that are to be given back. */
  slice(from: number, count: number, lenders: Chunk[]): Uint8Array[] {
    const chunks = this.#chunks;
    let i = this.#find(from);
    const out: Uint8Array[] = [];
    for (let at = from, left = count; left > 0; i++) {
      const c = chunks[i]!;
      const offset = at - c.start;
      const n = Math.min(left, c.used - offset);
      out.push(c.bytes.subarray(offset, offset + n));
      if (c.lend()) lenders.push(c);
      at += n;
      left -= n;
    }
    return out;
  }

  /** Forgets what is before `seq`. */
  drop(seq: number): void {
    this.start = seq;
    const chunks = this.#chunks;
    let n = 0;
    // A chunk that has room left is written on, unless there was more in it than is worth keeping.
    while (n < chunks.length && chunks[n]!.end <= seq && isDone(chunks[n]!)) n++;
    if (n > 0) this.#drop(n);
  }

  /** The end of it. */
  close(): void {
    this.reset(this.end);
  }

  #drop(count: number): void {
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const c = this.#chunks[i]!;
      bytes += c.bytes.length;
      c.drop();
    }
    this.#kmem.give(bytes);
    if (count === this.#chunks.length) this.#chunks = [];
    else this.#chunks.splice(0, count);
  }

  #find(seq: number): number {
    const chunks = this.#chunks;
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (chunks[mid]!.start <= seq) low = mid;
      else high = mid - 1;
    }
    return low;
  }
}

const NOTHING = new Uint8Array(0);

function isDone(c: Chunk): boolean {
  return c.used === c.bytes.length || c.bytes.length > MIN_CHUNK;
}
