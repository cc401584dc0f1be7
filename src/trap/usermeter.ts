/**
 * How much of a thread's time its program ran, and how much the kernel ran for it.
 *
 * Two looks at the clock around every stay in user mode would cost half a
 * system call. So a stay is timed when the thread's last one was long, and now
 * and then when it was not; the others count by the fuel they burnt, at the
 * rate of the same thread's timed stays. Faults are served within a stay: now
 * and then one of them is timed, and all count as that. What the machine does
 * to run the program (translate code, refill the TLB) is the program's time.
 */
import type { KernelClock } from "../kern/clock.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import type { Lwp } from "../proc/lwp.ts";

/** What is this long is worth two looks at the clock each time. */
const LONG_NS = 4_000;
/** Of short stays, and of faults, one in so many is timed. */
const PER_SAMPLE = 16;
/** Past this much timed, older stays count half. */
const MEMORY_NS = 4e6;
/** A stay costs something though it burn no fuel: it counts as one jump more. */
const STAY_FUEL = 1;
/** Jumps per nanosecond, before anything was timed. */
const FIRST_RATE = 0.1;
/** A fault, before one was timed; and how much one that was moves the measure. */
const FIRST_FAULT_NS = 1_000;
const FAULT_WEIGHT = 0.25;

export class UserMeter {
  readonly #clock: KernelClock;
  /** When the stay in progress began; -1 while none is timed. */
  #since = -1;
  #stayFaults = 0;
  #toSample = PER_SAMPLE;
  #faultsToSample = 1;
  #faultNs = FIRST_FAULT_NS;
  /** Since `take`. */
  #timedNs = WIDE_ZERO;
  #untimedFuel = 0;
  /** The rate that was measured last, for threads that have none yet. */
  #rate = FIRST_RATE;

  constructor(clock: KernelClock) {
    this.#clock = clock;
  }

  /** `td` goes to user mode. */
  enter(td: Lwp): void {
    if (!td.staysLong && --this.#toSample > 0) return;
    this.#toSample = PER_SAMPLE;
    this.#stayFaults = 0;
    this.#since = this.#clock.monotonicNs();
  }

  /** It came back, and has burnt so much fuel. */
  leave(td: Lwp, burnt: number): void {
    const fuel = burnt + STAY_FUEL;
    if (this.#since < 0) {
      this.#untimedFuel += fuel;
      td.staysLong = fuel > LONG_NS * this.fuelPerNs(td);
      return;
    }
    const stayNs = this.#clock.monotonicNs() - this.#since;
    const ns = Math.max(0, stayNs - this.#stayFaults * this.#faultNs);
    this.#since = -1;
    this.#timedNs += ns;
    td.staysLong = stayNs >= LONG_NS;
    if (td.timedNs > MEMORY_NS) {
      td.timedNs /= 2;
      td.timedFuel /= 2;
    }
    td.timedNs += ns;
    td.timedFuel += fuel;
    if (td.timedNs > 0) this.#rate = td.timedFuel / td.timedNs;
  }

  /** A fault within a stay: when its service began, for `faultServed`; -1 if it is not timed. */
  faultBegins(): number {
    this.#stayFaults++;
    if (--this.#faultsToSample > 0) return -1;
    this.#faultsToSample = PER_SAMPLE;
    return this.#clock.monotonicNs();
  }

  faultServed(since: number): void {
    if (since < 0) return;
    const ns = this.#clock.monotonicNs() - since;
    this.#faultNs += (ns - this.#faultNs) * FAULT_WEIGHT;
  }

  /** Fuel that `td` burns in a nanosecond of user mode. */
  fuelPerNs(td: Lwp): number {
    return td.timedNs > 0 ? td.timedFuel / td.timedNs : this.#rate;
  }

  /** Time in user mode since the last `take`, of `ranNs` altogether. */
  take(td: Lwp, ranNs: number): number {
    const ns = this.#timedNs + this.#untimedFuel / this.fuelPerNs(td);
    this.#timedNs = this.#untimedFuel = 0;
    return Math.min(ns, ranNs);
  }
}
