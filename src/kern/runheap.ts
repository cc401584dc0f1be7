/**
 * One level of the run queue: a binary heap of threads and groups of threads by virtual run time.
 */
import { WIDE_ZERO } from "../lib/wide.ts";

/** What can be queued: a thread, or a group, which has a heap of its own. */
export interface RunEntity {
  vruntimeNs: number;
  /** Its place in the heap; -1 when not in it. */
  runIndex: number;
  readonly heap: RunHeap | null;
}

export class RunHeap {
  readonly #heap: RunEntity[] = [];
  /** Never goes back: who joins later joins here. */
  minVruntimeNs = WIDE_ZERO;

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  /** In no order that means anything. */
  get all(): readonly RunEntity[] {
    return this.#heap;
  }

  get first(): RunEntity | undefined {
    return this.#heap[0];
  }

  /** Adds one that gets no more than `creditNs` for not having been here. */
  add(e: RunEntity, creditNs: number): void {
    e.vruntimeNs = Math.max(e.vruntimeNs, this.minVruntimeNs - creditNs);
    e.runIndex = this.#heap.length;
    this.#heap.push(e);
    this.#up(e.runIndex);
  }

  remove(e: RunEntity): void {
    const at = e.runIndex;
    if (at < 0) return;
    e.runIndex = -1;
    const last = this.#heap.pop()!;
    if (last === e) return;
    this.#put(last, at);
    this.#up(at);
    this.#down(last.runIndex);
  }

  /** The virtual time of one in the heap grew. */
  moved(e: RunEntity): void {
    this.#down(e.runIndex);
  }

  /** One that runs, in the heap or not, has come to `vruntimeNs`. */
  advance(vruntimeNs: number): void {
    const first = this.#heap[0];
    const least = first ? Math.min(first.vruntimeNs, vruntimeNs) : vruntimeNs;
    if (least > this.minVruntimeNs) this.minVruntimeNs = least;
  }

  /** True if another than `e` is earlier than that by more than `granularityNs`. */
  hasEarlier(e: RunEntity, granularityNs: number): boolean {
    const limit = e.vruntimeNs - granularityNs;
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return false;
    if (first !== e) return first.vruntimeNs < limit;
    for (const other of [heap[1], heap[2]]) {
      if (other !== undefined && other.vruntimeNs < limit) return true;
    }
    return false;
  }

  #up(from: number): void {
    let at = from;
    const e = this.#heap[at]!;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const p = this.#heap[above]!;
      if (p.vruntimeNs <= e.vruntimeNs) break;
      this.#put(p, at);
      at = above;
    }
    this.#put(e, at);
  }

  #down(from: number): void {
    let at = from;
    const e = this.#heap[at]!;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= this.#heap.length) break;
      const right = this.#heap[below + 1];
      if (right && right.vruntimeNs < this.#heap[below]!.vruntimeNs) below++;
      const b = this.#heap[below]!;
      if (b.vruntimeNs >= e.vruntimeNs) break;
      this.#put(b, at);
      at = below;
    }
    this.#put(e, at);
  }

  #put(e: RunEntity, at: number): void {
    this.#heap[at] = e;
    e.runIndex = at;
  }
}
