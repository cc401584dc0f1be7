/**
 * A process: what its threads share. See fork(2), credentials(7), proc(5).
 *
 * Alive while it has threads; then a zombie that keeps pid, status and times
 * until its parent waits (or its parent ignores SIGCHLD). A zombie has given
 * back its memory and files: look at `state` before touching them.
 */
import { SIGCHLD } from "../abi/signal.ts";
import type { Cgroup } from "../kern/cgroup/cgroup.ts";
import { Cred } from "../kern/cred.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import type { Path } from "../vfs/path.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import type { Key } from "./keys/key.ts";
import type { Lwp } from "./lwp.ts";
import type { Pid } from "./pid.ts";
import type { ProcTable } from "./proctable.ts";
import type { Rlimits } from "./rlimit.ts";
import type { ControllingTty, ProcessGroup } from "./session.ts";
import type { SigActions } from "./sigaction.ts";
import { PendingSignals } from "./sigqueue.ts";
import { ProcessTimers } from "./timers.ts";
import type { Tracing } from "./tracing.ts";

/** Process and waited-for children's resource use, as getrusage(2) sums it. */
export interface Usage {
  userNs: number;
  systemNs: number;
  minorFaults: number;
  majorFaults: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
  maxRssPages: number;
  /** Calls of the read and write families, and what they moved. */
  readCalls: number;
  writeCalls: number;
  bytesRead: number;
  bytesWritten: number;
  /** What was transferred from and to disks on its behalf. */
  diskBytesRead: number;
  diskBytesWritten: number;
}

type ThreadUsage = Omit<Usage, "minorFaults" | "majorFaults" | "maxRssPages">;

export function noUsage(): Usage {
  return {
    userNs: WIDE_ZERO,
    systemNs: WIDE_ZERO,
    minorFaults: 0,
    majorFaults: 0,
    voluntarySwitches: 0,
    involuntarySwitches: 0,
    maxRssPages: 0,
    readCalls: 0,
    writeCalls: 0,
    bytesRead: WIDE_ZERO,
    bytesWritten: WIDE_ZERO,
    diskBytesRead: WIDE_ZERO,
    diskBytesWritten: WIDE_ZERO,
  };
}

/** A core that is being taken. */
export interface Dump {
  /** The process was killed: it ends by that, without a core. */
  abort(): void;
  /** The process ends now. */
  end(): void;
}

export class Proc {
  /** Its numbers in all pid name spaces that see it; `pid` is the kernel's own, in the first one. */
  readonly id: Pid;
  readonly pid: number;
  /** What it calls itself: getpid(2). */
  readonly ownPid: number;
  readonly table: ProcTable;
  state: "alive" | "zombie" | "dead" = "alive";
  parent: Proc | null = null;
  readonly children = new Set<Proc>();
  readonly threads: Lwp[] = [];
  pgrp!: ProcessGroup;
  /** The group with its pid as its id, once it led one: the same again when it comes back to it. */
  ownGroup: ProcessGroup | null = null;
  /** Its controlling terminal. */
  tty: ControllingTty | null = null;
  vmspace!: Vmspace;
  sigactions!: SigActions;
  rlimits!: Rlimits;
  /** Who it was when its last thread ended, for wait and ps; while alive see `cred`. */
  finalCred: Cred = NOBODY;
  finalComm = "";
  /** Signals for the process as a whole. */
  readonly pending: PendingSignals;
  /** Woken when any signal is queued: sigtimedwait(2), signalfd(2). */
  readonly signalQueue = new WaitQueue();
  /** Woken when a child changes state. */
  readonly childQueue = new WaitQueue();
  /** Woken when this process becomes a zombie: pidfd. */
  readonly exitQueue = new WaitQueue();
  /** Woken when a vfork(2) child stops using its parent's memory. */
  readonly vforkQueue = new WaitQueue();
  isVforkChild = false;
  /** The thread that made it. */
  makerTid = 0;
  /** How its first thread was traced when that ended: who is told of the end of the process. */
  leaderTrace: Tracing | null = null;
  /** Signal that the parent gets when this one ends: 0 for none. */
  exitSignal = SIGCHLD;
  /** Once dying: the status word of wait(2). */
  exitStatus = 0;
  isExiting = false;
  /** A signal that ends the whole process as soon as one of its threads can be told; 0 if none. */
  fatalSignal = 0;
  /** It has ended but for its core, which a program takes: nothing of it runs any more. */
  dump: Dump | null = null;
  /** While stopped: the signal that did it. */
  stopSignal = 0;
  /** State changes not yet waited for (WUNTRACED, WCONTINUED). */
  isStopReported = true;
  isContinueReported = true;
  /** The program being run, for /proc/PID/exe, and its name as execve(2) was given it. */
  exe: Path | null = null;
  /** Where the stack holds arguments and environment, for /proc/PID/cmdline and environ. */
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  auxv: Uint8Array = new Uint8Array(0);
  startStack = 0;
  /** Where signal handlers return to, in the mapped vDSO. */
  sigreturnAddr = 0;
  /** Programs that it has begun: each has an address space of its own. */
  execs = 0;
  /** prctl(2): 0, 1 (SUID_DUMP_USER) or 2. */
  dumpable = 1;
  /** Whose CAP_SYS_PTRACE counts over it while it is not dumpable: where it got its memory. Null: the machine's. */
  memoryUserns: UserNamespace | null = null;
  /** Who but its ancestors may trace it where kernel.yama.ptrace_scope is 1. */
  allowedTracer: Proc | "any" | null = null;
  isSubreaper = false;
  /** Where its first thread was when that ended: it counts there until somebody waited. */
  zombieCgroup: Cgroup | null = null;
  /** core(5): what of its memory goes into a core. */
  coredumpFilter = 0x33;
  personality = 0;
  /** Its process keyring; see proc/keys/lookup.ts. */
  keyring: Key | null = null;
  /** What its requests for keys are to link to: KEYCTL_SET_REQKEY_KEYRING keeps it. */
  requestKeyring = 0;
  /** Commands of membarrier(2) that announced a later use. */
  membarriers = 0;
  /** Second of CPU time at which SIGXCPU was sent last. */
  cpuLimitSignalledSec = -1;
  oomScoreAdj = 0;
  /** How low it may be set without privilege. */
  oomScoreAdjMin = 0;
  startNs = WIDE_ZERO;
  readonly timers = new ProcessTimers(this);
  /** Of threads that ended; `usageOf` adds the living. */
  readonly ended: Usage = noUsage();
  /** Of children that were waited for. */
  readonly childUsage: Usage = noUsage();

