/**
 * Threads: what the scheduler runs and what sleeps.
 *
 * A system call that must wait calls `sleep*` and returns the restart code
 * that it gives back; the thread keeps no stack in the kernel. Waking makes it
 * runnable, and the dispatcher calls the system call again from the top: so
 * before the last possible sleep a call changes nothing, and what must outlive
 * a sleep is data on the thread (`restart`). See docs/blocking.md; lwkt(9).
 *
 * Invariant: a thread is SLEEPING exactly while it has armed waiters or a
 * timeout; it is on a run queue exactly while RUNNABLE.
 */
import { ERESTARTSYS, type Errno } from "../abi/errno.ts";
import { SCHED_IDLE, SCHED_OTHER, SCHED_RR } from "../abi/sched.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import { Callout } from "./callout.ts";
import type { Cgroup } from "./cgroup/cgroup.ts";
import type { Cpu } from "./cpu.ts";
import type { Cred } from "./cred.ts";
import type { DeadlineServer } from "./deadline.ts";
import { IO_PRESSURE, type PressureKind } from "./pressure.ts";
import { DEADLINE_PRIORITY } from "./realtime.ts";
import type { RunGroup } from "./rungroup.ts";
import type { RunEntity } from "./runheap.ts";
import { Waiter, type WaitQueue } from "./waitqueue.ts";

export type ThreadState = "runnable" | "running" | "sleeping" | "stopped" | "dead";

/** What a call keeps across its own restarts; fresh for every new call. */
export interface RestartState {
  /** Absolute end of the wait, ns monotonic; -1 while none was computed. */
  deadlineNs: number;
  /** Bytes (or items) already done. */
  done: number;
  /** Anything else, plain data, owned by the one call in progress. */
  data: unknown;
  /** What others were asked, and allowed it: fanotify(7). */
  asked: Abandonable | null;
}

/** Restart data of a call that has something to take back should it never be made again. */
export interface Abandonable {
  abandon(): void;
}

export abstract class Thread implements RunEntity {
  /** Changes only when execve(2) gives a thread the id of its process. */
  tid: number;
  cpu: Cpu;
  cred: Cred;
  state: ThreadState = "runnable";
  /** Why it sleeps, as `ps` shows it; empty when it does not. */
  wmesg = "";
  /** SCHED_*: see sched(7). With SCHED_FIFO and SCHED_RR `ownPriority` is 1 … 99. */
  policy = SCHED_OTHER;
  ownPriority = 0;
  /**
   * What the run queue goes by: its own priority, or that of who waits for a lock of its; 0 for the
   * ordinary policies. Set by `RunQueue.setPriority`.
   */
  rtPriority = 0;
  /** Its place among the real-time threads; level 0 when it is not there. */
  rtLevel = 0;
  rtNext: Thread | null = null;
  rtPrev: Thread | null = null;
  /** SCHED_RR: what is left of its turn. */
  rrLeftNs = 0;
  /** Run by real-time priority since it slept last: RLIMIT_RTTIME. */
  rtRanNs = 0;
  /** With SCHED_DEADLINE. */
  deadline: DeadlineServer | null = null;
  #nice = 0;
  #vruntimeRate = 1;
  /** Weighted run time that orders the run queue, ns at nice 0. */
  vruntimeNs = WIDE_ZERO;
  /** Place in the run queue's heap; -1 when not on it. */
  runIndex = -1;
  readonly heap = null;
  /** The group with which it shares the CPU; null for none. Follows from `cgroup`. */
  runGroup: RunGroup | null = null;
  /** Counted among those who wait for the CPU. */
  isWaiting = false;
  /** It is to end: no group holds it up. */
  isDying = false;
  /** Its control group; see cgroups(7). */
  cgroup: Cgroup;
  userNs = WIDE_ZERO;
  systemNs = WIDE_ZERO;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  /** It has used more of a disk than it may: it does not run in user mode before this time; 0 if not. */
  payUntilNs = WIDE_ZERO;
  /** What that is for. */
  payKind: PressureKind = IO_PRESSURE;
  /** The call in progress answers EPIPE where no SIGPIPE goes with it: a datagram socket. */
  isSigpipeSpared = false;
  /** What disks moved while it was at work. */
  diskBytesRead = WIDE_ZERO;
  diskBytesWritten = WIDE_ZERO;
  /** sched_yield(2): let the others run first, once. */
  isYielding = false;
  readonly restart: RestartState = {
    deadlineNs: -1,
    done: 0,
    data: null,
    asked: null,
  };

  readonly #waiters: ThreadWaiter[] = [];
  #waiting = 0;
  /** Waiters paid for, and whether one could not be. */
  #paidWaiters = 0;
  #isShort = false;
  /** A waiter of the call's own making (futex(2), wait queues that hand something over). */
  #ownWaiter: Waiter | null = null;
  readonly #timeout: SleepTimeout;

  constructor(tid: number, cpu: Cpu, cred: Cred) {
    this.tid = tid;
    this.cpu = cpu;
    this.cred = cred;
    this.cgroup = cpu.cgroups.root;
    this.#timeout = new SleepTimeout(this);
  }

  /** The process whose thread it is, where there are processes. */
  get pid(): number {
    return this.tid;
  }

