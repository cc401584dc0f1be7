/**
 * One thread traced by another: the link between them, and the stop that the
 * traced one is in. See ptrace(2); Linux kernel/ptrace.c and kernel/signal.c
 * for the order of the rules.
 *
 * Invariant: `stop` is not null exactly while the thread is parked for its
 * tracer; then its registers are as Linux/riscv64 would show them (`view`).
 * What a thread must report that it cannot report at once waits in `trapStop`,
 * `trapNotify`, `owesExitStop`, and HAS_TRAP in `td.signalWork` says so.
 */
import { ENOSYS, ERESTART_RESTARTBLOCK } from "../abi/errno.ts";
import {
  PTRACE_EVENT_STOP,
  PTRACE_EVENTMSG_SYSCALL_ENTRY,
  PTRACE_EVENTMSG_SYSCALL_EXIT,
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_O_TRACESYSGOOD,
  ptraceOptionOf,
} from "../abi/ptrace.ts";
import { CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGSTOP, SIGTRAP } from "../abi/signal.ts";
import type { Cred } from "../kern/cred.ts";
import { HAS_TRAP, IS_TRACED, type Lwp } from "./lwp.ts";
import type { Pid } from "./pid.ts";
import type { Usage } from "./proc.ts";
import { kernelSignal, type SigInfo, userSignal } from "./siginfo.ts";
import { psignal, threadInfo, tsignal } from "./signal.ts";

const A0 = 10;
const A7 = 17;
const ECALL_BYTES = 4;
const NR_RESTART_SYSCALL = 128;
const TWO32 = 0x1_0000_0000;
/** In the code of a stop at a system call, where TRACESYSGOOD asks for it. */
const SYSGOOD = 0x80;

/** Why a thread is parked. */
export type StopKind = "signal" | "group" | "entry" | "exit" | "event";

export interface TraceStop {
  readonly kind: StopKind;
  /** What wait(2) shows above the low byte of its status. */
  readonly code: number;
  /** For GETSIGINFO; null in a group-stop of one that was not seized. */
  info: SigInfo | null;
  /** wait(2) has told of it. */
  isReported: boolean;
}

/** How far the system call in progress is, as far as the tracer knows. */
export type CallStage = "none" | "entry" | "seccomp" | "inside" | "interrupted";

/** What the thread's own registers were before the tracer was shown a call in progress. */
interface CallView {
  readonly pc: number;
  a0lo: number;
  a0hi: number;
  readonly nr: number;
  /** What a0 and a7 show. */
  readonly shownA0: number;
  readonly shownNr: number;
}

/** How a tracer lets a thread go. */
export type ResumeMode = "cont" | "syscall" | "step";

export class Tracing {
  readonly td: Lwp;
  readonly tracer: Lwp;
  /** What the tracer was when it began: it may hold back privileges of programs that are run. */
  readonly tracerCred: Cred;
  readonly isSeized: boolean;
  /** PTRACE_O_* */
  options: number;
  /** For GETEVENTMSG. */
  message = 0;
  stop: TraceStop | null = null;
  view: CallView | null = null;
  /** PTRACE_LISTEN: parked, but not to be disturbed. */
  isListening = false;
  /** To stop when it can be told; to tell that a group-stop began or ended. */
  trapStop = false;
  trapNotify = false;
  stopsAtCalls = false;
  isStepping = false;
  callStage: CallStage = "none";
  /** The call in progress has not been made yet: it stopped on the way in. */
  isCallFresh = false;
  /** Its program was replaced, or the like: a stop at the end of the call is due. */
  owesExitStop = false;
  /** Who it was before the execve(2) that is to be told of; null if there is none. */
  execFrom: Pid | null = null;
  hasReportedExit = false;
  /** It ended, and its tracer has not been told: its id, wait(2)'s status and what it used. */
  ended: { readonly id: Pid; readonly status: number; readonly usage: Usage } | null = null;

  constructor(td: Lwp, tracer: Lwp, isSeized: boolean, options: number, tracerCred = tracer.cred) {
    this.td = td;
    this.tracer = tracer;
    this.tracerCred = tracerCred;
    this.isSeized = isSeized;
    this.options = options;
    if (td.callInProgress >= 0) this.callStage = "inside";
    td.trace = this;
    td.callWork |= IS_TRACED;
    tracer.tracees ??= new Set();
    tracer.tracees.add(this);
  }

