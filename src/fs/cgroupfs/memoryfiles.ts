/** memory.*: what a group holds of memory, and may. See cgroup-v2.rst, "Memory". */
import { EAGAIN, EINVAL, ENOMEM, failed } from "../../abi/errno.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import { MEMORY } from "../../kern/cgroup/controllers.ts";
import {
  ANON_PAGE,
  FILE_PAGE,
  MEMORY_EVENTS,
  type MemoryEvent,
  type MemoryGroup,
  SHMEM_PAGE,
  TABLE_PAGE,
} from "../../kern/cgroup/memorygroup.ts";
import { procsBelow } from "../../proc/cgroups.ts";
import { OOM_SCORE_ADJ_MIN } from "../../vm/oom.ts";
import type { PageAllocator } from "../../vm/page.ts";
import type { CgroupFs } from "./cgroupfs.ts";
import { type ControlFile, type ControlWrite, controlFile } from "./controlfile.ts";
import { bytesOrMax, parseInt32, parsePages } from "./parse.ts";

const controller = MEMORY;
const PAGE = 4096;
const RECLAIM_TRIES = 16;

export const memoryFiles: readonly ControlFile[] = [
  controlFile({
    name: "memory.current",
    controller,
    text: (g) => `${g.memory!.pages * PAGE}\n`,
  }),
  controlFile({
    name: "memory.peak",
    controller,
    text: (g) => `${g.memory!.peakPages * PAGE}\n`,
    write: ({ group }) => {
      group.memory!.peakPages = group.memory!.pages;
      return 0;
    },
  }),
  limitFile("memory.min", "minPages", () => 0),
  limitFile("memory.low", "lowPages", () => 0),
  limitFile("memory.high", "highPages", shrinkToHigh),
  limitFile("memory.max", "maxPages", shrinkToMax),
  controlFile({
    name: "memory.events",
    controller,
    text: (g) => eventsText(g.memory!.events),
  }),
  controlFile({
    name: "memory.events.local",
    controller,
    text: (g) => eventsText(g.memory!.localEvents),
  }),
  controlFile({ name: "memory.stat", controller, where: "everywhere", text: statText }),
  controlFile({
    name: "memory.oom.group",
    controller,
    isDelegated: true,
    text: (g) => `${Number(g.memory!.killsAll)}\n`,
    write: ({ group, text }) => {
      const n = parseInt32(text);
      if (failed(n)) return EINVAL;
      if (n > 1) return EINVAL;
      group.memory!.killsAll = n === 1;
      return 0;
    },
  }),
  controlFile({
    name: "memory.reclaim",
    controller,
    where: "everywhere",
    isDelegated: true,
    write: reclaim,
  }),
];

type Limit = "minPages" | "lowPages" | "highPages" | "maxPages";

function limitFile(name: string, limit: Limit, set: (w: ControlWrite) => number): ControlFile {
  return controlFile({
    name,
    controller,
    text: (g) => `${bytesOrMax(g.memory![limit])}\n`,
    write: (w) => {
      const pages = parsePages(w.text);
      if (failed(pages)) return EINVAL;
      w.group.memory![limit] = pages;
      return set(w);
    },
  });
}

function shrinkToHigh({ group, fs }: ControlWrite): number {
  const { charges } = fs.table.pages;
  const memory = group.memory!;
  for (let tries = 0; tries < RECLAIM_TRIES && memory.pages > memory.highPages; tries++) {
    if (charges.reclaim(memory, memory.pages - memory.highPages) === 0) break;
  }
  return 0;
}

/**
 * What the group has too much goes at once: page cache first, then processes. ENOMEM with `short` set
 * has one of them killed, and the call made again (trap/dispatch.ts).
 */
function shrinkToMax({ group, fs }: ControlWrite): number {
  const { charges } = fs.table.pages;
  const memory = group.memory!;
  for (let tries = 0; tries < RECLAIM_TRIES && memory.pages > memory.maxPages; tries++) {
    if (charges.reclaim(memory, memory.pages - memory.maxPages) === 0) break;
  }
  if (memory.pages <= memory.maxPages || !hasVictim(group)) return 0;
  charges.short = memory;
  return ENOMEM;
}

function hasVictim(group: Cgroup): boolean {
  for (const p of procsBelow(group)) {
    if (!p.isUnkillable && p.oomScoreAdj > OOM_SCORE_ADJ_MIN) return true;
  }
  return false;
}

