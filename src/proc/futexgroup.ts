/**
 * Waiting for any of several futexes: futex_waitv(2).
 *
 * One waiter for each word; the first of them stands for all on the thread, so
 * that whatever ends the sleep takes every one off its queue. Invariant: those
 * that were woken waited for the same futex.
 */
import type { KernelMemory } from "../kern/kmem.ts";
import type { Abandonable } from "../kern/thread.ts";
import { type FutexKey, FutexWaiter, futexEnqueue, futexWait } from "./futex.ts";
import type { Lwp } from "./lwp.ts";

/** What a waiter and its words take, about. */
const WAITER_BYTES = 128;

/** What is waited for: a word, and what must be there. */
export interface FutexWait {
  readonly uaddr: number;
  readonly value: number;
  readonly isPrivate: boolean;
}

class HeadWaiter extends FutexWaiter {
  rest: readonly FutexWaiter[] = [];

  override cancel(): void {
    super.cancel();
    for (const w of this.rest) w.cancel();
  }
}

export class FutexGroup implements Abandonable {
  readonly waits: readonly FutexWait[];
  readonly #waiters: readonly FutexWaiter[];
  readonly #kmem: KernelMemory;

  private constructor(td: Lwp, waits: readonly FutexWait[]) {
    const head = new HeadWaiter(td, -1, null);
    head.rest = waits.slice(1).map(() => new FutexWaiter(td, -1, null));
    this.waits = waits;
    this.#waiters = [head, ...head.rest];
    this.#kmem = td.cpu.kmem;
  }

  /** Null if there is no memory for it. */
  static create(td: Lwp, waits: readonly FutexWait[]): FutexGroup | null {
    return td.cpu.kmem.take(waits.length * WAITER_BYTES) ? new FutexGroup(td, waits) : null;
  }

  /** Which of the words was woken, the last if one word was there more than once; -1 if none. */
  get wokenIndex(): number {
    return this.#waiters.findLastIndex((w) => w.wasWoken);
  }

  /** The thread waits on all of `keys`, as soon as it sleeps. */
  wait(keys: readonly FutexKey[]): void {
    keys.forEach((key, i) => {
      if (i === 0) futexWait(key, this.#waiters[0]!);
      else futexEnqueue(key, this.#waiters[i]!);
    });
  }

  abandon(): void {
    this.#kmem.give(this.waits.length * WAITER_BYTES);
  }
}
