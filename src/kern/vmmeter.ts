/**
 * What a CPU counts as it goes: events since boot, never reset. See vmmeter(9), `struct vmmeter`.
 *
 * Plain numbers that hot paths add to; who wants to see them finds names and
 * meanings in proc/counters.ts.
 */

/** Numbers of system calls end below this. */
export const MAX_CALLS = 512;

export class Vmmeter {
  /** System calls by number, each once however often it slept; and those that do not exist. */
  readonly calls = new Float64Array(MAX_CALLS);
  unknownCalls = 0;
  /** Times that a program came into the kernel for another reason than a call. */
  faultTraps = 0;
  /** Times that fuel, which stands for a timer's interrupt, was out. */
  expiries = 0;
  /** Times that the doorbell rang. */
  interrupts = 0;
  /** Page faults of programs: all that lay in a mapping, and of these … */
  faults = 0;
  /** … those that had to read from a file, … */
  majorFaults = 0;
  /** … those that copied a page or took it over from a fork, … */
  cowFaults = 0;
  /** … those that brought a page of zeroes, … */
  zeroFaults = 0;
  /** … and those that the mapping does not allow. Faults outside of all mappings are `wildFaults`. */
  refusedFaults = 0;
  wildFaults = 0;
  /** Private pages that came to be at home (vm/homes.ts), and elsewhere; those that were brought home later. */
  homePages = 0;
  awayPages = 0;
  homecomings = 0;
  forks = 0;
  vforks = 0;
  /** Threads, and processes that share their memory for good. */
  rforks = 0;
  execs = 0;

  /** All system calls. */
  get syscalls(): number {
    let sum = this.unknownCalls;
    for (const n of this.calls) sum += n;
    return sum;
  }
}
