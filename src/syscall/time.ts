/** Clocks and sleeping: clock_gettime(2), nanosleep(2), settimeofday(2), adjtimex(2). */
import {
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EPERM,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  TIMER_ABSTIME,
} from "../abi/time.ts";
import { NS_PER_SEC, type Timespec } from "../kern/clock.ts";
import { CAP_SYS_TIME } from "../kern/cred.ts";
import { CPU_GRAIN_NS, type CpuMeter, cpuMeter, ThreadMeter } from "../proc/cpumeter.ts";
import type { Lwp } from "../proc/lwp.ts";
import { flags, int, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { deadlineOf, loadTimespec, storeTimespec, storeTimeval, timespecOfNs } from "./timespec.ts";

export const sys_clock_gettime = syscall("clock_gettime", [int, uaddr], (td, id, out) => {
  const now = readClock(td, id);
  return failed(now) ? now : storeTimespec(td, out, now);
});

export const sys_clock_getres = syscall("clock_getres", [int, uaddr], (td, id, out) => {
  const now = readClock(td, id);
  if (failed(now)) return now;
  const isCoarse = id === CLOCK_REALTIME_COARSE || id === CLOCK_MONOTONIC_COARSE;
  return out === 0 ? 0 : storeTimespec(td, out, { sec: 0, nsec: isCoarse ? 4_000_000 : 1 });
});

export const sys_gettimeofday = syscall("gettimeofday", [uaddr, uaddr], (td, tv, tz) => {
  if (tv !== 0 && failed(storeTimeval(td, tv, td.cpu.clock.realtime()))) return EFAULT;
  return tz === 0 ? 0 : td.proc.vmspace.zero(tz, 8);
});

export const sys_clock_settime = syscall("clock_settime", [int, uaddr], (td, id, at) => {
  if (id === CLOCK_REALTIME) return setRealtime(td, loadTimespec(td, at));
  // What a process has used is not to be set, nor a device's clock where there is none.
  if (id < 0 && loadTimespec(td, at) === EFAULT) return EFAULT;
  return id < 0 && cpuMeter(td, id) ? EPERM : EINVAL;
});

export const sys_settimeofday = syscall("settimeofday", [uaddr, uaddr], (td, tv, _tz) => {
  if (tv === 0) return td.cred.hasCap(CAP_SYS_TIME) ? 0 : EPERM;
  const t = loadTimespec(td, tv);
  if (failed(t)) return t;
  if (t.nsec >= 1e6) return EINVAL;
  return setRealtime(td, { sec: t.sec, nsec: t.nsec * 1000 });
});

export const sys_nanosleep = syscall("nanosleep", [uaddr, uaddr], (td, want, remain) => {
  const t = loadTimespec(td, want);
  return failed(t) ? t : sleepFor(td, t, remain);
});

export const sys_clock_nanosleep = syscall(
  "clock_nanosleep",
  [int, flags, uaddr, uaddr],
  (td, id, how, want, remain) => {
    if (failed(readClock(td, id))) return EINVAL;
    const meter = cpuMeter(td, id);
    if (meter === null && !SLEEPERS_CLOCKS.has(id)) return EOPNOTSUPP;
    if (id === CLOCK_THREAD_CPUTIME_ID) return EOPNOTSUPP;
    const t = loadTimespec(td, want);
    if (failed(t)) return t;
    const isAbsolute = (how & TIMER_ABSTIME) !== 0;
    if (meter) return sleepInCpuTime(td, meter, t, isAbsolute, remain);
    if (!isAbsolute) return sleepFor(td, t, remain);
    const { clock } = td.cpu;
    const isRealtime = id === CLOCK_REALTIME || id === CLOCK_TAI;
    const deadlineNs = deadlineOf(td, t, true, isRealtime, clockOffsetNs(td, id));
    if (clock.isPast(deadlineNs)) return 0;
    td.sleepUntil(isRealtime ? clock.wasSet : null, "nanslp", deadlineNs);
    return ERESTARTNOHAND;
  },
);

/** Those that a sleep can be measured by, beside CPU clocks: without a clock chip, no alarm clocks. */
const SLEEPERS_CLOCKS: ReadonlySet<number> = new Set([
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_BOOTTIME,
  CLOCK_TAI,
]);

/** Reading the clock's discipline; setting it is for a host's own ntpd. */
export const sys_adjtimex = syscall("adjtimex", [uaddr], (td, buf) => adjtimex(td, buf));
export const sys_clock_adjtime = syscall("clock_adjtime", [int, uaddr], (td, id, buf) =>
  id === CLOCK_REALTIME ? adjtimex(td, buf) : failed(readClock(td, id)) ? EINVAL : EOPNOTSUPP,
);

export const timeSyscalls: readonly (readonly [number, Syscall])[] = [
  [101, sys_nanosleep],
  [112, sys_clock_settime],
  [113, sys_clock_gettime],
  [114, sys_clock_getres],
  [115, sys_clock_nanosleep],
  [169, sys_gettimeofday],
  [170, sys_settimeofday],
  [171, sys_adjtimex],
  [266, sys_clock_adjtime],
];

/** What a clock shows; EINVAL for one that does not exist. */
export function readClock(td: Lwp, id: number): Timespec | Errno {
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      return td.cpu.clock.realtime();
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return timespecOfNs(td.cpu.clock.monotonicNs() + clockOffsetNs(td, id));
    default: {
      const meter = cpuMeter(td, id);
      return meter ? timespecOfNs(meter.usedNs()) : EINVAL;
    }
  }
}

