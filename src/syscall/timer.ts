/** Timers that signal: setitimer(2), timer_create(2) and their kin. */
import { EAGAIN, EFAULT, EINVAL, EOPNOTSUPP, type Errno, failed } from "../abi/errno.ts";
import { SIGALRM, SIGRTMAX } from "../abi/signal.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_TAI,
  Itimerspec,
  Itimerval,
  TIMER_ABSTIME,
} from "../abi/time.ts";
import { NS_PER_SEC, type Timespec } from "../kern/clock.ts";
import { cpuMeter } from "../proc/cpumeter.ts";
import type { Lwp } from "../proc/lwp.ts";
import { type IntervalTimer, SigevNotify, type TimerClock } from "../proc/timers.ts";
import { flags, int, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { clockOffsetNs, readClock } from "./time.ts";

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD_ID = 4;
/** Timers that one process may have. */
const TIMERS_MAX = 4096;

export const sys_getitimer = syscall("getitimer", [int, uaddr], (td, which, out) => {
  if (which < 0 || which > 2) return EINVAL;
  return storeItimerval(td, out, td.proc.timers.interval(which, td.cpu));
});

export const sys_setitimer = syscall("setitimer", [int, uaddr, uaddr], (td, which, next, old) => {
  if (which < 0 || which > 2) return EINVAL;
  const timer = td.proc.timers.interval(which, td.cpu);
  const bytes = new Uint8Array(Itimerval.sizeof);
  if (next !== 0 && failed(td.proc.vmspace.copyin(next, bytes))) return EFAULT;
  const v = new DataView(bytes.buffer);
  const valueNs = usecNs(Itimerval.value_sec.get(v, 0), Itimerval.value_usec.get(v, 0));
  const intervalNs = usecNs(Itimerval.interval_sec.get(v, 0), Itimerval.interval_usec.get(v, 0));
  if (valueNs < 0 || intervalNs < 0) return EINVAL;
  if (old !== 0 && failed(storeItimerval(td, old, timer))) return EFAULT;
  timer.set(valueNs, intervalNs);
  return 0;
});

export const sys_timer_create = syscall(
  "timer_create",
  [int, uaddr, uaddr],
  (td, id, sevp, out) => {
    const clock = timerClock(td, id);
    if (failed(clock)) return clock;
    const timers = td.proc.timers;
    if (timers.posix.size >= TIMERS_MAX) return EAGAIN;
    const event = loadSigevent(td, sevp);
    if (typeof event === "number") return event;
    const timer = timers.create(td.cpu, clock, (timerId) =>
      sevp === 0 ? new SigevNotify(SIGALRM, timerId, 0, null) : event,
    );
    if (failed(timer)) return timer;
    timer.clockId = id;
    const stored = td.proc.vmspace.storeU32(out, timer.id);
    if (!failed(stored)) return 0;
    timers.delete(timer.id);
    return EFAULT;
  },
);

export const sys_timer_settime = syscall(
  "timer_settime",
  [int, flags, uaddr, uaddr],
  (td, id, how, next, old) => {
    const timer = td.proc.timers.posix.get(id);
    if (!timer || next === 0) return EINVAL;
    const bytes = new Uint8Array(Itimerspec.sizeof);
    if (failed(td.proc.vmspace.copyin(next, bytes))) return EFAULT;
    const v = new DataView(bytes.buffer);
    const value = timespec(Itimerspec.value_sec.get(v, 0), Itimerspec.value_nsec.get(v, 0));
    const interval = timespec(
      Itimerspec.interval_sec.get(v, 0),
      Itimerspec.interval_nsec.get(v, 0),
    );
    if (!value || !interval) return EINVAL;
    if (old !== 0 && failed(storeItimerspec(td, old, timer))) return EFAULT;
    const intervalNs = nsOf(interval);
    const isDisarm = value.sec === 0 && value.nsec === 0;
    if ((how & TIMER_ABSTIME) === 0 || isDisarm) timer.set(nsOf(value), intervalNs);
    else if (timer.clock === "realtime") timer.setAtWall(value, intervalNs);
    else timer.setAt(Math.max(1, nsOf(value) - timerOffsetNs(td, timer)), intervalNs);
    return 0;
  },
);

export const sys_timer_gettime = syscall("timer_gettime", [int, uaddr], (td, id, out) => {
  const timer = td.proc.timers.posix.get(id);
  return timer ? storeItimerspec(td, out, timer) : EINVAL;
});

export const sys_timer_getoverrun = syscall(
  "timer_getoverrun",
  [int],
  (td, id) => td.proc.timers.posix.get(id)?.lastOverrun ?? EINVAL,
);

export const sys_timer_delete = syscall("timer_delete", [int], (td, id) => {
  const timer = td.proc.timers.posix.get(id);
  if (!timer) return EINVAL;
  timer.disarm();
  td.proc.timers.delete(id);
  return 0;
});

export const timerSyscalls: readonly (readonly [number, Syscall])[] = [
  [102, sys_getitimer],
  [103, sys_setitimer],
  [107, sys_timer_create],
  [108, sys_timer_gettime],
  [109, sys_timer_getoverrun],
  [110, sys_timer_settime],
  [111, sys_timer_delete],
];

/** How far the clock of `timer` is ahead of the machine's for `td`; CPU clocks are nobody's. */
function timerOffsetNs(td: Lwp, { clock, clockId }: IntervalTimer): number {
  return clock === "monotonic" ? clockOffsetNs(td, clockId) : 0;
}

/** EINVAL for a clock that does not exist, EOPNOTSUPP for one that can only be read. */
function timerClock(td: Lwp, id: number): TimerClock | Errno {
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_TAI:
      return "realtime";
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
      return "monotonic";
    default:
      return cpuMeter(td, id) ?? (failed(readClock(td, id)) ? EINVAL : EOPNOTSUPP);
  }
}

