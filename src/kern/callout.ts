/**
 * Callouts: things to do at a time. A binary heap on the deadline.
 *
 * A callout is in the heap at most once (`index >= 0`); re-arming moves it.
 * Deadlines are absolute, in nanoseconds of the monotonic clock. See callout(9).
 */
export abstract class Callout {
  deadlineNs = Number.POSITIVE_INFINITY;
  /** Its place in the heap; -1 when not armed. */
  index = -1;

  /** Runs in the kernel, on the CPU that owns the wheel; must not sleep. */
  abstract fire(nowNs: number): void;
}

const MAX_FIRED = 1024;

export class CalloutHeap {
  readonly #heap: Callout[] = [];

  /** When the next callout is due; Infinity if none. */
  get nextDeadlineNs(): number {
    return this.#heap[0]?.deadlineNs ?? Number.POSITIVE_INFINITY;
  }

  arm(c: Callout, deadlineNs: number): void {
    if (c.index >= 0) this.disarm(c);
    c.deadlineNs = deadlineNs;
    c.index = this.#heap.length;
    this.#heap.push(c);
    this.#up(c.index);
  }

  disarm(c: Callout): void {
    const at = c.index;
    if (at < 0) return;
    c.index = -1;
    const last = this.#heap.pop()!;
    if (last === c) return;
    last.index = at;
    this.#heap[at] = last;
    this.#up(at);
    this.#down(last.index);
  }

  /**
   * Fires what is due at `nowNs`, though not all of very many, so that programs run in
   * between; a callout that re-arms itself in the past fires next time.
   */
  run(nowNs: number): void {
    for (
      let left = Math.min(this.#heap.length, MAX_FIRED);
      left > 0 && this.nextDeadlineNs <= nowNs;
      left--
    ) {
      const c = this.#heap[0]!;
      this.disarm(c);
      c.fire(nowNs);
    }
  }

  #up(from: number): void {
    let at = from;
    const c = this.#heap[at]!;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const p = this.#heap[above]!;
      if (p.deadlineNs <= c.deadlineNs) break;
      this.#put(p, at);
      at = above;
    }
    this.#put(c, at);
  }

  #down(from: number): void {
    let at = from;
    const c = this.#heap[at]!;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= this.#heap.length) break;
      const right = this.#heap[below + 1];
      if (right && right.deadlineNs < this.#heap[below]!.deadlineNs) below++;
      const b = this.#heap[below]!;
      if (b.deadlineNs >= c.deadlineNs) break;
      this.#put(b, at);
      at = below;
    }
    this.#put(c, at);
  }

  #put(c: Callout, at: number): void {
    this.#heap[at] = c;
    c.index = at;
  }
}
