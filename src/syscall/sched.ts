/** Where and when to run: sched_yield(2), sched_setaffinity(2), ioprio_set(2), getcpu(2). */
import { EFAULT, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import { SCHED_IDLE } from "../abi/sched.ts";
import { CAP_SYS_ADMIN, CAP_SYS_NICE } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { priorityTargets } from "./limits.ts";

/** Every thread runs on the one CPU, so every mask is {0}. */
const CPU_MASK_BYTES = 8;

export const sys_sched_yield = syscall("sched_yield", [], (td) => {
  const { deadline, cpu } = td;
  if (deadline) {
    // It has no use for the rest of its time.
    deadline.leftNs = 0;
    cpu.delayCurrent(deadline.nextPeriodNs - cpu.clock.monotonicNs());
  }
  td.isYielding = true;
  cpu.needResched = true;
  return 0;
});

export const sys_getcpu = syscall("getcpu", [uaddr, uaddr, uaddr], (td, cpu, node) => {
  const { vmspace } = td.proc;
  if (cpu !== 0 && failed(vmspace.storeU32(cpu, td.cpu.id))) return EFAULT;
  if (node !== 0 && failed(vmspace.storeU32(node, 0))) return EFAULT;
  return 0;
});

export const sys_sched_getaffinity = syscall(
  "sched_getaffinity",
  [int, uint, uaddr],
  (td, pid, length, out) => {
    if (length < CPU_MASK_BYTES || length % 8 !== 0) return EINVAL;
    if (!target(td, pid)) return ESRCH;
    const mask = new Uint8Array(CPU_MASK_BYTES);
    mask[0] = 1;
    return failed(td.proc.vmspace.copyout(out, mask)) ? EFAULT : CPU_MASK_BYTES;
  },
);

export const sys_sched_setaffinity = syscall(
  "sched_setaffinity",
  [int, uint, uaddr],
  (td, pid, length, at) => {
    const mask = new Uint8Array(Math.min(length, CPU_MASK_BYTES));
    if (failed(td.proc.vmspace.copyin(at, mask))) return EFAULT;
    const other = target(td, pid);
    if (!other) return ESRCH;
    if (!isOwnerOf(td, other) && !mayNice(td, other)) return EPERM;
    return ((mask[0] ?? 0) & 1) === 0 ? EINVAL : 0;
  },
);

/** `which` counts from 1 where setpriority(2) counts from 0; of several the best is shown. */
export const sys_ioprio_get = syscall("ioprio_get", [int, int], (td, which, who) => {
  if (which < 1 || which > 3) return EINVAL;
  let best: number | null = null;
  for (const other of priorityTargets(td, which - 1, who)) {
    const value = which === IOPRIO_WHO_PROCESS ? other.ioprio : effectiveIoprio(other);
    best = Math.min(best ?? value, value);
  }
  return best ?? ESRCH;
});

/** Kept for the caller, without effect: there is one queue per disk. */
export const sys_ioprio_set = syscall("ioprio_set", [int, int, int], (td, which, who, value) => {
  const refused = refuseIoprio(td, value);
  if (refused < 0) return refused;
  if (which < 1 || which > 3) return EINVAL;
  let r: number = ESRCH;
  for (const other of priorityTargets(td, which - 1, who)) {
    if (!isOwnerOf(td, other)) return EPERM;
    other.ioprio = value & 0xffff;
    r = 0;
  }
  return r;
});

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_RT = 1;
const IOPRIO_CLASS_BE = 2;
const IOPRIO_CLASS_IDLE = 3;

/** Who has asked for none has one by policy and niceness. */
function effectiveIoprio(td: Lwp): number {
  if (td.ioprio >>> 13 !== 0) return td.ioprio;
  let ioclass = IOPRIO_CLASS_BE;
  if (td.policy === SCHED_IDLE) ioclass = IOPRIO_CLASS_IDLE;
  else if (td.basePriority > 0) ioclass = IOPRIO_CLASS_RT;
  return (ioclass << 13) | Math.floor((td.nice + 20) / 5);
}

/** What I/O priority `td` cannot give: 0, EINVAL, EPERM. */
export function refuseIoprio(td: Lwp, value: number): number {
  const ioclass = (value & 0xffff) >>> 13;
  if (ioclass > 3) return EINVAL;
  if (ioclass === 0 && (value & 7) !== 0) return EINVAL;
  const mayBeRealtime = td.cred.hasCap(CAP_SYS_ADMIN) || td.cred.hasCap(CAP_SYS_NICE);
  return ioclass === 1 && !mayBeRealtime ? EPERM : 0;
}

export const schedSyscalls: readonly (readonly [number, Syscall])[] = [
  [30, sys_ioprio_set],
  [31, sys_ioprio_get],
  [122, sys_sched_setaffinity],
  [123, sys_sched_getaffinity],
  [124, sys_sched_yield],
  [168, sys_getcpu],
];

export function target(td: Lwp, pid: number): Lwp | null {
  return pid === 0 ? td : td.findThread(pid);
}

function mayNice(td: Lwp, other: Lwp): boolean {
  return td.cred.hasCapIn(other.cred.userns, CAP_SYS_NICE);
}

export function isOwnerOf(td: Lwp, other: Lwp): boolean {
  const { euid } = td.cred;
  return euid === other.cred.euid || euid === other.cred.uid || td.cred.hasCap(CAP_SYS_NICE);
}
