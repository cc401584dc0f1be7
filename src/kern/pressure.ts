/**
 * Pressure stall information: how long threads could not go on for want of a resource. See
 * psi.rst in Linux's Documentation/accounting, kernel/sched/psi.c.
 *
 * Time in which some thread is held up, or all that have something to do are (`full`), is summed up;
 * averages are of periods of two seconds. Nothing happens while nobody is held up: what was missed is
 * made up for when somebody is again, or looks.
 */
import { WaitQueue } from "./waitqueue.ts";

export const CPU_PRESSURE = 0;
export const MEMORY_PRESSURE = 1;
export const IO_PRESSURE = 2;
export type PressureKind = 0 | 1 | 2;

const PERIOD_NS = 2e9;
/** What of an average is left after a period, for 10, 60 and 300 seconds: exp(-2/n) in 11 bits. */
const DECAYS = [1677 / 2048, 1981 / 2048, 2034 / 2048] as const;
/** After so many periods without anything no average is worth telling. */
const MANY_PERIODS = 4096;
const PERCENT = 100;

/** Sum and averages of one kind of stall. */
class StallTime {
  totalNs = 0;
  readonly averages = [0, 0, 0];
  /** What of the total is in the averages. */
  #averagedNs = 0;

  /** `periods` have ended: what was added since the last one is of the first of them. */
  roll(periods: number): void {
    for (let i = 0; i < Math.min(periods, MANY_PERIODS); i++) {
      const ns = Math.min(this.totalNs - this.#averagedNs, PERIOD_NS);
      this.#averagedNs += ns;
      const percent = (ns / PERIOD_NS) * PERCENT;
      for (const [k, decay] of DECAYS.entries()) {
        this.averages[k] = this.averages[k]! * decay + percent * (1 - decay);
      }
    }
    if (periods > MANY_PERIODS) this.averages.fill(0);
  }
}

/** Somebody who is woken when stalls reach a threshold within a window of time. */
export class PressureTrigger {
  readonly isFull: boolean;
  readonly thresholdNs: number;
  readonly windowNs: number;
  readonly woken = new WaitQueue();
  /** It happened, and nobody asked since. */
  hasHappened = false;
  #startNs: number;
  #startTotalNs: number;
  #beforeNs = 0;
  #lastNs = Number.NEGATIVE_INFINITY;

  constructor(
    isFull: boolean,
    thresholdNs: number,
    windowNs: number,
    nowNs: number,
    total: number,
  ) {
    this.isFull = isFull;
    this.thresholdNs = thresholdNs;
    this.windowNs = windowNs;
    this.#startNs = nowNs;
    this.#startTotalNs = total;
  }

  /** `totalNs` has grown. A window that slides is made of the last one and the part of this one. */
  grown(totalNs: number, nowNs: number): void {
    const elapsed = nowNs - this.#startNs;
    let growth = totalNs - this.#startTotalNs;
    if (elapsed > this.windowNs) {
      this.#startNs = nowNs;
      this.#startTotalNs = totalNs;
      this.#beforeNs = growth;
    } else {
      growth += (this.#beforeNs * (this.windowNs - elapsed)) / this.windowNs;
    }
    if (growth < this.thresholdNs || nowNs < this.#lastNs + this.windowNs) return;
    this.#lastNs = nowNs;
    this.happen();
  }

  happen(): void {
    this.hasHappened = true;
    this.woken.wakeup();
  }
}

/** What is known of one resource. */
export class Pressure {
  readonly #some = new StallTime();
  readonly #full = new StallTime();
  readonly #triggers = new Set<PressureTrigger>();
  #periodNs: number;
  /** Until when somebody sleeps a stall out that is counted already, and whether nobody else has anything to do. */
  #sleepEndNs = 0;
  #fullSleepEndNs = 0;

  constructor(nowNs: number) {
    this.#periodNs = nowNs;
  }

  /** Somebody was held up for `ns` up to now; `isFull`: and nobody else did anything. */
  stalled(ns: number, isFull: boolean, nowNs: number): void {
    this.#roll(nowNs);
    this.#some.totalNs += ns;
    if (isFull) this.#full.totalNs += ns;
    for (const t of this.#triggers) {
      if (!t.isFull || isFull) t.grown(this.totalNs(t.isFull, nowNs), nowNs);
    }
  }

  /** Somebody will be held up until `untilNs`: what overlaps with others who are counts once. */
  willStall(untilNs: number, isFull: boolean, nowNs: number): void {
    this.#roll(nowNs);
    const ns = untilNs - Math.max(nowNs, this.#sleepEndNs);
    const fullNs = isFull ? untilNs - Math.max(nowNs, this.#fullSleepEndNs) : 0;
    if (ns > 0) {
      this.#some.totalNs += ns;
      this.#sleepEndNs = untilNs;
    }
    if (fullNs > 0) {
      this.#full.totalNs += fullNs;
      this.#fullSleepEndNs = untilNs;
    }
    for (const t of this.#triggers) t.grown(this.totalNs(t.isFull, nowNs), nowNs);
  }

  /** Up to now: not what is still to be slept. */
  totalNs(isFull: boolean, nowNs: number): number {
    const end = isFull ? this.#fullSleepEndNs : this.#sleepEndNs;
    return (isFull ? this.#full : this.#some).totalNs - Math.max(0, end - nowNs);
  }

  /** In percent, of 10, 60 and 300 seconds. */
  averages(isFull: boolean, nowNs: number): readonly number[] {
    this.#roll(nowNs);
    return (isFull ? this.#full : this.#some).averages;
  }

  addTrigger(
    isFull: boolean,
    thresholdNs: number,
    windowNs: number,
    nowNs: number,
  ): PressureTrigger {
    const total = this.totalNs(isFull, nowNs);
    const t = new PressureTrigger(isFull, thresholdNs, windowNs, nowNs, total);
    this.#triggers.add(t);
    return t;
  }

  dropTrigger(t: PressureTrigger): void {
    this.#triggers.delete(t);
  }

  /** Its group is gone: who waits is told, once and for all. */
  end(): void {
    for (const t of this.#triggers) t.happen();
  }

  #roll(nowNs: number): void {
    const periods = Math.floor((nowNs - this.#periodNs) / PERIOD_NS);
    if (periods <= 0) return;
    this.#periodNs += periods * PERIOD_NS;
    this.#some.roll(periods);
    this.#full.roll(periods);
  }
}
