/**
 * What the bytes of streams are in on their way: arrays of 64 KiB, used again and again.
 *
 * A new array must be cleared, touched for the first time and collected in the end, which took as long as all
 * the rest of sending its bytes over loopback.
 *
 * A chunk is used again when its send buffer dropped it and every reference that was lent to a packet came back.
 * References come back from receive buffers alone, and only of packets that nobody else has seen: a packet that is lost, cloned,
 * tapped, cut or kept out of order takes its loan with it, and the chunk is garbage in the end, as any array. So it is
 * always right to forget a loan; to give one back while somebody can still read the bytes is not.
 */

/** The size of arrays that are used again. */
export const CHUNK_BYTES = 65536;
/** Spare arrays that are kept: a window full of bytes on its way. */
const MAX_SPARE = 64;

export class Chunk {
  readonly bytes: Uint8Array;
  /** Sequence number of its first byte. */
  readonly start: number;
  used = 0;
  readonly #pool: ChunkPool;
  #lent = 0;
  #isDropped = false;

  constructor(pool: ChunkPool, bytes: Uint8Array, start: number) {
    this.#pool = pool;
    this.bytes = bytes;
    this.start = start;
  }

  get end(): number {
    return this.start + this.used;
  }

  /** A packet is going to refer to it. False for one that nobody needs to give back. */
  lend(): boolean {
    if (this.bytes.length !== CHUNK_BYTES) return false;
    this.#lent++;
    return true;
  }

  giveBack(): void {
    this.#lent--;
    this.#recycle();
  }

  /** The send buffer has done with it. */
  drop(): void {
    this.#isDropped = true;
    this.#recycle();
  }

  #recycle(): void {
    if (this.#isDropped && this.#lent === 0) this.#pool.put(this.bytes);
  }
}

/** No chunk at all. */
export const NO_CHUNKS: readonly Chunk[] = [];

export class ChunkPool {
  readonly #spare: Uint8Array[] = [];

  get spareCount(): number {
    return this.#spare.length;
  }

  /** One of `size` bytes, which may hold anything. */
  make(size: number, start: number): Chunk {
    const spare = size === CHUNK_BYTES ? this.#spare.pop() : undefined;
    return new Chunk(this, spare ?? new Uint8Array(size), start);
  }

  /** Nobody refers to `bytes` any more. */
  put(bytes: Uint8Array): void {
    if (bytes.length === CHUNK_BYTES && this.#spare.length < MAX_SPARE) this.#spare.push(bytes);
  }
}
