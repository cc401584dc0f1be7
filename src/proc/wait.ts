/**
 * Waiting for children: ended, stopped, continued. See wait(2), waitid(2).
 *
 * Finding an event and consuming it are one step, after the last possible
 * sleep; the caller's own buffers are written afterwards, as in Linux.
 */
import { ECHILD } from "../abi/errno.ts";
import { CLD_CONTINUED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGCONT } from "../abi/signal.ts";
import {
  CONTINUED_STATUS,
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  stoppedStatus,
  WALL,
  WCLONE,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOTHREAD,
  WNOWAIT,
  WSTOPPED,
} from "../abi/wait.ts";
import { chargeParent, exitInfo, notifyExit, reap } from "./exit.ts";
import type { Lwp } from "./lwp.ts";
import type { PidNamespace } from "./pidns.ts";
import { addThread, addUsage, noUsage, type Proc, type Usage } from "./proc.ts";
import { dropLeaderTrace, endInfo, forget } from "./ptrace.ts";
import type { ProcessGroup } from "./session.ts";
import type { SigInfo } from "./siginfo.ts";
import { childInfo, isTracedByParent, threadInfo } from "./signal.ts";
import type { Tracing } from "./tracing.ts";

/** A child's change of state, taken. */
export interface ChildEvent {
  readonly pid: number;
  /** wait(2)'s status word. */
  readonly status: number;
  readonly info: SigInfo;
  readonly usage: Usage;
}

/** Which children are waited for: all, the one with this pid, those of this group, or the very one. */
export type ChildSelector =
  | { readonly idType: typeof P_ALL }
  | { readonly idType: typeof P_PID; readonly id: number }
  | { readonly idType: typeof P_PGID; readonly group: ProcessGroup | null }
  | { readonly idType: typeof P_PIDFD; readonly proc: Proc | null };

/** The next event among the children selected: the event, null (WNOHANG and nothing yet), ECHILD, or asleep. */
export function waitForChild(
  td: Lwp,
  selector: ChildSelector,
  options: number,
): ChildEvent | null | number {
  let hasCandidates = false;
  for (const child of td.proc.children) {
    if (!isSelected(child, selector, td.pidns) || !isOfKind(child, options)) continue;
    hasCandidates = true;
    const event = takeEvent(child, options);
    if (event) return event;
  }
  for (const tracer of td.proc.threads) {
    if (tracer.tracees === null || (options & WNOTHREAD && tracer !== td)) continue;
    for (const trace of tracer.tracees) {
      if (!isTraceeSelected(trace, selector, td.pidns)) continue;
      hasCandidates = true;
      const event = takeTraceeEvent(trace, options);
      if (event) return event;
    }
  }
  if (!hasCandidates) return ECHILD;
  if (options & WNOHANG) return null;
  return td.sleep(td.proc.childQueue, "wait");
}

function isSelected(child: Proc, selector: ChildSelector, ns: PidNamespace): boolean {
  switch (selector.idType) {
    case P_ALL:
      return true;
    case P_PID:
      return child.id.in(ns) === selector.id;
    case P_PGID:
      return child.pgrp === selector.group;
    case P_PIDFD:
      return child === selector.proc;
  }
}

/** "Clone" children are those that end with another signal than SIGCHLD. */
function isOfKind(child: Proc, options: number): boolean {
  if (options & WALL) return true;
  const isClone = child.exitSignal !== SIGCHLD;
  return isClone === ((options & WCLONE) !== 0);
}

function takeEvent(child: Proc, options: number): ChildEvent | null {
  const isKept = (options & WNOWAIT) !== 0;
  if (child.state === "zombie") {
    // Its tracer comes first.
    const isOthers = child.leaderTrace !== null && child.leaderTrace.tracer.proc !== child.parent;
    return options & WEXITED && !isOthers ? takeExit(child, isKept) : null;
  }
  const hasStopped = child.stopSignal !== 0 && !child.isStopReported;
  if (options & WSTOPPED && hasStopped && !isTracedByParent(child)) {
    if (!isKept) child.isStopReported = true;
    const sig = child.stopSignal;
    return event(child, stoppedStatus(sig), childInfo(child, CLD_STOPPED, sig));
  }
  if (options & WCONTINUED && child.stopSignal === 0 && !child.isContinueReported) {
    if (!isKept) child.isContinueReported = true;
    return event(child, CONTINUED_STATUS, childInfo(child, CLD_CONTINUED, SIGCONT));
  }
  return null;
}

/** What a tracer waits for: stops of each thread, whatever the options, and ends. */
function takeTraceeEvent(trace: Tracing, options: number): ChildEvent | null {
  const isKept = (options & WNOWAIT) !== 0;
  const { td, stop, ended } = trace;
  const p = td.proc;
  if (ended) {
    if (!(options & WEXITED)) return null;
    if (p.leaderTrace !== trace) return takeThreadExit(trace, isKept);
    return p.state === "zombie" ? takeTracedExit(p, isKept) : null;
  }
  if (stop && !stop.isReported && !trace.isListening) {
    if (!isKept) stop.isReported = true;
    const info = threadInfo(trace, CLD_TRAPPED, stop.code);
    const pid = trace.tracer.numberOf(td.id);
    return { pid, status: stoppedStatus(stop.code), info, usage: threadUsage(td) };
  }
  return takeEvent(p, options & (WCONTINUED | WNOWAIT));
}

/** The end of a process that another one than its parent traces: after it the parent may wait. */
function takeTracedExit(p: Proc, isKept: boolean): ChildEvent {
  if (p.leaderTrace!.tracer.proc === p.parent) return takeExit(p, isKept);
  const taken = event(p, p.exitStatus, { ...exitInfo(p), signo: SIGCHLD });
  if (!isKept) {
    dropLeaderTrace(p);
    notifyExit(p);
  }
  return taken;
}

function takeThreadExit(trace: Tracing, isKept: boolean): ChildEvent {
  const { id, status, usage } = trace.ended!;
  const info = endInfo(trace, status);
  if (!isKept) forget(trace);
  return { pid: trace.tracer.numberOf(id), status, info, usage };
}

function threadUsage(td: Lwp): Usage {
  const usage = noUsage();
  addThread(usage, td);
  return usage;
}

function isTraceeSelected(trace: Tracing, selector: ChildSelector, ns: PidNamespace): boolean {
  if (selector.idType === P_PID) return trace.id.in(ns) === selector.id;
  return isSelected(trace.td.proc, selector, ns);
}

function takeExit(child: Proc, isKept: boolean): ChildEvent {
  const taken = event(child, child.exitStatus, { ...exitInfo(child), signo: SIGCHLD });
  if (!isKept) {
    chargeParent(child);
    reap(child);
  }
  return taken;
}

function event(child: Proc, status: number, info: SigInfo): ChildEvent {
  const usage = noUsage();
  addUsage(usage, child.usage());
  addUsage(usage, child.childUsage);
  const ns = child.parent?.id.ns;
  return { pid: ns ? child.id.in(ns) : child.pid, status, info, usage };
}
