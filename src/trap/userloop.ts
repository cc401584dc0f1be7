/**
 * The main loop: choose a thread, run it in user mode until it traps, serve
 * the trap, and again. See lwkt(9), userret(9).
 *
 * System calls and page faults are served in place, under the running code (TrapService);
 * only what changes the thread's course comes out of the hart: it slept, a signal is
 * due, another thread is to run.
 *
 * The clock is read when a thread is switched to or from, when its fuel is out,
 * and now and then when it makes many system calls; never for each of them.
 * Fuel stands for time by a rate that is measured as we go (UserMeter, which
 * also tells user time from system time).
 */
import { PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { SCHED_FLAG_DL_OVERRUN } from "../abi/sched.ts";
import { SIGTRAP, SIGXCPU, TRAP_TRACE } from "../abi/signal.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { Cpu, SliceKeeper } from "../kern/cpu.ts";
import { SLICE_NS } from "../kern/sched.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import type { Hart } from "../machine/hart.ts";
import {
  TRAP_ECALL,
  TRAP_FAULT_READ,
  TRAP_FAULT_WRITE,
  TRAP_FUEL,
  TRAP_SERVED,
  type Trap,
  type TrapService,
} from "../machine/traps.ts";
import type { Doorbell } from "../platform/host.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Proc } from "../proc/proc.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { RLIM_INFINITY, RLIMIT_CPU, RLIMIT_RTTIME } from "../proc/rlimit.ts";
import { resumeSequence } from "../proc/rseq.ts";
import { faultSignal } from "../proc/siginfo.ts";
import { forceSignal, hasDeliverableSignal, killProc, psignal } from "../proc/signal.ts";
import type { Syscall } from "../syscall/declare.ts";
import type { Charges } from "../vm/charges.ts";
import { FAULT_OK } from "../vm/faultcode.ts";
import { Dispatcher } from "./dispatch.ts";
import { userFault } from "./fault.ts";
import type { Sampler } from "./sampler.ts";
import { UserMeter } from "./usermeter.ts";
import { takeSignals } from "./userret.ts";

/** The world outside: what arrives with the doorbell. */
export interface Outside {
  readonly doorbell: Doorbell;
  /** Takes in all that arrived since last time. */
  attend(): void;
}

/** System calls and faults between two looks at the clock: one may take much longer than another. */
const CALLS_PER_LOOK = 64;
/** Fuel that a system call counts as, so that calls use up a slice too. */
const CALL_FUEL = 50;
const MIN_FUEL = 2_000;
const MAX_FUEL = 20_000_000;
/** A thread takes over only if it is owed this much, so that short slices do not mean many switches. */
const GRANULARITY_NS = 1e6;

export class UserLoop implements SliceKeeper, TrapService {
  readonly dispatcher: Dispatcher;
  /** Follows what the loop does; null when nobody profiles. */
  sampler: Sampler | null = null;
  readonly #table: ProcTable;
  readonly #cpu: Cpu;
  readonly #hart: Hart;
  readonly #outside: Outside | null;
  readonly #charges: Charges;
  readonly #userMeter: UserMeter;
  /** Fuel left of the running slice when the hart last gave account, and what faults have cost since. */
  #fuel = 0;
  #owed = 0;
  /** What became of the last page fault that `fault` saw (FAULT_*), if it is to come out; -1. */
  #faultCode = -1;
  /** When the last accounting was. */
  #sinceNs = WIDE_ZERO;
  #callsToLook = CALLS_PER_LOOK;
  /** Something was due when the clock was last looked at. */
  #isDue = false;

  constructor(
    table: ProcTable,
    hart: Hart,
    calls: readonly (Syscall | undefined)[],
    outside: Outside | null,
  ) {
    this.#table = table;
    this.#cpu = table.cpu;
    this.#cpu.sliceKeeper = this;
    this.#userMeter = new UserMeter(this.#cpu.clock);
    this.#hart = hart;
    hart.service = this;
    this.#outside = outside;
    this.#charges = table.pages.charges;
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
      // Threads that sleep after a few calls each never come to the end of a slice, where the world is attended to.
      if (this.#isDue || this.#cpu.callouts.nextDeadlineNs <= this.#sinceNs) this.#attend();
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
    if (td.payUntilNs !== 0) this.#pay(td);
    // Signals that came while it waited for its turn; a call that slept is made again first.
    const isAtCall = td.callInProgress >= 0 && td.trace?.callStage !== "interrupted";
    if (!isAtCall && hasDeliverableSignal(td)) takeSignals(td);
    while (td.state === "running") {
      if (td.callInProgress >= 0) {
        if (td.proc.fatalSignal === 0) this.#serve(td);
      } else if (td.rseq?.isDue && !resumeSequence(td, td.rseq)) {
        takeSignals(td);
      } else {
        this.sampler?.enteringProgram(td);
        this.#userMeter.enter(td);
        if (td.trace?.isStepping) {
          this.#step(td);
        } else {
          const trap = hart.run(td.context, td.proc.vmspace.pageTable, this.#fuel);
          if (trap !== TRAP_SERVED) this.#handle(td, trap);
        }
      }
      this.#gather(td);
      if (td.savedSigmask !== null || hasDeliverableSignal(td)) takeSignals(td);
      if (this.#fuel <= 0 || cpu.needResched) this.#reschedule(td);
    }
    this.#switchFrom(td);
  }

  /** PTRACE_SINGLESTEP: one instruction, in the interpreter. */
  #step(td: Lwp): void {
    const { pageTable } = td.proc.vmspace;
    const trap = this.#hart.step(td.context, pageTable);
    this.#hart.fuelLeft = this.#fuel - 1;
    if (trap !== TRAP_FUEL) this.#handle(td, trap);
    else {
      this.#settleFuel(td, this.#hart.fuelLeft);
      forceSignal(td, faultSignal(SIGTRAP, TRAP_TRACE, td.context.pc));
    }
  }

  /** Sees to memory whose pages the program finds slowly. */
  #gather(td: Lwp): void {
    const { vmspace } = td.proc;
    const va = this.#hart.takeScattered(vmspace.pageTable);
    if (va !== 0) vmspace.gather(va);
  }

  /** What nobody served in place. */
  #handle(td: Lwp, trap: Trap): void {
    this.sampler?.leftProgram(td, trap);
    this.#settleFuel(td, this.#hart.fuelLeft);
    if (trap === TRAP_ECALL) {
      this.#serve(td);
    } else if (trap === TRAP_FUEL) {
      if (this.#hart.fuelLeft <= 0) this.#cpu.meter.expiries++;
    } else {
      const isKnown = trap === TRAP_FAULT_READ || trap === TRAP_FAULT_WRITE;
      const code = isKnown ? this.#faultCode : -1;
      if (code < 0) this.#countFault();
      this.#faultCode = -1;
      userFault(td, this.#hart, trap, code);
    }
  }

  /** See TrapService. */
  ecall(fuelLeft: number): number {
    const td = this.#cpu.current as Lwp;
    this.sampler?.leftProgram(td, TRAP_ECALL);
    this.#settleFuel(td, fuelLeft);
    const hasEnded = this.#serve(td);
    if (!hasEnded || td.savedSigmask !== null || hasDeliverableSignal(td)) return -1;
    if (this.#fuel <= 0 || this.#cpu.needResched) {
      const { pc } = td.context;
      this.#reschedule(td);
      // Another thread's turn, or a handler's.
      if (td.state !== "running" || td.context.pc !== pc) return -1;
    }
    this.sampler?.enteringProgram(td);
    this.#userMeter.enter(td);
    return this.#fuel;
  }

  /** See TrapService. What it does not resolve comes out, and goes on from `#faultCode`. */
  fault(va: number, isWrite: boolean): boolean {
    // A profiler wants registers.
    if (this.sampler !== null) return false;
    const td = this.#cpu.current as Lwp;
    this.#countFault();
    const began = this.#userMeter.faultBegins();
    this.#faultCode = td.proc.vmspace.fault(va, isWrite ? PROT_WRITE : PROT_READ);
    this.#userMeter.faultServed(began);
    const mustLook = --this.#callsToLook <= 0 && this.#isTimeUp();
    if (!mustLook && td.payUntilNs === 0) return this.#faultCode === FAULT_OK;
    this.#owed += this.#fuel;
    return false;
  }

  #countFault(): void {
    this.#owed += CALL_FUEL;
    this.#cpu.meter.faultTraps++;
  }

  /** The hart has `left` of the fuel it was given. */
  #settleFuel(td: Lwp, left: number): void {
    this.#userMeter.leave(td, this.#fuel - left);
    this.#fuel = left - this.#owed;
    this.#owed = 0;
  }

  /** Makes a system call: true if it ended. */
  #serve(td: Lwp): boolean {
    this.#fuel -= CALL_FUEL;
    const hasEnded = this.dispatcher.call(td);
    if (--this.#callsToLook <= 0 && this.#isTimeUp()) this.#fuel = 0;
    return hasEnded;
  }

  /** True if the slice is to end although its fuel is not out: its time is up, or something is due. */
  #isTimeUp(): boolean {
    this.#callsToLook = CALLS_PER_LOOK;
    const now = this.#cpu.clock.monotonicNs();
    const isRung = this.#outside?.doorbell.isRung() ?? false;
    this.#isDue = isRung || this.#cpu.callouts.nextDeadlineNs <= now;
    return this.#isDue || now - this.#sinceNs >= SLICE_NS;
  }

  #switchTo(td: Lwp): void {
    const cpu = this.#cpu;
    td.state = "running";
    cpu.current = td;
    cpu.switches++;
    td.isContextReplaced = false;
    this.#charges.payer = td.cgroup.memoryGroup;
    cpu.needResched = false;
    this.#fuel = this.#sliceFuel(td);
    cpu.stalls.look(td, this.#sinceNs);
    this.sampler?.switchedTo(td);
  }

  #switchFrom(td: Lwp): void {
    this.sampler?.switchingFrom(td);
    this.#account(td, this.#cpu.clock.monotonicNs());
    if (td.state === "sleeping") td.voluntarySwitches++;
    if (td.rseq !== null) td.rseq.isDue = true;
    this.#cpu.current = null;
    this.#charges.payer = null;
  }

  /** At the end of a slice, or when somebody was woken: who runs on? */
  #reschedule(td: Lwp): void {
    const cpu = this.#cpu;
    cpu.needResched = false;
    if (td.state !== "running") return;
    if (td.payUntilNs !== 0 && this.#pay(td)) return;
    if (this.#fuel <= 0) {
      // First the times, so that timers on CPU time find them as they are.
      this.settle();
      this.#attend();
      this.#fuel = this.#sliceFuel(td);
      // A machine that is to stop stops, however busy its only runnable thread is.
      cpu.stalls.look(td, this.#sinceNs);
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

  /** The thread sleeps for what it used of a disk beyond its limit, if so true; only what kills it shortens that. */
  #pay(td: Lwp): boolean {
    const now = this.#cpu.clock.monotonicNs();
    const isDue = td.payUntilNs > now && td.proc.fatalSignal === 0;
    if (isDue) {
      this.#cpu.stalls.puts(td, td.payKind, now, td.payUntilNs);
      td.sleepUntil(null, "iolimit", td.payUntilNs);
    } else td.payUntilNs = 0;
    return isDue;
  }

  #preempt(td: Lwp): void {
    td.involuntarySwitches++;
    this.#cpu.preempt(td);
  }

  /** Puts `td` behind the thread that is next. */
  #yield(td: Lwp): void {
    const cpu = this.#cpu;
    const next = cpu.runq.next();
    if (!next) return;
    if (td.rtPriority === 0 && next.rtPriority === 0) cpu.runq.putBehind(td, next);
    td.voluntarySwitches++;
    cpu.preempt(next);
    cpu.makeRunnable(td);
  }

  /** Charges the time since the last accounting. */
  #account(td: Lwp, now: number): void {
    const ranNs = now - this.#sinceNs;
    const userNs = this.#userMeter.take(td, ranNs);
    // A thread that just ended has been summed up already.
    const to = td.state === "dead" ? td.proc.ended : td;
    to.userNs += userNs;
    to.systemNs += ranNs - userNs;
    td.cgroup.chargeCpu(userNs, ranNs - userNs);
    this.#cpu.runq.charge(td, ranNs, now);
    this.#cpu.runq.advance(td);
    this.#sinceNs = now;
    if (td.state === "dead") return;
    checkCpuLimit(td.proc);
    if (td.rtPriority > 0) checkRealtimeLimits(td);
  }

  /** Fuel to the end of the slice, or to the next callout if that comes first. */
  #sliceFuel(td: Lwp): number {
    const untilDue = this.#cpu.callouts.nextDeadlineNs - this.#sinceNs;
    const ns = Math.min(this.#cpu.runq.allowance(td, SLICE_NS), untilDue);
    const fuel = Math.floor(ns * this.#userMeter.fuelPerNs(td));
    return Math.min(MAX_FUEL, Math.max(MIN_FUEL, fuel));
  }

  /** Sleeps until the next callout or the doorbell; what is due then happens. */
  idle(): void {
    const cpu = this.#cpu;
    const before = cpu.clock.monotonicNs();
    cpu.stalls.look(null, before);
    const timeoutNs = cpu.callouts.nextDeadlineNs - before;
    if (timeoutNs > 0) this.#outside?.doorbell.wait(timeoutNs);
    cpu.idleNs += this.#attend() - before;
    this.sampler?.wasIdle();
  }

  /** Takes in what came from outside and fires what is due; the time now. */
  #attend(): number {
    this.#isDue = false;
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

/** RLIMIT_RTTIME: as RLIMIT_CPU, for a real-time thread that does not sleep; a deadline that was overrun. */
function checkRealtimeLimits(td: Lwp): void {
  const p = td.proc;
  const { soft, hard } = p.rlimits.get(RLIMIT_RTTIME);
  const ranUs = td.rtRanNs / 1000;
  if (ranUs >= hard) killProc(p);
  else if (ranUs >= soft) {
    p.rlimits.set(RLIMIT_RTTIME, { soft: soft + 1e6, hard });
    psignal(p, SIGXCPU);
  }
  const { deadline } = td;
  if (!deadline?.hasOverrun) return;
  deadline.hasOverrun = false;
  if ((deadline.params.flags & SCHED_FLAG_DL_OVERRUN) !== 0) psignal(p, SIGXCPU);
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
