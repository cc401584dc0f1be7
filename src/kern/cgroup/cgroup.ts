/**
 * A control group: a node of the tree that every thread has a place in. See cgroups(7).
 *
 * A controller is at work in a group if its parent's `subtreeControl` has it;
 * then the group has the controller's state (`pids`, `memory`, …), else what
 * its threads do counts for the nearest group above that has (`pidsGroup`,
 * `memoryGroup`, …; null: nobody's limits). The root has none.
 *
 * Invariant: `populatedChildren` is the number of children that hold a thread,
 * themselves or below; every living thread is in the `threads` of one group.
 */
import { WIDE_ZERO } from "../../lib/wide.ts";
import { Pressure } from "../pressure.ts";
import type { RunGroup } from "../rungroup.ts";
import type { Thread } from "../thread.ts";
import type { Cgroups } from "./cgroups.ts";
import { ALL_CONTROLLERS, THREADED_CONTROLLERS } from "./controllers.ts";
import type { CpuGroup } from "./cpugroup.ts";
import type { CpusetGroup } from "./cpusetgroup.ts";
import type { DeviceFilter } from "./devicefilter.ts";
import type { IoGroup } from "./iogroup.ts";
import type { MemoryGroup } from "./memorygroup.ts";
import type { PidsGroup } from "./pidsgroup.ts";

export class Cgroup {
  readonly tree: Cgroups;
  readonly parent: Cgroup | null;
  readonly name: string;
  /** The root's is 0. */
  readonly level: number;
  /** Never used again. */
  readonly id: number;
  readonly children = new Map<string, Cgroup>();
  readonly threads = new Set<Thread>();
  /** Processes that ended here and were not waited for: they count for pids.max. */
  zombies = 0;
  populatedChildren = 0;
  /** Groups below it, at any depth. */
  descendants = 0;
  maxDepth = Number.POSITIVE_INFINITY;
  maxDescendants = Number.POSITIVE_INFINITY;
  /** Controllers (bits) that the children have. */
  subtreeControl = 0;
  /** cgroup.type "threaded": it belongs to the domain of its parent. */
  isThreaded = false;
  isDead = false;
  /** cgroup.freeze of itself, and whether one above says so. */
  wantsFrozen = false;
  isFrozen = false;
  /** CPU time of its own threads, past ones included; and of groups below that are gone. */
  userNs = WIDE_ZERO;
  systemNs = WIDE_ZERO;

  pids: PidsGroup | null = null;
  memory: MemoryGroup | null = null;
  cpu: CpuGroup | null = null;
  io: IoGroup | null = null;
  cpuset: CpusetGroup | null = null;
  run: RunGroup | null = null;
  pidsGroup: PidsGroup | null = null;
  memoryGroup: MemoryGroup | null = null;
  ioGroup: IoGroup | null = null;
  runGroup: RunGroup | null = null;
  /** How much its threads are held up, by resource, and whether that is counted. */
  readonly pressure: readonly [Pressure, Pressure, Pressure];
  hasPressure = true;
  /** Of its threads, and those below, how many wait for the CPU; not of the root. */
  waiting = 0;
  /** Null while no program decides about devices, here or above. */
  deviceFilter: DeviceFilter | null = null;

  constructor(tree: Cgroups, parent: Cgroup | null, name: string, id: number) {
    this.tree = tree;
    this.parent = parent;
    this.name = name;
    this.id = id;
    this.level = parent ? parent.level + 1 : 0;
    const now = tree.nowNs;
    this.pressure = [new Pressure(now), new Pressure(now), new Pressure(now)];
  }

  get isPopulated(): boolean {
    return this.threads.size > 0 || this.populatedChildren > 0;
  }

  /** Controllers that it has, and may hand on. */
  get controllers(): number {
    if (!this.parent) return ALL_CONTROLLERS;
    const handed = this.parent.subtreeControl;
    return this.isThreaded ? handed & THREADED_CONTROLLERS : handed;
  }

  /** The group whose processes its threads belong to: itself, unless it is threaded. */
  get domain(): Cgroup {
    let at: Cgroup = this;
    while (at.isThreaded) at = at.parent!;
    return at;
  }

  /** Tells who watches one of its files. */
  notify(file: string): void {
    this.tree.watcher?.fileChanged(this, file);
  }

  enter(td: Thread): void {
    const wasPopulated = this.isPopulated;
    this.threads.add(td);
    if (!wasPopulated) this.#populatedChanged();
  }

  leave(td: Thread): void {
    this.threads.delete(td);
    if (!this.isPopulated) this.#populatedChanged();
  }

  chargeCpu(userNs: number, systemNs: number): void {
    this.userNs += userNs;
    this.systemNs += systemNs;
  }

  /** True if it is `group` or below it. */
  isWithin(group: Cgroup): boolean {
    let at: Cgroup | null = this;
    while (at && at.level > group.level) at = at.parent;
    return at === group;
  }

  /** Its place below `root`: "/", "/a/b"; "/../x" where it lies elsewhere. */
  pathFrom(root: Cgroup): string {
    let up = "";
    let top: Cgroup = root;
    while (!this.isWithin(top)) {
      top = top.parent!;
      up += "/..";
    }
    let path = "";
    for (let at: Cgroup = this; at !== top; at = at.parent!) path = `/${at.name}${path}`;
    return up + path === "" ? "/" : up + path;
  }

  /** It and all groups below it, from the top down. */
  *subtree(): Generator<Cgroup> {
    const left: Cgroup[] = [this];
    for (let at = left.pop(); at; at = left.pop()) {
      yield at;
      for (const child of at.children.values()) left.push(child);
    }
  }

  /** Its first or last thread came or went. */
  #populatedChanged(): void {
    let isPopulated = this.isPopulated;
    for (let at: Cgroup | null = this; at; at = at.parent) {
      at.notify("cgroup.events");
      const { parent } = at;
      if (!parent) return;
      const before = parent.isPopulated;
      parent.populatedChildren += isPopulated ? 1 : -1;
      if (parent.isPopulated === before) return;
      isPopulated = parent.isPopulated;
    }
  }
}
