/**
 * The samples of a run: who was found running, when, in which stack, and for how long that stands.
 *
 * There is room for so many; when it is full, every second one goes and each of the others stands for twice
 * the time, so that a run of any length is covered from its beginning to its end.
 */
export const MAX_SAMPLES = 32_768;

export class Samples {
  readonly #endUs = new Float64Array(MAX_SAMPLES);
  readonly #ticks = new Uint32Array(MAX_SAMPLES);
  readonly #threads = new Uint32Array(MAX_SAMPLES);
  readonly #stacks = new Uint32Array(MAX_SAMPLES);
  readonly #tickUs: number;
  #count = 0;
  /** Of so many ticks one is kept. */
  #stride = 1;
  #seen = 0;

  constructor(tickUs: number) {
    this.#tickUs = tickUs;
  }

  get count(): number {
    return this.#count;
  }

  /** Microseconds that one sample stands for, at least. */
  get intervalUs(): number {
    return this.#tickUs * this.#stride;
  }

  /** Of the next `ticks`, how many will be kept: none means that the sample need not be made. */
  due(ticks: number): number {
    const before = Math.floor(this.#seen / this.#stride);
    this.#seen += ticks;
    return Math.floor(this.#seen / this.#stride) - before;
  }

  /** A sample for `due` ticks up to `endUs`. */
  add(endUs: number, due: number, thread: number, stack: number): void {
    if (this.#count === MAX_SAMPLES) this.#thin();
    const i = this.#count++;
    this.#endUs[i] = Math.round(endUs);
    this.#ticks[i] = due;
    this.#threads[i] = thread;
    this.#stacks[i] = stack;
  }

  endUs(i: number): number {
    return this.#endUs[i]!;
  }

  durationUs(i: number): number {
    return this.#ticks[i]! * this.intervalUs;
  }

  thread(i: number): number {
    return this.#threads[i]!;
  }

  stack(i: number): number {
    return this.#stacks[i]!;
  }

  #thin(): void {
    const half = MAX_SAMPLES >>> 1;
    for (let i = 0; i < half; i++) {
      this.#endUs[i] = this.#endUs[i * 2]!;
      this.#ticks[i] = this.#ticks[i * 2]!;
      this.#threads[i] = this.#threads[i * 2]!;
      this.#stacks[i] = this.#stacks[i * 2]!;
    }
    this.#count = half;
    this.#stride *= 2;
  }
}
