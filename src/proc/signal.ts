/**
 * Sending signals and choosing the next one to take.
 *
 * A signal becomes pending on a process or on one thread; a sleeping thread
 * that may take it is woken and takes it on its way back to user mode
 * (`nextSignal`). What nobody would notice (ignored, not blocked) is dropped at
 * once. Stopping and continuing happen here, at once, for all threads: a
 * thread has no stack in the kernel, so it can be parked wherever it is.
 * See signal(7), kill(2); Linux kernel/signal.c for the order of the rules.
 */
import { EAGAIN, EPERM } from "../abi/errno.ts";
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  defaultAction,
  SA_RESETHAND,
  SI_KERNEL,
  SI_USER,
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGRTMIN,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
} from "../abi/signal.ts";
import { CAP_KILL, type Cred } from "../kern/cred.ts";
import type { Lwp } from "./lwp.ts";
import type { Pid } from "./pid.ts";
import type { Proc } from "./proc.ts";
import { RLIMIT_SIGPENDING } from "./rlimit.ts";
import type { ProcessGroup } from "./session.ts";
import type { SigAction } from "./sigaction.ts";
import { kernelSignal, type SigInfo } from "./siginfo.ts";
import { SigSet } from "./sigset.ts";
import type { Tracing } from "./tracing.ts";

/** Sends a signal to a process as a whole: 0, or EAGAIN when its queue is full. */
export function psignal(p: Proc, sig: number, info: SigInfo = kernelSignal(sig)): number {
  return send(p, null, info);
}

/** Sends a signal to one thread. */
export function tsignal(td: Lwp, sig: number, info: SigInfo = kernelSignal(sig)): number {
  return send(td.proc, td, info);
}

/** Sends a signal to every process of a group. */
export function pgsignal(
  group: ProcessGroup,
  sig: number,
  info: SigInfo = kernelSignal(sig),
): void {
  for (const p of [...group.members]) psignal(p, sig, info);
}

/**
 * A signal that cannot be waited out: a fault. Blocked or ignored, it kills.
 * Process 1 is not spared.
 */
export function forceSignal(td: Lwp, info: SigInfo): void {
  const { sigactions } = td.proc;
  const isBlocked = td.sigmask.has(info.signo);
  if (isBlocked || sigactions.get(info.signo).handler === SIG_IGN) {
    sigactions.edit(info.signo).handler = SIG_DFL;
    td.sigmask.remove(info.signo);
  }
  if (!td.pending.set.has(info.signo)) td.pending.add(info, td.cred.uid);
  td.proc.signalQueue.wakeup();
  const isDefault = sigactions.get(info.signo).handler === SIG_DFL;
  // Users would not expect debugging to leave process 1 killable.
  if (isDefault && td.proc.isShielded && td.trace === null) td.proc.fatalSignal = info.signo;
}

/** Ends `p` by `sig`, whatever it blocks, ignores or handles. */
export function killProc(p: Proc, sig: number = SIGKILL): void {
  if (p.state !== "alive") return;
  if (p.dump) {
    p.dump.abort();
    return;
  }
  p.fatalSignal = sig;
  for (const td of p.threads) td.escapeGroups();
  wakeAll(p);
}

/** True if `td` must take a signal before it goes on in user mode or sleeps. */
export function hasDeliverableSignal(td: Lwp): boolean {
  const p = td.proc;
  if (p.fatalSignal !== 0) return true;
  if (td.signalWork !== 0) {
    if (!td.isUninterruptible) return true;
    return p.pending.set.has(SIGKILL) || td.pending.set.has(SIGKILL);
  }
  return td.pending.isDeliverable(td.sigmask) || p.pending.isDeliverable(td.sigmask);
}

/** kill(2)'s question: may `td` send `sig` to `p`? 0 or EPERM. */
export function checkKill(td: Lwp, p: Proc, sig: number): number {
  const from = td.cred;
  const to = p.cred;
  if (p === td.proc) return 0;
  if (from.euid === to.suid || from.euid === to.uid) return 0;
  if (from.uid === to.suid || from.uid === to.uid) return 0;
  if (from.hasCapIn(to.userns, CAP_KILL)) return 0;
  if (sig === SIGCONT && td.proc.pgrp.session === p.pgrp.session) return 0;
  return EPERM;
}

