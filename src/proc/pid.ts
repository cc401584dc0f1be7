/**
 * A process id: one number in its own pid name space and one in each above.
 * See pid_namespaces(7); struct pid of Linux.
 *
 * The kernel knows processes, threads, groups and sessions by their numbers in
 * the first name space; programs see those of their own. A Pid is taken by
 * what it was made for, and free when nothing has it any more. Who wants to
 * know a process for longer than it lives (an open file) holds its Pid.
 */
import type { Lwp } from "./lwp.ts";
import type { PidNamespace } from "./pidns.ts";
import type { Proc } from "./proc.ts";

export class Pid {
  /** The innermost name space that it has a number in. */
  readonly ns: PidNamespace;
  /** By level: the first is the kernel's own. */
  readonly numbers: readonly number[];
  /** What has it now: a process, zombies included, and a thread; null once they are gone. */
  proc: Proc | null = null;
  thread: Lwp | null = null;

  constructor(ns: PidNamespace, numbers: readonly number[]) {
    this.ns = ns;
    this.numbers = numbers;
  }

  /** In the first name space. */
  get number(): number {
    return this.numbers[0]!;
  }

  /** In the innermost. */
  get own(): number {
    return this.numbers[this.numbers.length - 1]!;
  }

  /** As seen in `ns`; 0 if it cannot be seen there. */
  in(ns: PidNamespace): number {
    if (ns.level === 0) return this.numbers[0]!;
    return this.isIn(ns) ? this.numbers[ns.level]! : 0;
  }

  /** True if it lives in `ns` or further in. */
  isIn(ns: PidNamespace): boolean {
    return this.ns.path[ns.level] === ns;
  }
}
