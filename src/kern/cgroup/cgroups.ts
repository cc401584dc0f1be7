/**
 * The tree of control groups, and what changes its shape: groups come and go,
 * controllers are handed down, threads move.
 *
 * Whether a change is allowed was asked before (rules.ts); here it is made.
 */
import { EAGAIN, EBUSY, EEXIST, ENODEV, ENOSPC, type Errno } from "../../abi/errno.ts";
import type { CalloutHeap } from "../callout.ts";
import type { KernelClock } from "../clock.ts";
import { EbpfPrograms } from "../ebpf/program.ts";
import { Bandwidth, RunGroup } from "../rungroup.ts";
import type { RunQueue } from "../sched.ts";
import type { Thread } from "../thread.ts";
import { Cgroup } from "./cgroup.ts";
import {
  ALL_CONTROLLERS,
  CPU,
  CPUSET,
  IO,
  MEMORY,
  PIDS,
  THREADED_CONTROLLERS,
} from "./controllers.ts";
import { CpuGroup } from "./cpugroup.ts";
import { CpusetGroup } from "./cpusetgroup.ts";
import { refreshDeviceFilters, releaseDeviceFilter } from "./devicefilter.ts";
import { IoGroup } from "./iogroup.ts";
import { MemoryGroup } from "./memorygroup.ts";
import { PidsGroup } from "./pidsgroup.ts";

/** Who shows the tree: the file system. */
export interface CgroupWatcher {
  fileChanged(group: Cgroup, file: string): void;
}

/** Who charges memory. */
export interface MemoryKeeper {
  /** A number for a new group; 0 if there are too many. */
  newId(): number;
  /** It is charged from now on. */
  began(group: MemoryGroup): void;
  /** What is charged to it goes to the group above. */
  ended(group: MemoryGroup): void;
}

export class Cgroups {
  readonly root: Cgroup;
  readonly runq: RunQueue;
  /** Programs of bpf(2), which are attached to groups. */
  readonly programs = new EbpfPrograms();
  watcher: CgroupWatcher | null = null;
  memoryKeeper: MemoryKeeper | null = null;
  readonly #callouts: CalloutHeap;
  readonly #clock: KernelClock;
  #lastId = 1;

  constructor(runq: RunQueue, callouts: CalloutHeap, clock: KernelClock) {
    this.runq = runq;
    this.#callouts = callouts;
    this.#clock = clock;
    this.root = new Cgroup(this, null, "", 1);
  }

