/**
 * The bytes that arrived in order and were not read: references to what came, in a queue.
 *
 * Pieces that lie together in memory are joined, as those that a socket of this
 * machine sent in small writes do; small ones from elsewhere are copied
 * together. So there are never many more pieces than kilobytes, and what a
 * reader holds of memory is about what waits for it. See sockbuf(9).
 */
import type { KernelMemory } from "../../kern/kmem.ts";
import { type Chunk, NO_CHUNKS } from "../chunkpool.ts";

/** Pieces below this size do not stay alone. */
const SMALL = 1024;
const GATHER_BYTES = 4096;
const NOTHING = new Uint8Array(0);

/** Chunks to be given back when the stream was read to `end`. */
interface Loan {
  readonly chunks: readonly Chunk[];
  readonly end: number;
}

export class RecvBuffer {
  length = 0;
  readonly #kmem: KernelMemory;
  #pieces: Uint8Array[] = [];
  /** Index of the first piece that was not read whole, and what was read of it. */
  #head = 0;
  #offset = 0;
  /** A chunk of its own that small pieces are gathered in, and how much of it is used. */
  #gather = NOTHING;
  #gathered = 0;
  readonly #loans: Loan[] = [];
  /** Bytes that were ever put in, and taken out. */
  #appended = 0;
  #dropped = 0;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  /** False if there is no memory for it: then it was not taken. What is in `lenders` is given back when it was read. */
  append(pieces: readonly Uint8Array[], bytes: number, lenders = NO_CHUNKS): boolean {
    const isPaid = this.length > 0 ? this.#kmem.takeSpare(bytes) : this.#kmem.take(bytes);
    if (!isPaid) return false;
    for (let i = 0; i < pieces.length; i++) this.#add(pieces[i]!);
    this.length += bytes;
    this.#appended += bytes;
    if (lenders.length > 0) this.#loans.push({ chunks: lenders, end: this.#appended });
    return true;
  }

  /** The longest run of bytes that lie together from `offset` on, of `max` at most; `offset` is less than `length`. */
  peek(offset: number, max: number): Uint8Array {
    const pieces = this.#pieces;
    let i = this.#head;
    let at = this.#offset + offset;
    while (at >= pieces[i]!.length) at -= pieces[i++]!.length;
    const piece = pieces[i]!;
    const n = Math.min(max, piece.length - at);
    return n === piece.length ? piece : piece.subarray(at, at + n);
  }

  drop(count: number): void {
    this.length -= count;
    this.#kmem.give(count);
    this.#dropped += count;
    if (this.length === 0) {
      this.#clear();
      this.#settle();
      return;
    }
    const pieces = this.#pieces;
    let at = this.#offset + count;
    while (at >= pieces[this.#head]!.length) {
      at -= pieces[this.#head]!.length;
      pieces[this.#head++] = NOTHING;
    }
    this.#offset = at;
    if (this.#head > 64 && this.#head * 2 > pieces.length) {
      pieces.splice(0, this.#head);
      this.#head = 0;
    }
    this.#settle();
  }

  /** Gives back what nothing here refers to any more. */
  #settle(): void {
    const loans = this.#loans;
    while (loans.length > 0 && loans[0]!.end <= this.#dropped) {
      for (const chunk of loans.shift()!.chunks) chunk.giveBack();
    }
  }

  /** The end of it: what was not read is lost. */
  close(): void {
    this.#kmem.give(this.length);
    this.length = 0;
    this.#clear();
    this.#loans.length = 0;
    this.#gather = NOTHING;
  }

  #clear(): void {
    this.#pieces.length = this.#head = this.#offset = 0;
    if (this.#gathered * 2 > this.#gather.length) this.#gather = NOTHING;
  }

  #add(piece: Uint8Array): void {
    const pieces = this.#pieces;
    const at = pieces.length - 1;
    const last = at >= this.#head ? pieces[at]! : NOTHING;
    if (last.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
      pieces[at] = joined(last, piece.length);
      return;
    }
    // One alone is not worth a copy.
    if (piece.length >= SMALL || pieces.length === 0) pieces.push(piece);
    else if (piece.length > 0) this.#copy(piece, last);
  }

  #copy(piece: Uint8Array, last: Uint8Array): void {
    if (this.#gathered + piece.length > this.#gather.length) {
      this.#gather = new Uint8Array(GATHER_BYTES);
      this.#gathered = 0;
    }
    const from = this.#gathered;
    this.#gather.set(piece, from);
    this.#gathered += piece.length;
    if (last.buffer === this.#gather.buffer && last.byteOffset + last.length === from) {
      this.#pieces[this.#pieces.length - 1] = joined(last, piece.length);
    } else this.#pieces.push(this.#gather.subarray(from, this.#gathered));
  }
}

function joined(last: Uint8Array, more: number): Uint8Array {
  return new Uint8Array(last.buffer as ArrayBuffer, last.byteOffset, last.length + more);
}
