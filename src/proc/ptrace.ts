/**
 * Who traces whom: beginning and ending it, and the ends of threads that are
 * traced or trace. See ptrace(2).
 *
 * A traced thread that ended stays known to its tracer until that waits for
 * it; its id stays taken as long. A traced process that ended is its tracer's
 * to wait for first, and its parent's after that.
 */
import { EINVAL, EIO, EPERM, ESRCH } from "../abi/errno.ts";
import {
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_VFORK,
  PTRACE_O_EXITKILL,
  PTRACE_O_MASK,
  PTRACE_O_SUSPEND_SECCOMP,
} from "../abi/ptrace.ts";
import { CLD_EXITED, CLD_KILLED, NSIG, SIGCHLD, SIGSTOP } from "../abi/signal.ts";
import { CLONE_PTRACE, CLONE_UNTRACED, CLONE_VFORK } from "../abi/wait.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import { exitInfo, notifyExit } from "./exit.ts";
import { HAS_TRAP, IS_TRACED, type Lwp } from "./lwp.ts";
import { noUsage, type Proc } from "./proc.ts";
import { mayAttach, mayBeTracedBy } from "./ptraceaccess.ts";
import { kernelSignal, type SigInfo } from "./siginfo.ts";
import { killProc, psignal, threadInfo, tsignal } from "./signal.ts";
import { Tracing } from "./tracing.ts";

/** PTRACE_TRACEME: 0 or EPERM. */
export function traceMe(td: Lwp): number {
  const { parent, makerTid } = td.proc;
  if (td.trace) return EPERM;
  // The thread that made it, if that is still there.
  const maker = td.proc.table.thread(makerTid);
  const tracer = maker?.proc === parent ? maker : parent?.leader;
  if (!tracer) return 0;
  if (!mayBeTracedBy(td, tracer)) return EPERM;
  new Tracing(td, tracer, false, 0);
  return 0;
}

/** PTRACE_ATTACH and PTRACE_SEIZE: 0, ESRCH, EPERM. */
export function attach(tracer: Lwp, td: Lwp | null, isSeized: boolean, options: number): number {
  if (!td) return ESRCH;
  if (td.proc === tracer.proc || td.trace || td.state === "dead") return EPERM;
  if (!mayAttach(tracer, td)) return EPERM;
  const trace = new Tracing(td, tracer, isSeized, options);
  if (!isSeized) tsignal(td, SIGSTOP, kernelSignal(SIGSTOP));
  if (td.state === "stopped") {
    trace.trapStop = true;
    trace.demandTrap();
  }
  return 0;
}

/** 0, or what is wrong with these PTRACE_O_*. */
export function checkOptions(tracer: Lwp, options: number): number {
  if (options > PTRACE_O_MASK || (options & ~PTRACE_O_MASK) !== 0) return EINVAL;
  if ((options & PTRACE_O_SUSPEND_SECCOMP) === 0) return 0;
  return tracer.cred.hasCap(CAP_SYS_ADMIN) && tracer.seccompMode === 0 ? 0 : EPERM;
}

/** PTRACE_DETACH. */
export function detach(trace: Tracing, sig: number): number {
  if (sig > NSIG) return EIO;
  letGo(trace, sig);
  return 0;
}

/** The event that making a child with these flags is for `td`'s tracer: PTRACE_EVENT_*, or 0. */
export function cloneEvent(td: Lwp, flags: number, exitSignal: number): number {
  const { trace } = td;
  if (!trace || flags & CLONE_UNTRACED) return 0;
  let event = PTRACE_EVENT_FORK;
  if (flags & CLONE_VFORK) event = PTRACE_EVENT_VFORK;
  else if (exitSignal !== SIGCHLD) event = PTRACE_EVENT_CLONE;
  return trace.wants(event) ? event : 0;
}

