/** Limits, use and priority: prlimit64(2), getrusage(2), times(2), setpriority(2). */
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import {
  PRIO_PGRP,
  PRIO_PROCESS,
  PRIO_USER,
  Rlimit64,
  RUSAGE_CHILDREN,
  RUSAGE_SELF,
  RUSAGE_THREAD,
  Rusage,
  Tms,
} from "../abi/resource.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import { CAP_SYS_NICE, CAP_SYS_RESOURCE } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { addThread, noUsage, type Proc, type Usage } from "../proc/proc.ts";
import {
  RLIM_INFINITY,
  RLIM_NLIMITS,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  type Rlimit,
  vmLimits,
} from "../proc/rlimit.ts";
import { int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const NS_PER_TICK = 1e7;
const PAGE_KIB = 4;
const MIN_NICE = -20;
const MAX_NICE = 19;
/** fs.nr_open: RLIMIT_NOFILE goes no higher. */
/** RLIM_INFINITY in user memory is all ones. */
const INFINITY_BITS = 2 ** 64;

export const sys_prlimit64 = syscall(
  "prlimit64",
  [int, uint, uaddr, uaddr],
  (td, pid, resource, newAt, oldAt) => {
    if (resource >= RLIM_NLIMITS) return EINVAL;
    let next: Rlimit | null = null;
    if (newAt !== 0) {
      const loaded = loadRlimit(td, newAt);
      if (typeof loaded === "number") return loaded;
      next = loaded;
    }
    const p = pid === 0 ? td.proc : td.findThread(pid)?.proc;
    if (!p) return ESRCH;
    if (p !== td.proc && !mayLimit(td, p)) return EPERM;
    return changeLimit(td, p, resource, next, oldAt);
  },
);

export const sys_getrlimit = syscall("getrlimit", [uint, uaddr], (td, resource, out) =>
  resource >= RLIM_NLIMITS
    ? EINVAL
    : td.proc.vmspace.copyout(out, encodeRlimit(td.proc.rlimits.get(resource))),
);

export const sys_setrlimit = syscall("setrlimit", [uint, uaddr], (td, resource, at) => {
  const next = loadRlimit(td, at);
  if (typeof next === "number") return next;
  return resource >= RLIM_NLIMITS ? EINVAL : changeLimit(td, td.proc, resource, next, 0);
});

export const sys_getrusage = syscall("getrusage", [int, uaddr], (td, who, out) => {
  const usage = usageOf(td, who);
  return usage ? td.proc.vmspace.copyout(out, encodeRusage(usage)) : EINVAL;
});

export const sys_times = syscall("times", [uaddr], (td, out) => {
  td.cpu.sliceKeeper?.settle();
  if (out !== 0) {
    const own = td.proc.usage();
    const children = td.proc.childUsage;
    const v = new DataView(new ArrayBuffer(Tms.sizeof));
    Tms.tms_utime.set(v, 0, Math.floor(own.userNs / NS_PER_TICK));
    Tms.tms_stime.set(v, 0, Math.floor(own.systemNs / NS_PER_TICK));
    Tms.tms_cutime.set(v, 0, Math.floor(children.userNs / NS_PER_TICK));
    Tms.tms_cstime.set(v, 0, Math.floor(children.systemNs / NS_PER_TICK));
    if (failed(td.proc.vmspace.copyout(out, new Uint8Array(v.buffer)))) return EFAULT;
  }
  return Math.floor(td.cpu.clock.monotonicNs() / NS_PER_TICK);
});

/** Answers 20 - nice, so that a result is never negative. */
export const sys_getpriority = syscall("getpriority", [int, int], (td, which, who) => {
  if (which < PRIO_PROCESS || which > PRIO_USER) return EINVAL;
  let best = ESRCH as number;
  for (const other of priorityTargets(td, which, who)) best = Math.max(best, 20 - other.nice);
  return best;
});

export const sys_setpriority = syscall("setpriority", [int, int, int], (td, which, who, value) => {
  if (which < PRIO_PROCESS || which > PRIO_USER) return EINVAL;
  const nice = Math.max(MIN_NICE, Math.min(MAX_NICE, value));
  let r = ESRCH as number;
  for (const other of priorityTargets(td, which, who)) {
    const one = setNice(td, other, nice);
    if (one !== 0) r = one;
    else if (r === ESRCH) r = 0;
  }
  return r;
});

export const limitSyscalls: readonly (readonly [number, Syscall])[] = [
  [140, sys_setpriority],
  [141, sys_getpriority],
  [153, sys_times],
  [163, sys_getrlimit],
  [164, sys_setrlimit],
  [165, sys_getrusage],
  [261, sys_prlimit64],
];

/** struct rusage. */
export function encodeRusage(u: Usage): Uint8Array {
  const v = new DataView(new ArrayBuffer(Rusage.sizeof));
  Rusage.ru_utime_sec.set(v, 0, Math.floor(u.userNs / NS_PER_SEC));
  Rusage.ru_utime_usec.set(v, 0, Math.floor((u.userNs % NS_PER_SEC) / 1000));
  Rusage.ru_stime_sec.set(v, 0, Math.floor(u.systemNs / NS_PER_SEC));
  Rusage.ru_stime_usec.set(v, 0, Math.floor((u.systemNs % NS_PER_SEC) / 1000));
  Rusage.ru_maxrss.set(v, 0, u.maxRssPages * PAGE_KIB);
  Rusage.ru_minflt.set(v, 0, u.minorFaults);
  Rusage.ru_majflt.set(v, 0, u.majorFaults);
  Rusage.ru_nvcsw.set(v, 0, u.voluntarySwitches);
  Rusage.ru_nivcsw.set(v, 0, u.involuntarySwitches);
  return new Uint8Array(v.buffer);
}

function usageOf(td: Lwp, who: number): Usage | null {
  td.cpu.sliceKeeper?.settle();
  switch (who) {
    case RUSAGE_SELF:
      return td.proc.usage();
    case RUSAGE_CHILDREN:
      return td.proc.childUsage;
    case RUSAGE_THREAD: {
      const sum = noUsage();
      addThread(sum, td);
      return sum;
    }
    default:
      return null;
  }
}

function changeLimit(
  td: Lwp,
  p: Proc,
  resource: number,
  next: Rlimit | null,
  oldAt: number,
): number {
  const old = p.rlimits.get(resource);
  if (next) {
    if (next.soft > next.hard) return EINVAL;
    if (resource === RLIMIT_NOFILE && next.hard > td.fs.vfs.settings.nrOpen) return EPERM;
    if (next.hard > old.hard && !td.cred.hasCap(CAP_SYS_RESOURCE)) return EPERM;
    p.rlimits.set(resource, next);
    if (resource === RLIMIT_NOFILE) for (const t of p.threads) t.fdtable.limit = next.soft;
    Object.assign(p.vmspace.limits, vmLimits(p.rlimits));
  }
  if (oldAt === 0) return 0;
  return failed(td.proc.vmspace.copyout(oldAt, encodeRlimit(old))) ? EFAULT : 0;
}

function mayLimit(td: Lwp, p: Proc): boolean {
  const me = td.cred;
  const it = p.cred;
  const isSame =
    me.uid === it.euid &&
    me.uid === it.suid &&
    me.uid === it.uid &&
    me.gid === it.egid &&
    me.gid === it.sgid &&
    me.gid === it.gid;
  return isSame || me.hasCapIn(it.userns, CAP_SYS_RESOURCE);
}

function loadRlimit(td: Lwp, at: number): Rlimit | number {
  const bytes = new Uint8Array(Rlimit64.sizeof);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  const v = new DataView(bytes.buffer);
  const limit = (n: number): number => (n >= INFINITY_BITS ? RLIM_INFINITY : n);
  return { soft: limit(Rlimit64.rlim_cur.get(v, 0)), hard: limit(Rlimit64.rlim_max.get(v, 0)) };
}

function encodeRlimit(limit: Rlimit): Uint8Array {
  const v = new DataView(new ArrayBuffer(Rlimit64.sizeof));
  const value = (n: number): number => (n === RLIM_INFINITY ? -1 : n);
  Rlimit64.rlim_cur.set(v, 0, value(limit.soft));
  Rlimit64.rlim_max.set(v, 0, value(limit.hard));
  return new Uint8Array(v.buffer);
}

/** Whom setpriority(2) and its kin mean: a thread, a group's, a user's. */
export function* priorityTargets(td: Lwp, which: number, who: number): Generator<Lwp> {
  const { table } = td.proc;
  if (which === PRIO_PROCESS) {
    const one = who === 0 ? td : td.findThread(who);
    if (one) yield one;
  } else if (which === PRIO_PGRP) {
    const group = who === 0 ? td.proc.pgrp : td.findGroup(who);
    for (const p of group?.members ?? []) yield* p.threads;
  } else {
    const uid = who === 0 ? td.cred.uid : td.cred.userns.kuid(who >>> 0);
    for (const p of table.living()) {
      for (const other of p.threads) if (other.cred.uid === uid) yield other;
    }
  }
}

function setNice(td: Lwp, other: Lwp, nice: number): number {
  const { euid } = td.cred;
  const isCapable = td.cred.hasCapIn(other.cred.userns, CAP_SYS_NICE);
  if (euid !== other.cred.uid && euid !== other.cred.euid && !isCapable) return EPERM;
  const lowest = 20 - other.proc.rlimits.soft(RLIMIT_NICE);
  if (nice < other.nice && nice < lowest && !td.cred.hasCap(CAP_SYS_NICE)) return EACCES;
  other.nice = nice;
  return 0;
}
