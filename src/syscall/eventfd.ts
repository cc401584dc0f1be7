/** eventfd2(2), timerfd_create(2) and kin. */
import { EFAULT, EINVAL, failed } from "../abi/errno.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../abi/fcntl.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  Itimerspec,
  TIMER_ABSTIME,
} from "../abi/time.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { Lwp } from "../proc/lwp.ts";
import { anonAttr } from "../vfs/anon.ts";
import { EventFile } from "../vfs/eventfd.ts";
import { TimerFile } from "../vfs/timerfd.ts";
import { fd, flags, int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";
import { clockOffsetNs } from "./time.ts";
import { deadlineOf, timespecOfNs } from "./timespec.ts";

const EFD_SEMAPHORE = 1;

export const sys_eventfd2 = syscall("eventfd2", [uint, flags], (td, initial, how) => {
  if ((how & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
  const attr = anonAttr(td.fs.vfs, td.cred);
  const fp = new EventFile(initial, (how & EFD_SEMAPHORE) !== 0, how & O_NONBLOCK, attr);
  return newFd(td, fp, (how & O_CLOEXEC) !== 0);
});

const TIMER_CLOCKS = new Set([
  CLOCK_REALTIME,
  CLOCK_MONOTONIC,
  CLOCK_BOOTTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_BOOTTIME_ALARM,
]);
const TFD_TIMER_CANCEL_ON_SET = 2;

export const sys_timerfd_create = syscall("timerfd_create", [int, flags], (td, clockId, how) => {
  if ((how & ~(O_CLOEXEC | O_NONBLOCK)) !== 0 || !TIMER_CLOCKS.has(clockId)) return EINVAL;
  const attr = anonAttr(td.fs.vfs, td.cred);
  const fp = new TimerFile(clockId, td.cpu, how & O_NONBLOCK, attr);
  return newFd(td, fp, (how & O_CLOEXEC) !== 0);
});

export const sys_timerfd_settime = syscall(
  "timerfd_settime",
  [fd, flags, uaddr, uaddr],
  (td, fp, how, value, old) => {
    if ((how & ~(TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return EINVAL;
    const view = td.cpu.scratchView;
    const bytes = td.cpu.scratchPrefix(Itimerspec.sizeof);
    if (failed(td.proc.vmspace.copyin(value, bytes))) return EFAULT;
    const sec = Itimerspec.value_sec.get(view, 0);
    const nsec = Itimerspec.value_nsec.get(view, 0);
    const everySec = Itimerspec.interval_sec.get(view, 0);
    const everyNsec = Itimerspec.interval_nsec.get(view, 0);
    if (!isTime(sec, nsec) || !isTime(everySec, everyNsec)) return EINVAL;
    if (!(fp instanceof TimerFile)) return EINVAL;
    if (old !== 0) {
      const r = storeTimer(td, fp, old);
      if (r < 0) return r;
    }
    const isRealtime = fp.clockId === CLOCK_REALTIME || fp.clockId === CLOCK_REALTIME_ALARM;
    const isAbsolute = (how & TIMER_ABSTIME) !== 0;
    const at = { sec, nsec };
    const everyNs = everySec * NS_PER_SEC + everyNsec;
    if (sec === 0 && nsec === 0) fp.set(Number.POSITIVE_INFINITY, everyNs);
    else if (isAbsolute && isRealtime) {
      fp.setAtWall(at, everyNs, (how & TFD_TIMER_CANCEL_ON_SET) !== 0);
    } else fp.set(deadlineOf(td, at, isAbsolute, false, clockOffsetNs(td, fp.clockId)), everyNs);
    return 0;
  },
);

export const sys_timerfd_gettime = syscall("timerfd_gettime", [fd, uaddr], (td, fp, out) =>
  fp instanceof TimerFile ? storeTimer(td, fp, out) : EINVAL,
);

function isTime(sec: number, nsec: number): boolean {
  return sec >= 0 && nsec >= 0 && nsec < NS_PER_SEC;
}

function storeTimer(td: Lwp, fp: TimerFile, out: number): number {
  const view = td.cpu.scratchView;
  const left = timespecOfNs(fp.remainingNs());
  const every = timespecOfNs(fp.intervalNs);
  Itimerspec.value_sec.set(view, 0, left.sec);
  Itimerspec.value_nsec.set(view, 0, left.nsec);
  Itimerspec.interval_sec.set(view, 0, every.sec);
  Itimerspec.interval_nsec.set(view, 0, every.nsec);
  return td.proc.vmspace.copyout(out, td.cpu.scratchPrefix(Itimerspec.sizeof));
}

export const eventfdSyscalls: readonly (readonly [number, Syscall])[] = [
  [19, sys_eventfd2],
  [85, sys_timerfd_create],
  [86, sys_timerfd_settime],
  [87, sys_timerfd_gettime],
];
