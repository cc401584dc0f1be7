/**
 * CPU clocks: the time that a process or a thread has used.
 *
 * A clock id below zero names one, as clock_getcpuclockid(3) and
 * pthread_getcpuclockid(3) make it: the complement of a pid above three bits,
 * of which 4 says thread and the rest which time (0 all, 1 in user mode, 2 all).
 * Pid 0 is the caller. See clock_getres(2).
 */
import { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID } from "../abi/time.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";

/**
 * A wait for used time looks again no sooner than this, however little is
 * missing: whoever uses it may be asleep.
 */
export const CPU_GRAIN_NS = 1e6;

export interface CpuMeter {
  /** Nanoseconds used up to now. */
  usedNs(): number;
  /** True if it will not move again. */
  readonly isOver: boolean;
}

export class ProcessMeter implements CpuMeter {
  readonly #proc: Proc;
  readonly #isUserOnly: boolean;

  constructor(proc: Proc, isUserOnly: boolean) {
    this.#proc = proc;
    this.#isUserOnly = isUserOnly;
  }

  usedNs(): number {
    this.#proc.table.cpu.sliceKeeper?.settle();
    const { userNs, systemNs } = this.#proc.usage();
    return this.#isUserOnly ? userNs : userNs + systemNs;
  }

  get isOver(): boolean {
    return this.#proc.state !== "alive";
  }
}

export class ThreadMeter implements CpuMeter {
  readonly td: Lwp;
  readonly #isUserOnly: boolean;

  constructor(td: Lwp, isUserOnly: boolean) {
    this.td = td;
    this.#isUserOnly = isUserOnly;
  }

  usedNs(): number {
    const { td } = this;
    td.cpu.sliceKeeper?.settle();
    return this.#isUserOnly ? td.userNs : td.userNs + td.systemNs;
  }

  get isOver(): boolean {
    return this.td.state === "dead";
  }
}

const PER_THREAD = 4;
const WHICH_MASK = 3;
const WHICH_VIRT = 1;
const WHICH_NONE = 3;

/** The meter that clock `id` reads for `td`; null if it is no CPU clock, or of nobody. */
export function cpuMeter(td: Lwp, id: number): CpuMeter | null {
  if (id === CLOCK_PROCESS_CPUTIME_ID) return new ProcessMeter(td.proc, false);
  if (id === CLOCK_THREAD_CPUTIME_ID) return new ThreadMeter(td, false);
  const which = id & WHICH_MASK;
  if (id >= 0 || which === WHICH_NONE) return null;
  const pid = ~(id >> 3);
  const isUserOnly = which === WHICH_VIRT;
  if ((id & PER_THREAD) !== 0) {
    // A thread's clock is for the threads of its own process.
    const other = pid === 0 ? td : td.proc.threads.find((t) => t.ownTid === pid);
    return other ? new ThreadMeter(other, isUserOnly) : null;
  }
  const p = pid === 0 ? td.proc : td.findProc(pid);
  return p ? new ProcessMeter(p, isUserOnly) : null;
}
