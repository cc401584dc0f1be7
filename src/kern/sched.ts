/**
 * The run queue: fair by weighted run time.
 *
 * A binary heap on `vruntimeNs`; a thread's virtual time runs slower the more
 * weight its nice value has (Linux's 1.25 per step). A waker never gets more
 * than one slice of credit for having slept, so sleepers are prompt but
 * cannot starve the runners. See sched(7), nice(1).
 *
 * Groups (kern/rungroup.ts) nest: a group is queued beside threads, with a
 * virtual time and a heap of its own.
 *
 * Invariant: a group is in the heap above it exactly while it is not blocked
 * (throttled or frozen) and has something queued.
 */

import type { Cgroup } from "./cgroup/cgroup.ts";
import type { RunGroup } from "./rungroup.ts";
import { RunHeap } from "./runheap.ts";
import type { Thread } from "./thread.ts";

/** How long a thread may run while others wait. */
export const SLICE_NS = 3e6;

export class RunQueue {
  readonly #heap = new RunHeap();
  #length = 0;

  /** Threads that are queued, those of blocked groups included. */
  get length(): number {
    return this.#length;
  }

  /** Of these, the threads whose turn may come: those in no blocked group. */
  get ready(): number {
    let count = 0;
    const left = [this.#heap];
    for (let heap = left.pop(); heap; heap = left.pop()) {
      for (const e of heap.all) {
        if (e.heap) left.push(e.heap);
        else count++;
      }
    }
    return count;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Threads that wait for their turn, but for those of frozen groups; and the groups that have such. */
  waiting = 0;
  readonly waitingGroups = new Set<Cgroup>();

  /** `td` is queued, or its group is no longer frozen, or is now. */
  recount(td: Thread): void {
    this.uncount(td);
    if (td.runIndex >= 0) this.#count(td);
  }

  /** It waits no more, or what it waits in is going to change. */
  uncount(td: Thread): void {
    if (!td.isWaiting) return;
    td.isWaiting = false;
    this.waiting--;
    for (let g = td.cgroup; g.parent !== null; g = g.parent) {
      if (--g.waiting === 0) this.waitingGroups.delete(g);
    }
  }

  #count(td: Thread): void {
    if (td.cgroup.isFrozen) return;
    td.isWaiting = true;
    this.waiting++;
    for (let g = td.cgroup; g.parent !== null; g = g.parent) {
      if (g.waiting++ === 0) this.waitingGroups.add(g);
    }
  }

  add(td: Thread): void {
    const group = td.runGroup;
    this.#length++;
    this.#count(td);
    if (group === null) {
      this.#heap.add(td, SLICE_NS);
      return;
    }
    group.heap.add(td, SLICE_NS);
    this.#queue(group);
  }

  /** The thread that has had least, taken off the queue. */
  next(): Thread | null {
    let e = this.#heap.first;
    while (e?.heap) e = e.heap.first;
    if (!e) return null;
    const td = e as Thread;
    this.remove(td);
    this.advance(td);
    return td;
  }

  /**
   * Time goes on while `td` runs: whoever joins later joins here. Without this
   * one that slept while another ran alone would be owed all of that time.
   */
  advance(td: Thread): void {
    const group = td.runGroup;
    if (group === null) {
      this.#heap.advance(td.vruntimeNs);
      return;
    }
    group.heap.advance(td.vruntimeNs);
    for (let g: RunGroup | null = group; g; g = g.parent)
      this.#heapOf(g.parent).advance(g.vruntimeNs);
  }

  remove(td: Thread): void {
    if (td.runIndex < 0) return;
    this.#length--;
    this.uncount(td);
    const group = td.runGroup;
    this.#heapOf(group).remove(td);
    if (group !== null) this.#unqueue(group);
  }

  /** True if a queued thread is owed at least `granularityNs` more than `td`, which has run for a while. */
  shouldPreempt(td: Thread, granularityNs = 0): boolean {
    const group = td.runGroup;
    if (group === null) return this.#heap.hasEarlier(td, granularityNs);
    if (group.heap.hasEarlier(td, granularityNs)) return true;
    for (let g: RunGroup | null = group; g; g = g.parent) {
      if (g.isBlocked || this.#heapOf(g.parent).hasEarlier(g, granularityNs)) return true;
    }
    return false;
  }

  /** `td`, which runs, has had more than `next` from now on: or their groups have, where they meet. */
  putBehind(td: Thread, next: Thread): void {
    let a: Thread | RunGroup | null = td;
    for (let g = td.runGroup; a; g = g?.parent ?? null) {
      let b: Thread | RunGroup | null = next;
      for (let h = next.runGroup; b; h = h?.parent ?? null) {
        if (g === h) {
          a.vruntimeNs = Math.max(a.vruntimeNs, b.vruntimeNs + 1);
          if (a.runIndex >= 0) this.#heapOf(g).moved(a);
          return;
        }
        b = h;
      }
      a = g;
    }
  }

  /** Charges `ranNs` of real run time to the virtual time of `td` and of the groups it is in. */
  charge(td: Thread, ranNs: number, nowNs: number): void {
    td.vruntimeNs += ranNs * 1.25 ** td.nice;
    for (let g = td.runGroup; g; g = g.parent) {
      g.vruntimeNs += ranNs * g.vruntimeRate;
      if (g.runIndex >= 0) this.#heapOf(g.parent).moved(g);
      if (g.bandwidth?.spend(ranNs, nowNs)) this.blockedChanged(g);
    }
  }

  /** What of `sliceNs` the groups of `td` leave it before they are throttled. */
  allowance(td: Thread, sliceNs: number): number {
    let ns = sliceNs;
    for (let g = td.runGroup; g; g = g.parent) {
      if (g.bandwidth !== null) ns = Math.min(ns, g.bandwidth.leftNs);
    }
    return ns;
  }

  /** Moves a thread, queued or not, to another group (null: to none). */
  regroup(td: Thread, group: RunGroup | null): void {
    if (td.runGroup === group) return;
    const isQueued = td.runIndex >= 0;
    if (isQueued) this.remove(td);
    // What it is owed is owed in the new place, too.
    td.vruntimeNs += this.#heapOf(group).minVruntimeNs - this.#heapOf(td.runGroup).minVruntimeNs;
    td.runGroup = group;
    if (isQueued) this.add(td);
  }

  /** Moves a group below another (null: to the top). */
  reparent(group: RunGroup, parent: RunGroup | null): void {
    if (group.parent === parent) return;
    this.#takeOff(group);
    group.vruntimeNs = this.#heapOf(parent).minVruntimeNs;
    group.parent = parent;
    this.#queue(group);
  }

  /** To be called after `isBlocked` of a group may have changed. */
  blockedChanged(group: RunGroup): void {
    if (group.isBlocked) this.#takeOff(group);
    else this.#queue(group);
  }

  #heapOf(group: RunGroup | null): RunHeap {
    return group === null ? this.#heap : group.heap;
  }

  /** Queues a group, and those above it, as far as they are not yet and may be. */
  #queue(group: RunGroup): void {
    for (let g: RunGroup | null = group; g; g = g.parent) {
      if (g.runIndex >= 0 || g.isBlocked || g.heap.isEmpty) return;
      this.#heapOf(g.parent).add(g, SLICE_NS);
    }
  }

  /** Takes a group off, and those above it, that have nothing queued any more. */
  #unqueue(group: RunGroup): void {
    for (let g: RunGroup | null = group; g; g = g.parent) {
      if (g.runIndex < 0 || !g.heap.isEmpty) return;
      this.#heapOf(g.parent).remove(g);
    }
  }

  #takeOff(group: RunGroup): void {
    if (group.runIndex < 0) return;
    this.#heapOf(group.parent).remove(group);
    if (group.parent) this.#unqueue(group.parent);
  }
}