/** "BYTES [swappiness=N]": EAGAIN if so much cannot be had. */
function reclaim({ group, text, fs }: ControlWrite): number {
  const m = /^(\S+)(\s+swappiness=(\d{1,3}|max))?$/.exec(text);
  if (!m || (m[3] !== undefined && m[3] !== "max" && Number(m[3]) > 200)) return EINVAL;
  const pages = parsePages(m[1]!);
  if (failed(pages)) return EINVAL;
  const frames = fs.table.pages;
  let left = Math.min(pages, frames.totalPages);
  for (let tries = 0; tries < RECLAIM_TRIES && left > 0; tries++) {
    const freed = group.memory
      ? frames.charges.reclaim(group.memory, left)
      : frames.queue.reclaim(left);
    left -= freed;
    if (freed === 0) break;
  }
  return left > 0 || pages > frames.totalPages ? EAGAIN : 0;
}

function eventsText(events: Readonly<Record<MemoryEvent, number>>): string {
  return MEMORY_EVENTS.map((name) => `${name} ${events[name]}\n`).join("");
}

/** What memory.stat tells, in pages where it is memory. */
interface Sums {
  anon: number;
  file: number;
  shmem: number;
  tables: number;
  kernelBytes: number;
  mapped: number;
  dirty: number;
  inactive: number;
  active: number;
  faults: number;
  majorFaults: number;
}

function statText(group: Cgroup, fs: CgroupFs): string {
  const sums = group.parent ? sumsOf(group, fs.table.pages) : machineSums(fs);
  const bytes = (pages: number): number => pages * PAGE;
  const lines: readonly (readonly [string, number])[] = [
    ["anon", bytes(sums.anon)],
    ["file", bytes(sums.file + sums.shmem)],
    ["kernel", bytes(sums.tables) + sums.kernelBytes],
    ["kernel_stack", 0],
    ["pagetables", bytes(sums.tables)],
    ["shmem", bytes(sums.shmem)],
    ["file_mapped", bytes(sums.mapped)],
    ["file_dirty", bytes(sums.dirty)],
    ["file_writeback", 0],
    ["inactive_anon", bytes(sums.anon + sums.shmem)],
    ["active_anon", 0],
    ["inactive_file", bytes(sums.inactive)],
    ["active_file", bytes(sums.active)],
    ["unevictable", 0],
    ["slab_reclaimable", 0],
    ["slab_unreclaimable", sums.kernelBytes],
    ["slab", sums.kernelBytes],
    ["pgfault", sums.faults],
    ["pgmajfault", sums.majorFaults],
  ];
  return lines.map(([name, n]) => `${name} ${n}\n`).join("");
}

function sumsOf(group: Cgroup, { queue }: PageAllocator): Sums {
  const sums = noSums();
  for (const { memory } of group.subtree()) if (memory) addGroup(sums, memory, queue);
  return sums;
}

function addGroup(sums: Sums, memory: MemoryGroup, queue: PageAllocator["queue"]): void {
  sums.anon += memory.ownPages[ANON_PAGE]!;
  sums.file += memory.ownPages[FILE_PAGE]!;
  sums.shmem += memory.ownPages[SHMEM_PAGE]!;
  sums.tables += memory.ownPages[TABLE_PAGE]!;
  sums.kernelBytes += memory.kernelBytes;
  sums.faults += memory.faults;
  sums.majorFaults += memory.majorFaults;
  sums.inactive += queue.pagesOf(memory.id, false);
  sums.active += queue.pagesOf(memory.id, true);
  const { dirty, mapped } = queue.survey(memory.id);
  sums.dirty += dirty;
  sums.mapped += mapped;
}

/** The root's: all of the machine. */
function machineSums({ table }: CgroupFs): Sums {
  const { queue, writeback, meter } = table.pages;
  const sums = noSums();
  for (const p of table.living()) {
    sums.anon += p.vmspace.rssAnon;
    sums.shmem += p.vmspace.rssShmem;
    sums.mapped += p.vmspace.rssFile;
    sums.tables += p.vmspace.pageTable.tablePages;
  }
  sums.kernelBytes = table.pages.kmem.usedBytes;
  sums.file = queue.length;
  sums.active = queue.activePages;
  sums.inactive = queue.length - queue.activePages;
  sums.dirty = writeback.dirtyPages;
  sums.faults = meter.faults;
  sums.majorFaults = meter.majorFaults;
  return sums;
}

function noSums(): Sums {
  return {
    anon: 0,
    file: 0,
    shmem: 0,
    tables: 0,
    kernelBytes: 0,
    mapped: 0,
    dirty: 0,
    inactive: 0,
    active: 0,
    faults: 0,
    majorFaults: 0,
  };
}
