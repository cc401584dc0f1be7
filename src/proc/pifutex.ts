/**
 * Futexes that are locks with an owner: FUTEX_LOCK_PI and its kin. See futex(2),
 * "Priority-inheritance futexes".
 *
 * The word holds the owner's thread id, so that a free lock is taken and given
 * back without the kernel; who finds it taken sets FUTEX_WAITERS and sleeps here.
 * The kernel hands the lock on itself, to the waiter of the highest real-time priority, else to
 * who waited longest: the word names the next owner before that one runs. Priorities
 * are lent to the owner: proc/lending.ts.
 * Invariant: a PiQueue has waiters, and is among its owner's `piQueues`.
 */
import { EAGAIN, EDEADLK, EFAULT, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import type { Timespec } from "../kern/clock.ts";
import { type FutexKey, type FutexWaiter, futexWait, PiQueue } from "./futex.ts";
import { borrow, MAX_LOCK_DEPTH, PiWaiter } from "./lending.ts";
import type { Lwp } from "./lwp.ts";

export const FUTEX_WAITERS = 0x8000_0000;
export const FUTEX_OWNER_DIED = 0x4000_0000;
export const FUTEX_TID_MASK = 0x3fff_ffff;

/** Takes the lock at `word` for `td` if it is free: 0, or an error; EAGAIN if another has it. */
export function tryLockPi(td: Lwp, key: FutexKey, word: number): number {
  const mem = td.proc.vmspace;
  const value = mem.loadU32(word);
  if (failed(value) || failed(mem.storeU32(word, value))) return EFAULT;
  const ownerTid = value & FUTEX_TID_MASK;
  if (ownerTid === td.ownTid) return EDEADLK;
  const queue = key.space.get(key.word);
  if (queue) {
    if (!(queue instanceof PiQueue) || queue.owner.ownTid !== ownerTid) return EINVAL;
  } else if (ownerTid === 0) {
    return mem.storeU32(word, ((value & FUTEX_OWNER_DIED) | td.ownTid) >>> 0);
  } else if (!td.findThread(ownerTid)) return ESRCH;
  return failed(mem.storeU32(word, (value | FUTEX_WAITERS) >>> 0)) ? EFAULT : EAGAIN;
}

/** Queues `td` for the lock that tryLockPi found taken; it is to sleep now. The waiter, or EDEADLK. */
export function waitPi(
  td: Lwp,
  key: FutexKey,
  word: number,
  until: Timespec | null,
): FutexWaiter | number {
  const value = td.proc.vmspace.loadU32(word);
  const owner = failed(value) ? null : td.findThread(value & FUTEX_TID_MASK);
  if (!owner) return ESRCH;
  if (waitsFor(owner, td)) return EDEADLK;
  let queue = key.space.get(key.word);
  if (!queue) {
    queue = new PiQueue(owner);
    key.space.set(key.word, queue);
    owner.piQueues.add(queue as PiQueue);
  }
  const waiter = new PiWaiter(td, until, word);
  futexWait(key, waiter);
  if (td.rtPriority > 0) {
    (queue as PiQueue).hasRealtime = true;
    borrow(owner);
  }
  return waiter;
}

/** Gives the lock back, to who waits for it: 0, EPERM if it is another's, EFAULT, EINVAL. */
export function unlockPi(td: Lwp, key: FutexKey, word: number): number {
  const mem = td.proc.vmspace;
  const value = mem.loadU32(word);
  if (failed(value)) return EFAULT;
  if ((value & FUTEX_TID_MASK) !== td.ownTid) return EPERM;
  const queue = key.space.get(key.word);
  if (!queue) return failed(mem.storeU32(word, 0)) ? EFAULT : 0;
  if (!(queue instanceof PiQueue) || queue.owner !== td) return EINVAL;
  const next = queue.first() as PiWaiter;
  if (failed(mem.storeU32(word, (FUTEX_WAITERS | next.td.ownTid) >>> 0))) return EFAULT;
  handOn(queue, next);
  return 0;
}

/** The thread ends, or leaves its address space: what it holds goes to who waits for it. */
export function abandonPi(td: Lwp): void {
  for (const queue of [...td.piQueues]) {
    const next = queue.first() as PiWaiter;
    const value = (FUTEX_WAITERS | FUTEX_OWNER_DIED | next.td.ownTid) >>> 0;
    next.td.proc.vmspace.storeU32(next.uaddr, value);
    handOn(queue, next);
  }
}

function handOn(queue: PiQueue, next: PiWaiter): void {
  const { key, td } = next;
  const { owner } = queue;
  owner.piQueues.delete(queue);
  queue.remove(next);
  queue.owner = td;
  if (!queue.isEmpty) td.piQueues.add(queue);
  else if (key) key.space.delete(key.word);
  if (queue.hasRealtime) {
    borrow(owner);
    borrow(td);
  }
  next.wake();
}

/** True if `td`, by whatever way, waits for `other` already. */
function waitsFor(td: Lwp, other: Lwp): boolean {
  let at = td;
  for (let depth = 0; depth < MAX_LOCK_DEPTH; depth++) {
    if (at === other) return true;
    const waiter = at.restart.data;
    if (!(waiter instanceof PiWaiter) || !(waiter.queue instanceof PiQueue)) return false;
    at = waiter.queue.owner;
  }
  return true;
}
