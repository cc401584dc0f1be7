/**
 * seccomp(2): which system calls a thread may make.
 *
 * Filters are a tree that grows at its leaves: each thread has the last one it
 * installed, which knows the one before it. A call is asked of all of them and
 * the strictest answer counts. A filter lives as long as a thread or a newer
 * filter holds it. Source: Linux kernel/seccomp.c.
 */
import { EBUSY, EINVAL, ENOMEM, type Errno, ESRCH } from "../abi/errno.ts";
import {
  AUDIT_ARCH_RISCV64,
  SECCOMP_DATA_SIZE,
  SECCOMP_MODE_DISABLED,
  SECCOMP_MODE_FILTER,
  SECCOMP_RET_ACTION_FULL,
  SECCOMP_RET_ALLOW,
} from "../abi/seccomp.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { BpfProgram } from "./bpf.ts";
import type { Lwp } from "./lwp.ts";
import type { SeccompListener } from "./seccompnotify.ts";

const A0 = 10;
const ARGS = 6;
const ECALL_BYTES = 4;
/** Most instructions that a call may have to go through; each filter counts as some more. */
const MAX_INSNS_PER_PATH = 32768;
const FILTER_PENALTY = 4;
const KNOWN_NRS = 512;
const FILTER_BYTES = 512 + KNOWN_NRS;
const INSN_BYTES = 16;

export class SeccompFilter {
  readonly program: BpfProgram;
  readonly previous: SeccompFilter | null;
  /** SECCOMP_FILTER_FLAG_LOG */
  readonly isLogging: boolean;
  /** Who answers SECCOMP_RET_USER_NOTIF; null: nobody. */
  readonly listener: SeccompListener | null;
  /** How many there are from here on, and their instructions with the penalty. */
  readonly depth: number;
  readonly cost: number;
  /** By number of the call: 1 if it is allowed here and by all before, whatever its arguments. */
  readonly allowed = new Uint8Array(KNOWN_NRS);
  readonly #kmem: KernelMemory;
  #refs = 1;

  private constructor(
    kmem: KernelMemory,
    program: BpfProgram,
    previous: SeccompFilter | null,
    isLogging: boolean,
    listener: SeccompListener | null,
  ) {
    this.#kmem = kmem;
    this.program = program;
    this.previous = previous;
    this.isLogging = isLogging;
    this.listener = listener;
    this.depth = 1 + (previous?.depth ?? 0);
    this.cost = program.cost + FILTER_PENALTY + (previous?.cost ?? 0);
    previous?.hold();
  }

  /** A filter in front of those that `td` has, held once by the caller; or ENOMEM. */
  static before(
    td: Lwp,
    program: BpfProgram,
    isLogging: boolean,
    listener: SeccompListener | null,
  ): SeccompFilter | Errno {
    const previous = td.seccompFilter;
    const kmem = td.cpu.kmem.ofCurrent;
    if (!kmem.take(bytesOf(program))) return ENOMEM;
    return new SeccompFilter(kmem, program, previous, isLogging, listener);
  }

  hold(): this {
    this.#refs++;
    return this;
  }

  release(): void {
    // As a loop: chains may be thousands long.
    for (let f: SeccompFilter | null = this; f && --f.#refs === 0; f = f.previous) {
      f.#kmem.give(bytesOf(f.program));
      f.listener?.hangUp();
    }
  }

  isSameOrBefore(other: SeccompFilter | null): boolean {
    for (let f = other; f; f = f.previous) if (f === this) return true;
    return false;
  }
}

/** An answer and the filter that gave it. */
export interface Verdict {
  /** SECCOMP_RET_*, with its data. */
  readonly value: number;
  readonly filter: SeccompFilter;
}

