/**
 * A group of threads that shares the CPU as one: cpu.weight of cgroups(7), and what cpu.max and
 * cgroup.freeze do to it. See Linux's Documentation/admin-guide/cgroup-v2.rst, sched-bwc.rst.
 */

import { WIDE_ZERO } from "../lib/wide.ts";
import { Callout, type CalloutHeap } from "./callout.ts";
import { type RunEntity, RunHeap } from "./runheap.ts";
import type { RunQueue } from "./sched.ts";

/** cpu.weight of a group that has as much as one thread of nice 0. */
export const DEFAULT_WEIGHT = 100;
/** What an idle group (cpu.idle) has of that: Linux's WEIGHT_IDLEPRIO, 3 of 1024. */
const IDLE_SHARE = 3 / 1024;

export class RunGroup implements RunEntity {
  parent: RunGroup | null = null;
  readonly heap = new RunHeap();
  vruntimeNs = WIDE_ZERO;
  runIndex = -1;
  /** Virtual time for each ns that a thread of it runs. */
  vruntimeRate = 1;
  isFrozen = false;
  bandwidth: Bandwidth | null = null;

  /** None of its threads may run. */
  get isBlocked(): boolean {
    return this.isFrozen || (this.bandwidth?.isThrottled ?? false);
  }

  setWeight(weight: number, isIdle: boolean): void {
    this.vruntimeRate = isIdle ? 1 / IDLE_SHARE : DEFAULT_WEIGHT / weight;
  }
}

/** cpu.max: so much run time in each period, and no more. */
export class Bandwidth extends Callout {
  /** Infinity: no limit. */
  quotaNs = Number.POSITIVE_INFINITY;
  periodNs = 100e6;
  /** What of earlier periods may be added to one. */
  burstNs = 0;
  /** What may still be used in this period; debts are taken along. */
  leftNs = Number.POSITIVE_INFINITY;
  isThrottled = false;
  periods = 0;
  throttles = 0;
  throttledNs = 0;
  bursts = 0;
  burstUsedNs = 0;
  readonly #group: RunGroup;
  readonly #queue: RunQueue;
  readonly #callouts: CalloutHeap;
  #throttledAtNs = 0;
  #spentNs = 0;

  constructor(group: RunGroup, queue: RunQueue, callouts: CalloutHeap) {
    super();
    this.#group = group;
    this.#queue = queue;
    this.#callouts = callouts;
  }

  set(quotaNs: number, periodNs: number, nowNs: number): void {
    this.quotaNs = quotaNs;
    this.periodNs = periodNs;
    this.leftNs = quotaNs;
    this.#spentNs = 0;
    this.#callouts.disarm(this);
    this.#release(nowNs);
  }

  /** True if the group is throttled by that, or was let go by a clock that went far. */
  spend(ranNs: number, nowNs: number): boolean {
    if (this.quotaNs === Number.POSITIVE_INFINITY) return false;
    if (this.index < 0) this.#callouts.arm(this, nowNs + this.periodNs - (ranNs % this.periodNs));
    this.leftNs -= ranNs;
    this.#spentNs += ranNs;
    if (this.leftNs > 0 || this.isThrottled) return false;
    this.isThrottled = true;
    this.#throttledAtNs = nowNs;
    return true;
  }

  /** A period ends: there is more to use; when nobody used any, periods are not counted any more. */
  fire(nowNs: number): void {
    if (this.#spentNs === 0 && !this.isThrottled) {
      this.leftNs = Math.min(this.leftNs + this.quotaNs, this.quotaNs + this.burstNs);
      return;
    }
    this.periods++;
    if (this.isThrottled) this.throttles++;
    if (this.#spentNs > this.quotaNs && this.burstNs > 0) {
      this.bursts++;
      this.burstUsedNs += Math.min(this.burstNs, this.#spentNs - this.quotaNs);
    }
    this.#spentNs = 0;
    this.leftNs = Math.min(this.leftNs + this.quotaNs, this.quotaNs + this.burstNs);
    if (this.leftNs > 0) this.#release(nowNs);
    this.#callouts.arm(this, Math.max(this.deadlineNs + this.periodNs, nowNs));
  }

  /** The group goes: nobody is to be woken any more. */
  end(): void {
    this.#callouts.disarm(this);
    this.isThrottled = false;
  }

  #release(nowNs: number): void {
    if (!this.isThrottled) return;
    this.isThrottled = false;
    this.throttledNs += nowNs - this.#throttledAtNs;
    this.#queue.blockedChanged(this.#group);
  }
}
