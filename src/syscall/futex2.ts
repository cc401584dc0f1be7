/**
 * The futex calls with their arguments in order: futex_waitv(2), and futex_wake,
 * futex_wait and futex_requeue of Linux 6.7. Timeouts are absolute here.
 */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  ERESTARTSYS,
  type Errno,
  ETIMEDOUT,
  failed,
} from "../abi/errno.ts";
import type { Timespec } from "../kern/clock.ts";
import {
  type FutexKey,
  FutexWaiter,
  futexRequeue,
  futexWait,
  futexWake,
  isLock,
} from "../proc/futex.ts";
import { FutexGroup, type FutexWait } from "../proc/futexgroup.ts";
import type { Lwp } from "../proc/lwp.ts";
import { flags, int, size, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { futexKey } from "./futex.ts";
import { deadlineOf, loadTimespec } from "./timespec.ts";

const FUTEX2_SIZE_U32 = 2;
const FUTEX2_PRIVATE = 128;
const FUTEX_WAITV_MAX = 128;
/** struct futex_waitv: val, uaddr (64 bits each), flags, __reserved. */
const WAITV_BYTES = 24;
const U32_MAX = 0xffffffff;
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;

/** Words of 32 bits are all there is. */
function areFlagsGood(how: number): boolean {
  return (how & ~FUTEX2_PRIVATE) === FUTEX2_SIZE_U32;
}

export const sys_futex_wake = syscall(
  "futex_wake",
  [uaddr, size, int, flags],
  (td, word, mask, count, how) => {
    if (!areFlagsGood(how) || mask > U32_MAX || mask === 0) return EINVAL;
    const key = futexKey(td, word, (how & FUTEX2_PRIVATE) !== 0);
    if (typeof key === "number") return key;
    if (count === 0) return 0;
    return futexWake(key, Math.max(1, count), mask | 0);
  },
);

export const sys_futex_wait = syscall(
  "futex_wait",
  [uaddr, size, size, flags, uaddr, int],
  (td, word, value, mask, how, timeout, clockId) => {
    const before = td.restart.data;
    if (before instanceof FutexWaiter && before.wasWoken) return 0;
    if (!areFlagsGood(how) || value > U32_MAX || mask > U32_MAX) return EINVAL;
    const until = loadDeadline(td, timeout, clockId);
    if (failed(until)) return until;
    if (mask === 0) return EINVAL;
    const key = futexKey(td, word, (how & FUTEX2_PRIVATE) !== 0);
    if (typeof key === "number") return key;
    const now = td.proc.vmspace.loadU32(word);
    if (failed(now)) return EFAULT;
    if (now !== value) return EAGAIN;
    if (isOver(td)) return ETIMEDOUT;
    if (isLock(key)) return EINVAL;
    const waiter = new FutexWaiter(td, mask | 0, until);
    td.restart.data = waiter;
    futexWait(key, waiter);
    return sleep(td, until);
  },
);

export const sys_futex_requeue = syscall(
  "futex_requeue",
  [uaddr, flags, int, int],
  (td, at, how, wakeCount, moveCount) => {
    if (how !== 0 || at === 0) return EINVAL;
    const pair = loadWaits(td, at, 2);
    if (failed(pair)) return pair;
    const from = pair[0]!;
    const to = pair[1]!;
    if (wakeCount < 0 || moveCount < 0) return EINVAL;
    const keys = keysOf(td, [from, to]);
    if (failed(keys)) return keys;
    const now = td.proc.vmspace.loadU32(from.uaddr);
    if (failed(now)) return EFAULT;
    if (now !== from.value) return EAGAIN;
    return futexRequeue(keys[0]!, keys[1]!, wakeCount, moveCount);
  },
);

export const sys_futex_waitv = syscall(
  "futex_waitv",
  [uaddr, uint, flags, uaddr, int],
  (td, at, count, how, timeout, clockId) => {
    const r = td.restart;
    const before = r.data instanceof FutexGroup ? r.data : null;
    if (before && before.wokenIndex >= 0) return before.wokenIndex;
    if (how !== 0 || count === 0 || count > FUTEX_WAITV_MAX || at === 0) return EINVAL;
    const until = loadDeadline(td, timeout, clockId);
    if (failed(until)) return until;
    const waits = before ? before.waits : loadWaits(td, at, count);
    if (failed(waits)) return waits;
    const keys = keysOf(td, waits);
    if (failed(keys)) return keys;
    for (const { uaddr: word, value } of waits) {
      const now = td.proc.vmspace.loadU32(word);
      if (failed(now)) return EFAULT;
      if (now !== value) return EAGAIN;
    }
    if (isOver(td)) return ETIMEDOUT;
    if (keys.some((key) => isLock(key))) return EINVAL;
    const group = before ?? FutexGroup.create(td, waits);
    if (!group) return ENOMEM;
    r.data = group;
    group.wait(keys);
    return sleep(td, until);
  },
);

export const futex2Syscalls: readonly (readonly [number, Syscall])[] = [
  [449, sys_futex_waitv],
  [454, sys_futex_wake],
  [455, sys_futex_wait],
  [456, sys_futex_requeue],
];

/** Reads the timeout into `td.restart.deadlineNs`; the time of day, if it is one of that clock. */
function loadDeadline(td: Lwp, timeout: number, clockId: number): Timespec | null | Errno {
  const r = td.restart;
  if (timeout === 0) {
    r.deadlineNs = Number.POSITIVE_INFINITY;
    return null;
  }
  if (clockId !== CLOCK_REALTIME && clockId !== CLOCK_MONOTONIC) return EINVAL;
  const t = loadTimespec(td, timeout);
  if (failed(t)) return t;
  const isRealtime = clockId === CLOCK_REALTIME;
  r.deadlineNs = deadlineOf(td, t, true, isRealtime);
  return isRealtime ? t : null;
}

function isOver(td: Lwp): boolean {
  return td.cpu.clock.isPast(td.restart.deadlineNs);
}

function sleep(td: Lwp, until: Timespec | null): number {
  td.sleepUntil(until ? td.cpu.clock.wasSet : null, "futex", td.restart.deadlineNs);
  return ERESTARTSYS;
}

/** An array of struct futex_waitv: EFAULT, EINVAL. */
function loadWaits(td: Lwp, at: number, count: number): readonly FutexWait[] | Errno {
  const out: FutexWait[] = [];
  const bytes = td.cpu.scratchPrefix(WAITV_BYTES);
  const view = td.cpu.scratchView;
  for (let i = 0; i < count; i++) {
    if (failed(td.proc.vmspace.copyin(at + i * WAITV_BYTES, bytes))) return EFAULT;
    const how = view.getUint32(16, true);
    if (!areFlagsGood(how) || view.getUint32(20, true) !== 0) return EINVAL;
    if (view.getUint32(4, true) !== 0) return EINVAL;
    out.push({
      uaddr: view.getUint32(12, true) * (U32_MAX + 1) + view.getUint32(8, true),
      value: view.getUint32(0, true),
      isPrivate: (how & FUTEX2_PRIVATE) !== 0,
    });
  }
  return out;
}

function keysOf(td: Lwp, waits: readonly FutexWait[]): readonly FutexKey[] | Errno {
  const out: FutexKey[] = [];
  for (const { uaddr: word, isPrivate } of waits) {
    const key = futexKey(td, word, isPrivate);
    if (typeof key === "number") return key as Errno;
    out.push(key);
  }
  return out;
}
