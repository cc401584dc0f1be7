/**
 * Wait queues: who waits for what.
 *
 * A Waiter is on at most one queue. Waking takes it off *before* `wake()`
 * runs, so a waker never meets the same waiter twice in one wakeup, even
 * when the woken one queues itself again at once. See sleepqueue(9).
 */
export abstract class Waiter {
  queue: WaitQueue | null = null;
  next: Waiter | null = null;
  prev: Waiter | null = null;
  /** Grows along a queue: later comers have higher tickets. */
  ticket = 0;

  /** What to do when the queue is woken; must not sleep. */
  abstract wake(): void;

  /** Leaves its queue, if it is on one. */
  cancel(): void {
    this.queue?.remove(this);
  }
}

export class WaitQueue {
  #head: Waiter | null = null;
  #tail: Waiter | null = null;
  #tickets = 0;

  get isEmpty(): boolean {
    return this.#head === null;
  }

  add(w: Waiter): void {
    w.cancel();
    w.queue = this;
    w.ticket = ++this.#tickets;
    w.prev = this.#tail;
    w.next = null;
    if (this.#tail) this.#tail.next = w;
    else this.#head = w;
    this.#tail = w;
  }

  /** Puts `w`, which is on no queue, before `next`, which is on this one. */
  addBefore(w: Waiter, next: Waiter): void {
    w.queue = this;
    w.ticket = next.ticket;
    w.next = next;
    w.prev = next.prev;
    if (next.prev) next.prev.next = w;
    else this.#head = w;
    next.prev = w;
  }

  remove(w: Waiter): void {
    if (w.queue !== this) return;
    if (w.prev) w.prev.next = w.next;
    else this.#head = w.next;
    if (w.next) w.next.prev = w.prev;
    else this.#tail = w.prev;
    w.queue = w.next = w.prev = null;
  }

  /** Wakes everyone who waits at this moment; those who queue again meanwhile stay. */
  wakeup(): void {
    // Not up to a certain waiter: one that is woken may take others, that one too, off the queue.
    const last = this.#tickets;
    while (this.#head && this.#head.ticket <= last) {
      const w = this.#head;
      this.remove(w);
      w.wake();
    }
  }

  /** Wakes the one who waited longest; false if nobody waits. */
  wakeupOne(): boolean {
    const w = this.#head;
    if (!w) return false;
    this.remove(w);
    w.wake();
    return true;
  }

  /** The waiters in order, for ddb and for requeueing. */
  first(): Waiter | null {
    return this.#head;
  }
}
