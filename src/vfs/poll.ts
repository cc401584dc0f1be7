/**
 * How poll(2), select(2) and epoll(7) learn that a file became ready.
 *
 * A file's `poll` reports its state and, given a table, names every queue
 * that is woken when the state may change. Being woken promises nothing: the
 * poller asks again.
 */
import type { WaitQueue } from "../kern/waitqueue.ts";

export interface PollTable {
  /** `events`: which POLL* a wakeup of this queue may announce; absent: any. */
  watch(queue: WaitQueue, events?: number): void;
}