/**
 * Replaces the mask for the length of one call (sigsuspend, ppoll, pselect,
 * epoll_pwait). A restarted call may call it again. The dispatcher puts the
 * old mask back, after a handler's frame has recorded it.
 */
export function setTemporaryMask(td: Lwp, mask: SigSet): void {
  if (td.savedSigmask === null) td.savedSigmask = td.sigmask.clone();
  setMask(td, mask);
}

export function restoreMask(td: Lwp): void {
  if (td.savedSigmask === null) return;
  const saved = td.savedSigmask;
  td.savedSigmask = null;
  setMask(td, saved);
}

export function setMask(td: Lwp, mask: SigSet): void {
  td.sigmask.assign(mask);
  td.sigmask.dropUnblockable();
  retarget(td);
}

/** A signal to act on: with a handler, or fatal (`action` null). */
export interface Delivery {
  readonly info: SigInfo;
  /** The disposition as it was when the signal was taken; null means: the process ends by it. */
  readonly action: SigAction | null;
}

/**
 * Takes the next signal that does something. Null when none is left, or when
 * the process was stopped, or `td` for its tracer to judge (then it does not run on).
 */
export function nextSignal(td: Lwp): Delivery | null {
  const p = td.proc;
  for (;;) {
    if (p.fatalSignal !== 0) return { info: kernelSignal(p.fatalSignal), action: null };
    let info = takeVerdict(td);
    if (info === null) {
      info = take(td);
      if (!info) return null;
      if (td.trace !== null && info.signo !== SIGKILL) {
        td.trace.stopForSignal(info);
        return null;
      }
    }
    const sig = info.signo;
    const action = p.sigactions.get(sig);
    if (action.handler === SIG_IGN) continue;
    if (action.handler !== SIG_DFL) {
      const taken = p.sigactions.edit(sig).clone();
      if (action.flags & SA_RESETHAND) p.sigactions.edit(sig).handler = SIG_DFL;
      return { info, action: taken };
    }
    const what = defaultAction(sig);
    if (what === "ignore" || what === "continue") continue;
    // One from above was let through for SIGSTOP alone.
    if (p.isShielded && p.fatalSignal === 0 && (sig !== SIGSTOP || p.pid === 1)) continue;
    if (what === "stop") {
      if (sig !== SIGSTOP && p.pgrp.isOrphaned) continue;
      stopProc(p, sig);
      return null;
    }
    return { info, action: null };
  }
}

/** What the tracer has made of the last signal. */
function takeVerdict(td: Lwp): SigInfo | null {
  const { verdict } = td;
  td.verdict = null;
  return verdict;
}

/** Parks every thread of `p` and tells the parent. */
function stopProc(p: Proc, sig: number): void {
  p.stopSignal = sig;
  p.isStopReported = false;
  p.isContinueReported = true;
  for (const td of p.threads) {
    if (td.trace) td.trace.joinGroupStop();
    else td.stop();
  }
  if (!isTracedByParent(p)) notifyParent(p, CLD_STOPPED, sig);
}

/** Then the parent learns of stops as a tracer does. */
export function isTracedByParent(p: Proc): boolean {
  const trace = p.leader?.trace;
  return trace != null && trace.tracer.proc === p.parent;
}

/** Lets a stopped process run on, and tells the parent. */
function continueProc(p: Proc): void {
  if (p.stopSignal === 0) return;
  resumeThreads(p);
  p.isStopReported = true;
  p.isContinueReported = false;
  notifyParent(p, CLD_CONTINUED, SIGCONT);
}

function send(p: Proc, td: Lwp | null, info: SigInfo): number {
  if (p.state !== "alive") return 0;
  const sig = info.signo;
  if (p.dump) {
    if (sig === SIGKILL) p.dump.abort();
    return 0;
  }
  const isForced = isFromAbove(p, info);
  prepare(p, sig, isForced);
  const target = td ?? p.leader;
  if (!target || isDropped(p, target, sig, isForced)) return 0;
  if (isForced && sig === SIGKILL && p.isShielded) {
    killProc(p);
    return 0;
  }
  const pending = td ? td.pending : p.pending;
  if (sig < SIGRTMIN && pending.set.has(sig)) return 0;
  const told = toldTo(p, info);
  if (hasRoom(p, info)) pending.add(told, p.cred.uid);
  else if (needsRoom(info)) return EAGAIN;
  else pending.addBare(sig);
  p.signalQueue.wakeup();
  wakeTaker(p, td, sig);
  return 0;
}

