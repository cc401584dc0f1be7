/**
 * A pid name space: numbers of its own for the processes in it and in those
 * within it. See pid_namespaces(7).
 *
 * Its first process is its init: it adopts the orphans, and when it ends, all
 * end. Nothing is made in it before that process or after it.
 */
import { EAGAIN, EEXIST, EINVAL, type Errno } from "../abi/errno.ts";
import { type Charge, INITIAL_INO, Namespace } from "../kern/namespace.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { Pid } from "./pid.ts";
import type { Proc } from "./proc.ts";

export const PID_MAX = 32768;
/** What kernel.pid_max may be raised to. */
export const PID_MAX_LIMIT = 4194304;
/** Ids below are not used again after the first wrap, as in Linux. */
const RESERVED_PIDS = 300;
/** Further name spaces within the first, one in another. */
export const PIDNS_DEPTH_MAX = 32;

/** Which numbers are taken. */
interface Numbers {
  has(n: number): boolean;
}

export class PidNamespace extends Namespace {
  readonly kind = "pid";
  readonly parent: PidNamespace | null;
  readonly level: number;
  /** From the first name space down to this one. */
  readonly path: readonly PidNamespace[];
  /** Adopts orphans; null before there was one. */
  init: Proc | null = null;
  /** Its init ended: nothing is made in it any more. */
  isDead = false;
  pidMax: number;
  /** vm.memfd_noexec, no lower than in those above. */
  #memfdNoexec = 0;
  /** The last number that was given out. */
  lastPid = 0;
  /** What has a number here; not kept for the first one, whose numbers the tables have. */
  readonly pids = new Map<number, Pid>();

  constructor(parent: PidNamespace | null, owner: UserNamespace, charge: Charge | null) {
    super(parent ? owner.takeIno() : INITIAL_INO.pid, owner, charge);
    this.parent = parent?.hold() ?? null;
    this.level = parent ? parent.level + 1 : 0;
    this.path = parent ? [...parent.path, this] : [this];
    this.pidMax = parent?.pidMax ?? PID_MAX;
  }

  get memfdNoexec(): number {
    return Math.max(this.#memfdNoexec, this.parent?.memfdNoexec ?? 0);
  }

  set memfdNoexec(scope: number) {
    this.#memfdNoexec = scope;
  }

  /** True for `ns` itself and what lies within it. */
  isWithin(ns: PidNamespace): boolean {
    return this.path[ns.level] === ns;
  }

  /** The next free number, that is not taken; EAGAIN when there is none. */
  nextNumber(taken: Numbers): number | Errno {
    let n = this.lastPid;
    for (let tries = 0; tries < this.pidMax; tries++) {
      n++;
      if (n >= this.pidMax) n = Math.min(RESERVED_PIDS, this.pidMax - 1);
      if (!taken.has(n)) {
        this.lastPid = n;
        return n;
      }
    }
    return EAGAIN;
  }

  /** The number asked for (clone3's set_tid), if it is free and may be: EINVAL, EEXIST. */
  wantNumber(n: number, taken: Numbers): number | Errno {
    if (n < 1 || n >= this.pidMax) return EINVAL;
    if (n !== 1 && !this.init) return EINVAL;
    return taken.has(n) ? EEXIST : n;
  }

  protected override end(): void {
    this.parent?.release();
  }
}
