/**
 * Wait queues by word: those of an address space, or of an object.
 *
 * Who waited for a word mostly waits for it again, and a Map whose only keys come and go makes its table anew every
 * other time. So the queues that were emptied last stay where they are, for whoever comes next.
 * Invariant: a queue is found exactly while someone waits on it; no more than KEPT empty ones stay.
 */
import type { WaitQueue } from "./waitqueue.ts";

const KEPT = 4;

export class WaitWords {
  readonly #queues = new Map<number, WaitQueue>();
  /** Words whose queues may be empty. */
  readonly #kept: number[] = [];
  #oldest = 0;

  /** The queue of a word that someone waits for. */
  get(word: number): WaitQueue | undefined {
    const queue = this.#queues.get(word);
    return queue?.isEmpty ? undefined : queue;
  }

  /** A queue that was left here empty, or that someone waits on. */
  getOrKept(word: number): WaitQueue | undefined {
    return this.#queues.get(word);
  }

  /** In the place of an empty one, if there was one. */
  set(word: number, queue: WaitQueue): void {
    this.#queues.set(word, queue);
  }

  /** The last may have left the queue of a word. */
  settle(word: number): void {
    if (!this.#queues.get(word)?.isEmpty || this.#kept.includes(word)) return;
    if (this.#kept.length < KEPT) {
      this.#kept.push(word);
      return;
    }
    const gone = this.#kept[this.#oldest]!;
    this.#kept[this.#oldest] = word;
    this.#oldest = (this.#oldest + 1) % KEPT;
    if (this.#queues.get(gone)?.isEmpty) this.#queues.delete(gone);
  }

  /** Forgets the queue of a word, which nobody waits on. */
  delete(word: number): void {
    this.#queues.delete(word);
  }
}
