/**
 * Resource limits: a soft and a hard value each. See getrlimit(2).
 *
 * The table is shared by the threads of a process and copied by fork; values
 * are numbers, RLIM_INFINITY is Infinity.
 */
import type { VmLimits } from "../vm/vmspace.ts";

export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;
export const RLIM_NLIMITS = 16;
export const RLIM_INFINITY = Number.POSITIVE_INFINITY;

export interface Rlimit {
  readonly soft: number;
  readonly hard: number;
}

export class Rlimits {
  readonly #limits: Rlimit[];

  constructor(limits: readonly Rlimit[]) {
    this.#limits = [...limits];
  }

  /** What Linux gives its first process. */
  static initial(maxThreads: number): Rlimits {
    const limits: Rlimit[] = new Array(RLIM_NLIMITS).fill({
      soft: RLIM_INFINITY,
      hard: RLIM_INFINITY,
    });
    limits[RLIMIT_STACK] = { soft: 8 << 20, hard: RLIM_INFINITY };
    limits[RLIMIT_CORE] = { soft: 0, hard: RLIM_INFINITY };
    limits[RLIMIT_NPROC] = { soft: maxThreads, hard: maxThreads };
    limits[RLIMIT_NOFILE] = { soft: 1024, hard: 4096 };
    limits[RLIMIT_MEMLOCK] = { soft: 8 << 20, hard: 8 << 20 };
    limits[RLIMIT_SIGPENDING] = { soft: maxThreads, hard: maxThreads };
    limits[RLIMIT_MSGQUEUE] = { soft: 819200, hard: 819200 };
    limits[RLIMIT_NICE] = { soft: 0, hard: 0 };
    limits[RLIMIT_RTPRIO] = { soft: 0, hard: 0 };
    return new Rlimits(limits);
  }

  get(resource: number): Rlimit {
    return this.#limits[resource]!;
  }

  soft(resource: number): number {
    return this.#limits[resource]!.soft;
  }

  set(resource: number, limit: Rlimit): void {
    this.#limits[resource] = limit;
  }

  clone(): Rlimits {
    return new Rlimits(this.#limits);
  }
}

/** The limits that an address space obeys by itself. */
export function vmLimits(limits: Rlimits): VmLimits {
  return {
    asBytes: limits.soft(RLIMIT_AS),
    dataBytes: limits.soft(RLIMIT_DATA),
    stackBytes: limits.soft(RLIMIT_STACK),
  };
}
