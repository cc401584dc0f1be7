/**
 * What the main loop tells a profiler: each crossing between program and kernel, and each change of thread.
 * prof/profiler.ts is the one there is.
 */
import type { Trap } from "../machine/traps.ts";
import type { Lwp } from "../proc/lwp.ts";

export interface Sampler {
  /** `td` is about to run in its program, which ends what the kernel did for it. */
  enteringProgram(td: Lwp): void;
  /** `td` came out of its program, by `trap`. */
  leftProgram(td: Lwp, trap: Trap): void;
  switchedTo(td: Lwp): void;
  /** `td`, perhaps dead by now, loses the CPU. */
  switchingFrom(td: Lwp): void;
  /** The CPU had nothing to do until now. */
  wasIdle(): void;
}
