/**
 * IOCB_CMD_POLL: a request that is over when a file is ready, once. See io_submit(2).
 *
 * It looks at the file as soon as one of the file's queues is woken, and again later,
 * since who wakes a queue may not be done yet. One that ends within the end of another
 * waits for its turn: a chain of them must not be a chain of calls.
 */
import { POLLERR, POLLHUP } from "../abi/poll.ts";
import type { Thread } from "../kern/thread.ts";
import { Waiter, type WaitQueue } from "../kern/waitqueue.ts";
import type { AioContext, AioPending } from "./aio.ts";
import type { AioEvent } from "./aioring.ts";
import type { EventFile } from "./eventfd.ts";
import type { File } from "./file.ts";
import type { PollTable } from "./poll.ts";

/** What a request and its waiters take, about. */
const REQUEST_BYTES = 512;

export class AioPoll implements AioPending, PollTable {
  readonly event: AioEvent;
  readonly #context: AioContext;
  readonly #td: Thread;
  readonly #file: File;
  readonly #events: number;
  readonly #notify: EventFile | null;
  #waiters: PollWaiter[] = [];
  #isOver = false;
  #isLooking = false;

  private constructor(
    td: Thread,
    context: AioContext,
    event: AioEvent,
    file: File,
    events: number,
    notify: EventFile | null,
  ) {
    this.#td = td;
    this.#context = context;
    this.event = event;
    this.#file = file.hold();
    this.#events = events | POLLERR | POLLHUP;
    this.#notify = notify?.hold() ?? null;
  }

  /** Begins, and is perhaps over at once: false for want of memory. */
  static submit(
    td: Thread,
    context: AioContext,
    event: AioEvent,
    file: File,
    events: number,
    notify: EventFile | null,
  ): boolean {
    if (!context.table.cpu.kmem.take(REQUEST_BYTES)) return false;
    const request = new AioPoll(td, context, event, file, events, notify);
    context.pending.add(request);
    request.look();
    return true;
  }

  watch(queue: WaitQueue, events?: number): void {
    if (events !== undefined && (events & this.#events) === 0) return;
    const w = new PollWaiter(this);
    this.#waiters.push(w);
    queue.add(w);
  }

  /** A queue of the file was woken. */
  woken(): void {
    const { table } = this.#context;
    if (this.#isOver) return;
    if (!this.#isLooking && !table.limits.isEnding) this.look();
    if (!this.#isOver) table.later(this);
  }

  look(): void {
    if (this.#isOver) return;
    this.#isLooking = true;
    this.#unwatch();
    const found = this.#file.poll(this.#td, this) & this.#events;
    this.#isLooking = false;
    if (found !== 0) this.#end(found);
  }

  cancel(): void {
    this.#end(0);
  }

  #end(found: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { table } = this.#context;
    this.#unwatch();
    this.#context.pending.delete(this);
    const wasEnding = table.limits.isEnding;
    table.limits.isEnding = true;
    this.#context.complete(this.event, found, this.#notify);
    table.limits.isEnding = wasEnding;
    table.cpu.kmem.give(REQUEST_BYTES);
    table.releaseLater(this.#file);
    if (this.#notify) table.releaseLater(this.#notify);
  }

  #unwatch(): void {
    for (const w of this.#waiters) w.cancel();
    this.#waiters = [];
  }
}

class PollWaiter extends Waiter {
  readonly #request: AioPoll;

  constructor(request: AioPoll) {
    super();
    this.#request = request;
  }

  wake(): void {
    this.#request.woken();
  }
}
