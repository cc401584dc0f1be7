/**
 * Threads that go before all others: SCHED_FIFO, SCHED_RR and, above them, SCHED_DEADLINE.
 *
 * A queue per priority; the highest one's first runs until it sleeps, gives way, or one of a
 * higher priority wants to run. Within DEADLINE's the earliest deadline is first.
 * Together they have `runtime` of each `period` while others wait: a program that never sleeps
 * shall not take the machine. See sched(7), "Limiting the CPU usage of real-time and deadline processes".
 */
import type { Thread } from "./thread.ts";

/** SCHED_DEADLINE's place above the priorities 1 … 99. */
export const DEADLINE_PRIORITY = 100;
const LEVELS = DEADLINE_PRIORITY + 1;
const WORD_BITS = 32;

export class RealtimeQueue {
  readonly #heads: (Thread | null)[] = new Array(LEVELS).fill(null);
  readonly #tails: (Thread | null)[] = new Array(LEVELS).fill(null);
  /** Which levels have threads. */
  readonly #bits = new Int32Array(Math.ceil(LEVELS / WORD_BITS));
  length = 0;

  /** The highest level that has a thread; 0: none has. */
  get highest(): number {
    if (this.length === 0) return 0;
    for (let w = this.#bits.length - 1; w >= 0; w--) {
      const bits = this.#bits[w]!;
      if (bits !== 0) return w * WORD_BITS + (WORD_BITS - 1 - Math.clz32(bits));
    }
    return 0;
  }

  get first(): Thread | null {
    return this.#heads[this.highest]!;
  }

  /** Behind those of its priority; before them if it did not go of its own will (`isFirst`). */
  add(td: Thread, isFirst: boolean): void {
    const level = td.rtPriority;
    td.rtLevel = level;
    this.length++;
    let before = isFirst ? this.#heads[level]! : null;
    if (level === DEADLINE_PRIORITY) {
      before = this.#heads[level]!;
      while (before && !isEarlier(td, before)) before = before.rtNext;
    }
    const after = before ? before.rtPrev : this.#tails[level]!;
    td.rtNext = before;
    td.rtPrev = after;
    if (before) before.rtPrev = td;
    else this.#tails[level] = td;
    if (after) after.rtNext = td;
    else this.#heads[level] = td;
    this.#bits[level >> 5]! |= 1 << (level & 31);
  }

  remove(td: Thread): void {
    const level = td.rtLevel;
    if (level === 0) return;
    td.rtLevel = 0;
    this.length--;
    if (td.rtPrev) td.rtPrev.rtNext = td.rtNext;
    else this.#heads[level] = td.rtNext;
    if (td.rtNext) td.rtNext.rtPrev = td.rtPrev;
    else this.#tails[level] = td.rtPrev;
    td.rtNext = td.rtPrev = null;
    if (this.#heads[level] === null) this.#bits[level >> 5]! &= ~(1 << (level & 31));
  }

  /** True if one that waits goes before `td`, which runs. */
  goesBefore(td: Thread): boolean {
    const { highest } = this;
    if (highest !== td.rtPriority) return highest > td.rtPriority;
    if (highest === 0) return false;
    if (highest === DEADLINE_PRIORITY) return isEarlier(this.#heads[highest]!, td);
    return td.isRoundRobin && td.rrLeftNs <= 0;
  }
}

/** How much of each period real-time threads may have while others wait. */
export class RealtimeBudget {
  periodNs = 1e9;
  /** Infinity: all of it. */
  runtimeNs = 0.95e9;
  /** A turn of SCHED_RR. */
  rrSliceNs = 100e6;
  /** Bounds of SCHED_DEADLINE's periods. */
  minPeriodNs = 100e3;
  maxPeriodNs = 4_194_304e3;
  /** They have had it. */
  isSpent = false;
  #periodEndNs = 0;
  #usedNs = 0;

  /** What they may still have in this period. */
  get leftNs(): number {
    return this.runtimeNs - this.#usedNs;
  }

  /** The share of the CPU that deadlines may be promised. */
  get share(): number {
    return this.runtimeNs === Number.POSITIVE_INFINITY ? 1 : this.runtimeNs / this.periodNs;
  }

  /** Some thread ran for `ranNs`, up to now: one of theirs if `isRealtime`. */
  charge(ranNs: number, nowNs: number, isRealtime: boolean): void {
    if (nowNs >= this.#periodEndNs) {
      const missed = Math.ceil((nowNs - this.#periodEndNs + 1) / this.periodNs);
      this.#periodEndNs += missed * this.periodNs;
      this.#usedNs = Math.max(0, this.#usedNs - this.runtimeNs * missed);
    }
    if (isRealtime) this.#usedNs += ranNs;
    this.isSpent = this.#usedNs >= this.runtimeNs;
  }
}

function isEarlier(a: Thread, b: Thread): boolean {
  return (a.deadline?.endNs ?? 0) < (b.deadline?.endNs ?? 0);
}