/** What `td`'s filters say about the call at which it stands; null: go on with it. */
export function judge(td: Lwp, nr: number): Verdict | null {
  const last = td.seccompFilter!;
  if (nr >= 0 && nr < KNOWN_NRS && last.allowed[nr] === 1) return null;
  const data = dataOf(td, nr);
  let value = SECCOMP_RET_ALLOW;
  let by = last;
  let isConstant = true;
  for (let f: SeccompFilter | null = last; f; f = f.previous) {
    const answer = f.program.run(data);
    if (f.program.hasLookedBeyond) isConstant = false;
    if (actionOf(answer) < actionOf(value)) {
      value = answer;
      by = f;
    }
  }
  if (actionOf(value) !== SECCOMP_RET_ALLOW) return { value, filter: by };
  if (isConstant && nr >= 0 && nr < KNOWN_NRS) last.allowed[nr] = 1;
  return null;
}

export function actionOf(value: number): number {
  return value & SECCOMP_RET_ACTION_FULL;
}

/** Puts `td` under `filter`, whose reference it takes over. */
export function setFilter(td: Lwp, filter: SeccompFilter): void {
  td.seccompFilter?.release();
  td.seccompFilter = filter;
  td.seccompMode = SECCOMP_MODE_FILTER;
}

/** A new thread is under what its maker is under. */
export function inheritSeccomp(child: Lwp, td: Lwp): void {
  child.seccompMode = td.seccompMode;
  child.seccompFilter = td.seccompFilter?.hold() ?? null;
}

/** The first thread of the process that could not follow `td`: 0 if all can. See SECCOMP_FILTER_FLAG_TSYNC. */
export function tidOutOfStep(td: Lwp): number {
  for (const other of td.proc.threads) {
    if (other === td || other.seccompMode === SECCOMP_MODE_DISABLED) continue;
    const isOlder = other.seccompFilter?.isSameOrBefore(td.seccompFilter) === true;
    if (other.seccompMode !== SECCOMP_MODE_FILTER || !isOlder) return td.numberOf(other.id);
  }
  return 0;
}

/** Puts the other threads of the process under what `td` is under. */
export function bringIntoStep(td: Lwp): void {
  for (const other of td.proc.threads) {
    if (other === td) continue;
    setFilter(other, td.seccompFilter!.hold());
    if (td.cred.noNewPrivs && !other.cred.noNewPrivs) {
      other.cred = other.cred.with({ noNewPrivs: true });
    }
  }
}

export interface FilterRequest {
  readonly isLogging: boolean;
  readonly isForAll: boolean;
  readonly hidesTid: boolean;
  readonly listener: SeccompListener | null;
}

/** Adds `program` to `td`'s filters, or to those of all threads; 0, a thread that forbids that, or an error. */
export function addFilter(td: Lwp, program: BpfProgram, how: FilterRequest): number {
  const isTaken = td.seccompMode !== SECCOMP_MODE_DISABLED;
  if (isTaken && td.seccompMode !== SECCOMP_MODE_FILTER) return EINVAL;
  if (program.cost + (td.seccompFilter?.cost ?? 0) > MAX_INSNS_PER_PATH) return ENOMEM;
  if (how.isForAll) {
    const tid = tidOutOfStep(td);
    if (tid !== 0) return how.hidesTid ? ESRCH : tid;
  }
  for (let f = how.listener && td.seccompFilter; f; f = f.previous) if (f.listener) return EBUSY;
  const filter = SeccompFilter.before(td, program, how.isLogging, how.listener);
  if (typeof filter === "number") return filter;
  setFilter(td, filter);
  if (how.isForAll) bringIntoStep(td);
  return 0;
}

function bytesOf(program: BpfProgram): number {
  return FILTER_BYTES + program.length * INSN_BYTES;
}

/** struct seccomp_data, as words. */
export function dataOf(td: Lwp, nr: number): Int32Array {
  const { context } = td;
  const data = new Int32Array(SECCOMP_DATA_SIZE / 4);
  data[0] = nr;
  data[1] = AUDIT_ARCH_RISCV64;
  const pc = context.pc + ECALL_BYTES;
  data[2] = pc % 0x1_0000_0000;
  data[3] = Math.floor(pc / 0x1_0000_0000);
  for (let i = 0; i < ARGS; i++) {
    data[4 + 2 * i] = context.xlo(A0 + i);
    data[5 + 2 * i] = context.xhi(A0 + i);
  }
  return data;
}
