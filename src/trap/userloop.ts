/**
 * The main loop: choose a thread, run it in user mode until it traps, serve
 * the trap, and again. See lwkt(9), userret(9).
 *
 * The clock is read when a thread is switched to or from, when its fuel is out,
 * and now and then when it makes many system calls; never for each of them.
 * Fuel stands for time by a rate that is measured as we go. A slice's time is
 * split into user and system time by the fuel that was burnt in it.
 */
import { SIGXCPU } from "../abi/signal.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { Cpu, SliceKeeper } from "../kern/cpu.ts";
import { charge, SLICE_NS } from "../kern/sched.ts";
import type { Hart } from "../machine/hart.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../machine/traps.ts";
import type { Doorbell } from "../platform/host.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Proc } from "../proc/proc.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { RLIM_INFINITY, RLIMIT_CPU } from "../proc/rlimit.ts";
import { hasDeliverableSignal, killProc, psignal } from "../proc/signal.ts";
import type { Syscall } from "../syscall/declare.ts";
import { Dispatcher } from "./dispatch.ts";
import { userFault } from "./fault.ts";
import type { Sampler } from "./sampler.ts";
import { takeSignals } from "./userret.ts";

/** The world outside: what arrives with the doorbell. */
export interface Outside {
  readonly doorbell: Doorbell;
  /** Takes in all that arrived since last time. */
  attend(): void;
}

/** System calls between two looks at the clock: one may take much longer than another. */
const CALLS_PER_LOOK = 64;
/** Fuel that a system call counts as, so that calls use up a slice too. */
const CALL_FUEL = 50;
const MIN_FUEL = 2_000;
const MAX_FUEL = 20_000_000;
/** A thread takes over only if it is owed this much, so that short slices do not mean many switches. */
const GRANULARITY_NS = 1e6;
/** How much one measurement moves the rate of fuel. */
const RATE_WEIGHT = 0.2;

export class UserLoop implements SliceKeeper {
  readonly dispatcher: Dispatcher;
  /** Follows what the loop does; null when nobody profiles. */
  sampler: Sampler | null = null;
  readonly #table: ProcTable;
  readonly #cpu: Cpu;
  readonly #hart: Hart;
  readonly #outside: Outside | null;
  /** Fuel burnt per nanosecond of user time, measured. */
  #fuelPerNs = 0.1;
  /** Fuel left of the running slice. */
  #fuel = 0;
  /** Since the last accounting: when it was, fuel burnt, traps served. */
  #sinceNs = 0;
  #burnt = 0;
  #traps = 0;
  #callsToLook = CALLS_PER_LOOK;

  constructor(
    table: ProcTable,
    hart: Hart,
    calls: readonly (Syscall | undefined)[],
    outside: Outside | null,
  ) {
    this.#table = table;
    this.#cpu = table.cpu;
    this.#cpu.sliceKeeper = this;
    this.#hart = hart;
    this.#outside = outside;
    this.dispatcher = new Dispatcher(calls);
  }

  /** Runs until process 1 ended or somebody asked for power off. */
  run(): void {
    while (!this.isOver) {
      this.runUntilIdle();
      if (!this.isOver) this.idle();
    }
  }

  /** Runs until nobody wants to run: then all sleep, or the machine is over. */
  runUntilIdle(): void {
    // Each thread's time begins where the last one's ended: one look at the clock for a switch.
    this.#sinceNs = this.#attend();
    while (!this.isOver) {
      const td = this.#cpu.runq.next() as Lwp | null;
      if (!td) return;
      this.#runThread(td);
    }
  }

  get isOver(): boolean {
    return this.#table.initStatus !== null || this.#table.powerRequest !== null;
  }

  /** Brings the running thread's times up to now. */
  settle(): void {
    const td = this.#cpu.current as Lwp | null;
    if (td) this.#account(td, this.#cpu.clock.monotonicNs());
  }

  #runThread(td: Lwp): void {
    const cpu = this.#cpu;
    const hart = this.#hart;
    this.#switchTo(td);
    // Signals that came while it waited for its turn; a call that slept is made again first.
    if (td.callInProgress < 0 && hasDeliverableSignal(td)) takeSignals(td);
    while (td.state === "running") {
      if (td.callInProgress >= 0) {
        if (td.proc.fatalSignal === 0) this.#serve(td);
      } else {
        this.sampler?.enteringProgram(td);
        const trap = hart.run(td.context, td.proc.vmspace.pageTable, this.#fuel);
        this.sampler?.leftProgram(td, trap);
        this.#burnt += this.#fuel - hart.fuelLeft;
        this.#fuel = hart.fuelLeft;
        if (trap === TRAP_ECALL) {
          this.#serve(td);
        } else if (trap !== TRAP_FUEL) {
          this.#traps++;
          this.#fuel -= CALL_FUEL;
          cpu.meter.faultTraps++;
          userFault(td, hart, trap);
        } else if (hart.fuelLeft <= 0) {
          cpu.meter.expiries++;
        }
      }
      if (td.savedSigmask !== null || hasDeliverableSignal(td)) takeSignals(td);
      if (this.#fuel <= 0 || cpu.needResched) this.#reschedule(td);
    }
    this.#switchFrom(td);
  }

  #serve(td: Lwp): void {
    this.#traps++;
    this.#fuel -= CALL_FUEL;
    this.dispatcher.call(td);
    if (--this.#callsToLook <= 0) this.#look();
  }

  /** Ends the slice early if its time is up although its fuel is not, or something is due. */
  #look(): void {
    this.#callsToLook = CALLS_PER_LOOK;
    const now = this.#cpu.clock.monotonicNs();
    const isDue = this.#cpu.callouts.nextDeadlineNs <= now || this.#outside?.doorbell.isRung();
    if (isDue || now - this.#sinceNs >= SLICE_NS) this.#fuel = 0;
  }

  #switchTo(td: Lwp): void {
    const cpu = this.#cpu;
    td.state = "running";
    cpu.current = td;
    cpu.switches++;
    td.isContextReplaced = false;
    cpu.needResched = false;
    this.#burnt = this.#traps = 0;
    this.#fuel = this.#sliceFuel();
    this.sampler?.switchedTo(td);
  }

