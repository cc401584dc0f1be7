/**
 * O_ASYNC: the owner of a file is told by a signal that it has become ready.
 *
 * Who that is (F_SETOWN) and how one signals it is the business of proc/; here
 * is when. An AsyncNotice waits on the queues that poll(2) would, and goes back
 * to each as soon as it was woken. See fcntl(2), "Managing signals".
 */
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLMSG,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from "../abi/poll.ts";
import { POLL_HUP, POLL_IN, POLL_MSG, POLL_OUT, POLL_PRI } from "../abi/signal.ts";
import type { Thread } from "../kern/thread.ts";
import { Waiter, type WaitQueue } from "../kern/waitqueue.ts";
import type { File } from "./file.ts";
import type { PollTable } from "./poll.ts";

/** Whom F_SETOWN named, as long as it is there. */
export interface FileOwner {
  /** `signo` is F_SETSIG's, 0 for SIGIO; `reason` is POLL_IN and the like, `fd` the descriptor that asked. */
  tell(signo: number, reason: number, band: number, fd: number): void;
  /** Out-of-band data has come: SIGURG. */
  tellUrgent(): void;
}

/** What poll(2) would say, by reason: si_band. */
export const BAND: Readonly<Record<number, number>> = {
  [POLL_IN]: POLLIN | POLLRDNORM,
  [POLL_OUT]: POLLOUT | POLLWRNORM | POLLWRBAND,
  [POLL_MSG]: POLLIN | POLLRDNORM | POLLMSG,
  [POLL_PRI]: POLLPRI | POLLRDBAND,
  [POLL_HUP]: POLLERR | POLLHUP,
};

class AsyncWaiter extends Waiter {
  readonly #notice: AsyncNotice;
  readonly #home: WaitQueue;
  readonly #reason: number;

  constructor(notice: AsyncNotice, home: WaitQueue, reason: number) {
    super();
    this.#notice = notice;
    this.#home = home;
    this.#reason = reason;
  }

  wake(): void {
    this.#home.add(this);
    this.#notice.tell(this.#reason);
  }
}

/** A file with O_ASYNC set. */
export class AsyncNotice implements PollTable {
  readonly #file: File;
  readonly #fd: number;
  readonly #waiters: AsyncWaiter[] = [];

  /** `fd` is the descriptor that set the flag: signals name it, whatever becomes of it. */
  constructor(td: Thread, file: File, fd: number) {
    this.#file = file;
    this.#fd = fd;
    file.poll(td, this);
  }

  watch(queue: WaitQueue, events: number = POLLIN): void {
    const reason = (events & POLLIN) !== 0 ? POLL_IN : POLL_OUT;
    const w = new AsyncWaiter(this, queue, reason);
    this.#waiters.push(w);
    queue.add(w);
  }

  tell(reason: number): void {
    this.#file.owner?.tell(this.#file.ownerSignal, reason, BAND[reason]!, this.#fd);
  }

  end(): void {
    for (const w of this.#waiters) w.cancel();
  }
}
