/**
 * /proc/meminfo and vmstat: where the machine's memory is. See proc_meminfo(5).
 */
import { PAGE_SIZE } from "../../vm/param.ts";
import { kibLine } from "./format.ts";
import type { ProcFs } from "./procfs.ts";
import { vmspaceOf } from "./taskstat.ts";

/** Pages by use. A page that several processes share after fork counts once for each. */
interface MemoryUse {
  readonly total: number;
  readonly free: number;
  readonly fileCache: number;
  /** Of these, pages of block special files. */
  readonly buffers: number;
  readonly activeFile: number;
  readonly dirty: number;
  readonly anon: number;
  readonly mapped: number;
  readonly shmem: number;
  readonly tables: number;
  readonly locked: number;
}

export function meminfoText(fs: ProcFs): string {
  const m = memoryUse(fs);
  const { overcommit } = fs.table.pages;
  const line = (name: string, pages: number): string =>
    kibLine(`${name}:`.padEnd(16), pages * PAGE_SIZE, 8);
  return (
    line("MemTotal", m.total) +
    line("MemFree", m.free) +
    line("MemAvailable", m.free + m.fileCache - m.dirty) +
    line("Buffers", m.buffers) +
    line("Cached", m.fileCache - m.buffers + m.shmem) +
    line("SwapCached", 0) +
    line("Active", m.anon + m.activeFile) +
    line("Inactive", m.shmem + m.fileCache - m.activeFile) +
    line("Active(anon)", m.anon) +
    line("Inactive(anon)", m.shmem) +
    line("Active(file)", m.activeFile) +
    line("Inactive(file)", m.fileCache - m.activeFile) +
    line("Unevictable", m.locked) +
    line("Mlocked", m.locked) +
    line("SwapTotal", 0) +
    line("SwapFree", 0) +
    line("Dirty", m.dirty) +
    line("Writeback", 0) +
    line("AnonPages", m.anon) +
    line("Mapped", m.mapped) +
    line("Shmem", m.shmem) +
    line("KReclaimable", 0) +
    line("Slab", 0) +
    line("SReclaimable", 0) +
    line("SUnreclaim", 0) +
    line("KernelStack", 0) +
    line("PageTables", m.tables) +
    line("SecPageTables", 0) +
    line("NFS_Unstable", 0) +
    line("Bounce", 0) +
    line("WritebackTmp", 0) +
    line("CommitLimit", Math.floor(overcommit.limitBytes / PAGE_SIZE)) +
    line("Committed_AS", overcommit.committedBytes / PAGE_SIZE) +
    line("VmallocTotal", 0) +
    line("VmallocUsed", 0) +
    line("VmallocChunk", 0) +
    line("Percpu", 0)
  );
}

export function vmstatText(fs: ProcFs): string {
  const m = memoryUse(fs);
  const { meter } = fs.table.cpu;
  const { queue, writeback } = fs.table.pages;
  fs.table.syncer.setLimits();
  let sectorsRead = 0;
  let sectorsWritten = 0;
  for (const d of fs.disks.all) {
    sectorsRead += d.counts.sectorsRead;
    sectorsWritten += d.counts.sectorsWritten;
  }
  const rows: readonly (readonly [string, number])[] = [
    ["nr_free_pages", m.free],
    ["nr_inactive_anon", m.shmem],
    ["nr_active_anon", m.anon],
    ["nr_inactive_file", m.fileCache - m.activeFile],
    ["nr_active_file", m.activeFile],
    ["nr_mlock", m.locked],
    ["nr_anon_pages", m.anon],
    ["nr_mapped", m.mapped],
    ["nr_file_pages", m.fileCache + m.shmem],
    ["nr_dirty", m.dirty],
    ["nr_writeback", 0],
    ["nr_shmem", m.shmem],
    ["nr_page_table_pages", m.tables],
    ["nr_dirtied", writeback.dirtied],
    ["nr_written", writeback.written],
    ["nr_dirty_threshold", writeback.hardLimitPages],
    ["nr_dirty_background_threshold", writeback.limitPages],
    ["pgpgin", Math.floor(sectorsRead / 2)],
    ["pgpgout", Math.floor(sectorsWritten / 2)],
    ["pswpin", 0],
    ["pswpout", 0],
    ["pgactivate", queue.activated],
    ["pgdeactivate", queue.deactivated],
    ["pgfault", meter.faults],
    ["pgmajfault", meter.majorFaults],
    ["pgsteal_direct", queue.evicted],
    ["pgscan_direct", queue.scanned],
    ["drop_pagecache", fs.table.syncer.cacheDrops],
  ];
  return rows.map(([name, n]) => `${name} ${n}\n`).join("");
}

function memoryUse(fs: ProcFs): MemoryUse {
  const { pages } = fs.table;
  let anon = 0;
  let mapped = 0;
  let tables = 0;
  let lockedBytes = 0;
  const seen = new Set<object>();
  for (const p of fs.table.all()) {
    const vs = vmspaceOf(p);
    if (!vs || seen.has(vs)) continue;
    seen.add(vs);
    anon += vs.rssAnon;
    mapped += vs.rssFile + vs.rssShmem;
    tables += vs.pageTable.tablePages;
    lockedBytes += vs.lockedBytes;
  }
  return {
    total: pages.totalPages,
    free: pages.freePages,
    fileCache: pages.queue.length,
    buffers: fs.disks.all.reduce((sum, d) => sum + (d.cache?.pages ?? 0), 0),
    activeFile: pages.queue.activePages,
    dirty: pages.writeback.dirtyPages,
    anon,
    mapped,
    shmem: tmpfsPages(fs),
    tables,
    locked: Math.ceil(lockedBytes / PAGE_SIZE),
  };
}

/** Pages that files in memory take. */
function tmpfsPages(fs: ProcFs): number {
  let bytes = 0;
  const seen = new Set<object>();
  for (const m of fs.table.vfs.mounts.all) {
    if (m.fs.typeName !== "tmpfs" || seen.has(m.fs)) continue;
    seen.add(m.fs);
    const s = m.fs.statfs();
    if (typeof s !== "number") bytes += (s.blocks - s.bfree) * s.bsize;
  }
  return Math.ceil(bytes / PAGE_SIZE);
}
