/**
 * What a host provides to a machine that is profiled: a steady tick, and a file for the result.
 */
export interface ProfilePort {
  /** How long a tick is, in microseconds. */
  readonly tickUs: number;
  /**
   * From now on adds one to the 32-bit word at byte `address` of `memory` for every tick, from another thread
   * and atomically.
   */
  startTicks(memory: SharedArrayBuffer, address: number): void;
  /** The next piece of the file; its length, or a negative errno. */
  write(bytes: Uint8Array): number;
  /** That was all: ticks may end. `error` is 0, or what `write` answered. */
  finished(samples: number, error: number): void;
}
