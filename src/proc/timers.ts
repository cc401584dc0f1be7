/**
 * A process's timers: the three interval timers of setitimer(2) and those of
 * timer_create(2).
 *
 * An IntervalTimer is a callout with a period. Expirations that come while its
 * signal is still pending only count (timer_getoverrun). CPU-time timers aim
 * at the earliest moment the time could be used up, look, and aim again.
 * Not inherited by fork; interval timers survive exec, POSIX ones do not.
 */
import { EAGAIN, type Errno } from "../abi/errno.ts";
import { SI_TIMER, SIGALRM, SIGPROF, SIGVTALRM } from "../abi/signal.ts";
import { Callout } from "../kern/callout.ts";
import type { Timespec } from "../kern/clock.ts";
import type { Cpu } from "../kern/cpu.ts";
import { Waiter } from "../kern/waitqueue.ts";
import { CPU_GRAIN_NS, type CpuMeter, ProcessMeter } from "./cpumeter.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";
import { kernelSignal, type SigInfo, type SignalTimer } from "./siginfo.ts";
import { hasSignalRoom, psignal, tsignal } from "./signal.ts";

/** setitimer's `which`. */
export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

const OVERRUN_MAX = 0x7fffffff;
/** A period shorter than this is not kept up with. */
const GRAIN_NS = 50_000;

/** Which clock counts a timer down. */
export type TimerClock = "monotonic" | "realtime" | CpuMeter;

export class IntervalTimer extends Callout implements SignalTimer {
  readonly id: number;
  readonly clock: TimerClock;
  /** As timer_create(2) was given it: time name spaces tell CLOCK_BOOTTIME from CLOCK_MONOTONIC. */
  clockId = 0;
  /** Of a timer on used CPU time, that time; else null. */
  readonly #meter: CpuMeter | null;
  intervalNs = 0;
  /** For timers on used CPU time: the reading at which it expires. */
  #cpuDeadlineNs = 0;
  /** For one set to a time of day: keeps it right when the clock is set. */
  #wallClock: WallClockWatch | null = null;
  #overrun = 0;
  /** Overrun of the last signal taken, as timer_getoverrun(2) answers it. */
  lastOverrun = 0;
  /** The user among whose queued signals it counts. */
  payer = 0;
  readonly #proc: Proc;
  readonly #cpu: Cpu;
  readonly notify: TimerNotify;

  constructor(id: number, proc: Proc, cpu: Cpu, clock: TimerClock, notify: TimerNotify) {
    super();
    this.id = id;
    this.clock = clock;
    this.#meter = typeof clock === "string" ? null : clock;
    this.#proc = proc;
    this.#cpu = cpu;
    this.notify = notify;
  }

  get isArmed(): boolean {
    return this.index >= 0;
  }