/**
 * The init of a pid name space cannot escape SIGKILL and SIGSTOP that come from
 * outside of it, be it from a process that it cannot see or from the kernel.
 */
function isFromAbove(p: Proc, info: SigInfo): boolean {
  if (!p.isInit || p.pid === 1) return false;
  const sender = p.table.cpu.current as Lwp | null;
  return info.code === SI_KERNEL || !sender || sender.proc.id.in(p.id.ns) === 0;
}

/** The sender as `p` knows him: a user of its own name space, and nobody's number if it cannot see him. */
function toldTo(p: Proc, info: SigInfo): SigInfo {
  const isFromUser = info.code <= 0 && !info.timer && !info.raw && info.uid !== undefined;
  if (!isFromUser || (p.id.ns.level === 0 && p.cred.userns.isInitial)) return info;
  const sender = p.table.cpu.current as Lwp | null;
  const isSeen = sender !== null && sender.proc.id.in(p.id.ns) !== 0;
  const uid = p.cred.userns.shownUid(info.uid!);
  return { ...info, uid, pid: isSeen ? (info.pid ?? 0) : 0 };
}

/** What a signal does the moment it is sent: stops and SIGCONT annul each other. */
function prepare(p: Proc, sig: number, isForced: boolean): void {
  if (sig === SIGCONT) {
    for (const stop of STOP_SIGNALS) discardEverywhere(p, stop);
    continueProc(p);
  } else if (STOP_SIGNALS.includes(sig)) {
    discardEverywhere(p, SIGCONT);
  } else if (sig === SIGKILL && p.stopSignal !== 0 && (!p.isShielded || isForced)) {
    resumeThreads(p);
  }
}

/** Nobody would notice: ignored and not blocked, or meant for process 1, which has no handler. */
function isDropped(p: Proc, target: Lwp, sig: number, isForced: boolean): boolean {
  if (isForced && (sig === SIGKILL || sig === SIGSTOP)) return false;
  if (p.isShielded && p.sigactions.get(sig).handler === SIG_DFL) {
    return sig === SIGKILL || sig === SIGSTOP || !target.sigmask.has(sig);
  }
  // A tracer wants to know of ignored signals too.
  if (target.sigmask.has(sig) || target.trace !== null) return false;
  return p.sigactions.isIgnored(sig);
}

/** Room for what accompanies a signal. A timer has its own; a standard signal of kill or the kernel takes it. */
function hasRoom(p: Proc, { signo, code, timer }: SigInfo): boolean {
  if (timer || (signo < SIGRTMIN && code >= 0)) return true;
  return hasSignalRoom(p);
}

/** Whether RLIMIT_SIGPENDING allows `p` one more queued signal: all of its user's count. */
export function hasSignalRoom(p: Proc): boolean {
  const { queuedSignals, threadsMax } = p.table;
  if (queuedSignals.count >= threadsMax * QUEUED_PER_THREAD) return false;
  return queuedSignals.of(p.cred.uid) < p.rlimits.soft(RLIMIT_SIGPENDING);
}

/** kill's signals and the kernel's go through without what accompanies them. */
function needsRoom({ signo, code }: SigInfo): boolean {
  return signo >= SIGRTMIN && code !== SI_USER && code !== SI_KERNEL;
}

/** Wakes a thread that can take `sig`; one that kills by default ends them all. */
function wakeTaker(p: Proc, only: Lwp | null, sig: number): void {
  const taker = only ?? p.threads.find((td) => canTake(td, sig));
  if (!taker || !canTake(taker, sig)) return;
  if (sig === SIGKILL || (taker.trace === null && isPlainlyFatal(p, sig))) {
    killProc(p, sig);
    return;
  }
  if (!taker.isUninterruptible) taker.wakeup();
}

