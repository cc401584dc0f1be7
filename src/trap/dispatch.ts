/**
 * System calls: from a trapped ecall to its result, and what becomes of calls
 * that sleep.
 *
 * A call that slept is called again from the top. Until its result is in a0
 * the pc stays on the ecall and a0 keeps the first argument, so a restarted
 * call finds what it was given, and a signal handler's frame records a state
 * from which the call starts anew. See docs/blocking.md; restart codes in
 * signal(7), "Interruption of system calls".
 */
import {
  EFAULT,
  EINTR,
  ENOMEM,
  ENOSYS,
  EPIPE,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOINTR,
  ERESTARTSYS,
} from "../abi/errno.ts";
import { SA_RESTART, SIGPIPE } from "../abi/signal.ts";
import { IS_TRACED, type Lwp } from "../proc/lwp.ts";
import { relieveMemory } from "../proc/oom.ts";
import type { SigAction } from "../proc/sigaction.ts";
import { hasDeliverableSignal, restoreMask, tsignal } from "../proc/signal.ts";
import type { Syscall } from "../syscall/declare.ts";
import { File } from "../vfs/file.ts";
import {
  goOnAsking,
  isAsking,
  SECCOMP_ASKS,
  SECCOMP_ENDED,
  SECCOMP_PASS,
  screen,
} from "./seccomp.ts";
import { traceEnter, traceExit } from "./strace.ts";
import {
  ENTER_SKIPPED,
  ENTER_STOPPED,
  enterTraced,
  leaveReplaced,
  leaveTraced,
  takeSeccompAnswer,
} from "./tracedcall.ts";

const A0 = 10;
const A7 = 17;
const ECALL_BYTES = 4;

export class Dispatcher {
  readonly #table: readonly (Syscall | undefined)[];

  constructor(table: readonly (Syscall | undefined)[]) {
    this.#table = table;
  }

  /**
   * Serves the call at which `td` trapped, or makes the one it slept in again:
   * true if it ended, so that the pc is behind it. Else the thread runs in another
   * context, sleeps, was stopped or is gone; if it runs with a call still in
   * progress, a signal came first: take it, and unless a handler ended the call,
   * make it again.
   */
  call(td: Lwp): boolean {
    const { context } = td;
    let nr = context.xlo(A7);
    let entry = context.xhi(A7) === 0 ? this.#table[nr] : undefined;
    const isTraced = td.proc.table.strace !== null;
    if (isTraced) traceEnter(td, nr, entry);
    if (td.callWork !== 0) {
      const outcome = this.#enter(td, nr);
      if (outcome !== SECCOMP_PASS) {
        const hasEnded = outcome === SECCOMP_ENDED;
        if (isTraced && outcome !== SECCOMP_ASKS) traceExit(td, undefined, td.context.getX(A0));
        if (hasEnded && td.trace !== null) leaveTraced(td, td.trace);
        return hasEnded && td.state === "running";
      }
      // A tracer may have made another call of it.
      nr = context.xlo(A7);
      entry = context.xhi(A7) === 0 ? this.#table[nr] : undefined;
    }
    if (td.callInProgress < 0) {
      if (entry === undefined) td.cpu.meter.unknownCalls++;
      else td.cpu.meter.calls[nr]!++;
    }
    const r = entry === undefined ? ENOSYS : entry.invoke(td);
    if (r === EFAULT && td.state === "running" && td.proc.vmspace.ranOut) {
      // Not a bad address but no memory for it: room is made as for a fault, and the call made again.
      td.proc.vmspace.ranOut = false;
      relieveMemory(td);
      return false;
    }
    if (td.proc.table.pages.charges.short !== null && isShort(td, r)) {
      relieveMemory(td);
      return false;
    }
    if (td.state !== "running" || isRestart(r) || td.isContextReplaced) {
      this.#unfinished(td, nr, entry, r);
      return false;
    }
    if (isTraced) traceExit(td, entry, r);
    endUsed(td);
    context.setX(A0, r);
    context.pc += ECALL_BYTES;
    if (td.savedSigmask !== null && r !== EINTR) restoreMask(td);
    if (r === EPIPE) this.#brokenPipe(td, nr);
    return td.callWork < IS_TRACED || this.#leave(td);
  }

