/** Scheduling: sched_yield(2), sched_setaffinity(2), sched_setscheduler(2), ioprio_set(2), getcpu(2). */
import { E2BIG, EFAULT, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import { CAP_SYS_ADMIN, CAP_SYS_NICE } from "../kern/cred.ts";
import { struct, u32, u64 } from "../lib/struct.ts";
import type { Lwp } from "../proc/lwp.ts";
import { flags, int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { priorityTargets } from "./limits.ts";

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;
const SCHED_DEADLINE = 6;
const SCHED_RESET_ON_FORK = 0x40000000;
const SCHED_FLAG_RESET_ON_FORK = 1;
/** struct sched_attr may grow, with zeroes. */
const SCHED_ATTR_MAX = 4096;

/** Every thread runs on the one CPU, so every mask is {0}. */
const CPU_MASK_BYTES = 8;

const SchedAttr = struct({
  size: u32,
  policy: u32,
  flags: u64,
  nice: u32,
  priority: u32,
  runtime: u64,
  deadline: u64,
  period: u64,
});

export const sys_sched_yield = syscall("sched_yield", [], (td) => {
  td.isYielding = true;
  td.cpu.needResched = true;
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

export const sys_sched_getscheduler = syscall("sched_getscheduler", [int], (td, pid) => {
  if (pid < 0) return EINVAL;
  const other = target(td, pid);
  if (!other) return ESRCH;
  return other.policy | (other.resetsOnFork ? SCHED_RESET_ON_FORK : 0);
});

export const sys_sched_setscheduler = syscall(
  "sched_setscheduler",
  [int, flags, uaddr],
  (td, pid, policy, at) => {
    if (pid < 0) return EINVAL;
    const priority = td.proc.vmspace.loadU32(at);
    if (failed(priority)) return EFAULT;
    const isReset = (policy & SCHED_RESET_ON_FORK) !== 0;
    return setPolicy(td, pid, policy & ~SCHED_RESET_ON_FORK, priority, isReset);
  },
);

export const sys_sched_getparam = syscall("sched_getparam", [int, uaddr], (td, pid, out) => {
  if (pid < 0 || out === 0) return EINVAL;
  if (!target(td, pid)) return ESRCH;
  return td.proc.vmspace.storeU32(out, 0);
});

export const sys_sched_setparam = syscall("sched_setparam", [int, uaddr], (td, pid, at) => {
  if (pid < 0 || at === 0) return EINVAL;
  const priority = td.proc.vmspace.loadU32(at);
  if (failed(priority)) return EFAULT;
  const other = target(td, pid);
  if (!other) return ESRCH;
  return setPolicy(td, pid, other.policy, priority, other.resetsOnFork);
});

export const sys_sched_get_priority_max = syscall(
  "sched_get_priority_max",
  [int],
  (_td, policy) => {
    if (!isPolicy(policy)) return EINVAL;
    return isRealtime(policy) ? 99 : 0;
  },
);

export const sys_sched_get_priority_min = syscall(
  "sched_get_priority_min",
  [int],
  (_td, policy) => {
    if (!isPolicy(policy)) return EINVAL;
    return isRealtime(policy) ? 1 : 0;
  },
);

export const sys_sched_rr_get_interval = syscall(
  "sched_rr_get_interval",
  [int, uaddr],
  (td, pid, out) => {
    if (pid < 0) return EINVAL;
    if (!target(td, pid)) return ESRCH;
    return td.proc.vmspace.zero(out, 16);
  },
);

export const sys_sched_getattr = syscall(
  "sched_getattr",
  [int, uaddr, uint, uint],
  (td, pid, out, length, reserved) => {
    if (pid < 0 || out === 0 || reserved !== 0 || length < SchedAttr.sizeof) return EINVAL;
    const other = target(td, pid);
    if (!other) return ESRCH;
    const v = new DataView(new ArrayBuffer(SchedAttr.sizeof));
    SchedAttr.size.set(v, 0, SchedAttr.sizeof);
    SchedAttr.policy.set(v, 0, other.policy);
    SchedAttr.flags.set(v, 0, other.resetsOnFork ? SCHED_FLAG_RESET_ON_FORK : 0);
    SchedAttr.nice.set(v, 0, other.nice);
    return td.proc.vmspace.copyout(out, new Uint8Array(v.buffer));
  },
);

export const sys_sched_setattr = syscall(
  "sched_setattr",
  [int, uaddr, uint],
  (td, pid, at, reserved) => {
    if (pid < 0 || at === 0 || reserved !== 0) return EINVAL;
    const length = td.proc.vmspace.loadU32(at);
    if (failed(length)) return EFAULT;
    if (length !== 0 && (length < SchedAttr.sizeof || length > SCHED_ATTR_MAX)) {
      return failed(td.proc.vmspace.storeU32(at, SchedAttr.sizeof)) ? EFAULT : E2BIG;
    }
    const bytes = new Uint8Array(Math.max(length, SchedAttr.sizeof));
    if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
    if (bytes.subarray(SchedAttr.sizeof).some((b) => b !== 0)) return E2BIG;
    const v = new DataView(bytes.buffer);
    const nice = SchedAttr.nice.get(v, 0) | 0;
    const attrFlags = SchedAttr.flags.get(v, 0);
    if (attrFlags !== 0 && attrFlags !== SCHED_FLAG_RESET_ON_FORK) return EINVAL;
    const other = target(td, pid);
    if (!other) return ESRCH;
    const policy = SchedAttr.policy.get(v, 0);
    const r = setPolicy(td, pid, policy, SchedAttr.priority.get(v, 0), attrFlags !== 0);
    if (failed(r)) return r;
    if (nice < other.nice && !td.cred.hasCap(CAP_SYS_NICE)) return EPERM;
    other.nice = Math.max(-20, Math.min(19, nice));
    return 0;
  },
);

/** `which` counts from 1 where setpriority(2) counts from 0; of several the best is shown. */
export const sys_ioprio_get = syscall("ioprio_get", [int, int], (td, which, who) => {
  if (which < 1 || which > 3) return EINVAL;
  let best: number | null = null;
  for (const other of priorityTargets(td, which - 1, who)) {
    best = Math.min(best ?? other.ioprio, other.ioprio);
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
    other.ioprio = value;
    r = 0;
  }
  return r;
});

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
  [118, sys_sched_setparam],
  [119, sys_sched_setscheduler],
  [120, sys_sched_getscheduler],
  [121, sys_sched_getparam],
  [122, sys_sched_setaffinity],
  [123, sys_sched_getaffinity],
  [124, sys_sched_yield],
  [125, sys_sched_get_priority_max],
  [126, sys_sched_get_priority_min],
  [127, sys_sched_rr_get_interval],
  [168, sys_getcpu],
  [274, sys_sched_setattr],
  [275, sys_sched_getattr],
];

function target(td: Lwp, pid: number): Lwp | null {
  return pid === 0 ? td : td.findThread(pid);
}

function mayNice(td: Lwp, other: Lwp): boolean {
  return td.cred.hasCapIn(other.cred.userns, CAP_SYS_NICE);
}

function isOwnerOf(td: Lwp, other: Lwp): boolean {
  const { euid } = td.cred;
  return euid === other.cred.euid || euid === other.cred.uid || td.cred.hasCap(CAP_SYS_NICE);
}

/** The time-sharing policies are kept as asked for; a real-time one is refused, as without CAP_SYS_NICE. */
function setPolicy(
  td: Lwp,
  pid: number,
  policy: number,
  priority: number,
  resetsOnFork: boolean,
): number {
  const other = target(td, pid);
  if (!other) return ESRCH;
  if (!isPolicy(policy) || policy === SCHED_DEADLINE) return EINVAL;
  if (isRealtime(policy)) return priority < 1 || priority > 99 ? EINVAL : EPERM;
  if (priority !== 0) return EINVAL;
  if (!isOwnerOf(td, other)) return EPERM;
  if (other.resetsOnFork && !resetsOnFork && !td.cred.hasCap(CAP_SYS_NICE)) return EPERM;
  other.policy = policy;
  other.resetsOnFork = resetsOnFork;
  return 0;
}

function isPolicy(policy: number): boolean {
  return (
    policy === SCHED_OTHER ||
    policy === SCHED_BATCH ||
    policy === SCHED_IDLE ||
    policy === SCHED_DEADLINE ||
    isRealtime(policy)
  );
}

function isRealtime(policy: number): boolean {
  return policy === SCHED_FIFO || policy === SCHED_RR;
}
