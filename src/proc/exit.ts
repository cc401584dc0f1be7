/**
 * The end of threads and processes, up to the zombie that waits to be waited for.
 *
 * A thread can be ended wherever it is, since it has no stack in the kernel:
 * ending a process is ending its threads, the last of which gives everything
 * back. Children go to the nearest subreaper, else to the init of their pid name space.
 * See exit_group(2), _exit(2), prctl(2) PR_SET_CHILD_SUBREAPER.
 */
import { PTRACE_EVENT_EXIT } from "../abi/ptrace.ts";
import {
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGKILL,
} from "../abi/signal.ts";
import { releaseExe } from "./exe.ts";
import { wakeWord } from "./futex.ts";
import { HAS_TRAP, type Lwp } from "./lwp.ts";
import { abandonPi } from "./pifutex.ts";
import { addThread, addUsage, type Proc } from "./proc.ts";
import { dropLeaderTrace, releaseTracees, tellTracerOfExit, traceeEnded } from "./ptrace.ts";
import { walkRobustList } from "./robust.ts";
import type { ProcessGroup } from "./session.ts";
import type { SigInfo } from "./siginfo.ts";
import { childInfo, killProc, pgsignal, psignal, retarget } from "./signal.ts";

/** exit(2): one thread ends; with the last one, its process. `status` is wait(2)'s word. */
export function exitThread(td: Lwp, status: number): void {
  if (stopsForExit(td, status)) return;
  const p = td.proc;
  // The last one to go says how its process ended.
  if (!p.isExiting && p.threads.length === 1) p.exitStatus = status;
  endThread(td, status);
}

/** exit_group(2), and death by a signal: all threads end. */
export function exitGroup(p: Proc, status: number): void {
  if (p.state !== "alive") return;
  if (!p.isExiting) p.exitStatus = status;
  p.isExiting = true;
  for (const td of [...p.threads].reverse()) {
    if (!stopsForExit(td, p.exitStatus)) endThread(td, p.exitStatus);
  }
}

/** execve(2): every thread but `keep` ends. Of the first one nobody is told: `keep` takes its place. */
export function endOtherThreads(keep: Lwp): void {
  const p = keep.proc;
  for (const td of [...p.threads]) if (td !== keep) endThread(td, 0);
  if (!keep.isLeader) dropLeaderTrace(p);
}

/** What a thread leaves in its address space: held locks marked, a cleared and woken tid. */
export function leaveMemory(td: Lwp): void {
  const p = td.proc;
  walkRobustList(td);
  td.robustListHead = 0;
  abandonPi(td);
  const isShared = p.threads.length > 1 || p.vmspace.refs > 1;
  if (td.clearTidAddr !== 0 && isShared && p.vmspace.storeU32(td.clearTidAddr, 0) >= 0) {
    wakeWord(p.vmspace, td.clearTidAddr, 1);
  }
  td.clearTidAddr = 0;
}

/** The parent in vfork(2) may go on: this child no longer uses its memory. */
export function releaseVforkParent(p: Proc): void {
  if (!p.isVforkChild) return;
  p.isVforkChild = false;
  p.vforkQueue.wakeup();
}

/** A zombie that was waited for, or that nobody will wait for, leaves for good. */
export function reap(p: Proc): void {
  dropLeaderTrace(p);
  p.parent?.children.delete(p);
  p.state = "dead";
  p.table.forget(p);
}

/** PTRACE_EVENT_EXIT, before anything is given back: true if the thread waits for its tracer to see it. */
function stopsForExit(td: Lwp, status: number): boolean {
  const { trace } = td;
  if (!trace || trace.hasReportedExit) return false;
  if (!trace.wants(PTRACE_EVENT_EXIT)) return false;
  trace.hasReportedExit = true;
  td.endCall();
  td.isUninterruptible = false;
  td.endingStatus = status;
  td.signalWork |= HAS_TRAP;
  return trace.stopAtEvent(PTRACE_EVENT_EXIT, status, false);
}

function endThread(td: Lwp, status: number): void {
  const p = td.proc;
  leaveMemory(td);
  td.retire();
  releaseTracees(td);
  // The running slice is not counted yet: wait(2) and the parent shall see it.
  if (p.table.cpu.current === td) p.table.cpu.sliceKeeper?.settle();
  td.pending.clear();
  addThread(p.ended, td);
  if (p.threads.length === 1) {
    p.finalCred = td.cred;
    p.finalComm = td.comm;
  }
  if (td.trace) traceeEnded(td, td.trace, status);
  p.table.removeThread(td);
  td.context.free();
  td.leaveSemaphores();
  td.leaveSegments();
  td.releaseFiles();
  td.leaveKeyrings(true);
  td.ns.release();
  if (p.threads.length === 0) endProc(p);
  else if (!p.isExiting) retarget(td);
}

