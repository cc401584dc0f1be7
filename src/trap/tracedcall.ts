/**
 * What a traced thread reports about its system calls, and on its way back to
 * user mode. See ptrace(2), "Syscall-stops".
 *
 * A call that stops on its way in counts as in progress, so that the thread
 * comes back here when its tracer lets it go; one that was interrupted is
 * shown as ended with its restart code, and as begun again when it is made again.
 */
import { PTRACE_EVENT_EXEC, PTRACE_EVENT_SECCOMP } from "../abi/ptrace.ts";
import { SECCOMP_RET_DATA } from "../abi/seccomp.ts";
import { SIGTRAP, TRAP_TRACE } from "../abi/signal.ts";
import { exitThread } from "../proc/exit.ts";
import { HAS_TRAP, type Lwp } from "../proc/lwp.ts";
import { faultSignal, userSignal } from "../proc/siginfo.ts";
import { forceSignal, tsignal } from "../proc/signal.ts";
import type { Tracing } from "../proc/tracing.ts";

const A7 = 17;

/** The call is to be made. */
export const ENTER_PASS = 0;
/** It is not: its result is what the tracer made it. */
export const ENTER_SKIPPED = 1;
/** The thread waits for its tracer. */
export const ENTER_STOPPED = 2;

/** Before a traced thread's call is made, and each time that it is made again. */
export function enterTraced(td: Lwp, trace: Tracing, nr: number): number {
  if (trace.view !== null && trace.closeView()) return skip(td, trace);
  if (trace.callStage === "entry") {
    trace.callStage = "inside";
    begin(td, trace);
    return ENTER_PASS;
  }
  const isNew = td.callInProgress < 0;
  if ((isNew || trace.callStage === "interrupted") && trace.stopsAtCalls) {
    trace.stopAtEntry(nr);
    return ENTER_STOPPED;
  }
  if (isNew) trace.callStage = "inside";
  return ENTER_PASS;
}

/** SECCOMP_RET_TRACE: true if a tracer is asked, and the call begins again once it has answered. */
export function asksTracer(td: Lwp, nr: number, value: number): boolean {
  const { trace } = td;
  if (!trace?.wants(PTRACE_EVENT_SECCOMP)) return false;
  trace.isCallFresh = true;
  td.callInProgress = nr;
  trace.callStage = "seccomp";
  return trace.stopAtEvent(PTRACE_EVENT_SECCOMP, value & SECCOMP_RET_DATA, true);
}

/** True if `td` comes back from its tracer's answer to seccomp: the filters are asked again, but not the tracer. */
export function takeSeccompAnswer(td: Lwp): boolean {
  const { trace } = td;
  if (trace?.callStage !== "seccomp") return false;
  trace.callStage = "inside";
  td.callInProgress = -1;
  return true;
}

/** A traced thread's call ended, and the pc is behind it. */
export function leaveTraced(td: Lwp, trace: Tracing): void {
  trace.callStage = "none";
  if (td.state !== "running") return;
  if (trace.stopsAtCalls) trace.stopAtExit();
  else if (trace.isStepping) forceSignal(td, faultSignal(SIGTRAP, TRAP_TRACE, td.context.pc));
}

/** A call replaced the registers: execve(2), rt_sigreturn(2). */
export function leaveReplaced(td: Lwp, trace: Tracing): void {
  const { execFrom } = trace;
  trace.execFrom = null;
  if (execFrom === null) {
    leaveTraced(td, trace);
  } else if (trace.stopAtEvent(PTRACE_EVENT_EXEC, trace.tracer.numberOf(execFrom), false)) {
    trace.callStage = "none";
    trace.owesExitStop = true;
    td.signalWork |= HAS_TRAP;
  } else {
    const uid = td.cred.userns.shownUid(td.cred.uid);
    if (!trace.isSeized) tsignal(td, SIGTRAP, userSignal(SIGTRAP, td.proc.ownPid, uid));
    leaveTraced(td, trace);
  }
}

/**
 * What `td` has to tell its tracer before it takes a signal: true if it is
 * parked with that, or gone.
 */
export function reportTraps(td: Lwp): boolean {
  if (td.endingStatus !== -1) {
    exitThread(td, td.endingStatus);
    return true;
  }
  const { trace } = td;
  const isParked = trace !== null && td.proc.fatalSignal === 0 && reportTrap(td, trace);
  const isDue = td.verdict !== null || trace?.hasTrap === true || trace?.owesExitStop === true;
  td.signalWork = isDue ? td.signalWork | HAS_TRAP : td.signalWork & ~HAS_TRAP;
  return isParked;
}

function reportTrap(td: Lwp, trace: Tracing): boolean {
  if (trace.owesExitStop) {
    trace.owesExitStop = false;
    if (trace.stopsAtCalls) {
      trace.stopAtExit();
      return true;
    }
  }
  if (td.callInProgress >= 0 && trace.callStage === "inside") {
    trace.callStage = "interrupted";
    if (trace.stopsAtCalls) {
      trace.stopInterrupted(td.restartCode);
      return true;
    }
  }
  if (trace.view !== null && trace.closeView()) {
    td.endCall();
    trace.callStage = "none";
  }
  if (td.verdict !== null || !trace.hasTrap) return false;
  trace.stopTrapped();
  return true;
}

/** The call was only announced so far. The tracer may have made another one of it. */
function begin(td: Lwp, trace: Tracing): void {
  if (trace.isCallFresh) td.callInProgress = -1;
  else if (td.context.xlo(A7) !== td.callInProgress) td.endCall();
}

function skip(td: Lwp, trace: Tracing): number {
  td.endCall();
  trace.callStage = "none";
  return ENTER_SKIPPED;
}
