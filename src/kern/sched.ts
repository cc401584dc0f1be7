/**
 * The run queue: fair by weighted run time.
 *
 * A binary heap on `vruntimeNs`; a thread's virtual time runs slower the more
 * weight its nice value has (Linux's 1.25 per step). A waker never gets more
 * than one slice of credit for having slept, so sleepers are prompt but
 * cannot starve the runners. See sched(7), nice(1).
 */
import type { Thread } from "./thread.ts";

/** How long a thread may run while others wait. */
export const SLICE_NS = 3e6;

export class RunQueue {
  readonly #heap: Thread[] = [];
  #minVruntimeNs = 0;

  get length(): number {
    return this.#heap.length;
  }

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  add(td: Thread): void {
    td.vruntimeNs = Math.max(td.vruntimeNs, this.#minVruntimeNs - SLICE_NS);
    td.runIndex = this.#heap.length;
    this.#heap.push(td);
    this.#up(td.runIndex);
  }

  /** The thread that has had least, taken off the queue. */
  next(): Thread | null {
    const td = this.#heap[0];
    if (!td) return null;
    this.remove(td);
    this.advance(td);
    return td;
  }

  /**
   * Time goes on while `td` runs: whoever joins later joins here. Without this
   * one that slept while another ran alone would be owed all of that time.
   */
  advance(td: Thread): void {
    const first = this.#heap[0];
    const least = first ? Math.min(first.vruntimeNs, td.vruntimeNs) : td.vruntimeNs;
    if (least > this.#minVruntimeNs) this.#minVruntimeNs = least;
  }

  remove(td: Thread): void {
    const at = td.runIndex;
    if (at < 0) return;
    td.runIndex = -1;
    const last = this.#heap.pop()!;
    if (last === td) return;
    this.#put(last, at);
    this.#up(at);
    this.#down(last.runIndex);
  }

  /** True if a queued thread is owed at least `granularityNs` more than `td`, which has run for a while. */
  shouldPreempt(td: Thread, granularityNs = 0): boolean {
    const first = this.#heap[0];
    return first !== undefined && first.vruntimeNs + granularityNs < td.vruntimeNs;
  }

  #up(from: number): void {
    let at = from;
    const td = this.#heap[at]!;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const p = this.#heap[above]!;
      if (p.vruntimeNs <= td.vruntimeNs) break;
      this.#put(p, at);
      at = above;
    }
    this.#put(td, at);
  }

  #down(from: number): void {
    let at = from;
    const td = this.#heap[at]!;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= this.#heap.length) break;
      const right = this.#heap[below + 1];
      if (right && right.vruntimeNs < this.#heap[below]!.vruntimeNs) below++;
      const b = this.#heap[below]!;
      if (b.vruntimeNs >= td.vruntimeNs) break;
      this.#put(b, at);
      at = below;
    }
    this.#put(td, at);
  }

  #put(td: Thread, at: number): void {
    this.#heap[at] = td;
    td.runIndex = at;
  }
}

/** Charges `ranNs` of real run time to a thread's virtual time. */
export function charge(td: Thread, ranNs: number): void {
  td.vruntimeNs += ranNs * 1.25 ** td.nice;
}
