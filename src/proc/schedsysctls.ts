/** kernel.sched_*: how much of the CPU real-time threads may have. See sched(7). */
import { EBUSY, EINVAL } from "../abi/errno.ts";
import type { RunQueue } from "../kern/sched.ts";
import { type SysctlDir, SysctlInt } from "../kern/sysctl.ts";

const INT_MAX = 0x7fffffff;
const NS_PER_US = 1000;
const NS_PER_MS = 1e6;
const DEFAULT_RR_MS = 100;

export function addSchedSysctls(tree: SysctlDir, runq: RunQueue): void {
  tree.add("kernel.sched_rt_period_us", new PeriodUs(runq));
  tree.add("kernel.sched_rt_runtime_us", new RuntimeUs(runq));
  tree.add("kernel.sched_rr_timeslice_ms", new RrSliceMs(runq));
  tree.add("kernel.sched_deadline_period_min_us", new DeadlinePeriodUs(runq, "minPeriodNs"));
  tree.add("kernel.sched_deadline_period_max_us", new DeadlinePeriodUs(runq, "maxPeriodNs"));
}

class PeriodUs extends SysctlInt {
  readonly #runq: RunQueue;

  constructor(runq: RunQueue) {
    super(1, INT_MAX);
    this.#runq = runq;
  }

  get(): number {
    return this.#runq.budget.periodNs / NS_PER_US;
  }

  set(us: number): number {
    return setBudget(this.#runq, us * NS_PER_US, this.#runq.budget.runtimeNs);
  }
}

/** -1: all of the period. */
class RuntimeUs extends SysctlInt {
  readonly #runq: RunQueue;

  constructor(runq: RunQueue) {
    super(-1, INT_MAX);
    this.#runq = runq;
  }

  get(): number {
    const { runtimeNs } = this.#runq.budget;
    return runtimeNs === Number.POSITIVE_INFINITY ? -1 : runtimeNs / NS_PER_US;
  }

  set(us: number): number {
    const { periodNs } = this.#runq.budget;
    return setBudget(this.#runq, periodNs, us < 0 ? Number.POSITIVE_INFINITY : us * NS_PER_US);
  }
}

function setBudget({ budget, promised }: RunQueue, periodNs: number, runtimeNs: number): number {
  const isAll = runtimeNs === Number.POSITIVE_INFINITY;
  if (!isAll && runtimeNs > periodNs) return EINVAL;
  if (!isAll && promised > runtimeNs / periodNs) return EBUSY;
  budget.periodNs = periodNs;
  budget.runtimeNs = runtimeNs;
  return 0;
}

class RrSliceMs extends SysctlInt {
  readonly #runq: RunQueue;

  constructor(runq: RunQueue) {
    super(-INT_MAX, INT_MAX);
    this.#runq = runq;
  }

  get(): number {
    return this.#runq.budget.rrSliceNs / NS_PER_MS;
  }

  set(ms: number): number {
    this.#runq.budget.rrSliceNs = (ms <= 0 ? DEFAULT_RR_MS : ms) * NS_PER_MS;
    return 0;
  }
}

class DeadlinePeriodUs extends SysctlInt {
  readonly #runq: RunQueue;
  readonly #which: "minPeriodNs" | "maxPeriodNs";

  constructor(runq: RunQueue, which: "minPeriodNs" | "maxPeriodNs") {
    super(1, INT_MAX);
    this.#runq = runq;
    this.#which = which;
  }

  get(): number {
    return this.#runq.budget[this.#which] / NS_PER_US;
  }

  set(us: number): number {
    this.#runq.budget[this.#which] = us * NS_PER_US;
    return 0;
  }
}
