/**
 * SCHED_DEADLINE: so much run time, within so long, in each period. A constant bandwidth server:
 * who has used its run time waits for its next period, so that no promise breaks another one.
 * See sched(7); Linux's Documentation/scheduler/sched-deadline.rst.
 */

export interface DeadlineParams {
  readonly runtimeNs: number;
  readonly deadlineNs: number;
  readonly periodNs: number;
  /** SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN. */
  readonly flags: number;
}

export class DeadlineServer {
  params: DeadlineParams;
  /** The present deadline, by which the run queue orders. */
  endNs = 0;
  leftNs = 0;
  /** It ran for longer than it was to: the signal that was asked for is due. */
  hasOverrun = false;

  constructor(params: DeadlineParams) {
    this.params = params;
  }

  /** What of the CPU it is promised. */
  get share(): number {
    return this.params.runtimeNs / this.params.periodNs;
  }

  /** It becomes runnable: with what it has left, if it could not use more than its share by that. */
  wake(nowNs: number): void {
    const { runtimeNs, deadlineNs } = this.params;
    const untilNs = this.endNs - nowNs;
    const isStale = untilNs <= 0 || this.leftNs * deadlineNs > untilNs * runtimeNs;
    if (isStale) this.#begin(nowNs);
  }

  /** It ran: 0, or the time before which it must not run again. */
  spend(ranNs: number): number {
    this.leftNs -= ranNs;
    if (this.leftNs > 0) return 0;
    this.hasOverrun = true;
    return this.nextPeriodNs;
  }

  get nextPeriodNs(): number {
    return this.endNs - this.params.deadlineNs + this.params.periodNs;
  }

  /** Its next period has come. */
  #begin(nowNs: number): void {
    this.endNs = nowNs + this.params.deadlineNs;
    this.leftNs = this.params.runtimeNs;
  }
}
