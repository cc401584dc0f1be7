/**
 * What the embedder's thread and the kernel's Worker share: a doorbell, a few
 * flags, and a ring of bytes for each input stream.
 *
 * One producer (the embedder) and one consumer (the kernel) per ring; head and
 * tail only grow, modulo 2^32. Whoever adds something increments `BELL` and
 * notifies; the kernel idles in Atomics.wait on it.
 */
const BELL = 0;
const ROWS = 1;
const COLS = 2;
const SHUTDOWN = 3;
const DEBUGGER = 4;
const RESIZED = 5;
const COUNTS = 6;
const CONSOLE_RING = 8;
const STDIN_RING = 12;
const HEADER_WORDS = 16;

/** Within a ring's header. */
const HEAD = 0;
const TAIL = 1;
const EOF = 2;

const RING_BYTES = 65536;

/** Bytes of shared memory that one machine's channel takes. */
export const CHANNEL_BYTES = HEADER_WORDS * 4 + 2 * RING_BYTES;

export class ByteRing {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #bytes: Uint8Array;

  constructor(words: Int32Array, at: number, bytes: Uint8Array) {
    this.#words = words;
    this.#at = at;
    this.#bytes = bytes;
  }

  /** Puts in as much as fits; the number of bytes taken. */
  push(from: Uint8Array): number {
    const head = Atomics.load(this.#words, this.#at + HEAD);
    const tail = Atomics.load(this.#words, this.#at + TAIL);
    const n = Math.min(from.length, RING_BYTES - ((tail - head) >>> 0));
    const at = tail & (RING_BYTES - 1);
    const first = Math.min(n, RING_BYTES - at);
    this.#bytes.set(from.subarray(0, first), at);
    this.#bytes.set(from.subarray(first, n), 0);
    Atomics.store(this.#words, this.#at + TAIL, (tail + n) | 0);
    return n;
  }

  end(): void {
    Atomics.store(this.#words, this.#at + EOF, 1);
  }

  /** Takes out up to `into.length`; 0 = empty, -1 = empty and ended. */
  pull(into: Uint8Array): number {
    const hasEnded = Atomics.load(this.#words, this.#at + EOF) !== 0;
    const head = Atomics.load(this.#words, this.#at + HEAD);
    const tail = Atomics.load(this.#words, this.#at + TAIL);
    const n = Math.min(into.length, (tail - head) >>> 0);
    if (n === 0) return hasEnded ? -1 : 0;
    const at = head & (RING_BYTES - 1);
    const first = Math.min(n, RING_BYTES - at);
    into.set(this.#bytes.subarray(at, at + first));
    into.set(this.#bytes.subarray(0, n - first), first);
    Atomics.store(this.#words, this.#at + HEAD, (head + n) | 0);
    Atomics.notify(this.#words, this.#at + HEAD);
    return n;
  }

  /** Resolves once the consumer has taken something after the ring was seen full. */
  async drained(): Promise<void> {
    const head = Atomics.load(this.#words, this.#at + HEAD);
    const tail = Atomics.load(this.#words, this.#at + TAIL);
    if ((tail - head) >>> 0 < RING_BYTES) return;
    await Atomics.waitAsync(this.#words, this.#at + HEAD, head).value;
  }
}

export class Channel {
  readonly shared: SharedArrayBuffer;
  readonly console: ByteRing;
  readonly stdin: ByteRing;
  readonly #words: Int32Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, HEADER_WORDS);
    const first = HEADER_WORDS * 4;
    this.console = new ByteRing(
      this.#words,
      CONSOLE_RING,
      new Uint8Array(shared, first, RING_BYTES),
    );
    this.stdin = new ByteRing(
      this.#words,
      STDIN_RING,
      new Uint8Array(shared, first + RING_BYTES, RING_BYTES),
    );
  }

  static create(): Channel {
    return new Channel(new SharedArrayBuffer(CHANNEL_BYTES));
  }

  /** Rung count: changes whenever something arrived. */
  get bell(): number {
    return Atomics.load(this.#words, BELL);
  }

  ring(): void {
    Atomics.add(this.#words, BELL, 1);
    Atomics.notify(this.#words, BELL);
  }

  /** Blocks while the bell still reads `seen`, for `timeoutMs` at most. */
  waitBell(seen: number, timeoutMs: number): void {
    Atomics.wait(this.#words, BELL, seen, timeoutMs);
  }

  setSize(rows: number, cols: number): void {
    Atomics.store(this.#words, ROWS, rows);
    Atomics.store(this.#words, COLS, cols);
    Atomics.store(this.#words, RESIZED, 1);
  }

  get rows(): number {
    return Atomics.load(this.#words, ROWS);
  }

  get cols(): number {
    return Atomics.load(this.#words, COLS);
  }

  /** `signal`: the number of the signal that the host program got. */
  requestShutdown(signal: number): void {
    Atomics.store(this.#words, SHUTDOWN, signal);
  }

  get isShutdownTaken(): boolean {
    return Atomics.load(this.#words, SHUTDOWN) === 0;
  }

  requestDebugger(): void {
    Atomics.store(this.#words, DEBUGGER, 1);
  }

  requestCounts(): void {
    Atomics.store(this.#words, COUNTS, 1);
  }

  /** Takes a request, so that each is seen once; 0 or false if there is none. */
  takeShutdown(): number {
    return Atomics.exchange(this.#words, SHUTDOWN, 0);
  }

  takeDebugger(): boolean {
    return Atomics.exchange(this.#words, DEBUGGER, 0) !== 0;
  }

  takeCounts(): boolean {
    return Atomics.exchange(this.#words, COUNTS, 0) !== 0;
  }

  takeResize(): boolean {
    return Atomics.exchange(this.#words, RESIZED, 0) !== 0;
  }
}