/** The new thread is traced as its maker is, if an event tells of it or it was asked for. */
export function inheritTracing(child: Lwp, td: Lwp, flags: number, event: number): void {
  const { trace } = td;
  if (!trace || (event === 0 && (flags & CLONE_PTRACE) === 0)) return;
  const { tracer, isSeized, options, tracerCred } = trace;
  const own = new Tracing(child, tracer, isSeized, options, tracerCred);
  if (isSeized) own.trapStop = true;
  else child.pending.addBare(SIGSTOP);
  if (isSeized) child.signalWork |= HAS_TRAP;
}

/** `td` ends: those whom it traces go on without it. */
export function releaseTracees(td: Lwp): void {
  if (!td.tracees) return;
  for (const trace of [...td.tracees]) {
    const { proc } = trace.td;
    if (trace.options & PTRACE_O_EXITKILL && !trace.ended) killProc(proc);
    if (!trace.ended) {
      const { stop } = trace;
      // A signal that nobody has been told of is delivered.
      const sig = stop?.kind === "signal" && !stop.isReported ? stop.code : 0;
      letGo(trace, sig);
    } else {
      forget(trace);
      if (proc.state === "zombie" && proc.leaderTrace === null) notifyExit(proc);
    }
  }
  td.tracees = null;
}

/** A traced thread ended with wait(2)'s status: its tracer shall hear of it. */
export function traceeEnded(td: Lwp, trace: Tracing, status: number): void {
  const usage = noUsage();
  usage.userNs = td.userNs;
  usage.systemNs = td.systemNs;
  trace.stop = null;
  trace.ended = { id: td.id, status, usage };
  td.trace = null;
  td.callWork &= ~IS_TRACED;
  if (td.isLeader) {
    td.proc.leaderTrace = trace;
    return;
  }
  td.proc.table.holdTid(td.id);
  const tracer = trace.tracer.proc;
  psignal(tracer, SIGCHLD, endInfo(trace, status));
  tracer.childQueue.wakeup();
}

/** siginfo of SIGCHLD for the end of one thread. */
export function endInfo(trace: Tracing, status: number): SigInfo {
  const sig = status & 0x7f;
  return sig === 0
    ? threadInfo(trace, CLD_EXITED, (status >> 8) & 0xff)
    : threadInfo(trace, CLD_KILLED, sig);
}

/** A process ended: true if its tracer is told first, and its parent only when that has waited. */
export function tellTracerOfExit(p: Proc): boolean {
  const trace = p.leaderTrace;
  if (!trace || trace.tracer.proc === p.parent) return false;
  const tracer = trace.tracer.proc;
  psignal(tracer, SIGCHLD, { ...exitInfo(p), signo: SIGCHLD });
  tracer.childQueue.wakeup();
  return true;
}

/** Nobody traces the first thread of `p` any more: it was waited for, or another took its place. */
export function dropLeaderTrace(p: Proc): void {
  if (p.leaderTrace) forget(p.leaderTrace);
}

/** A thread that ended was waited for by its tracer. */
export function forget(trace: Tracing): void {
  const { proc } = trace.td;
  trace.tracer.tracees?.delete(trace);
  if (proc.leaderTrace === trace) proc.leaderTrace = null;
  else if (trace.ended) proc.table.dropTid(trace.ended.id);
}

/** The thread is nobody's tracee any more, and goes on: with `sig`, if it stopped for a signal. */
function letGo(trace: Tracing, sig: number): void {
  const { td, stop } = trace;
  const isEntering = trace.callStage === "entry" || trace.callStage === "seccomp";
  if (trace.closeView()) td.endCall();
  else if (isEntering && trace.isCallFresh) td.callInProgress = -1;
  if (stop) trace.resume("cont", sig);
  unlink(trace);
  const isDue = td.verdict !== null || td.endingStatus !== -1;
  td.signalWork = isDue ? td.signalWork | HAS_TRAP : td.signalWork & ~HAS_TRAP;
  if (td.proc.stopSignal !== 0 && td.endingStatus === -1) td.stop();
}

function unlink(trace: Tracing): void {
  const { td } = trace;
  trace.tracer.tracees?.delete(trace);
  td.trace = null;
  td.callWork &= ~IS_TRACED;
}