function isPlainlyFatal(p: Proc, sig: number): boolean {
  return (
    !p.isShielded &&
    p.sigactions.get(sig).handler === SIG_DFL &&
    defaultAction(sig) === "terminate" &&
    p.stopSignal === 0
  );
}

function canTake(td: Lwp, sig: number): boolean {
  return sig === SIGKILL || !td.sigmask.has(sig);
}

/** Signals of the process that `td` was woken for and takes no more, since its mask changed or it ends, go to another. */
export function retarget(td: Lwp): void {
  const p = td.proc;
  if (p.pending.set.isEmpty) return;
  for (const other of p.threads) {
    if (other !== td && p.pending.isDeliverable(other.sigmask) && !other.isUninterruptible) {
      other.wakeup();
    }
  }
}

function take(td: Lwp): SigInfo | null {
  const p = td.proc;
  const own = td.pending.nextOutside(td.sigmask);
  if (own !== 0) return withOverrun(td.pending.take(own));
  const shared = p.pending.nextOutside(td.sigmask);
  return shared === 0 ? null : withOverrun(p.pending.take(shared));
}

/** sigaction(2) made `sig` ignored: what is pending of it is gone, blocked or not. */
export function discardIgnored(p: Proc, sig: number): void {
  if (p.sigactions.isIgnored(sig)) discardEverywhere(p, sig);
}

/** Takes a signal of `wanted` that is pending for `td`, blocked or not: sigtimedwait(2), signalfd(2). */
export function takeWanted(td: Lwp, wanted: SigSet): SigInfo | null {
  const others = new SigSet();
  others.setWords(~wanted.lo, ~wanted.hi);
  const own = td.pending.nextOutside(others);
  if (own !== 0) return withOverrun(td.pending.take(own));
  const shared = td.proc.pending.nextOutside(others);
  return shared === 0 ? null : withOverrun(td.proc.pending.take(shared));
}

function withOverrun(info: SigInfo | null): SigInfo | null {
  if (!info?.timer) return info;
  return { ...info, status: info.timer.takeOverrun() };
}

function resumeThreads(p: Proc): void {
  p.stopSignal = 0;
  for (const td of p.threads) {
    if (td.trace) td.trace.leaveGroupStop();
    else td.cont();
  }
}

function wakeAll(p: Proc): void {
  if (p.stopSignal !== 0) resumeThreads(p);
  for (const td of p.threads) {
    if (td.trace?.stop) td.trace.release();
    td.wakeup();
  }
}

function discardEverywhere(p: Proc, sig: number): void {
  p.pending.discard(sig);
  for (const td of p.threads) td.pending.discard(sig);
}

/** SIGCHLD and a wakeup for whoever waits: a child stopped or went on. */
function notifyParent(p: Proc, code: number, status: number): void {
  const { parent } = p;
  if (!parent) return;
  if (!parent.sigactions.isNoChildStop) psignal(parent, SIGCHLD, childInfo(p, code, status));
  parent.childQueue.wakeup();
}

/** siginfo of SIGCHLD: times in clock ticks. */
export function childInfo(p: Proc, code: number, status: number): SigInfo {
  return changeInfo(p.parent, p.id, p.cred, p.usage(), code, status);
}

/** The same of one thread, for its tracer. */
export function threadInfo(
  { tracer, id, td, ended }: Tracing,
  code: number,
  status: number,
): SigInfo {
  return changeInfo(tracer.proc, id, td.cred, ended?.usage ?? td, code, status);
}

function changeInfo(
  told: Proc | null,
  id: Pid,
  { uid }: Cred,
  { userNs, systemNs }: { readonly userNs: number; readonly systemNs: number },
  code: number,
  status: number,
): SigInfo {
  return {
    signo: SIGCHLD,
    code,
    pid: told ? id.in(told.id.ns) : id.number,
    uid: told ? told.cred.userns.shownUid(uid) : uid,
    status,
    utimeTicks: Math.floor(userNs / TICK_NS),
    stimeTicks: Math.floor(systemNs / TICK_NS),
  };
}

/** USER_HZ is 100. */
const TICK_NS = 1e7;
/** Real-time signals that may be queued in the whole machine, for each thread it may have. */
const QUEUED_PER_THREAD = 16;
const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];
