/**
 * How poll(2), select(2) and epoll(7) learn that a file became ready.
 *
 * A file's `poll` reports its state and, given a table, names every queue
 * that is woken when the state may change. Being woken promises nothing: the
 * poller asks again.
 */
import type { KernelMemory } from "../kern/kmem.ts";
import type { Abandonable } from "../kern/thread.ts";
import type { WaitQueue } from "../kern/waitqueue.ts";
import type { File } from "./file.ts";

export interface PollTable {
  /** `events`: which POLL* a wakeup of this queue may announce; absent: any. */
  watch(queue: WaitQueue, events?: number): void;
}

/**
 * What a poll that sleeps goes on with: its request as it was read, and the
 * files it waits for, which stay open though their descriptors be closed.
 */
export class PolledFiles implements Abandonable {
  readonly request: unknown;
  readonly #files: File[] = [];
  readonly #kmem: KernelMemory;
  #bytes: number;

  private constructor(kmem: KernelMemory, request: unknown, bytes: number) {
    this.#kmem = kmem;
    this.request = request;
    this.#bytes = bytes;
  }

  /** Pays for a request of about `bytes`; null if that is refused. */
  static keep(kmem: KernelMemory, request: unknown, bytes: number): PolledFiles | null {
    return kmem.take(bytes) ? new PolledFiles(kmem, request, bytes) : null;
  }

  /** Those beyond what a thread may watch for nothing are paid for with their waiters. */
  hold(fp: File | null): void {
    if (fp) this.#files.push(fp.hold());
  }

  abandon(): void {
    this.#kmem.give(this.#bytes);
    this.#bytes = 0;
    for (const fp of this.#files.splice(0)) fp.release();
  }
}
