/**
 * What a control group and those below it hold of guest memory, and what they may.
 *
 * A page is charged to the group of who touched it first, and to all above,
 * for as long as the frame is in use. Who charges, and makes room when a
 * limit is reached, is vm/charges.ts. See cgroup-v2.rst, "Memory".
 */
import type { KernelMemory } from "../kmem.ts";
import type { Cgroup } from "./cgroup.ts";

/** What a page is used for: the kinds that memory.stat tells apart. */
export const ANON_PAGE = 0;
export const FILE_PAGE = 1;
export const SHMEM_PAGE = 2;
export const TABLE_PAGE = 3;
export const PAGE_KINDS = 4;

/** Of memory.events: each counts here and in all groups above. */
export const MEMORY_EVENTS = ["low", "high", "max", "oom", "oom_kill", "oom_group_kill"] as const;
export type MemoryEvent = (typeof MEMORY_EVENTS)[number];

type EventCounts = Record<MemoryEvent, number>;

export class MemoryGroup {
  readonly cgroup: Cgroup;
  readonly parent: MemoryGroup | null;
  /** 1 …: what frames are marked with. */
  readonly id: number;
  /** Charged to it or to a group below it. */
  pages = 0;
  peakPages = 0;
  /** Charged to it alone, by kind. */
  readonly ownPages = new Float64Array(PAGE_KINDS);
  /** Of kernel memory charged to it alone, and what of `pages` that is. */
  kernelBytes = 0;
  kernelPages = 0;
  /** What its threads pay kernel memory with; null where nobody keeps accounts of memory. */
  kernel: KernelMemory | null = null;
  /** It was taken away: its parent stands for it. */
  hasEnded = false;
  maxPages = Number.POSITIVE_INFINITY;
  highPages = Number.POSITIVE_INFINITY;
  minPages = 0;
  lowPages = 0;
  /** memory.oom.group: if one of it must die, all must. */
  killsAll = false;
  readonly events: EventCounts = noEvents();
  readonly localEvents: EventCounts = noEvents();
  /** Page faults of its own threads, and those that read from a disk. */
  faults = 0;
  majorFaults = 0;

  constructor(cgroup: Cgroup, parent: MemoryGroup | null, id: number) {
    this.cgroup = cgroup;
    this.parent = parent;
    this.id = id;
  }

  get isProtected(): boolean {
    return this.minPages > 0 || this.lowPages > 0;
  }

  /** True if it is `group` or below it. */
  isWithin(group: MemoryGroup): boolean {
    for (let g: MemoryGroup | null = this; g; g = g.parent) if (g === group) return true;
    return false;
  }

  /** So many pages more, or fewer, for it and all above. */
  changePages(more: number): void {
    for (let g: MemoryGroup | null = this; g; g = g.parent) {
      g.pages += more;
      if (g.pages > g.peakPages) g.peakPages = g.pages;
    }
  }

  count(event: MemoryEvent, times = 1): void {
    this.localEvents[event] += times;
    this.cgroup.notify("memory.events.local");
    for (let g: MemoryGroup | null = this; g; g = g.parent) {
      g.events[event] += times;
      g.cgroup.notify("memory.events");
    }
  }
}

function noEvents(): EventCounts {
  return { low: 0, high: 0, max: 0, oom: 0, oom_kill: 0, oom_group_kill: 0 };
}
