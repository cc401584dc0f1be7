/**
 * What was typed and not yet read: a ring of 4096 bytes with line ends.
 *
 * Positions only grow; `canonHead` is where the last finished line ends, so
 * [tail, canonHead) may be read in canonical mode and [canonHead, head) may
 * still be edited. A line end is marked in `#ends`; a marked NUL is VEOF,
 * which ends a line without being part of it. See termios(3), "Canonical mode".
 */
import { POSIX_VDISABLE } from "../../abi/termios.ts";
import type { Uio } from "../../vm/uio.ts";

export const QUEUE_BYTES = 4096;
const MASK = QUEUE_BYTES - 1;

export class InputQueue {
  head = 0;
  tail = 0;
  canonHead = 0;
  readonly #bytes = new Uint8Array(QUEUE_BYTES);
  readonly #ends = new Uint8Array(QUEUE_BYTES);

  get count(): number {
    return this.head - this.tail;
  }

  get hasLine(): boolean {
    return this.canonHead !== this.tail;
  }

  at(position: number): number {
    return this.#bytes[position & MASK]!;
  }

  put(c: number): void {
    this.#bytes[this.head++ & MASK] = c;
  }

  putAll(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.put(bytes[i]!);
  }

  /** Ends the line being typed with `c`. */
  putLineEnd(c: number): void {
    this.#ends[this.head & MASK] = 1;
    this.put(c);
    this.canonHead = this.head;
  }

  clear(): void {
    this.head = this.tail = this.canonHead = 0;
    this.#ends.fill(0);
  }

  /** Canonical mode was switched on or off: what is here becomes one unfinished-looking line. */
  relabel(isCanonical: boolean): void {
    this.#ends.fill(0);
    if (!isCanonical || this.count === 0) {
      this.canonHead = this.tail;
      return;
    }
    this.#ends[(this.head - 1) & MASK] = 1;
    this.canonHead = this.head;
  }

  /** Bytes a canonical reader could get in all, VEOF marks not counted. */
  get canonicalCount(): number {
    let n = this.canonHead - this.tail;
    for (let p = this.tail; p < this.canonHead; p++) if (this.#isEof(p)) n--;
    return n;
  }

  /** Moves out one line, or as much of it as fits. Bytes moved (0: end of file), or an error. */
  readLine(uio: Uio): number {
    const limit = Math.min(this.canonHead, this.tail + uio.resid);
    let end = this.tail;
    while (end < limit && this.#ends[end & MASK] === 0) end++;
    const isLineEnd = end < limit;
    const isEof = isLineEnd && this.at(end) === POSIX_VDISABLE;
    const length = (isLineEnd && !isEof ? end + 1 : end) - this.tail;
    const r = this.#copyout(uio, length);
    if (r < 0) return r;
    if (r < length) {
      this.tail += r;
      return r;
    }
    if (isLineEnd) {
      this.#ends[end & MASK] = 0;
      this.tail = end + 1;
      return r;
    }
    this.tail = end;
    this.#skipEof();
    return r;
  }

  /** Moves out whatever is here, up to what fits. */
  read(uio: Uio): number {
    const n = Math.min(this.count, uio.resid);
    const r = this.#copyout(uio, n);
    if (r > 0) this.tail += r;
    return r;
  }

  /** A line that exactly filled the reader's buffer takes its VEOF along. */
  #skipEof(): void {
    if (this.tail === this.canonHead || !this.#isEof(this.tail)) return;
    this.#ends[this.tail & MASK] = 0;
    this.tail++;
  }

  #isEof(position: number): boolean {
    return this.#ends[position & MASK] !== 0 && this.at(position) === POSIX_VDISABLE;
  }

  #copyout(uio: Uio, count: number): number {
    const from = this.tail & MASK;
    const first = Math.min(count, QUEUE_BYTES - from);
    const r = uio.copyout(this.#bytes.subarray(from, from + first));
    if (r < first || first === count) return r;
    const rest = uio.copyout(this.#bytes.subarray(0, count - first));
    return rest < 0 ? r : r + rest;
  }
}
