/**
 * Futexes: sleeping on a word of user memory. See futex(2), futex(7).
 *
 * A private futex is named by (address space, address), a shared one by
 * (object, offset), since neither its page nor a mapping of it need stay.
 * Whoever is woken learns it from its waiter, never from the word: a wake that
 * was counted is never lost, and the restarted call returns 0.
 */
import { EINVAL, failed } from "../abi/errno.ts";
import type { Timespec } from "../kern/clock.ts";
import { Waiter, WaitQueue } from "../kern/waitqueue.ts";
import { WaitWords } from "../kern/waitwords.ts";
import type { VmObject } from "../vm/object.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import type { Lwp } from "./lwp.ts";

export const FUTEX_BITSET_MATCH_ANY = -1;

export class FutexWaiter extends Waiter {
  readonly td: Lwp;
  readonly bitset: number;
  /** The time of day until which it waits, if it is one: the clock may be set meanwhile. */
  readonly until: Timespec | null;
  wasWoken = false;
  /** What it waits for, while it does. */
  key: FutexKey | null = null;

  constructor(td: Lwp, bitset: number, until: Timespec | null) {
    super();
    this.td = td;
    this.bitset = bitset;
    this.until = until;
  }

  wake(): void {
    this.wasWoken = true;
    this.td.wakeup();
  }

  /** A wait given up (a timeout, a signal) leaves no empty queue behind. */
  override cancel(): void {
    const { queue, key } = this;
    super.cancel();
    if (queue?.isEmpty) key?.space.settle(key.word);
  }
}

/** Who waits for a futex: those of higher real-time priority first. */
export class FutexQueue extends WaitQueue {
  /** Puts `w`, which is on the queue, where its priority wants it. */
  sort(w: FutexWaiter): void {
    const { rtPriority } = w.td;
    if (rtPriority === 0) return;
    let next = this.first() as FutexWaiter | null;
    while (next && (next === w || next.td.rtPriority >= rtPriority)) {
      next = next.next as FutexWaiter | null;
    }
    if (!next || next === w.next) return;
    this.remove(w);
    this.addBefore(w, next);
  }
}

/** Who waits for a futex that is a lock, and who has that: proc/pifutex.ts. */
export class PiQueue extends FutexQueue {
  owner: Lwp;
  /** Some waiter has, or had, a priority to lend. */
  hasRealtime = false;

  constructor(owner: Lwp) {
    super();
    this.owner = owner;
  }
}

/** Names one futex: where to look, and for what. */
export interface FutexKey {
  readonly space: WaitWords;
  readonly word: number;
}

/** The futex at an address of this space alone. */
export function privateKey(vmspace: Vmspace, uaddr: number): FutexKey {
  vmspace.waitWords ??= new WaitWords();
  return { space: vmspace.waitWords, word: uaddr };
}

/** The futex that all see who map this byte of the object. */
export function sharedKey(object: VmObject, offset: number): FutexKey {
  object.waitWords ??= new WaitWords();
  return { space: object.waitWords, word: offset };
}

/** True if threads wait there for a lock: nobody can wait for a mere wakeup then. */
export function isLock(key: FutexKey): boolean {
  return key.space.get(key.word) instanceof PiQueue;
}

/** The thread of `waiter` waits for `key`, as soon as it sleeps. */
export function futexWait(key: FutexKey, waiter: FutexWaiter): void {
  waiter.key = key;
  const queue = queueOf(key);
  waiter.td.watchWith(waiter, queue);
  queue.sort(waiter);
}

/** Puts `waiter` on the queue of `key`; somebody else sees to it that it leaves that in time. */
export function futexEnqueue(key: FutexKey, waiter: FutexWaiter): void {
  waiter.key = key;
  const queue = queueOf(key);
  queue.add(waiter);
  queue.sort(waiter);
}

/** Wakes up to `count` waiters whose bits meet `bitset`; how many were woken. EINVAL for a lock. */
export function futexWake(key: FutexKey, count: number, bitset: number): number {
  const queue = key.space.get(key.word);
  if (!queue) return 0;
  if (queue instanceof PiQueue) return EINVAL;
  const first = queue.first() as FutexWaiter;
  // Mostly there is one.
  if (first.next === null && count > 0) {
    if ((first.bitset & bitset) === 0) return 0;
    queue.remove(first);
    key.space.settle(key.word);
    first.wake();
    return 1;
  }
  return wakeSome(key, queue, count, bitset);
}

function wakeSome(key: FutexKey, queue: WaitQueue, count: number, bitset: number): number {
  // All leave before any is woken: who waits for several words leaves all of their queues then.
  const chosen: FutexWaiter[] = [];
  for (let w = queue.first(); w && chosen.length < count; ) {
    const next: Waiter | null = w.next;
    if ((w as FutexWaiter).bitset & bitset) {
      queue.remove(w);
      chosen.push(w as FutexWaiter);
    }
    w = next;
  }
  if (queue.isEmpty) key.space.settle(key.word);
  for (const w of chosen) w.wake();
  return chosen.length;
}

/** Wakes up to `count` waiters of the word at `uaddr`, private or shared: the kernel's own wake. */
export function wakeWord(vmspace: Vmspace, uaddr: number, count: number): void {
  futexWake(privateKey(vmspace, uaddr), count, FUTEX_BITSET_MATCH_ANY);
  const shared = vmspace.sharedWord(uaddr);
  if (!shared || failed(shared)) return;
  futexWake(sharedKey(shared.object, shared.offset), count, FUTEX_BITSET_MATCH_ANY);
}

/** Wakes `wakeCount`, then moves up to `moveCount` more to `to`; woken + moved. */
export function futexRequeue(
  key: FutexKey,
  to: FutexKey,
  wakeCount: number,
  moveCount: number,
): number {
  let done = futexWake(key, wakeCount, FUTEX_BITSET_MATCH_ANY);
  if (done < 0 || isLock(to)) return EINVAL;
  const from = key.space.get(key.word);
  if (!from || (key.space === to.space && key.word === to.word)) return done;
  for (let moved = 0; moved < moveCount && !from.isEmpty; moved++) {
    const w = from.first() as FutexWaiter;
    from.remove(w);
    futexEnqueue(to, w);
    done++;
  }
  if (from.isEmpty) key.space.settle(key.word);
  return done;
}

function queueOf({ space, word }: FutexKey): FutexQueue {
  let queue = space.getOrKept(word) as FutexQueue | undefined;
  if (!queue) {
    queue = new FutexQueue();
    space.set(word, queue);
  }
  return queue;
}
