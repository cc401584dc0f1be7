/**
 * Charging frames to control groups: memory.max, memory.high, memory.current of cgroups(7).
 *
 * A frame is charged to the group of who made it be allocated, `payer`, and to
 * all above, until it is free again. Where a limit is reached the group's own
 * page cache makes room; where that is not enough the allocation fails, and
 * `short` says for whom: one of that group must die (proc/oom.ts). While pages
 * are being written to make room, what that takes is charged past all limits.
 *
 * Invariant: `pages` of a group is the number of frames whose tag names it or
 * one below it, and of the pages of kernel memory (kern/groupkmem.ts) of these. Without groups all tags are 0 and nothing is counted.
 */
import type { MemoryKeeper } from "../kern/cgroup/cgroups.ts";
import type { MemoryGroup } from "../kern/cgroup/memorygroup.ts";
import { GroupKernelMemory, inheritKernelBytes, type RoomMaker } from "../kern/groupkmem.ts";
import { MEMORY_PRESSURE, type PressureKind } from "../kern/pressure.ts";
import type { Paddr } from "../machine/physmem.ts";
import type { PageAllocator } from "./page.ts";

/** Who can make the running thread wait before it goes on in user mode. */
export interface Throttler {
  delayCurrent(ns: number, kind: PressureKind): void;
}

/** Of a frame's tag, the low bits; the group's number is above. */
export const KIND_BITS = 2;
const KIND_MASK = (1 << KIND_BITS) - 1;
const MAX_GROUPS = (0x10000 >> KIND_BITS) - 1;
/** How many pages one reclaim tries to win, and how many charges past memory.high are looked at together. */
const BATCH_PAGES = 64;
const MAX_TRIES = 16;
/** Of the delay past memory.high: no shorter than worth it, no longer than a program can bear. */
const MIN_DELAY_NS = 10e6;
const MAX_DELAY_NS = 2e9;

export class Charges implements MemoryKeeper, RoomMaker {
  /** Who pays for what the running thread touches; null: nobody, as in the root group. */
  payer: MemoryGroup | null = null;
  /** Where a charge failed, until somebody took notice. */
  short: MemoryGroup | null = null;
  throttler: Throttler | null = null;
  /** Per frame: number of the group and kind of page; 0 for none. */
  readonly tags: Uint16Array;
  readonly #frames: PageAllocator;
  /** By number; there is none of number 0. */
  readonly #groups: (MemoryGroup | null)[] = [null];
  #overHigh = 0;

  constructor(frames: PageAllocator) {
    this.#frames = frames;
    this.tags = new Uint16Array(frames.framePages);
  }

  /** Groups by number, with gaps. */
  get groups(): readonly (MemoryGroup | null)[] {
    return this.#groups;
  }