  /** Tells a tracer that the call ended: false if the thread waits for it now. */
  #leave(td: Lwp): boolean {
    if (td.trace !== null) leaveTraced(td, td.trace);
    return td.state === "running";
  }

  /** What tracer and seccomp filters say before a call is made: SECCOMP_*. */
  #enter(td: Lwp, nr: number): number {
    const { trace } = td;
    if (trace !== null) {
      const outcome = enterTraced(td, trace, nr);
      if (outcome === ENTER_SKIPPED) return SECCOMP_ENDED;
      if (outcome === ENTER_STOPPED) return SECCOMP_ASKS;
    }
    if (td.seccompMode === 0 || trace?.suspendsSeccomp) return SECCOMP_PASS;
    const isAnswered = takeSeccompAnswer(td);
    let outcome = SECCOMP_PASS;
    if (td.callInProgress < 0) outcome = screen(td, td.context.xlo(A7), isAnswered);
    else if (isAsking(td)) outcome = goOnAsking(td);
    if (outcome === SECCOMP_ASKS) this.#unfinished(td, nr, undefined, ERESTARTSYS);
    return outcome;
  }

  #brokenPipe(td: Lwp, nr: number): void {
    if (WRITES.has(nr) && !td.isSigpipeSpared) tsignal(td, SIGPIPE);
    td.isSigpipeSpared = false;
  }

  #unfinished(td: Lwp, nr: number, entry: Syscall | undefined, r: number): void {
    if (td.isContextReplaced) {
      td.isContextReplaced = false;
      td.endCall();
      if (td.proc.table.strace !== null) traceExit(td, entry, r);
      if (td.trace !== null) leaveReplaced(td, td.trace);
      return;
    }
    if (td.state === "dead") return;
    if (td.callInProgress < 0 && entry) {
      holdArgs(td, entry);
      td.keepFirstRead();
    }
    td.callInProgress = nr;
    td.restartCode = r;
    if (td.state === "sleeping" && hasDeliverableSignal(td)) td.cancelSleep();
  }
}

/**
 * Ends an interrupted call before the frame of a handler is built, so that the
 * frame holds what the program shall find: EINTR in a0 and the pc past the
 * ecall, or the pc on the ecall for another try. Without a handler there is
 * nothing to settle: the call is made again.
 */
export function settleRestart(td: Lwp, action: SigAction): void {
  const code = td.restartCode;
  const { done } = td.restart;
  td.endCall();
  if (done > 0) {
    // What has moved cannot be taken back: the call ends with that count.
    td.context.setX(A0, done);
    td.context.pc += ECALL_BYTES;
    return;
  }
  const isRestarted =
    code === ERESTARTNOINTR || (code === ERESTARTSYS && (action.flags & SA_RESTART) !== 0);
  if (isRestarted) return;
  td.context.setX(A0, EINTR);
  td.context.pc += ECALL_BYTES;
}

function isRestart(r: number): boolean {
  return r <= ERESTARTSYS && r >= ERESTART_RESTARTBLOCK;
}

/** Ends a call; most never slept and left nothing to clear. */
function endUsed(td: Lwp): void {
  const { restart } = td;
  const isUsed =
    td.callInProgress >= 0 ||
    restart.deadlineNs !== -1 ||
    restart.done !== 0 ||
    restart.data !== null ||
    restart.asked !== null ||
    td.firstRead !== null;
  if (isUsed) td.endCall();
}

/** The call failed since the thread's control group has reached its memory.max: one of it dies, and it is made again. */
function isShort(td: Lwp, r: number): boolean {
  if (r === ENOMEM && td.state === "running") return true;
  td.proc.table.pages.charges.short = null;
  return false;
}

/** The call was just made, so its descriptors and paths still are what it was given. */
function holdArgs(td: Lwp, entry: Syscall): void {
  const { args } = entry;
  let isAny = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg.name !== "fd" && arg.name !== "upath") continue;
    const value = arg.decode(td, i);
    if (!(value instanceof File) && typeof value !== "string") continue;
    td.heldArgs.hold(i, value);
    isAny = true;
  }
  // Not before all are decoded: from here on they decode to what is held.
  if (isAny) td.heldArgs.isEmpty = false;
}

/** write writev pwrite64 pwritev sendfile vmsplice splice tee pwritev2 copy_file_range */
const WRITES = new Set([64, 66, 68, 70, 71, 75, 76, 77, 285, 287]);