  get id(): Pid {
    return this.ended?.id ?? this.td.id;
  }

  wants(event: number): boolean {
    return (this.options & ptraceOptionOf(event)) !== 0;
  }

  get suspendsSeccomp(): boolean {
    return (this.options & PTRACE_O_SUSPEND_SECCOMP) !== 0;
  }

  /** Signal-delivery-stop. */
  stopForSignal(info: SigInfo): void {
    this.#park("signal", info.signo, info, CLD_TRAPPED);
  }

  /** Stop at a PTRACE_EVENT_*, if it is asked for: true if so. Within a call, `isInCall`. */
  stopAtEvent(event: number, message: number, isInCall: boolean): boolean {
    if (!this.wants(event)) return false;
    this.message = message;
    if (isInCall) this.#openView(ENOSYS, null);
    this.#notify(SIGTRAP | (event << 8));
    return true;
  }

  /** Stop at an event about a child: the tracer is told the child's id as it knows it. */
  stopForChild(event: number, child: Pid): boolean {
    return this.stopAtEvent(event, this.tracer.numberOf(child), true);
  }

  /** PTRACE_SINGLESTEP entered a handler. */
  stopAtHandler(): void {
    this.message = 0;
    this.#notify(SIGTRAP);
  }

  /** Syscall-enter-stop: the call is not made before `closeView`. */
  stopAtEntry(nr: number): void {
    const { td } = this;
    const isRestart = td.callInProgress >= 0 && td.restartCode === ERESTART_RESTARTBLOCK;
    this.isCallFresh = td.callInProgress < 0;
    this.callStage = "entry";
    if (this.isCallFresh) td.callInProgress = nr;
    this.#openView(ENOSYS, isRestart ? NR_RESTART_SYSCALL : null);
    this.message = PTRACE_EVENTMSG_SYSCALL_ENTRY;
    this.#notifyCall("entry");
  }

  /** Syscall-exit-stop of a call that ended. */
  stopAtExit(): void {
    this.message = PTRACE_EVENTMSG_SYSCALL_EXIT;
    this.#notifyCall("exit");
  }

  /** Syscall-exit-stop of a call that was interrupted and may be made again. */
  stopInterrupted(restartCode: number): void {
    this.#openView(restartCode, null);
    this.stopAtExit();
  }

  /** Group-stop, or the stop that PTRACE_INTERRUPT asked for. */
  stopTrapped(): void {
    const { stopSignal } = this.td.proc;
    this.trapStop = false;
    if (this.isSeized) {
      this.trapNotify = false;
      const code = (stopSignal || SIGTRAP) | (PTRACE_EVENT_STOP << 8);
      this.message = 0;
      this.#park("group", code, this.#ownInfo(stopSignal || SIGTRAP, code), CLD_STOPPED);
    } else {
      this.#park("group", stopSignal || SIGSTOP, null, CLD_STOPPED);
    }
  }

  get hasTrap(): boolean {
    return this.trapStop || this.trapNotify;
  }

  /** The process is to stop: this thread will, where its tracer can see it. */
  joinGroupStop(): void {
    if (this.isSeized && this.stop) this.trapNotify = true;
    else this.trapStop = true;
    this.demandTrap();
  }

  /** SIGCONT came. */
  leaveGroupStop(): void {
    this.trapStop = false;
    if (!this.isSeized) return;
    this.trapNotify = true;
    this.demandTrap();
    if (this.isListening) this.release();
  }

  /**
   * Makes the thread come by and report, unless it is parked for its tracer already. One that
   * stopped with its process before it was traced goes on, to stop where its tracer sees it.
   */
  demandTrap(): void {
    const { td } = this;
    td.signalWork |= HAS_TRAP;
    if (this.stop) return;
    if (td.state === "stopped") td.cont();
    else if (!td.isUninterruptible) td.wakeup();
  }

  /** Lets the thread go on. `sig` is what becomes of the signal it stopped for, or a further one. */
  resume(mode: ResumeMode, sig: number): void {
    const stop = this.stop!;
    this.stopsAtCalls = mode === "syscall";
    this.isStepping = mode === "step";
    this.#settle(stop, sig);
    this.release();
  }

