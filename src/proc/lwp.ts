/**
 * A thread of a process: registers, signal mask, and its place in the family. See clone(2).
 */
import { SS_DISABLE } from "../abi/signal.ts";
import type { IpcNamespace } from "../ipc/ipcnamespace.ts";
import type { SemUndoList } from "../ipc/semundo.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Cred } from "../kern/cred.ts";
import { Thread } from "../kern/thread.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import type { Context } from "../machine/context.ts";
import type { FdTable } from "../vfs/fdtable.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import type { PiQueue } from "./futex.ts";
import { HeldArgs } from "./heldargs.ts";
import type { Key } from "./keys/key.ts";
import type { Nsproxy } from "./nsproxy.ts";
import type { Pid } from "./pid.ts";
import type { PidNamespace } from "./pidns.ts";
import type { Proc } from "./proc.ts";
import { RLIMIT_FSIZE } from "./rlimit.ts";
import type { Rseq } from "./rseq.ts";
import type { SeccompFilter } from "./seccomp.ts";
import type { ProcessGroup } from "./session.ts";
import type { SigInfo } from "./siginfo.ts";
import { PendingSignals } from "./sigqueue.ts";
import { SigSet } from "./sigset.ts";
import type { Tracing } from "./tracing.ts";

/** `Lwp.callWork`: seccomp's mode is the lowest two bits. */
const SECCOMP_MODE_BITS = 3;
export const IS_TRACED = 4;
/** `Lwp.signalWork`: sleeps through all but fatal signals; has something to do before it goes on. */
const IS_UNINTERRUPTIBLE = 1;
export const HAS_TRAP = 2;

/** What a segment, a set or a lock takes, about. */
const FIRST_READ_PART_BYTES = 48;

/** (uid_t)-1: nobody has logged in. */
export const NO_LOGIN = 0xffffffff;

export class Lwp extends Thread {
  readonly proc: Proc;
  /** Its numbers; `tid` is the one in the first pid name space, `ownTid` what it calls itself. */
  id: Pid;
  ownTid: number;
  readonly context: Context;
  /** Descriptors and directories: its own reference, though threads mostly share them. See clone(2). */
  fdtable!: FdTable;
  fs!: FsContext;
  /** The name spaces that it is in, but for those of mounts (`fs`), users (`cred`) and pids (`id`). */
  ns: Nsproxy;
  /** What it takes back of its semaphore operations at its end; null while there is nothing. */
  semUndo: SemUndoList | null = null;
  /** Its keyrings, where it has its own; see proc/keys/lookup.ts. */
  threadKeyring: Key | null = null;
  sessionKeyring: Key | null = null;
  /** Blocked signals, and the mask that a temporary one (sigsuspend, ppoll) displaced. */
  readonly sigmask = new SigSet();
  savedSigmask: SigSet | null = null;
  /** Signals for this thread alone. */
  readonly pending: PendingSignals;
  /** sigaltstack(2): base, size and flags. */
  altStackBase = 0;
  altStackSize = 0;
  altStackFlags = SS_DISABLE;
  /** What there is to do at each system call: seccompMode, IS_TRACED. */
  callWork = 0;
  /** In seccomp's filter mode: the filter installed last. */
  seccompFilter: SeccompFilter | null = null;
  /** Cleared and woken as a futex when the thread ends; see set_tid_address(2). */
  clearTidAddr = WIDE_ZERO;
  robustListHead = WIDE_ZERO;
  /** Its area for restartable sequences: rseq(2). */
  rseq: Rseq | null = null;
  /** Queues for the locks that it holds: proc/pifutex.ts. */
  readonly piQueues = new Set<PiQueue>();
  /** Signal to get when the parent ends; see prctl(2) PR_SET_PDEATHSIG. */
  parentDeathSignal = 0;
  /** Number of the system call that sleeps and will be called again; -1 when none does. */
  callInProgress = -1;
  /** What that call answered when it slept: ERESTARTSYS or one of its kin. */
  restartCode = 0;
  /** Its files and paths, kept over its sleeps. */
  readonly heldArgs = new HeldArgs();
  /**
   * What the call in progress read from user memory to begin with, where it says so
   * here: made again, it goes on with that. Null if there was no memory to keep it.
   */
  firstRead: object | null = null;
  #firstReadBytes = 0;
  /** strace's line of the call in progress. */
  traceLine = "";
  /** What makes signals not just a matter of masks: isUninterruptible, HAS_TRAP. */
  signalWork = 0;
  /** Who traces it, and whom it traces: null while nobody. */
  trace: Tracing | null = null;
  tracees: Set<Tracing> | null = null;
  /** A signal that its tracer has let through: the next one to act on. */
  verdict: SigInfo | null = null;
  /** It ends with this status (wait(2)'s word) as soon as its tracer lets it; -1 if it does not. */
  endingStatus = -1;
  /** A frame was replaced (execve, rt_sigreturn): the registers are not to be touched on return. */
  isContextReplaced = false;
  /** For trap/usermeter.ts: its last stay in user mode was long; fuel and time of those that were timed. */
  staysLong = false;
  timedFuel = WIDE_ZERO;
  timedNs = WIDE_ZERO;
  comm = "";
  startNs = WIDE_ZERO;
  timerSlackNs = 50_000;
  /** Calls of the read and write families, and what they moved: /proc/PID/io. */
  readCalls = 0;
  writeCalls = 0;
  bytesRead = WIDE_ZERO;
  bytesWritten = WIDE_ZERO;
  /** Who logged in, and the number of that login: /proc/PID/loginuid. */
  loginuid = NO_LOGIN;
  sessionid = NO_LOGIN;
  /** SCHED_RESET_ON_FORK: children get neither the policy nor a nice value below 0. */
  resetsOnFork = false;
  /** ioprio_set(2): kept, and shown again. */
  ioprio = 0;

