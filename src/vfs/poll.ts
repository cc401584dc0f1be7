/**
 * How poll(2), select(2) and epoll(7) learn that a file became ready.
 *
 * A file's `poll` reports its state and, given a table, names every queue
 * that is woken when the state may change. Being woken promises nothing: the
 * poller asks again.
 */
import type { Thread } from "../kern/thread.ts";
import type { WaitQueue } from "../kern/waitqueue.ts";

export interface PollTable {
  /** `events`: which POLL* a wakeup of this queue may announce; absent: any. */
  watch(queue: WaitQueue, events?: number): void;
}

/** The table of a thread in poll(2) or select(2): every queue ends its sleep. */
export class ThreadPollTable implements PollTable {
  readonly #td: Thread;

  constructor(td: Thread) {
    this.#td = td;
  }

  watch(queue: WaitQueue): void {
    this.#td.watch(queue);
  }
}
