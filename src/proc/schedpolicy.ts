/** Who is scheduled how: the policy of a thread, and what its children get of it. See sched(7). */

import { EBUSY } from "../abi/errno.ts";
import { SCHED_FIFO, SCHED_RR } from "../abi/sched.ts";
import type { DeadlineParams } from "../kern/deadline.ts";
import { borrow, lendOn, priorityOf } from "./lending.ts";
import type { Lwp } from "./lwp.ts";

export function isRealtime(policy: number): boolean {
  return policy === SCHED_FIFO || policy === SCHED_RR;
}

/** 0, or EBUSY if the CPU has been promised to others. */
export function setPolicy(
  td: Lwp,
  policy: number,
  priority: number,
  params: DeadlineParams | null,
): number {
  const { cpu } = td;
  if (!cpu.runq.setDeadline(td, params)) return EBUSY;
  td.policy = policy;
  td.ownPriority = priority;
  td.deadline?.wake(cpu.clock.monotonicNs());
  cpu.runq.setPriority(td, priorityOf(td));
  cpu.needResched = true;
  const owner = lendOn(td);
  if (owner) borrow(owner);
  return 0;
}

/** A new thread begins as its maker is, but for what that one asked not to be passed on. */
export function inheritPolicy(child: Lwp, td: Lwp): void {
  const isUrgent = td.basePriority > 0;
  if (!td.resetsOnFork || !isUrgent) child.nice = td.nice;
  if (td.resetsOnFork) child.nice = Math.max(child.nice, 0);
  if (isUrgent && td.resetsOnFork) return;
  child.policy = td.policy;
  child.ownPriority = td.ownPriority;
  child.cpu.runq.setPriority(child, child.ownPriority);
}

/** True if it may make threads: with SCHED_DEADLINE only such as are scheduled otherwise. */
export function mayFork(td: Lwp): boolean {
  return td.deadline === null || td.resetsOnFork;
}
