/**
 * Who is held up, and by what: fills the `Pressure` of control groups, the root's being the machine's.
 *
 * Waiting for the CPU is looked at when a thread gets it, once a millisecond at most: time up to the next
 * look is what the last one found. What keeps the whole kernel, as a transfer of a disk or the search for
 * memory, is timed; so are sleeps that a limit imposes.
 */
import type { Cgroup } from "./cgroup/cgroup.ts";
import type { KernelClock } from "./clock.ts";
import { CPU_PRESSURE, type PressureKind } from "./pressure.ts";
import type { RunQueue } from "./sched.ts";
import type { Thread } from "./thread.ts";

const LOOK_NS = 1e6;

/** Whose CPU it is. */
interface Running {
  readonly current: Thread | null;
}

export class StallMeter {
  readonly #runq: RunQueue;
  readonly #clock: KernelClock;
  readonly #cpu: Running;
  readonly #root: Cgroup;
  /** What the last look found, and when it was. */
  #lookedNs = 0;
  #isRootWaiting = false;
  readonly #waiting: { group: Cgroup; isFull: boolean }[] = [];

  constructor(runq: RunQueue, clock: KernelClock, cpu: Running, root: Cgroup) {
    this.#runq = runq;
    this.#clock = clock;
    this.#cpu = cpu;
    this.#root = root;
  }

  get nowNs(): number {
    return this.#clock.monotonicNs();
  }

  /** `running` (null: nobody) has just got the CPU. */
  look(running: Thread | null, nowNs: number): void {
    const ns = nowNs - this.#lookedNs;
    if (ns < LOOK_NS && running !== null) return;
    this.#lookedNs = nowNs;
    if (this.#isRootWaiting) {
      this.#root.pressure[CPU_PRESSURE].stalled(ns, false, nowNs);
      for (const { group, isFull } of this.#waiting) {
        if (!group.isDead && group.hasPressure) {
          group.pressure[CPU_PRESSURE].stalled(ns, isFull, nowNs);
        }
      }
      this.#waiting.length = 0;
    }
    this.#isRootWaiting = this.#runq.waiting > 0;
    for (const group of this.#runq.waitingGroups) {
      this.#waiting.push({ group, isFull: !running?.cgroup.isWithin(group) });
    }
  }

  /** Brings everything up to now, for those who show it. */
  settle(): void {
    const now = this.nowNs;
    if (now - this.#lookedNs >= LOOK_NS) this.look(this.#cpu.current, now);
  }

  /** The running thread could not go on since `sinceNs`; nor could anybody else. */
  held(kind: PressureKind, sinceNs: number): void {
    const td = this.#cpu.current;
    if (!td) return;
    const now = this.nowNs;
    for (let g: Cgroup | null = td.cgroup; g; g = g.parent) {
      if (g.hasPressure) g.pressure[kind].stalled(now - sinceNs, this.#isAlone(g), now);
    }
  }

  /** `td` is made to sleep until `untilNs`. */
  puts(td: Thread, kind: PressureKind, nowNs: number, untilNs: number): void {
    for (let g: Cgroup | null = td.cgroup; g; g = g.parent) {
      if (g.hasPressure) g.pressure[kind].willStall(untilNs, this.#isAlone(g), nowNs);
    }
  }

  /** Beside the running thread nobody in `group` has anything to do. */
  #isAlone(group: Cgroup): boolean {
    return (group.parent ? group.waiting : this.#runq.waiting) === 0;
  }
}
