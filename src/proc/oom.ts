/**
 * Out of memory: one process ends so that the rest, and the kernel, live.
 *
 * Called when a page fault finds no frame, between system calls, so a victim
 * can be ended on the spot and its memory is free at once. Where a control
 * group has reached its memory.max the victim is one of its own, or all of the
 * group that says memory.oom.group. See proc(5), oom_score; cgroup-v2.rst.
 */
import { SIGKILL } from "../abi/signal.ts";
import { killedStatus } from "../abi/wait.ts";
import type { MemoryGroup } from "../kern/cgroup/memorygroup.ts";
import { LOG_ERR, LOG_INFO } from "../kern/log.ts";
import { panic } from "../kern/panic.ts";
import { chooseVictim, OOM_SCORE_ADJ_MIN } from "../vm/oom.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { cgroupOf, procsBelow } from "./cgroups.ts";
import { exitGroup } from "./exit.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";
import { killProc } from "./signal.ts";

/** vm.panic_on_oom: even where only a control group is out of memory. */
const PANIC_ALWAYS = 2;
const MAX_DUMPED = 64;

/** Makes room for `td`'s page fault; it may be `td` that pays. */
export function relieveMemory(td: Lwp): void {
  const { table } = td.proc;
  const { charges, totalPages } = table.pages;
  const group = charges.short;
  charges.short = null;
  if (group) {
    relieveGroup(td, group);
    return;
  }
  const { settings } = table;
  if (settings.panicOnOom > 0) panic("out of memory: vm.panic_on_oom is set");
  if (settings.oomDumpTasks) dumpTasks(td, table.living());
  const isOwn = settings.oomKillAllocatingTask && mayDie(td.proc);
  const victim = isOwn ? td.proc : (chooseVictim(table.living(), totalPages) ?? td.proc);
  const groups = victimGroups(victim, null);
  say(td, `Out of memory: Killed process ${nameOf(victim)}`);
  end(victim, td);
  groups.own?.count("oom_kill");
  endAll(td, groups.whole, null);
}

function relieveGroup(td: Lwp, group: MemoryGroup): void {
  group.count("oom");
  const limit = Math.min(group.maxPages, td.proc.table.pages.totalPages);
  const { settings } = td.proc.table;
  if (settings.panicOnOom === PANIC_ALWAYS) panic("out of memory: vm.panic_on_oom is 2");
  if (settings.oomDumpTasks) dumpTasks(td, procsBelow(group.cgroup));
  const victim = chooseVictim(procsBelow(group.cgroup), limit) ?? td.proc;
  const { own, whole } = victimGroups(victim, group);
  say(td, `Memory cgroup out of memory: Killed process ${nameOf(victim)}`);
  end(victim, td);
  own?.count("oom_kill");
  endAll(td, whole, group);
}

/** Who might die, for the log; of very many the first. */
function dumpTasks(td: Lwp, candidates: Iterable<Proc>): void {
  say(td, "Tasks state (memory values in pages):", LOG_INFO);
  say(
    td,
    "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
    LOG_INFO,
  );
  let left = MAX_DUMPED;
  for (const p of candidates) {
    if (left-- === 0) return;
    const vs = p.vmspace;
    const columns = [
      `[${String(p.pid).padStart(7)}]`,
      String(p.cred.uid).padStart(5),
      String(p.pid).padStart(5),
      String(Math.floor(vs.totalBytes / PAGE_SIZE)).padStart(8),
      String(vs.rssPages).padStart(8),
      String(vs.pageTable.tablePages * PAGE_SIZE).padStart(8),
      "0".padStart(8),
      String(p.oomScoreAdj).padStart(13),
      p.comm,
    ];
    say(td, columns.join(" "), LOG_INFO);
  }
}

function mayDie(p: Proc): boolean {
  return !p.isUnkillable && p.oomScoreAdj > OOM_SCORE_ADJ_MIN;
}

/** The victim's group, and the outermost within `top` that dies as one. */
function victimGroups(
  victim: Proc,
  top: MemoryGroup | null,
): { own: MemoryGroup | null; whole: MemoryGroup | null } {
  const own = cgroupOf(victim).memoryGroup;
  let whole: MemoryGroup | null = null;
  for (let g = own; g; g = g.parent) {
    if (g.killsAll) whole = g;
    if (g === top) break;
  }
  return { own, whole };
}

function endAll(td: Lwp, whole: MemoryGroup | null, short: MemoryGroup | null): void {
  if (!whole) return;
  whole.count("oom_group_kill");
  say(td, `Tasks in ${(short ?? whole).cgroup.name} are going to be killed: memory.oom.group`);
  for (const p of procsBelow(whole.cgroup)) {
    if (p.isUnkillable || p.oomScoreAdj <= OOM_SCORE_ADJ_MIN) continue;
    const own = cgroupOf(p).memoryGroup;
    end(p, td);
    own?.count("oom_kill");
  }
}

/** Ends a process on the spot; the one that runs, on its way out. */
function end(victim: Proc, td: Lwp): void {
  if (victim === td.proc) killProc(victim);
  else exitGroup(victim, killedStatus(SIGKILL));
}

function nameOf(p: Proc): string {
  return `${p.pid} (${p.comm}) rss:${p.vmspace.rssPages * 4}kB`;
}

function say(td: Lwp, text: string, level = LOG_ERR): void {
  td.proc.table.msgbuf.add(td.cpu.clock.monotonicNs(), level, text);
}
