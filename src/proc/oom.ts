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
import { LOG_ERR } from "../kern/log.ts";
import { chooseVictim, OOM_SCORE_ADJ_MIN } from "../vm/oom.ts";
import { cgroupOf, procsBelow } from "./cgroups.ts";
import { exitGroup } from "./exit.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";
import { killProc } from "./signal.ts";

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
  const victim = chooseVictim(table.living(), totalPages) ?? td.proc;
  const groups = victimGroups(victim, null);
  say(td, `Out of memory: Killed process ${nameOf(victim)}`);
  end(victim, td);
  groups.own?.count("oom_kill");
  endAll(td, groups.whole, null);
}

function relieveGroup(td: Lwp, group: MemoryGroup): void {
  group.count("oom");
  const limit = Math.min(group.maxPages, td.proc.table.pages.totalPages);
  const victim = chooseVictim(procsBelow(group.cgroup), limit) ?? td.proc;
  const { own, whole } = victimGroups(victim, group);
  say(td, `Memory cgroup out of memory: Killed process ${nameOf(victim)}`);
  end(victim, td);
  own?.count("oom_kill");
  endAll(td, whole, group);
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

function say(td: Lwp, text: string): void {
  td.proc.table.msgbuf.add(td.cpu.clock.monotonicNs(), LOG_ERR, text);
}
