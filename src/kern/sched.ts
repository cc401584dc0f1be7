/**
 * The run queue: fair by weighted run time, after those with a real-time priority (kern/realtime.ts).
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
import { type DeadlineParams, DeadlineServer } from "./deadline.ts";
import { RealtimeBudget, RealtimeQueue } from "./realtime.ts";
import type { RunGroup } from "./rungroup.ts";
import { RunHeap } from "./runheap.ts";
import type { Thread } from "./thread.ts";

/** How long a thread may run while others wait. */
export const SLICE_NS = 3e6;

export class RunQueue {
  readonly #heap = new RunHeap();
  readonly #realtime = new RealtimeQueue();
  readonly budget = new RealtimeBudget();
  /** What SCHED_DEADLINE's threads are promised of the CPU. */
  #promised = 0;
  #length = 0;

  /** Threads that are queued, those of blocked groups included. */
  get length(): number {
    return this.#length;
  }

  /** Of these, the threads whose turn may come: those in no blocked group. */
  get ready(): number {
    let count = this.#realtime.length;
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
    if (this.#has(td)) this.#count(td);
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
    this.#length++;
    this.#count(td);
    if (td.rtPriority > 0 && !isFrozen(td)) this.#realtime.add(td, false);
    else this.#addFair(td);
  }

  /** As `add`, for one that would have run on. */
  addPreempted(td: Thread): void {
    if (td.rtPriority === 0 || isFrozen(td)) {
      this.add(td);
      return;
    }
    this.#length++;
    this.#count(td);
    const isTurnOver = td.isRoundRobin && td.rrLeftNs <= 0;
    if (isTurnOver) td.rrLeftNs = this.budget.rrSliceNs;
    this.#realtime.add(td, !isTurnOver);
  }

  /** Another priority (0: an ordinary one), whatever the thread does at the moment. */
  setPriority(td: Thread, priority: number): void {
    const isQueued = this.#has(td);
    const isRaised = priority >= td.rtPriority;
    if (isQueued) this.remove(td);
    td.rtPriority = priority;
    if (priority > 0 && td.rrLeftNs <= 0) td.rrLeftNs = this.budget.rrSliceNs;
    if (!isQueued) return;
    if (isRaised) this.add(td);
    else this.addPreempted(td);
  }

  /** Promises a thread so much, or nothing any more: false if that cannot be promised. */
  setDeadline(td: Thread, params: DeadlineParams | null): boolean {
    const server = params ? new DeadlineServer(params) : null;
    const promised = this.#promised - (td.deadline?.share ?? 0) + (server?.share ?? 0);
    if (server && promised > this.budget.share) return false;
    this.#promised = promised;
    td.deadline = server;
    return true;
  }

  /** What is promised of the CPU. */
  get promised(): number {
    return this.#promised;
  }

  #has(td: Thread): boolean {
    return td.runIndex >= 0 || td.rtLevel > 0;
  }

  #addFair(td: Thread): void {
    const group = td.runGroup;
    if (group === null) {
      this.#heap.add(td, SLICE_NS);
      return;
    }
    group.heap.add(td, SLICE_NS);
    this.#queue(group);
  }

  /** The thread of the highest priority, else the one that has had least, taken off the queue. */
  next(): Thread | null {
    const urgent = this.#nextRealtime();
    if (urgent) return urgent;
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
    if (td.rtPriority > 0) return;
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
    if (!this.#has(td)) return;
    this.#length--;
    this.uncount(td);
    if (td.rtLevel > 0) {
      this.#realtime.remove(td);
      return;
    }
    const group = td.runGroup;
    this.#heapOf(group).remove(td);
    if (group !== null) this.#unqueue(group);
  }

  /** True if a queued thread is owed at least `granularityNs` more than `td`, which has run for a while. */
  shouldPreempt(td: Thread, granularityNs = 0): boolean {
    if (this.#realtime.length > 0 && this.#mayRealtimeRun(td.rtPriority === 0)) {
      if (this.#realtime.goesBefore(td)) return true;
    }
    if (td.rtPriority > 0 && !isFrozen(td)) return this.budget.isSpent && !this.#heap.isEmpty;
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
    this.budget.charge(ranNs, nowNs, td.rtPriority > 0);
    if (td.rtPriority > 0) {
      this.#chargeRealtime(td, ranNs);
      return;
    }
    td.vruntimeNs += ranNs * td.vruntimeRate;
    for (let g = td.runGroup; g; g = g.parent) {
      g.vruntimeNs += ranNs * g.vruntimeRate;
      if (g.runIndex >= 0) this.#heapOf(g.parent).moved(g);
      if (g.bandwidth?.spend(ranNs, nowNs)) this.blockedChanged(g);
    }
  }

  #chargeRealtime(td: Thread, ranNs: number): void {
    td.rtRanNs += ranNs;
    td.rrLeftNs -= ranNs;
    // Its turn is over, but nobody else's comes.
    if (td.rrLeftNs <= 0 && this.#realtime.highest < td.rtPriority) {
      td.rrLeftNs = this.budget.rrSliceNs;
    }
    const untilNs = td.deadline?.spend(ranNs) ?? 0;
    if (untilNs === 0) return;
    td.payUntilNs = Math.max(td.payUntilNs, untilNs);
    td.cpu.needResched = true;
  }

  /** What of `sliceNs` the groups of `td` leave it before they are throttled. */
  allowance(td: Thread, sliceNs: number): number {
    let ns = sliceNs;
    if (td.deadline) ns = Math.min(ns, td.deadline.leftNs);
    if (td.rtPriority > 0) return this.#heap.isEmpty ? ns : Math.min(ns, this.budget.leftNs);
    for (let g = td.runGroup; g; g = g.parent) {
      if (g.bandwidth !== null) ns = Math.min(ns, g.bandwidth.leftNs);
    }
    return ns;
  }

  /** Moves a thread, queued or not, to another group (null: to none). */
  regroup(td: Thread, group: RunGroup | null): void {
    if (td.runGroup === group) return;
    const isQueued = this.#has(td);
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

  /** Real-time threads have not had all that they may, or nobody else wants to run. */
  #mayRealtimeRun(wouldOtherRun: boolean): boolean {
    return !this.budget.isSpent || !(wouldOtherRun || !this.#heap.isEmpty);
  }

  #nextRealtime(): Thread | null {
    if (this.#realtime.length === 0 || !this.#mayRealtimeRun(false)) return null;
    for (let td = this.#realtime.first; td; td = this.#realtime.first) {
      if (!isFrozen(td)) {
        this.remove(td);
        return td;
      }
      this.#realtime.remove(td);
      // It waits with its group, and has its priority again when it has run.
      this.#addFair(td);
    }
    return null;
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

/** True if the thread, or a group that it is in, is frozen: cpu.max does not hold real-time threads up. */
function isFrozen(td: Thread): boolean {
  for (let g = td.runGroup; g; g = g.parent) if (g.isFrozen) return true;
  return false;
}
