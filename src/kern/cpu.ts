/**
 * What one CPU knows: its run queue, its callouts, whom it runs. See mycpu in lwkt(9).
 *
 * Owned by one Worker and passed explicitly; nothing here is global.
 */

import { WIDE_ZERO } from "../lib/wide.ts";
import { CalloutHeap } from "./callout.ts";
import { Cgroups } from "./cgroup/cgroups.ts";
import type { KernelClock } from "./clock.ts";
import { KernelMemory } from "./kmem.ts";
import { IO_PRESSURE, type PressureKind } from "./pressure.ts";
import { RunQueue } from "./sched.ts";
import { StallMeter } from "./stallmeter.ts";
import type { Thread } from "./thread.ts";
import { Vmmeter } from "./vmmeter.ts";

/** Keeps the time of the running thread, which is counted in slices. */
export interface SliceKeeper {
  /** Brings the running thread's times up to now, for those who show them. */
  settle(): void;
}

export class Cpu {
  readonly id: number;
  readonly clock: KernelClock;
  readonly callouts = new CalloutHeap();
  readonly runq = new RunQueue();
  /** All control groups of the machine. */
  readonly cgroups: Cgroups;
  /** Pays for what threads wait with; the vm floor's, once there is one. */
  kmem = new KernelMemory(Number.POSITIVE_INFINITY);
  current: Thread | null = null;
  /** What threads are held up by. */
  readonly stalls: StallMeter;
  sliceKeeper: SliceKeeper | null = null;
  /** Set when a thread became runnable: the running one looks at it on its way out. */
  needResched = false;
  /** Room for one struct or buffer on its way to or from user memory: good until the call returns. */
  readonly scratch = new Uint8Array(65536);
  readonly scratchView = new DataView(this.scratch.buffer);
  readonly scratchWords = new Uint32Array(this.scratch.buffer);
  readonly #prefixes: (Uint8Array | undefined)[] = [];
  idleNs = WIDE_ZERO;
  switches = 0;
  /** Shared with the vm floor, which knows no CPUs. */
  meter = new Vmmeter();

  constructor(id: number, clock: KernelClock) {
    this.id = id;
    this.clock = clock;
    this.cgroups = new Cgroups(this.runq, this.callouts, clock);
    this.stalls = new StallMeter(this.runq, clock, this, this.cgroups.root);
  }

  /** The first `length` bytes of `scratch`, as a window that is made once: structs are few. */
  scratchPrefix(length: number): Uint8Array {
    let window = this.#prefixes[length];
    if (!window) {
      window = this.scratch.subarray(0, length);
      if (length <= 256) this.#prefixes[length] = window;
    }
    return window;
  }

  /** The running thread waits so long before it goes on in user mode. */
  delayCurrent(ns: number, kind: PressureKind = IO_PRESSURE): void {
    const td = this.current;
    if (!td) return;
    td.payKind = kind;
    td.payUntilNs = Math.max(td.payUntilNs, this.clock.monotonicNs() + ns);
    this.needResched = true;
  }

  /** The running thread gives way to a better one: of its priority it remains the next. */
  preempt(td: Thread): void {
    td.state = "runnable";
    this.runq.addPreempted(td);
  }

  makeRunnable(td: Thread): void {
    td.state = "runnable";
    td.deadline?.wake(this.clock.monotonicNs());
    this.runq.add(td);
    this.needResched = true;
  }
}
