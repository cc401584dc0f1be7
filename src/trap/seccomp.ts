/**
 * What becomes of a system call that seccomp(2) does not simply let through.
 */
import { ENOSYS } from "../abi/errno.ts";
import {
  AUDIT_ARCH_RISCV64,
  SECCOMP_MODE_STRICT,
  SECCOMP_RET_DATA,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
  SECCOMP_RET_TRAP,
  SECCOMP_RET_USER_NOTIF,
  SYS_SECCOMP,
} from "../abi/seccomp.ts";
import { SIGKILL, SIGSYS } from "../abi/signal.ts";
import { killedStatus } from "../abi/wait.ts";
import { endBySignal } from "../proc/coredump.ts";
import { exitThread } from "../proc/exit.ts";
import type { Lwp } from "../proc/lwp.ts";
import { actionOf, dataOf, judge, type Verdict } from "../proc/seccomp.ts";
import { logSeccomp } from "../proc/seccomplog.ts";
import { Notification, type SeccompListener } from "../proc/seccompnotify.ts";
import type { SigInfo } from "../proc/siginfo.ts";
import { forceSignal } from "../proc/signal.ts";
import { asksTracer } from "./tracedcall.ts";

/** The call is to be made. */
export const SECCOMP_PASS = 0;
/** It ended: the pc is behind it, and a0 is what the program shall see. */
export const SECCOMP_ENDED = 1;
/** The thread is no more. */
export const SECCOMP_GONE = 2;
/** It sleeps until somebody has answered. */
export const SECCOMP_ASKS = 3;

const A0 = 10;
const ECALL_BYTES = 4;
const MAX_ERRNO = 4095;
/** read write exit rt_sigreturn */
const STRICT_CALLS = new Set([63, 64, 93, 139]);

/** Asks whether `td`, which is under seccomp, may make call `nr`; `isAnswered`: its tracer has said so. */
export function screen(td: Lwp, nr: number, isAnswered: boolean): number {
  if (td.seccompMode === SECCOMP_MODE_STRICT) {
    if (STRICT_CALLS.has(nr)) return SECCOMP_PASS;
    logSeccomp(td, nr, SIGKILL, SECCOMP_RET_KILL_THREAD, true);
    exitThread(td, killedStatus(SIGKILL));
    return SECCOMP_GONE;
  }
  const verdict = judge(td, nr);
  if (verdict === null) return SECCOMP_PASS;
  if (isAnswered && actionOf(verdict.value) === SECCOMP_RET_TRACE) return SECCOMP_PASS;
  return act(td, nr, verdict);
}

function act(td: Lwp, nr: number, { value, filter }: Verdict): number {
  const action = actionOf(value);
  const data = value & SECCOMP_RET_DATA;
  switch (action) {
    case SECCOMP_RET_LOG:
      logSeccomp(td, nr, 0, action, true);
      return SECCOMP_PASS;
    case SECCOMP_RET_ERRNO:
      logSeccomp(td, nr, 0, action, filter.isLogging);
      return end(td, -Math.min(data, MAX_ERRNO));
    case SECCOMP_RET_USER_NOTIF:
      logSeccomp(td, nr, 0, action, filter.isLogging);
      return filter.listener?.isClosed === false ? ask(td, nr, filter.listener) : end(td, ENOSYS);
    case SECCOMP_RET_TRACE:
      logSeccomp(td, nr, 0, action, filter.isLogging);
      return asksTracer(td, nr, value) ? SECCOMP_ASKS : end(td, ENOSYS);
    case SECCOMP_RET_TRAP:
      logSeccomp(td, nr, SIGSYS, action, filter.isLogging);
      td.context.pc += ECALL_BYTES;
      forceSignal(td, sigsys(td, nr, data));
      return SECCOMP_ENDED;
    default:
      return kill(td, nr, action, data);
  }
}

function ask(td: Lwp, nr: number, listener: SeccompListener): number {
  const notification = listener.notify(td, dataOf(td, nr));
  td.restart.data = notification;
  td.sleep(notification.answered, "seccomp");
  return SECCOMP_ASKS;
}

/** True if `td`'s call is one that somebody is asked about: go to `goOnAsking`. */
export function isAsking(td: Lwp): boolean {
  return td.restart.data instanceof Notification;
}

/** The call is made again, perhaps since the answer is there. */
export function goOnAsking(td: Lwp): number {
  const notification = td.restart.data as Notification;
  if (notification.state !== "answered") {
    td.sleep(notification.answered, "seccomp");
    return SECCOMP_ASKS;
  }
  td.endCall();
  return notification.goesOn ? SECCOMP_PASS : end(td, notification.result);
}

function end(td: Lwp, result: number): number {
  td.context.setX(A0, result);
  td.context.pc += ECALL_BYTES;
  return SECCOMP_ENDED;
}

/** Actions that nobody knows kill the process as well. */
function kill(td: Lwp, nr: number, action: number, data: number): number {
  logSeccomp(td, nr, SIGSYS, action, true);
  const isOne = action === SECCOMP_RET_KILL_THREAD && td.proc.threads.length > 1;
  if (isOne) {
    exitThread(td, killedStatus(SIGSYS));
    return SECCOMP_GONE;
  }
  td.context.pc += ECALL_BYTES;
  endBySignal(td, sigsys(td, nr, data));
  return SECCOMP_GONE;
}

function sigsys(td: Lwp, nr: number, data: number): SigInfo {
  return {
    signo: SIGSYS,
    code: SYS_SECCOMP,
    errno: data,
    addr: td.context.pc,
    status: nr,
    valueLo: AUDIT_ARCH_RISCV64,
  };
}