/** How far the clock that `td` sees is ahead of the machine's; 0 for one that shows the time of day. */
export function clockOffsetNs(td: Lwp, id: number): number {
  const { time } = td.ns;
  if (id === CLOCK_BOOTTIME || id === CLOCK_BOOTTIME_ALARM) return time.boottimeOffsetNs;
  return WALL_CLOCKS.has(id) ? 0 : time.monotonicOffsetNs;
}

const WALL_CLOCKS: ReadonlySet<number> = new Set([
  CLOCK_REALTIME,
  CLOCK_REALTIME_COARSE,
  CLOCK_REALTIME_ALARM,
  CLOCK_TAI,
]);

function sleepFor(td: Lwp, t: Timespec, remain: number): number {
  const r = td.restart;
  const now = td.cpu.clock.monotonicNs();
  if (r.deadlineNs < 0) r.deadlineNs = now + t.sec * NS_PER_SEC + t.nsec;
  else if (remain !== 0 && now < r.deadlineNs) {
    const stored = storeTimespec(td, remain, timespecOfNs(r.deadlineNs - now));
    if (failed(stored)) return EFAULT;
  }
  if (now >= r.deadlineNs) return 0;
  td.sleepUntil(null, "nanslp", r.deadlineNs);
  return ERESTART_RESTARTBLOCK;
}

/** As `sleepFor`, in a time that passes only while somebody uses it; nobody can so outsleep himself. */
function sleepInCpuTime(
  td: Lwp,
  meter: CpuMeter,
  t: Timespec,
  isAbsolute: boolean,
  remain: number,
): number {
  if (meter instanceof ThreadMeter && meter.td === td) return EINVAL;
  const r = td.restart;
  const used = meter.usedNs();
  const asked = t.sec * NS_PER_SEC + t.nsec;
  if (r.deadlineNs < 0) r.deadlineNs = isAbsolute ? asked : used + asked;
  else if (!isAbsolute && remain !== 0 && used < r.deadlineNs) {
    const stored = storeTimespec(td, remain, timespecOfNs(r.deadlineNs - used));
    if (failed(stored)) return EFAULT;
  }
  const left = r.deadlineNs - used;
  if (left <= 0) return 0;
  td.sleepUntil(null, "nanslp", td.cpu.clock.monotonicNs() + Math.max(CPU_GRAIN_NS, left));
  return isAbsolute ? ERESTARTNOHAND : ERESTART_RESTARTBLOCK;
}

function setRealtime(td: Lwp, t: Timespec | Errno): number {
  if (failed(t)) return t;
  if (t.sec > REALTIME_SEC_MAX) return EINVAL;
  if (!td.cred.hasCap(CAP_SYS_TIME)) return EPERM;
  // The wall clock never shows less than the time since boot.
  if (t.sec < Math.floor(td.cpu.clock.monotonicNs() / NS_PER_SEC)) return EINVAL;
  td.cpu.clock.setRealtime(t);
  return td.proc.table.vdso.update(td.cpu.clock);
}

/** What nanoseconds in 63 bits can count, less thirty years in which the machine may run on. */
const REALTIME_SEC_MAX = 9223372036 - 30 * 365 * 86400;

/** struct timex: `modes` first; a pure read shows an undisciplined clock (TIME_ERROR). */
const TIMEX_BYTES = 208;
const TIME_ERROR = 5;
/** adjtime(3), by way of this call: a bit of the mode is what it asks for. */
const ADJ_OFFSET_SINGLESHOT = 0x0001;
const ADJ_OFFSET_READONLY = 0x2000;
const ADJ_ADJTIME = 0x8000;
const STA_UNSYNC = 0x40;

function adjtimex(td: Lwp, buf: number): number {
  const bytes = new Uint8Array(TIMEX_BYTES);
  const view = new DataView(bytes.buffer);
  if (failed(td.proc.vmspace.copyin(buf, bytes))) return EFAULT;
  const modes = view.getUint32(0, true);
  const isSlew = (modes & ADJ_ADJTIME) !== 0;
  if (isSlew && (modes & ADJ_OFFSET_SINGLESHOT) === 0) return EINVAL;
  const isRead = modes === 0 || (isSlew && (modes & ADJ_OFFSET_READONLY) !== 0);
  if (!isRead) return EPERM;
  bytes.fill(0);
  const now = td.cpu.clock.realtime();
  view.setUint32(24, 16_000_000, true);
  view.setUint32(32, 16_000_000, true);
  view.setUint32(40, STA_UNSYNC, true);
  view.setUint32(56, 1, true);
  view.setUint32(64, 32_768_000, true);
  view.setBigInt64(72, BigInt(now.sec), true);
  view.setUint32(80, Math.floor(now.nsec / 1000), true);
  view.setUint32(88, 10_000, true);
  return failed(td.proc.vmspace.copyout(buf, bytes)) ? EFAULT : TIME_ERROR;
}
