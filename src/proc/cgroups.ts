/**
 * Processes in control groups: where they are, how they move, how they end.
 *
 * The threads of a process are in one group, or, of a threaded one, in groups
 * of one domain. A process that ended and was not waited for stays in its
 * group's count, and keeps nobody from removing the group. See cgroups(7).
 */

import { SIGKILL } from "../abi/signal.ts";
import type { Cgroup } from "../kern/cgroup/cgroup.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";
import { killProc } from "./signal.ts";

/** The group of a process: its leader's, or where that was when it ended. */
export function cgroupOf(p: Proc): Cgroup {
  return p.zombieCgroup ?? p.leader?.cgroup ?? p.table.cpu.cgroups.root;
}

/** A thread that has its group begins to count there. */
export function enterCgroup(td: Lwp): void {
  td.cgroup.enter(td);
}

/** A thread ends. The one that has the process's id counts until the process is waited for. */
export function leaveCgroup(td: Lwp): void {
  const { cgroup, proc } = td;
  cgroup.leave(td);
  if (td.tid !== proc.pid) {
    cgroup.pidsGroup?.add(-1);
    return;
  }
  cgroup.zombies++;
  proc.zombieCgroup = cgroup;
}

/** The process is gone for good, or another thread took over from its first. */
export function forgetCgroup(p: Proc): void {
  const group = p.zombieCgroup;
  p.zombieCgroup = null;
  if (!group) return;
  group.zombies--;
  group.pidsGroup?.add(-1);
}

/** Moves all threads of a process. */
export function moveProc(p: Proc, to: Cgroup): void {
  for (const td of p.threads) moveThread(td, to);
  const from = p.zombieCgroup;
  if (!from || p.state !== "alive") return;
  from.zombies--;
  to.zombies++;
  from.pidsGroup?.add(-1);
  to.pidsGroup?.add(1);
  p.zombieCgroup = to;
}

/** Moves one thread. What it touched stays charged where it was touched. */
export function moveThread(td: Lwp, to: Cgroup): void {
  td.proc.table.cpu.cgroups.move(td, to);
  settleCurrent(td.proc);
}

/** After groups changed: the running thread's memory counts for its group, and it may have to stop. */
export function settleCurrent({ table }: Proc): void {
  const { cpu, pages } = table;
  pages.charges.payer = cpu.current?.cgroup.memoryGroup ?? null;
  cpu.needResched = true;
}

/** The processes that `group` holds as a domain: those of its threads, and of the threaded groups below. */
export function procsOf(group: Cgroup): Set<Proc> {
  const procs = new Set<Proc>();
  const left = [group];
  for (let at = left.pop(); at; at = left.pop()) {
    for (const td of at.threads) procs.add((td as Lwp).proc);
    for (const child of at.children.values()) if (child.isThreaded) left.push(child);
  }
  return procs;
}

/** The processes of a group and of all below it. */
export function procsBelow(group: Cgroup): Set<Proc> {
  const procs = new Set<Proc>();
  for (const at of group.subtree()) for (const td of at.threads) procs.add((td as Lwp).proc);
  return procs;
}

/** cgroup.kill. */
export function killCgroup(group: Cgroup): void {
  for (const p of procsBelow(group)) if (!p.isShielded) killProc(p, SIGKILL);
}
