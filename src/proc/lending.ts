/**
 * Priorities that are lent: who has a lock that a real-time thread waits for runs with that one's
 * priority until it gives the lock back. See futex(2), "Priority-inheritance futexes".
 *
 * Threads without real-time priorities lend nothing, and cost nothing.
 */
import { MAX_PRIORITY } from "../abi/sched.ts";
import type { Timespec } from "../kern/clock.ts";
import { FutexWaiter, PiQueue } from "./futex.ts";
import type { Lwp } from "./lwp.ts";

/** How far a chain of owners that wait themselves is followed, as Linux's max_lock_depth. */
export const MAX_LOCK_DEPTH = 1024;

export class PiWaiter extends FutexWaiter {
  readonly uaddr: number;

  constructor(td: Lwp, until: Timespec | null, uaddr: number) {
    super(td, -1, until);
    this.uaddr = uaddr;
  }

  override cancel(): void {
    const { queue, key } = this;
    super.cancel();
    if (!(queue instanceof PiQueue)) return;
    if (queue.isEmpty) {
      queue.owner.piQueues.delete(queue);
      key?.space.delete(key.word);
    }
    if (queue.hasRealtime) borrow(queue.owner);
  }
}

/** Gives `owner` the highest of its own priority and those of who waits for its locks; and so on, if it waits itself. */
export function borrow(owner: Lwp): void {
  let at = owner;
  for (let depth = 0; depth < MAX_LOCK_DEPTH; depth++) {
    const priority = priorityOf(at);
    if (priority === at.rtPriority) return;
    at.cpu.runq.setPriority(at, priority);
    at.cpu.needResched = true;
    const next = lendOn(at);
    if (!next) return;
    at = next;
  }
}

/** The priority of `td` changed: who has the lock that it waits for, if any, is to `borrow`. */
export function lendOn(td: Lwp): Lwp | null {
  const waiter = td.restart.data;
  if (!(waiter instanceof PiWaiter) || !(waiter.queue instanceof PiQueue)) return null;
  const { queue } = waiter;
  queue.sort(waiter);
  return queue.owner;
}

/** Its own priority, or that of the highest who waits for a lock of its. */
export function priorityOf(td: Lwp): number {
  let lent = 0;
  for (const queue of td.piQueues) {
    if (!queue.hasRealtime) continue;
    for (let w = queue.first(); w; w = w.next) {
      if (w instanceof PiWaiter) lent = Math.max(lent, w.td.rtPriority);
    }
  }
  return Math.max(td.basePriority, Math.min(lent, MAX_PRIORITY));
}