  /** Out of its stop, with nothing said about how to go on. */
  release(): void {
    this.stop = null;
    this.isListening = false;
    this.td.cont();
  }

  /**
   * Puts the registers back to where the call is made, or made again; what the tracer changed
   * counts. True if the call is not to be made: a0 and pc are what the program shall see.
   */
  closeView(): boolean {
    const { view, td } = this;
    this.view = null;
    if (!view) return false;
    const { context } = td;
    const nr = context.xlo(A7);
    const isSkipped =
      this.callStage === "entry" || this.callStage === "seccomp" ? nr === -1 : false;
    const isEnded =
      this.callStage === "interrupted" &&
      (context.getX(A0) !== view.shownA0 || context.pc !== view.pc + ECALL_BYTES);
    if (isSkipped || isEnded) return true;
    if (nr === view.shownNr) context.setX(A7, view.nr);
    context.pc = view.pc;
    context.setXParts(A0, view.a0lo, view.a0hi);
    return false;
  }

  /** The first argument of the call shown, which a0 does not show: low and high half. */
  get shownArg0(): readonly [number, number] {
    const { view, td } = this;
    return view ? [view.a0lo, view.a0hi] : [td.context.xlo(A0), td.context.xhi(A0)];
  }

  setShownArg0(low: number, high: number): void {
    if (!this.view) return;
    this.view.a0lo = low;
    this.view.a0hi = high;
  }

  /** SIGCHLD to the tracer, and a wakeup: something is to be waited for. */
  tellTracer(code: number, status: number): void {
    const p = this.tracer.proc;
    if (!p.sigactions.isNoChildStop) psignal(p, SIGCHLD, threadInfo(this, code, status));
    p.childQueue.wakeup();
  }

  #settle(stop: TraceStop, sig: number): void {
    const { td } = this;
    if (sig === 0) return;
    if (stop.kind === "entry" || stop.kind === "exit") {
      tsignal(td, sig, kernelSignal(sig));
    } else if (stop.kind === "signal") {
      const own = stop.info?.signo === sig ? stop.info : null;
      const { proc, cred } = this.tracer;
      const from = td.numberOf(proc.id);
      const info = own ?? userSignal(sig, from, td.cred.userns.shownUid(cred.uid));
      if (td.sigmask.has(sig)) {
        tsignal(td, sig, info);
      } else {
        td.verdict = info;
        td.signalWork |= HAS_TRAP;
      }
    }
  }

  /** Shows the call at which the thread stands as Linux/riscv64 does: pc behind it, a0 with its result so far. */
  #openView(shownA0: number, shownNr: number | null): void {
    const { context } = this.td;
    const nr = context.xlo(A7);
    this.view = {
      pc: context.pc,
      a0lo: context.xlo(A0),
      a0hi: context.xhi(A0),
      nr,
      shownA0,
      shownNr: shownNr ?? nr,
    };
    context.pc += ECALL_BYTES;
    context.setX(A0, shownA0);
    if (shownNr !== null) context.setX(A7, shownNr);
  }

  #notifyCall(kind: "entry" | "exit"): void {
    const code = this.options & PTRACE_O_TRACESYSGOOD ? SIGTRAP | SYSGOOD : SIGTRAP;
    this.#park(kind, code, this.#ownInfo(SIGTRAP, code), CLD_TRAPPED);
  }

  #notify(code: number): void {
    this.#park("event", code, this.#ownInfo(SIGTRAP, code), CLD_TRAPPED);
  }

  #ownInfo(signo: number, code: number): SigInfo {
    const { ownTid: pid, cred } = this.td;
    const uid = cred.userns.shownUid(cred.uid);
    // With the code of a plain SIGTRAP both stand where a fault has its address.
    return { signo, code, pid, uid, addr: uid * TWO32 + pid };
  }

  #park(kind: StopKind, code: number, info: SigInfo | null, why: number): void {
    // Any stop answers a request to stop.
    this.trapStop = false;
    this.stop = { kind, code, info, isReported: false };
    this.td.stop();
    this.tellTracer(why, why === CLD_STOPPED ? this.td.proc.stopSignal : code & 0x7f);
  }
}
