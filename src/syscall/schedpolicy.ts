/** Scheduling policies: sched_setscheduler(2), sched_setattr(2) and kin; sched(7). */
import {
  E2BIG,
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  ESRCH,
  failed,
} from "../abi/errno.ts";
import {
  MAX_PRIORITY,
  SCHED_ATTR_BYTES_VER0,
  SCHED_BATCH,
  SCHED_DEADLINE,
  SCHED_FLAG_ALL,
  SCHED_FLAG_KEEP_PARAMS,
  SCHED_FLAG_KEEP_POLICY,
  SCHED_FLAG_RESET_ON_FORK,
  SCHED_FLAG_UTIL_CLAMP,
  SCHED_IDLE,
  SCHED_OTHER,
  SCHED_RESET_ON_FORK,
  SchedAttr,
} from "../abi/sched.ts";
import { CAP_SYS_NICE } from "../kern/cred.ts";
import type { DeadlineParams } from "../kern/deadline.ts";
import { SLICE_NS } from "../kern/sched.ts";
import type { Lwp } from "../proc/lwp.ts";
import { RLIMIT_NICE, RLIMIT_RTPRIO } from "../proc/rlimit.ts";
import { isRealtime, setPolicy } from "../proc/schedpolicy.ts";
import { flags, int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { isOwnerOf, target } from "./sched.ts";
import { storeTimespec, timespecOfNs } from "./timespec.ts";

const MIN_NICE = -20;
const MAX_NICE = 19;
const PAGE = 4096;
/** Shorter run times than 1024 ns cannot be promised. */
const MIN_RUNTIME_NS = 1024;
/** SCHED_FLAG_* that belong to a deadline: RECLAIM, DL_OVERRUN. */
const DEADLINE_FLAGS = 6;

/** What is asked for; `policy` null: the one that the thread has. */
interface Wanted {
  policy: number | null;
  flags: number;
  nice: number;
  priority: number;
  runtimeNs: number;
  deadlineNs: number;
  periodNs: number;
}

export const sys_sched_getscheduler = syscall("sched_getscheduler", [int], (td, pid) => {
  if (pid < 0) return EINVAL;
  const other = target(td, pid);
  if (!other) return ESRCH;
  return other.policy | (other.resetsOnFork ? SCHED_RESET_ON_FORK : 0);
});

export const sys_sched_setscheduler = syscall(
  "sched_setscheduler",
  [int, int, uaddr],
  (td, pid, policy, at) =>
    policy < 0 ? EINVAL : setByParam(td, pid, policy & ~SCHED_RESET_ON_FORK, policy, at),
);

export const sys_sched_getparam = syscall("sched_getparam", [int, uaddr], (td, pid, out) => {
  if (pid < 0 || out === 0) return EINVAL;
  const other = target(td, pid);
  if (!other) return ESRCH;
  return td.proc.vmspace.storeU32(out, other.ownPriority);
});

export const sys_sched_setparam = syscall("sched_setparam", [int, uaddr], (td, pid, at) =>
  setByParam(td, pid, null, 0, at),
);

export const sys_sched_get_priority_max = syscall(
  "sched_get_priority_max",
  [int],
  (_td, policy) => {
    if (!isPolicy(policy)) return EINVAL;
    return isRealtime(policy) ? MAX_PRIORITY : 0;
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

/** A turn of SCHED_RR; others have none, or one too short to be told. */
export const sys_sched_rr_get_interval = syscall(
  "sched_rr_get_interval",
  [int, uaddr],
  (td, pid, out) => {
    if (pid < 0) return EINVAL;
    const other = target(td, pid);
    if (!other) return ESRCH;
    const ns = other.isRoundRobin ? td.cpu.runq.budget.rrSliceNs : 0;
    return failed(storeTimespec(td, out, timespecOfNs(ns))) ? EFAULT : 0;
  },
);

export const sys_sched_getattr = syscall(
  "sched_getattr",
  [int, uaddr, uint, flags],
  (td, pid, out, length, how) => {
    const isSize = length >= SCHED_ATTR_BYTES_VER0 && length <= PAGE;
    if (pid < 0 || out === 0 || how !== 0 || !isSize) return EINVAL;
    const other = target(td, pid);
    if (!other) return ESRCH;
    const v = new DataView(new ArrayBuffer(SchedAttr.sizeof));
    const params = other.deadline?.params;
    const size = Math.min(length, SchedAttr.sizeof);
    SchedAttr.size.set(v, 0, size);
    SchedAttr.policy.set(v, 0, other.policy);
    const reset = other.resetsOnFork ? SCHED_FLAG_RESET_ON_FORK : 0;
    SchedAttr.flags.set(v, 0, reset | (params?.flags ?? 0));
    if (params) {
      SchedAttr.runtime.set(v, 0, params.runtimeNs);
      SchedAttr.deadline.set(v, 0, params.deadlineNs);
      SchedAttr.period.set(v, 0, params.periodNs);
    } else if (isRealtime(other.policy)) {
      SchedAttr.priority.set(v, 0, other.ownPriority);
    } else {
      SchedAttr.nice.set(v, 0, other.nice);
      SchedAttr.runtime.set(v, 0, SLICE_NS);
    }
    return td.proc.vmspace.copyout(out, new Uint8Array(v.buffer, 0, size));
  },
);

export const sys_sched_setattr = syscall(
  "sched_setattr",
  [int, uaddr, flags],
  (td, pid, at, how) => {
    if (pid < 0 || at === 0 || how !== 0) return EINVAL;
    const attr = loadAttr(td, at);
    if (failed(attr)) return attr;
    const other = target(td, pid);
    if (!other) return ESRCH;
    if ((attr.flags & SCHED_FLAG_KEEP_PARAMS) !== 0) keepParams(attr, other);
    return change(td, other, attr);
  },
);

export const schedPolicySyscalls: readonly (readonly [number, Syscall])[] = [
  [118, sys_sched_setparam],
  [119, sys_sched_setscheduler],
  [120, sys_sched_getscheduler],
  [121, sys_sched_getparam],
  [125, sys_sched_get_priority_max],
  [126, sys_sched_get_priority_min],
  [127, sys_sched_rr_get_interval],
  [274, sys_sched_setattr],
  [275, sys_sched_getattr],
];

/** By a struct sched_param: the priority, and nothing else. */
function setByParam(
  td: Lwp,
  pid: number,
  policy: number | null,
  policyBits: number,
  at: number,
): number {
  if (pid < 0 || at === 0) return EINVAL;
  const priority = td.proc.vmspace.loadU32(at);
  if (failed(priority)) return EFAULT;
  const other = target(td, pid);
  if (!other) return ESRCH;
  const isReset = (policyBits & SCHED_RESET_ON_FORK) !== 0;
  return change(td, other, {
    policy,
    flags: isReset ? SCHED_FLAG_RESET_ON_FORK : 0,
    nice: other.nice,
    priority,
    runtimeNs: 0,
    deadlineNs: 0,
    periodNs: 0,
  });
}

/** A struct sched_attr, which may be shorter or, with zeroes, longer than this kernel's. */
function loadAttr(td: Lwp, at: number): Wanted | Errno {
  const mem = td.proc.vmspace;
  const given = mem.loadU32(at);
  if (failed(given)) return EFAULT;
  const length = given === 0 ? SCHED_ATTR_BYTES_VER0 : given;
  if (length < SCHED_ATTR_BYTES_VER0 || length > PAGE) return wrongSize(td, at);
  const bytes = new Uint8Array(Math.max(length, SchedAttr.sizeof));
  if (failed(mem.copyin(at, bytes.subarray(0, length)))) return EFAULT;
  if (bytes.subarray(SchedAttr.sizeof).some((b) => b !== 0)) return wrongSize(td, at);
  const v = new DataView(bytes.buffer);
  const attrFlags = SchedAttr.flags.get(v, 0);
  if (attrFlags > 0xffffffff) return EINVAL;
  if ((attrFlags & SCHED_FLAG_UTIL_CLAMP) !== 0 && length < SchedAttr.sizeof) return EINVAL;
  const policy = SchedAttr.policy.get(v, 0) | 0;
  if (policy < 0) return EINVAL;
  return {
    policy: (attrFlags & SCHED_FLAG_KEEP_POLICY) !== 0 ? null : policy,
    flags: attrFlags,
    nice: Math.max(MIN_NICE, Math.min(MAX_NICE, SchedAttr.nice.get(v, 0))),
    priority: SchedAttr.priority.get(v, 0),
    runtimeNs: SchedAttr.runtime.get(v, 0),
    deadlineNs: SchedAttr.deadline.get(v, 0),
    periodNs: SchedAttr.period.get(v, 0),
  };
}

function wrongSize(td: Lwp, at: number): Errno {
  return failed(td.proc.vmspace.storeU32(at, SchedAttr.sizeof)) ? EFAULT : E2BIG;
}

function keepParams(attr: Wanted, other: Lwp): void {
  const params = other.deadline?.params;
  if (params) {
    attr.runtimeNs = params.runtimeNs;
    attr.deadlineNs = params.deadlineNs;
    attr.periodNs = params.periodNs;
    attr.flags = (attr.flags & ~DEADLINE_FLAGS) | params.flags;
  } else if (isRealtime(other.policy)) attr.priority = other.ownPriority;
  else attr.nice = other.nice;
}

/** The order of complaints is that of Linux's __sched_setscheduler. */
function change(td: Lwp, other: Lwp, attr: Wanted): number {
  const policy = attr.policy ?? other.policy;
  const isReset =
    attr.policy === null ? other.resetsOnFork : (attr.flags & SCHED_FLAG_RESET_ON_FORK) !== 0;
  if (!isPolicy(policy) || (attr.flags & ~SCHED_FLAG_ALL) !== 0) return EINVAL;
  if (attr.priority > MAX_PRIORITY) return EINVAL;
  const params = policy === SCHED_DEADLINE ? deadlineOf(td, attr) : null;
  if (failed(params)) return params;
  if (isRealtime(policy) !== (attr.priority !== 0)) return EINVAL;
  const needsRight = isPrivileged(td, other, policy, attr, isReset);
  if (needsRight && !td.cred.hasCap(CAP_SYS_NICE)) return EPERM;
  // As without CONFIG_UCLAMP_TASK.
  if ((attr.flags & SCHED_FLAG_UTIL_CLAMP) !== 0) return EOPNOTSUPP;
  // As in Linux the policy is one of the parameters.
  if ((attr.flags & SCHED_FLAG_KEEP_PARAMS) === 0) {
    const isSame = policy === other.policy && attr.priority === other.ownPriority;
    const r = isSame && !params ? 0 : setPolicy(other, policy, attr.priority, params);
    if (r < 0) return r;
    if (isFair(policy)) other.nice = attr.nice;
  }
  other.resetsOnFork = isReset;
  return 0;
}

/** What an ordinary user must not do, but within the limits that he was given. */
function isPrivileged(
  td: Lwp,
  other: Lwp,
  policy: number,
  { nice, priority }: Wanted,
  isReset: boolean,
): boolean {
  const { rlimits } = other.proc;
  const mayHave = (niceness: number): boolean => 20 - niceness <= rlimits.soft(RLIMIT_NICE);
  if (isFair(policy) && nice < other.nice && !mayHave(nice)) return true;
  if (isRealtime(policy)) {
    const highest = rlimits.soft(RLIMIT_RTPRIO);
    if (policy !== other.policy && highest === 0) return true;
    if (priority > other.ownPriority && priority > highest) return true;
  }
  if (policy === SCHED_DEADLINE) return true;
  const leavesIdle = other.policy === SCHED_IDLE && policy !== SCHED_IDLE;
  if (leavesIdle && !mayHave(other.nice)) return true;
  return !isOwnerOf(td, other) || (other.resetsOnFork && !isReset);
}

/** A sound promise, or EINVAL. */
function deadlineOf(td: Lwp, attr: Wanted): DeadlineParams | Errno {
  const { runtimeNs, deadlineNs } = attr;
  const periodNs = attr.periodNs === 0 ? deadlineNs : attr.periodNs;
  const { budget } = td.cpu.runq;
  const isOrdered = runtimeNs <= deadlineNs && deadlineNs <= periodNs;
  if (deadlineNs === 0 || runtimeNs < MIN_RUNTIME_NS || !isOrdered) return EINVAL;
  if (periodNs < budget.minPeriodNs || periodNs > budget.maxPeriodNs) return EINVAL;
  return { runtimeNs, deadlineNs, periodNs, flags: attr.flags & DEADLINE_FLAGS };
}

function isFair(policy: number): boolean {
  return policy === SCHED_OTHER || policy === SCHED_BATCH;
}

function isPolicy(policy: number): boolean {
  return isFair(policy) || isRealtime(policy) || policy === SCHED_IDLE || policy === SCHED_DEADLINE;
}