/** struct sigevent: value (8 bytes), signo, notify, thread id. */
function loadSigevent(td: Lwp, at: number): SigevNotify | number {
  if (at === 0) return new SigevNotify(SIGALRM, 0, 0, null);
  const bytes = new Uint8Array(64);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  const v = new DataView(bytes.buffer);
  const [lo, hi] = [v.getInt32(0, true), v.getInt32(4, true)];
  const signo = v.getInt32(8, true);
  const how = v.getInt32(12, true);
  if (how === SIGEV_NONE) return new SigevNotify(0, lo, hi, null);
  if (signo < 1 || signo > SIGRTMAX) return EINVAL;
  if (how === SIGEV_SIGNAL) return new SigevNotify(signo, lo, hi, null);
  if (how !== SIGEV_THREAD_ID) return EINVAL;
  const tid = v.getInt32(16, true);
  const target = td.proc.threads.find((t) => t.ownTid === tid);
  return target ? new SigevNotify(signo, lo, hi, target) : EINVAL;
}

function storeItimerval(td: Lwp, out: number, timer: IntervalTimer): number {
  const v = new DataView(new ArrayBuffer(Itimerval.sizeof));
  // Rounded up: what is armed never shows as zero.
  const left = Math.ceil(timer.remainingNs() / 1000) * 1000;
  Itimerval.value_sec.set(v, 0, Math.floor(left / NS_PER_SEC));
  Itimerval.value_usec.set(v, 0, (left % NS_PER_SEC) / 1000);
  Itimerval.interval_sec.set(v, 0, Math.floor(timer.intervalNs / NS_PER_SEC));
  Itimerval.interval_usec.set(v, 0, Math.floor((timer.intervalNs % NS_PER_SEC) / 1000));
  return td.proc.vmspace.copyout(out, new Uint8Array(v.buffer));
}

function storeItimerspec(td: Lwp, out: number, timer: IntervalTimer): number {
  const v = new DataView(new ArrayBuffer(Itimerspec.sizeof));
  const left = timer.remainingNs();
  Itimerspec.value_sec.set(v, 0, Math.floor(left / NS_PER_SEC));
  Itimerspec.value_nsec.set(v, 0, Math.floor(left % NS_PER_SEC));
  Itimerspec.interval_sec.set(v, 0, Math.floor(timer.intervalNs / NS_PER_SEC));
  Itimerspec.interval_nsec.set(v, 0, Math.floor(timer.intervalNs % NS_PER_SEC));
  return td.proc.vmspace.copyout(out, new Uint8Array(v.buffer));
}

/** Nanoseconds of a struct timeval; -1 if it is not a valid one. */
function usecNs(sec: number, usec: number): number {
  if (sec < 0 || usec < 0 || usec >= 1e6) return -1;
  return sec * NS_PER_SEC + usec * 1000;
}

function timespec(sec: number, nsec: number): Timespec | null {
  return sec < 0 || nsec < 0 || nsec >= NS_PER_SEC ? null : { sec, nsec };
}

function nsOf(t: Timespec): number {
  return t.sec * NS_PER_SEC + t.nsec;
}