  /** Soft RLIMIT_FSIZE: what a write may grow a file to; threads of a process have their own. */
  get fileSizeLimit(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** -20 … 19; see setpriority(2). */
  get nice(): number {
    return this.#nice;
  }

  set nice(nice: number) {
    this.#nice = nice;
    this.#vruntimeRate = 1.25 ** nice;
  }

  /** Virtual time for each ns that it runs. */
  get vruntimeRate(): number {
    return this.policy === SCHED_IDLE ? IDLE_RATE : this.#vruntimeRate;
  }

  /** The priority that its policy gives it. */
  get basePriority(): number {
    return this.deadline ? DEADLINE_PRIORITY : this.ownPriority;
  }

  get isRoundRobin(): boolean {
    return this.policy === SCHED_RR;
  }

  /** Only what kills it ends its sleep. */
  get isUninterruptible(): boolean {
    return false;
  }

  set isUninterruptible(_is: boolean) {}

  /** Sleeps until `queue` is woken. Return the result: it makes the call restart. */
  sleep(queue: WaitQueue, wmesg: string): Errno {
    this.watch(queue);
    return this.#asleep(wmesg);
  }

  /** As `sleep`, but no longer than to `deadlineNs` (absolute; Infinity: for ever). */
  sleepUntil(queue: WaitQueue | null, wmesg: string, deadlineNs: number): Errno {
    if (queue) this.watch(queue);
    if (deadlineNs < Number.POSITIVE_INFINITY) this.cpu.callouts.arm(this.#timeout, deadlineNs);
    return this.#asleep(wmesg);
  }

  /** Adds a further queue that will end the sleep about to begin (poll(2) watches many). */
  watch(queue: WaitQueue): void {
    let w = this.#waiters[this.#waiting];
    if (!w) {
      if (this.#waiting >= FREE_WAITERS && !this.#payWaiters()) return;
      w = new ThreadWaiter(this);
      this.#waiters.push(w);
    }
    this.#waiting++;
    queue.add(w);
  }

  /** True if a `watch` was refused for want of memory: do not sleep, answer ENOMEM. */
  get isShortOfWaiters(): boolean {
    return this.#isShort;
  }

  /** As `watch`, with a waiter that keeps more than "woken"; it leaves its queue when the sleep ends. */
  watchWith(waiter: Waiter, queue: WaitQueue): void {
    this.#ownWaiter = waiter;
    queue.add(waiter);
  }

  /** Takes back `watch`es when the call finds that it need not sleep. */
  unwatch(): void {
    for (let i = 0; i < this.#waiting; i++) this.#waiters[i]!.cancel();
    this.#waiting = 0;
    this.#isShort = false;
    if (this.#paidWaiters > 0) {
      this.#waiters.length = FREE_WAITERS;
      this.cpu.kmem.give(this.#paidWaiters * WAITER_BYTES);
      this.#paidWaiters = 0;
    }
    this.#ownWaiter?.cancel();
    this.#ownWaiter = null;
  }

  /** Ends a sleep, whatever it waits for; no effect on a thread that does not sleep. */
  wakeup(): void {
    if (this.state !== "sleeping") return;
    this.#awake();
    this.rtRanNs = 0;
    this.cpu.makeRunnable(this);
  }

  /** Back to running without a trip through the run queue: the sleep never took hold. */
  cancelSleep(): void {
    if (this.state !== "sleeping") return;
    this.#awake();
    this.state = "running";
  }

  /** Parks the thread wherever it is; a call it slept in is called again after `cont`. */
  stop(): void {
    if (this.state === "dead") return;
    this.#leave();
    this.state = "stopped";
  }

  cont(): void {
    if (this.state === "stopped") this.cpu.makeRunnable(this);
  }

  /** It is to end: neither freezing nor a limit of CPU time keeps it from that. */
  escapeGroups(): void {
    this.isDying = true;
    this.cpu.runq.regroup(this, null);
  }

  /** Off every queue, for good. */
  retire(): void {
    this.#leave();
    this.cpu.runq.setDeadline(this, null);
    this.clearRestart();
    this.state = "dead";
  }

  clearRestart(): void {
    const r = this.restart;
    if (isAbandonable(r.data)) r.data.abandon();
    r.asked?.abandon();
    r.deadlineNs = -1;
    r.done = 0;
    r.data = null;
    r.asked = null;
  }

  #payWaiters(): boolean {
    if (!this.cpu.kmem.take(WAITER_BYTES)) {
      this.#isShort = true;
      return false;
    }
    this.#paidWaiters++;
    return true;
  }

  #asleep(wmesg: string): Errno {
    this.state = "sleeping";
    this.wmesg = wmesg;
    return ERESTARTSYS;
  }

  #leave(): void {
    if (this.state === "runnable") this.cpu.runq.remove(this);
    else if (this.state === "sleeping") this.#awake();
  }

  #awake(): void {
    this.unwatch();
    this.cpu.callouts.disarm(this.#timeout);
    this.wmesg = "";
  }
}

/** SCHED_IDLE weighs 3 where nice 0 weighs 1024. */
const IDLE_RATE = 1024 / 3;

function isAbandonable(data: unknown): data is Abandonable {
  return typeof data === "object" && data !== null && "abandon" in data;
}

/** Waiters that a thread may keep for nothing, and what one takes, about. */
const FREE_WAITERS = 64;
const WAITER_BYTES = 96;

class ThreadWaiter extends Waiter {
  readonly #td: Thread;

  constructor(td: Thread) {
    super();
    this.#td = td;
  }

  wake(): void {
    this.#td.wakeup();
  }
}

class SleepTimeout extends Callout {
  readonly #td: Thread;

  constructor(td: Thread) {
    super();
    this.#td = td;
  }

  fire(): void {
    this.#td.wakeup();
  }
}