  #switchFrom(td: Lwp): void {
    this.sampler?.switchingFrom(td);
    this.#account(td, this.#cpu.clock.monotonicNs());
    if (td.state === "sleeping") td.voluntarySwitches++;
    this.#cpu.current = null;
  }

  /** At the end of a slice, or when somebody was woken: who runs on? */
  #reschedule(td: Lwp): void {
    const cpu = this.#cpu;
    cpu.needResched = false;
    if (td.state !== "running") return;
    if (this.#fuel <= 0) {
      // First the times, so that timers on CPU time find them as they are.
      this.settle();
      this.#attend();
      this.#fuel = this.#sliceFuel();
      // A machine that is to stop stops, however busy its only runnable thread is.
      const mustGo = this.isOver || cpu.runq.shouldPreempt(td, GRANULARITY_NS);
      if (td.state === "running" && mustGo) this.#preempt(td);
    } else if (td.isYielding) {
      this.#account(td, cpu.clock.monotonicNs());
      this.#yield(td);
    } else if (cpu.runq.shouldPreempt(td, GRANULARITY_NS)) {
      this.#preempt(td);
    }
    td.isYielding = false;
    // What fell due at the end of the slice may have been a signal for this thread.
    if (td.state === "running" && hasDeliverableSignal(td)) takeSignals(td);
  }

  #preempt(td: Lwp): void {
    td.involuntarySwitches++;
    this.#cpu.makeRunnable(td);
  }

  /** Puts `td` behind the thread that is next. */
  #yield(td: Lwp): void {
    const cpu = this.#cpu;
    const next = cpu.runq.next();
    if (!next) return;
    td.vruntimeNs = Math.max(td.vruntimeNs, next.vruntimeNs + 1);
    td.voluntarySwitches++;
    cpu.makeRunnable(next);
    cpu.makeRunnable(td);
  }

  /** Charges the time since the last accounting, split by the fuel that was burnt in it. */
  #account(td: Lwp, now: number): void {
    const ranNs = now - this.#sinceNs;
    const burnt = this.#burnt;
    if (this.#traps === 0 && burnt > MIN_FUEL && ranNs > 0) {
      this.#fuelPerNs += (burnt / ranNs - this.#fuelPerNs) * RATE_WEIGHT;
    }
    const userNs = this.#traps === 0 ? ranNs : Math.min(ranNs, burnt / this.#fuelPerNs);
    // A thread that just ended has been summed up already.
    const to = td.state === "dead" ? td.proc.ended : td;
    to.userNs += userNs;
    to.systemNs += ranNs - userNs;
    charge(td, ranNs);
    this.#cpu.runq.advance(td);
    this.#sinceNs = now;
    this.#burnt = this.#traps = 0;
    if (td.state !== "dead") checkCpuLimit(td.proc);
  }

  /** Fuel to the end of the slice, or to the next callout if that comes first. */
  #sliceFuel(): number {
    const untilDue = this.#cpu.callouts.nextDeadlineNs - this.#sinceNs;
    const fuel = Math.floor(Math.min(SLICE_NS, untilDue) * this.#fuelPerNs);
    return Math.min(MAX_FUEL, Math.max(MIN_FUEL, fuel));
  }

  /** Sleeps until the next callout or the doorbell; what is due then happens. */
  idle(): void {
    const cpu = this.#cpu;
    const before = cpu.clock.monotonicNs();
    const timeoutNs = cpu.callouts.nextDeadlineNs - before;
    if (timeoutNs > 0) this.#outside?.doorbell.wait(timeoutNs);
    cpu.idleNs += this.#attend() - before;
    this.sampler?.wasIdle();
  }

  /** Takes in what came from outside and fires what is due; the time now. */
  #attend(): number {
    const { doorbell } = this.#outside ?? {};
    if (doorbell?.isRung()) {
      doorbell.answer();
      this.#cpu.meter.interrupts++;
      this.#outside!.attend();
    }
    const cpu = this.#cpu;
    const now = cpu.clock.monotonicNs();
    if (cpu.callouts.nextDeadlineNs <= now) cpu.callouts.run(now);
    return now;
  }
}

/** RLIMIT_CPU: SIGXCPU each second past the soft limit, SIGKILL at the hard one. */
function checkCpuLimit(p: Proc): void {
  const { soft, hard } = p.rlimits.get(RLIMIT_CPU);
  if (soft === RLIM_INFINITY) return;
  const { userNs, systemNs } = p.usage();
  const usedSec = Math.floor((userNs + systemNs) / NS_PER_SEC);
  if (usedSec >= hard) {
    killProc(p);
  } else if (usedSec >= soft && usedSec > p.cpuLimitSignalledSec) {
    p.cpuLimitSignalledSec = usedSec;
    psignal(p, SIGXCPU);
  }
}
