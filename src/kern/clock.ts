/**
 * Time: the host's monotonic clock, and the wall clock that settimeofday(2)
 * may move without touching the host's.
 *
 * Nanoseconds of the wall clock do not fit a number (1.8e18 > 2^53), so wall
 * time is a pair. See clock_gettime(2).
 */
import type { Clock } from "../platform/host.ts";
import { WaitQueue } from "./waitqueue.ts";

export const NS_PER_SEC = 1e9;

export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export class KernelClock {
  /** Woken when the wall clock is set: who waits for a time of it computes its deadline anew. */
  readonly wasSet = new WaitQueue();
  readonly #host: Clock;
  #epochSec: number;
  #epochNsec: number;

  constructor(host: Clock) {
    this.#host = host;
    this.#epochSec = host.epochSec;
    this.#epochNsec = host.epochNsec;
  }

  /** CLOCK_MONOTONIC and CLOCK_BOOTTIME, in nanoseconds since boot. */
  monotonicNs(): number {
    return this.#host.monotonicNs();
  }

  /** True once `deadlineNs` has come. Reading the clock takes 40 ns: "at once" and "never" are known without. */
  isPast(deadlineNs: number): boolean {
    if (deadlineNs <= 0) return true;
    return deadlineNs < Number.POSITIVE_INFINITY && this.monotonicNs() >= deadlineNs;
  }

  /** CLOCK_REALTIME now. */
  realtime(): Timespec {
    return this.realtimeAt(this.monotonicNs());
  }

  /** The wall-clock time at which the monotonic clock read `ns`. */
  realtimeAt(ns: number): Timespec {
    const nsec = this.#epochNsec + Math.floor(ns % NS_PER_SEC);
    const carry = nsec >= NS_PER_SEC ? 1 : 0;
    return {
      sec: this.#epochSec + Math.floor(ns / NS_PER_SEC) + carry,
      nsec: nsec - carry * NS_PER_SEC,
    };
  }

  /** Monotonic time at which the wall clock will read `t`; may be negative. */
  monotonicAt(t: Timespec): number {
    return (t.sec - this.#epochSec) * NS_PER_SEC + (t.nsec - this.#epochNsec);
  }

  setRealtime(t: Timespec): void {
    const now = this.monotonicNs();
    const nsec = t.nsec - Math.floor(now % NS_PER_SEC);
    const borrow = nsec < 0 ? 1 : 0;
    this.#epochSec = t.sec - Math.floor(now / NS_PER_SEC) - borrow;
    this.#epochNsec = nsec + borrow * NS_PER_SEC;
    this.wasSet.wakeup();
  }
}