  /** A new group below `parent`; EEXIST, ENODEV, EAGAIN (too deep, or too many), ENOSPC. */
  make(parent: Cgroup, name: string): Cgroup | Errno {
    if (parent.isDead) return ENODEV;
    if (parent.children.has(name)) return EEXIST;
    let depth = 1;
    for (let at: Cgroup | null = parent; at; at = at.parent) {
      if (at.descendants >= at.maxDescendants || depth > at.maxDepth) return EAGAIN;
      depth++;
    }
    const group = new Cgroup(this, parent, name, ++this.#lastId);
    if (!this.#addControllers(group, parent.subtreeControl)) return ENOSPC;
    parent.children.set(name, group);
    for (let at: Cgroup | null = parent; at; at = at.parent) at.descendants++;
    this.#refresh(group);
    refreshDeviceFilters(group);
    return group;
  }

  /** Takes a group away that has no threads and no groups below: 0, EBUSY. */
  remove(group: Cgroup): number {
    const { parent } = group;
    if (group.isDead) return ENODEV;
    if (!parent || group.isPopulated || group.children.size > 0) return EBUSY;
    group.isDead = true;
    for (const pressure of group.pressure) pressure.end();
    parent.children.delete(group.name);
    for (let at: Cgroup | null = parent; at; at = at.parent) at.descendants--;
    parent.userNs += group.userNs;
    parent.systemNs += group.systemNs;
    this.#endMemory(group);
    this.#endRun(group);
    releaseDeviceFilter(group);
    return 0;
  }

  /** Hands controllers (bits) to the children of `group`, and takes others from them: 0, ENOSPC. */
  setSubtreeControl(group: Cgroup, bits: number): number {
    const added = bits & ~group.subtreeControl;
    const taken = group.subtreeControl & ~bits;
    for (const child of group.children.values()) {
      if (this.#addControllers(child, added)) continue;
      for (const other of group.children.values()) this.#takeControllers(other, added);
      return ENOSPC;
    }
    group.subtreeControl = bits;
    for (const child of group.children.values()) this.#takeControllers(child, taken);
    for (const child of group.children.values()) this.#refresh(child);
    return 0;
  }

  /** cgroup.type "threaded": controllers that cannot tell threads apart are not for it. */
  makeThreaded(group: Cgroup): void {
    group.isThreaded = true;
    this.#takeControllers(group, ALL_CONTROLLERS & ~THREADED_CONTROLLERS);
    this.#refresh(group);
  }

  setFrozen(group: Cgroup, wantsFrozen: boolean): void {
    group.wantsFrozen = wantsFrozen;
    this.#refresh(group);
  }

  /** cpu.max: Infinity for no limit. */
  setBandwidth(group: Cgroup, quotaNs: number, periodNs: number): void {
    const { run } = group;
    if (!run) return;
    run.bandwidth ??= new Bandwidth(run, this.runq, this.#callouts);
    run.bandwidth.set(quotaNs, periodNs, this.#clock.monotonicNs());
  }

  /** Moves a living thread. */
  move(td: Thread, to: Cgroup): void {
    const from = td.cgroup;
    if (from === to) return;
    to.enter(td);
    this.runq.uncount(td);
    td.cgroup = to;
    from.leave(td);
    from.pidsGroup?.add(-1);
    to.pidsGroup?.add(1);
    this.#regroup(td);
    this.runq.recount(td);
  }

  get nowNs(): number {
    return this.#clock.monotonicNs();
  }

  #addControllers(group: Cgroup, all: number): boolean {
    const parent = group.parent!;
    const bits = group.isThreaded ? all & THREADED_CONTROLLERS : all;
    if ((bits & MEMORY) !== 0 && !group.memory) {
      const id = this.memoryKeeper?.newId() ?? 0;
      if (this.memoryKeeper && id === 0) return false;
      group.memory = new MemoryGroup(group, parent.memoryGroup, id);
      this.memoryKeeper?.began(group.memory);
    }
    if ((bits & PIDS) !== 0 && !group.pids) {
      group.pids = new PidsGroup(group, parent.pidsGroup);
      // Those above count them already.
      let count = 0;
      for (const g of group.subtree()) count += g.threads.size + g.zombies;
      group.pids.current = group.pids.peak = count;
    }
    if ((bits & CPU) !== 0) group.cpu ??= new CpuGroup();
    if ((bits & IO) !== 0) group.io ??= new IoGroup(parent.ioGroup);
    if ((bits & CPUSET) !== 0) group.cpuset ??= new CpusetGroup();
    return true;
  }

  #takeControllers(group: Cgroup, bits: number): void {
    if ((bits & MEMORY) !== 0) this.#endMemory(group);
    if ((bits & PIDS) !== 0) group.pids = null;
    if ((bits & CPU) !== 0) group.cpu = null;
    if ((bits & IO) !== 0) group.io = null;
    if ((bits & CPUSET) !== 0) group.cpuset = null;
  }

  #endMemory(group: Cgroup): void {
    if (group.memory) this.memoryKeeper?.ended(group.memory);
    group.memory = null;
    group.memoryGroup = group.parent?.memoryGroup ?? null;
  }

  #endRun(group: Cgroup): void {
    const { run } = group;
    group.run = null;
    if (!run) return;
    run.bandwidth?.end();
    run.isFrozen = true;
    this.runq.blockedChanged(run);
  }

  /** Brings what follows from controllers and freezing up to date, in `top` and below it. */
  #refresh(top: Cgroup): void {
    const ended: RunGroup[] = [];
    for (const group of top.subtree()) {
      const parent = group.parent!;
      group.pidsGroup = group.pids ?? parent.pidsGroup;
      group.memoryGroup = group.memory ?? parent.memoryGroup;
      group.ioGroup = group.io ?? parent.ioGroup;
      this.#refreshRun(group, parent, ended);
      const isFrozen = group.wantsFrozen || parent.isFrozen;
      if (isFrozen !== group.isFrozen) {
        group.isFrozen = isFrozen;
        for (const td of group.threads) this.runq.recount(td);
        group.notify("cgroup.events");
      }
      for (const td of group.threads) this.#regroup(td);
    }
    for (const run of ended) run.bandwidth?.end();
  }

  #refreshRun(group: Cgroup, parent: Cgroup, ended: RunGroup[]): void {
    if (group.cpu || group.wantsFrozen) {
      group.run ??= new RunGroup();
      this.runq.reparent(group.run, parent.runGroup);
      group.run.setWeight(group.cpu?.weight ?? 100, group.cpu?.isIdle ?? false);
      group.run.isFrozen = group.wantsFrozen;
      this.runq.blockedChanged(group.run);
    } else if (group.run) {
      ended.push(group.run);
      group.run = null;
    }
    group.runGroup = group.run ?? parent.runGroup;
  }

  /** Who is to die is not held up by any group. */
  #regroup(td: Thread): void {
    this.runq.regroup(td, td.isDying ? null : td.cgroup.runGroup);
  }
}
