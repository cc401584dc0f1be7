/**
 * A thread of a process: registers, signal mask, and its place in the family. See clone(2).
 */
import { SS_DISABLE } from "../abi/signal.ts";
import type { IpcNamespace } from "../ipc/ipcnamespace.ts";
import type { SemUndoList } from "../ipc/semundo.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Cred } from "../kern/cred.ts";
import { Thread } from "../kern/thread.ts";
import type { Context } from "../machine/context.ts";
import type { FdTable } from "../vfs/fdtable.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import type { PiQueue } from "./futex.ts";
import { HeldArgs } from "./heldargs.ts";
import type { Proc } from "./proc.ts";
import { RLIMIT_FSIZE } from "./rlimit.ts";
import type { SeccompFilter } from "./seccomp.ts";
import { PendingSignals } from "./sigqueue.ts";
import { SigSet } from "./sigset.ts";

/** What a segment, a set or a lock takes, about. */
const FIRST_READ_PART_BYTES = 48;

/** (uid_t)-1: nobody has logged in. */
export const NO_LOGIN = 0xffffffff;

export class Lwp extends Thread {
  readonly proc: Proc;
  readonly context: Context;
  /** Descriptors and directories: its own reference, though threads mostly share them. See clone(2). */
  fdtable!: FdTable;
  fs!: FsContext;
  ipc: IpcNamespace;
  /** What it takes back of its semaphore operations at its end; null while there is nothing. */
  semUndo: SemUndoList | null = null;
  /** Blocked signals, and the mask that a temporary one (sigsuspend, ppoll) displaced. */
  readonly sigmask = new SigSet();
  savedSigmask: SigSet | null = null;
  /** Signals for this thread alone. */
  readonly pending: PendingSignals;
  /** sigaltstack(2): base, size and flags. */
  altStackBase = 0;
  altStackSize = 0;
  altStackFlags = SS_DISABLE;
  /** seccomp(2): SECCOMP_MODE_*, and in filter mode the filter installed last. */
  seccompMode = 0;
  seccompFilter: SeccompFilter | null = null;
  /** Cleared and woken as a futex when the thread ends; see set_tid_address(2). */
  clearTidAddr = 0;
  robustListHead = 0;
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
  /** Sleeps through all but fatal signals, as a parent in vfork(2) must. */
  isUninterruptible = false;
  /** A frame was replaced (execve, rt_sigreturn): the registers are not to be touched on return. */
  isContextReplaced = false;
  /** For trap/usermeter.ts: its last stay in user mode was long; fuel and time of those that were timed. */
  staysLong = false;
  timedFuel = 0;
  timedNs = 0;
  comm = "";
  startNs = 0;
  timerSlackNs = 50_000;
  /** Calls of the read and write families, and what they moved: /proc/PID/io. */
  readCalls = 0;
  writeCalls = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** Who logged in, and the number of that login: /proc/PID/loginuid. */
  loginuid = NO_LOGIN;
  sessionid = NO_LOGIN;
  /** SCHED_*, and the I/O priority of ioprio_set(2): kept, and shown again. */
  policy = 0;
  /** SCHED_RESET_ON_FORK: children get neither the policy nor a nice value below 0. */
  resetsOnFork = false;
  ioprio = 0;

  constructor(tid: number, proc: Proc, cpu: Cpu, cred: Cred, context: Context) {
    super(tid, cpu, cred);
    this.proc = proc;
    this.ipc = proc.table.ipc;
    this.pending = new PendingSignals(proc.table.queuedSignals);
    this.context = context;
  }

  override get pid(): number {
    return this.proc.pid;
  }

  override get fileSizeLimit(): number {
    return this.proc.rlimits.soft(RLIMIT_FSIZE);
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