  /** Nanoseconds to the next expiration; 0 when disarmed. */
  remainingNs(): number {
    if (!this.isArmed) return 0;
    if (this.#meter) return Math.max(1, this.#cpuDeadlineNs - this.#meter.usedNs());
    return Math.max(1, this.deadlineNs - this.#cpu.clock.monotonicNs());
  }

  /** Arms it `valueNs` from now (0 disarms), then every `intervalNs`. */
  set(valueNs: number, intervalNs: number): void {
    this.disarm();
    this.intervalNs = intervalNs;
    if (valueNs <= 0) return;
    if (this.#meter) {
      this.#cpuDeadlineNs = this.#meter.usedNs() + valueNs;
      this.#aim(this.#meter);
    } else {
      this.#cpu.callouts.arm(this, this.#cpu.clock.monotonicNs() + valueNs);
    }
  }

  /** Arms it for an absolute time, monotonic or of its meter, which may have passed. */
  setAt(deadlineNs: number, intervalNs: number): void {
    this.disarm();
    this.intervalNs = intervalNs;
    if (this.#meter) {
      this.#cpuDeadlineNs = deadlineNs;
      this.#aim(this.#meter);
    } else {
      this.#cpu.callouts.arm(this, deadlineNs);
    }
  }

  /** Arms it for a time of day; should the clock be set, it comes when the clock shows that time. */
  setAtWall(t: Timespec, intervalNs: number): void {
    const { clock } = this.#cpu;
    this.setAt(clock.monotonicAt(t), intervalNs);
    this.#wallClock = new WallClockWatch(this, t);
    clock.wasSet.add(this.#wallClock);
  }

  /** The clock was set. */
  aimAtWall(watch: WallClockWatch): void {
    const { callouts, clock } = this.#cpu;
    callouts.arm(this, clock.monotonicAt(watch.at));
    clock.wasSet.add(watch);
  }

  disarm(): void {
    this.#cpu.callouts.disarm(this);
    this.#wallClock?.cancel();
    this.#wallClock = null;
    this.#overrun = 0;
  }

  fire(nowNs: number): void {
    const meter = this.#meter;
    const now = meter ? meter.usedNs() : nowNs;
    const due = meter ? this.#cpuDeadlineNs : this.deadlineNs;
    if (now < due) {
      this.#aim(meter!);
      return;
    }
    let expirations = 1;
    if (this.intervalNs > 0) {
      // The next one that is worth an interruption; those before it only count.
      const missed = Math.floor((now + GRAIN_NS - due) / this.intervalNs);
      expirations += missed;
      const next = due + (missed + 1) * this.intervalNs;
      if (meter) {
        this.#cpuDeadlineNs = next;
        this.#aim(meter);
      } else {
        this.#cpu.callouts.arm(this, next);
        if (this.#wallClock) this.#wallClock.at = this.#cpu.clock.realtimeAt(next);
      }
    } else {
      this.#wallClock?.cancel();
      this.#wallClock = null;
    }
    const isQueued = this.notify.send(this.#proc, this);
    this.#overrun = Math.min(
      OVERRUN_MAX,
      this.#overrun + (isQueued ? expirations - 1 : expirations),
    );
  }

  takeOverrun(): number {
    this.lastOverrun = this.#overrun;
    this.#overrun = 0;
    return this.lastOverrun;
  }

  /** Looks again when the time could be used up at the earliest. */
  #aim(meter: CpuMeter): void {
    if (meter.isOver) return;
    const left = Math.max(CPU_GRAIN_NS, this.#cpuDeadlineNs - meter.usedNs());
    this.#cpu.callouts.arm(this, this.#cpu.clock.monotonicNs() + left);
  }
}

/** Tells a timer that the wall clock was set. */
class WallClockWatch extends Waiter {
  readonly #timer: IntervalTimer;
  /** When the timer expires next. */
  at: Timespec;

  constructor(timer: IntervalTimer, at: Timespec) {
    super();
    this.#timer = timer;
    this.at = at;
  }

  wake(): void {
    this.#timer.aimAtWall(this);
  }
}

/** What an expiration does. Plain data with one method, so that snapshots can hold it. */
export interface TimerNotify {
  /** True if a signal was queued, false if it was already pending or there is none. */
  send(proc: Proc, timer: IntervalTimer): boolean;
}

/** setitimer's: SIGALRM and its sisters, to the process. */
export class ItimerNotify implements TimerNotify {
  readonly #signo: number;

  constructor(signo: number) {
    this.#signo = signo;
  }

  send(proc: Proc): boolean {
    psignal(proc, this.#signo, kernelSignal(this.#signo));
    return true;
  }
}

/** timer_create's: a signal with its value, to the process or to one thread, or nothing. */
export class SigevNotify implements TimerNotify {
  readonly signo: number;
  readonly valueLo: number;
  readonly valueHi: number;
  readonly target: Lwp | null;

  constructor(signo: number, valueLo: number, valueHi: number, target: Lwp | null) {
    this.signo = signo;
    this.valueLo = valueLo;
    this.valueHi = valueHi;
    this.target = target;
  }

  send(proc: Proc, timer: IntervalTimer): boolean {
    if (this.signo === 0) return false;
    if (this.#isPending(proc, timer)) return false;
    const info: SigInfo = {
      signo: this.signo,
      code: SI_TIMER,
      pid: timer.id,
      valueLo: this.valueLo,
      valueHi: this.valueHi,
      timer,
    };
    if (this.target) tsignal(this.target, this.signo, info);
    else psignal(proc, this.signo, info);
    return true;
  }

  #isPending(proc: Proc, timer: IntervalTimer): boolean {
    const pending = this.target ? this.target.pending : proc.pending;
    return pending.hasTimer(timer);
  }
}

/** What a timer takes, about. */
const TIMER_BYTES = 384;

export class ProcessTimers {
  readonly #proc: Proc;
  readonly #interval: (IntervalTimer | null)[] = [null, null, null];
  readonly posix = new Map<number, IntervalTimer>();
  #nextId = 0;

  constructor(proc: Proc) {
    this.#proc = proc;
  }

  /** The interval timer `which` (0–2), made at its first use. */
  interval(which: number, cpu: Cpu): IntervalTimer {
    const known = this.#interval[which];
    if (known) return known;
    const signo = [SIGALRM, SIGVTALRM, SIGPROF][which]!;
    const clock =
      which === ITIMER_REAL ? "monotonic" : new ProcessMeter(this.#proc, which === ITIMER_VIRTUAL);
    const timer = new IntervalTimer(-1, this.#proc, cpu, clock, new ItimerNotify(signo));
    this.#interval[which] = timer;
    return timer;
  }

  /** Each keeps a place among its user's queued signals. EAGAIN when there is no room for one more. */
  create(cpu: Cpu, clock: TimerClock, notify: (id: number) => TimerNotify): IntervalTimer | Errno {
    if (!hasSignalRoom(this.#proc)) return EAGAIN;
    if (!this.#proc.table.pages.kmem.take(TIMER_BYTES)) return EAGAIN;
    const id = this.#nextId++;
    const timer = new IntervalTimer(id, this.#proc, cpu, clock, notify(id));
    this.posix.set(id, timer);
    const { uid } = this.#proc.cred;
    timer.payer = uid;
    this.#proc.table.queuedSignals.add(uid);
    return timer;
  }

  /** execve(2) deletes these. */
  deletePosix(): void {
    for (const id of [...this.posix.keys()]) this.delete(id);
  }

  delete(id: number): void {
    const timer = this.posix.get(id);
    if (!timer) return;
    timer.disarm();
    this.posix.delete(id);
    this.#proc.table.pages.kmem.give(TIMER_BYTES);
    this.#proc.table.queuedSignals.remove(timer.payer);
  }

  /** The process is gone. */
  deleteAll(): void {
    this.deletePosix();
    for (const t of this.#interval) t?.disarm();
  }
}