function endProc(p: Proc): void {
  const { table } = p;
  p.dump?.end();
  p.isExiting = true;
  p.stopSignal = 0;
  p.timers.deleteAll();
  p.pending.clear();
  p.leaveKeyring();
  giveBack(p);
  if (p.pid === 1) table.initStatus = p.exitStatus;
  releaseVforkParent(p);
  leaveSession(p);
  orphanGroups(p);
  if (p.isInit && p.pid !== 1) endNamespace(p);
  for (const child of [...p.children]) adopt(child, reaperOf(p));
  p.state = "zombie";
  p.exitQueue.wakeup();
  notifyExit(p);
}

/** What its threads shared. */
function giveBack(p: Proc): void {
  const { vmspace } = p;
  p.ended.maxRssPages = vmspace.peakRssPages;
  p.ended.minorFaults += vmspace.faults;
  vmspace.release();
  p.sigactions.refs--;
  releaseExe(p);
}

/** SIGCHLD (or what clone was told) to the parent; a zombie nobody wants is reaped at once. */
export function notifyExit(p: Proc): void {
  if (tellTracerOfExit(p)) return;
  const { parent } = p;
  if (parent?.state !== "alive") {
    if (p.pid !== 1) reap(p);
    return;
  }
  const isUnwanted =
    p.exitSignal === SIGCHLD && parent.sigactions.isNoChildWait && p.leaderTrace === null;
  if (p.exitSignal !== 0) psignal(parent, p.exitSignal, exitInfo(p));
  if (isUnwanted) reap(p);
  parent.childQueue.wakeup();
}

/** siginfo of a process that ended. */
export function exitInfo(p: Proc): SigInfo {
  const sig = p.exitStatus & 0x7f;
  const info =
    sig === 0
      ? childInfo(p, CLD_EXITED, (p.exitStatus >> 8) & 0xff)
      : childInfo(p, p.exitStatus & 0x80 ? CLD_DUMPED : CLD_KILLED, sig);
  return { ...info, signo: p.exitSignal };
}

/** The leader of a session takes its terminal with it. */
function leaveSession(p: Proc): void {
  const { session } = p.pgrp;
  if (session.leader !== p) return;
  session.leader = null;
  if (p.tty) {
    p.tty.hangup();
    p.tty = null;
  } else if (session.oldForeground) {
    pgsignal(session.oldForeground, SIGHUP);
    pgsignal(session.oldForeground, SIGCONT);
  }
}

/** Groups that lose their last link to a shell, and hold stopped jobs, get SIGHUP and SIGCONT. */
function orphanGroups(p: Proc): void {
  hangupIfOrphaned(p.pgrp, p);
  for (const child of p.children) {
    if (child.pgrp !== p.pgrp && child.pgrp.session === p.pgrp.session) {
      hangupIfOrphaned(child.pgrp, p);
    }
  }
}

function hangupIfOrphaned(group: ProcessGroup, leaving: Proc): void {
  if (!group.hasStopped || !group.isOrphanedBy(leaving)) return;
  pgsignal(group, SIGHUP);
  pgsignal(group, SIGCONT);
}

/** The nearest subreaper in the same pid name space, else that name space's init. */
function reaperOf(p: Proc): Proc | null {
  const { ns } = p.id;
  for (let up = p.parent; up && up.id.ns === ns; up = up.parent) {
    if (up.isSubreaper && up.state === "alive") return up;
  }
  const init = ns.init ?? p.table.init;
  if (init !== p) return init;
  // Its name space ends with it: what it leaves is for the one above.
  return ns.parent ? (ns.parent.init ?? p.table.init) : null;
}

/** The init of a pid name space ends: so does everybody in it, and in those within it. */
function endNamespace(init: Proc): void {
  const { ns } = init.id;
  const { table } = init;
  ns.isDead = true;
  for (const p of [...table.all()]) {
    if (p === init || !p.id.isIn(ns) || p.state !== "alive") continue;
    // Who is at work now ends on his way out of the kernel.
    if (p === (table.cpu.current as Lwp | null)?.proc) killProc(p);
    else exitGroup(p, SIGKILL);
  }
  // Nobody is left to wait for those that ended.
  for (const child of [...init.children]) if (child.state === "zombie") reap(child);
}

function adopt(child: Proc, reaper: Proc | null): void {
  child.parent?.children.delete(child);
  child.parent = reaper;
  reaper?.children.add(child);
  for (const td of child.threads) {
    if (td.parentDeathSignal !== 0) psignal(child, td.parentDeathSignal);
  }
  // Whatever it was made with: nobody is left who would wait with __WCLONE.
  child.exitSignal = SIGCHLD;
  if (child.state === "zombie") notifyExit(child);
}

/** A waited-for child's use counts as its parent's children's. */
export function chargeParent(p: Proc): void {
  const { parent } = p;
  if (!parent) return;
  addUsage(parent.childUsage, p.usage());
  addUsage(parent.childUsage, p.childUsage);
}