  /** `ns`: those of process 1, unless it is born elsewhere. */
  constructor(
    id: Pid,
    proc: Proc,
    cpu: Cpu,
    cred: Cred,
    context: Context,
    ns: Nsproxy = proc.table.ns,
  ) {
    super(id.number, cpu, cred);
    this.id = id;
    this.ownTid = id.own;
    this.proc = proc;
    this.ns = ns.hold();
    this.pending = new PendingSignals(proc.table.queuedSignals);
    this.context = context;
  }

  override get pid(): number {
    return this.proc.pid;
  }

  override get fileSizeLimit(): number {
    return this.proc.rlimits.soft(RLIMIT_FSIZE);
  }

  /** seccomp(2): SECCOMP_MODE_*. */
  get seccompMode(): number {
    return this.callWork & SECCOMP_MODE_BITS;
  }

  set seccompMode(mode: number) {
    this.callWork = (this.callWork & ~SECCOMP_MODE_BITS) | mode;
  }

  /** Sleeps through all but fatal signals, as a parent in vfork(2) must. */
  override get isUninterruptible(): boolean {
    return (this.signalWork & IS_UNINTERRUPTIBLE) !== 0;
  }

  override set isUninterruptible(is: boolean) {
    if (is) this.signalWork |= IS_UNINTERRUPTIBLE;
    else this.signalWork &= ~IS_UNINTERRUPTIBLE;
  }

  /** True while a call that slept is made again. */
  get isMadeAgain(): boolean {
    return this.callInProgress >= 0;
  }

  /** The call sleeps: what it read is kept and paid for, or else read again. */
  keepFirstRead(): void {
    if (this.firstRead === null) return;
    const parts = Array.isArray(this.firstRead) ? this.firstRead.length : 1;
    const bytes = parts * FIRST_READ_PART_BYTES;
    if (this.cpu.kmem.take(bytes)) this.#firstReadBytes = bytes;
    else this.firstRead = null;
  }

  #dropFirstRead(): void {
    this.firstRead = null;
    this.cpu.kmem.give(this.#firstReadBytes);
    this.#firstReadBytes = 0;
  }

  /** The call in progress was settled: it will not be made again. */
  endCall(): void {
    this.callInProgress = -1;
    this.clearRestart();
    this.heldArgs.release();
    this.#dropFirstRead();
  }

  /** Of a process that ended but for its core nothing runs. */
  override cont(): void {
    if (this.proc.dump === null) super.cont();
  }

  override retire(): void {
    super.retire();
    this.heldArgs.release();
    this.#dropFirstRead();
    this.leaveSeccomp();
  }

  leaveSeccomp(): void {
    this.seccompFilter?.release();
    this.seccompFilter = null;
  }

  /** Takes back what it, as the last of those it shares that with, did to semaphores with SEM_UNDO. */
  leaveSemaphores(): void {
    const { semUndo } = this;
    this.semUndo = null;
    semUndo?.release(this.pid);
  }

  /** At the end of a thread: shared memory that it made, if that must not outlive it. */
  leaveSegments(): void {
    this.ns.ipc.shm.makerEnds(this);
  }

  /** execve(2) and the end of a thread: its own keyring goes, and at the end its hold on its session's. */
  leaveKeyrings(isEnding: boolean): void {
    const { keys } = this.proc.table;
    if (this.threadKeyring) keys.release(this.threadKeyring);
    this.threadKeyring = null;
    if (!isEnding) return;
    if (this.sessionKeyring) keys.release(this.sessionKeyring);
    this.sessionKeyring = null;
  }

  get ipc(): IpcNamespace {
    return this.ns.ipc;
  }

  get pidns(): PidNamespace {
    return this.proc.id.ns;
  }

  /** A process by the number that this thread knows it by. */
  findProc(pid: number): Proc | null {
    return this.proc.table.procIn(this.pidns, pid);
  }

  findThread(tid: number): Lwp | null {
    return this.proc.table.threadIn(this.pidns, tid);
  }

  findGroup(pgid: number): ProcessGroup | null {
    return this.proc.table.groupIn(this.pidns, pgid);
  }

  /** The number that it knows a process, group or session by; 0 for one that it cannot see. */
  numberOf(id: Pid): number {
    return id.in(this.pidns);
  }

  /** Goes on in other name spaces. */
  enterNamespaces(ns: Nsproxy): void {
    const old = this.ns;
    this.ns = ns;
    old.release();
  }

  /** It uses no files any more. */
  releaseFiles(): void {
    this.fdtable.release();
    this.fs.release();
  }

  /** True for the thread that has the process's id; it may end before the others. */
  get isLeader(): boolean {
    return this.tid === this.proc.pid;
  }
}