  constructor(id: Pid, table: ProcTable) {
    this.id = id;
    this.pid = id.number;
    this.ownPid = id.own;
    this.table = table;
    this.pending = new PendingSignals(table.queuedSignals);
  }

  /** The thread that stands for the process; any living one if the leader ended. */
  get leader(): Lwp | null {
    return this.threads[0] ?? null;
  }

  get cred(): Cred {
    return this.leader?.cred ?? this.finalCred;
  }

  get comm(): string {
    return this.leader?.comm ?? this.finalComm;
  }

  /** The first process of its pid name space. */
  get isInit(): boolean {
    return this.ownPid === 1;
  }

  /** An init takes only the signals that it has handlers for; see docs/decisions/run-is-pid-1.md. */
  get isShielded(): boolean {
    return this.ownPid === 1 && (this.pid !== 1 || this.table.isInitShielded);
  }

  /** Not to be chosen when memory is out: process 1, and who is dying already. */
  get isUnkillable(): boolean {
    return (this.pid === 1 && this.isShielded) || this.fatalSignal !== 0;
  }

  get isLastResort(): boolean {
    return this.pid === 1;
  }

  /** True once it called execve(2): setpgid(2) by the parent is too late then. */
  get hasExecuted(): boolean {
    return this.execs > 0;
  }

  get isStopped(): boolean {
    return this.stopSignal !== 0;
  }

  leaveKeyring(): void {
    if (this.keyring) this.table.keys.release(this.keyring);
    this.keyring = null;
  }

  /** Its own use so far, waited-for children not included; see Cpu.sliceKeeper for "so far". */
  usage(): Usage {
    const sum = { ...this.ended };
    if (this.state === "alive") {
      sum.minorFaults += this.vmspace.faults;
      sum.maxRssPages = Math.max(sum.maxRssPages, this.vmspace.peakRssPages);
    }
    for (const td of this.threads) addThread(sum, td);
    return sum;
  }
}

export function addUsage(sum: Usage, more: Usage): void {
  addThread(sum, more);
  sum.minorFaults += more.minorFaults;
  sum.majorFaults += more.majorFaults;
  sum.maxRssPages = Math.max(sum.maxRssPages, more.maxRssPages);
}

/** What is counted per thread; the rest belongs to the address space. */
export function addThread(sum: Usage, more: ThreadUsage): void {
  sum.userNs += more.userNs;
  sum.systemNs += more.systemNs;
  sum.voluntarySwitches += more.voluntarySwitches;
  sum.involuntarySwitches += more.involuntarySwitches;
  sum.readCalls += more.readCalls;
  sum.writeCalls += more.writeCalls;
  sum.bytesRead += more.bytesRead;
  sum.bytesWritten += more.bytesWritten;
  sum.diskBytesRead += more.diskBytesRead;
  sum.diskBytesWritten += more.diskBytesWritten;
}

const NOBODY = Cred.root().with({
  uid: 65534,
  euid: 65534,
  suid: 65534,
  fsuid: 65534,
  gid: 65534,
  egid: 65534,
  sgid: 65534,
  fsgid: 65534,
  capEffective: 0n,
  capPermitted: 0n,
});