  newId(): number {
    for (let id = 1; id < this.#groups.length; id++) if (this.#groups[id] === null) return id;
    if (this.#groups.length > MAX_GROUPS) return 0;
    this.#groups.push(null);
    return this.#groups.length - 1;
  }

  began(group: MemoryGroup): void {
    this.#groups[group.id] = group;
    group.kernel = new GroupKernelMemory(this.#frames.kmem, group, this);
    this.#frames.queue.addGroup(group.id);
  }

  ended(group: MemoryGroup): void {
    const { parent } = group;
    inheritKernelBytes(group);
    if (this.payer === group) this.payer = parent;
    if (this.short === group) this.short = null;
    const to = parent ? parent.id << KIND_BITS : 0;
    const own = group.ownPages.reduce((sum, n) => sum + n, 0);
    if (own > 0) {
      const { tags } = this;
      for (let i = 0; i < tags.length; i++) {
        const tag = tags[i]!;
        if (tag >>> KIND_BITS === group.id) tags[i] = parent ? to | (tag & KIND_MASK) : 0;
      }
    }
    this.#frames.queue.endGroup(group.id, parent?.id ?? 0);
    if (parent) {
      for (const [kind, n] of group.ownPages.entries()) parent.ownPages[kind]! += n;
      parent.faults += group.faults;
      parent.majorFaults += group.majorFaults;
    }
    this.#groups[group.id] = null;
  }

  /** Charges the payer for a page that is about to be allocated; false if it may not have it. */
  admit(): boolean {
    const group = this.payer;
    if (group === null) return true;
    for (let g: MemoryGroup | null = group; g; g = g.parent) {
      if (g.pages >= g.maxPages && !this.#makeRoom(g)) return false;
    }
    this.force();
    for (let g: MemoryGroup | null = group; g; g = g.parent) {
      if (g.pages > g.highPages) this.#tooHigh(g);
    }
    return true;
  }

  /** RoomMaker: nobody is to be killed for kernel memory. */
  mayHold(group: MemoryGroup, pages: number): boolean {
    for (let g: MemoryGroup | null = group; g; g = g.parent) {
      if (g.pages + pages > g.maxPages && !this.#makeRoom(g, pages)) {
        this.short = null;
        return false;
      }
    }
    return true;
  }

  /** As `admit`, but whatever the limits say. */
  force(): void {
    for (let g = this.payer; g; g = g.parent) {
      g.pages++;
      if (g.pages > g.peakPages) g.peakPages = g.pages;
    }
  }

  /** The page that was admitted is this; an error: there was none. */
  allocated(pa: Paddr | number, kind: number): void {
    const group = this.payer;
    if (group === null) return;
    if (pa < 0) {
      for (let g: MemoryGroup | null = group; g; g = g.parent) g.pages--;
      return;
    }
    this.tags[this.#frames.indexOf(pa as Paddr)] = (group.id << KIND_BITS) | kind;
    group.ownPages[kind]!++;
  }

  /** A charged frame is free. */
  freed(frame: number): void {
    const tag = this.tags[frame]!;
    const group = this.#groups[tag >>> KIND_BITS]!;
    this.tags[frame] = 0;
    group.ownPages[tag & KIND_MASK]!--;
    for (let g: MemoryGroup | null = group; g; g = g.parent) g.pages--;
  }

  /** Number of the group that pays for a frame; 0 for none. */
  groupOf(frame: number): number {
    return this.tags[frame]! >>> KIND_BITS;
  }

  /** Frees up to `pages` of the page cache that `group` and those below it hold; how many. */
  reclaim(group: MemoryGroup, pages: number): number {
    const frames = this.#frames;
    if (frames.isReclaiming) return 0;
    frames.isReclaiming = true;
    const ids = this.#groups.filter((g) => g?.isWithin(group)).map((g) => g!.id);
    const since = frames.stalls?.nowNs ?? 0;
    const freed = frames.queue.reclaimFrom(ids, pages);
    frames.stalls?.held(MEMORY_PRESSURE, since);
    frames.isReclaiming = false;
    return freed;
  }

  /** Whether what `id` holds is spared while others have something (memory.low), or for good (memory.min). */
  isSpared(id: number, isDesperate: boolean): boolean {
    let isWithinLow = false;
    let isWithinMin = false;
    for (let g = this.#groups[id] ?? null; g; g = g.parent) {
      isWithinMin ||= g.pages <= g.minPages;
      isWithinLow ||= g.pages <= g.lowPages;
    }
    return isWithinMin || (isWithinLow && !isDesperate);
  }

  #makeRoom(group: MemoryGroup, pages = 1): boolean {
    if (this.#frames.isReclaiming) return true;
    group.count("max");
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const freed = this.reclaim(group, Math.max(BATCH_PAGES, pages));
      if (group.pages + pages <= group.maxPages) return true;
      if (freed === 0) break;
    }
    this.short = group;
    return false;
  }

  /** Past memory.high: takes from the page cache, else the thread waits, the longer the further past. */
  #tooHigh(group: MemoryGroup): void {
    if (this.#frames.isReclaiming || ++this.#overHigh % BATCH_PAGES !== 0) return;
    group.count("high");
    this.reclaim(group, BATCH_PAGES);
    const over = group.pages - group.highPages;
    if (over <= 0) return;
    const ratio = over / Math.max(1, group.highPages);
    const delayNs = Math.min(BATCH_PAGES * ratio * ratio * 1e9, MAX_DELAY_NS);
    if (delayNs >= MIN_DELAY_NS) this.throttler?.delayCurrent(delayNs, MEMORY_PRESSURE);
  }
}
