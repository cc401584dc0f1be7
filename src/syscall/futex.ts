/** futex(2): decoding of its many operations; the queues are in proc/futex.ts. */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOSYS,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOINTR,
  ERESTARTSYS,
  ETIMEDOUT,
  failed,
} from "../abi/errno.ts";
import type { Timespec } from "../kern/clock.ts";
import {
  FUTEX_BITSET_MATCH_ANY,
  type FutexKey,
  FutexWaiter,
  futexRequeue,
  futexWait,
  futexWake,
  isLock,
  privateKey,
  sharedKey,
} from "../proc/futex.ts";
import type { Lwp } from "../proc/lwp.ts";
import { tryLockPi, unlockPi, waitPi } from "../proc/pifutex.ts";
import { int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { deadlineOf, loadTimespec } from "./timespec.ts";

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_REQUEUE = 3;
const FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5;
const FUTEX_LOCK_PI = 6;
const FUTEX_UNLOCK_PI = 7;
const FUTEX_TRYLOCK_PI = 8;
const FUTEX_WAIT_BITSET = 9;
const FUTEX_WAKE_BITSET = 10;
const FUTEX_LOCK_PI2 = 13;
const FUTEX_PRIVATE_FLAG = 128;
const FUTEX_CLOCK_REALTIME = 256;

const USER_END = 2 ** 38;
/** The register of the fourth argument. */
const A3 = 13;

export const sys_futex = syscall(
  "futex",
  [uaddr, int, uint, uaddr, uaddr, uint],
  (td, word, op, val, timeout, word2, val3) => {
    const isPrivate = (op & FUTEX_PRIVATE_FLAG) !== 0;
    const command = op & 0x7f;
    if (op & FUTEX_CLOCK_REALTIME && !TAKES_CLOCK.has(command)) return ENOSYS;
    // A waiter that was woken has its answer, though the word be gone by now.
    if (td.restart.data instanceof FutexWaiter && td.restart.data.wasWoken) return 0;
    const key = futexKey(td, word, isPrivate);
    if (typeof key === "number") return key;
    switch (command) {
      case FUTEX_WAIT:
        return wait(td, key, word, val, timeout, FUTEX_BITSET_MATCH_ANY, op);
      case FUTEX_WAIT_BITSET:
        if (val3 === 0) return EINVAL;
        return wait(td, key, word, val, timeout, val3 | 0, op | WAIT_IS_ABSOLUTE);
      case FUTEX_WAKE:
        return futexWake(key, Math.max(1, val | 0), FUTEX_BITSET_MATCH_ANY);
      case FUTEX_WAKE_BITSET:
        if (val3 === 0) return EINVAL;
        return futexWake(key, Math.max(1, val | 0), val3 | 0);
      case FUTEX_CMP_REQUEUE:
      case FUTEX_REQUEUE: {
        const to = futexKey(td, word2, isPrivate);
        if (typeof to === "number") return to;
        if (command === FUTEX_CMP_REQUEUE) {
          const now = td.proc.vmspace.loadU32(word);
          if (failed(now)) return EFAULT;
          if (now !== val3) return EAGAIN;
        }
        const moveCount = secondCount(td);
        if ((val | 0) < 0 || moveCount < 0) return EINVAL;
        return futexRequeue(key, to, val | 0, moveCount);
      }
      case FUTEX_WAKE_OP: {
        const second = futexKey(td, word2, isPrivate);
        if (typeof second === "number") return second;
        const holds = applyWakeOp(td, word2, val3);
        if (holds < 0) return holds;
        const woken = futexWake(key, Math.max(1, val | 0), FUTEX_BITSET_MATCH_ANY);
        if (holds === 0) return woken;
        return woken + futexWake(second, Math.max(1, secondCount(td)), FUTEX_BITSET_MATCH_ANY);
      }
      case FUTEX_LOCK_PI:
        return lockPi(td, key, word, timeout, true);
      case FUTEX_LOCK_PI2:
        return lockPi(td, key, word, timeout, (op & FUTEX_CLOCK_REALTIME) !== 0);
      case FUTEX_TRYLOCK_PI:
        return tryLockPi(td, key, word);
      case FUTEX_UNLOCK_PI:
        return unlockPi(td, key, word);
      default:
        return ENOSYS;
    }
  },
);

/** Which of them FUTEX_CLOCK_REALTIME may be said with. */
const TAKES_CLOCK = new Set([FUTEX_WAIT_BITSET, FUTEX_LOCK_PI2]);

/** Where others have their timeout, requeue and wake-op have a second count, an int. */
function secondCount(td: Lwp): number {
  return td.context.xlo(A3);
}

/** Beside the flags of `op`: FUTEX_WAIT_BITSET's timeout is absolute, FUTEX_WAIT's relative. */
const WAIT_IS_ABSOLUTE = 1 << 30;

function wait(
  td: Lwp,
  key: FutexKey,
  word: number,
  val: number,
  timeout: number,
  bitset: number,
  op: number,
): number {
  const r = td.restart;
  const { clock } = td.cpu;
  const before = r.data as FutexWaiter | null;
  let until = before?.until ?? null;
  if (before) {
    if (until) r.deadlineNs = clock.monotonicAt(until);
    if (clock.isPast(r.deadlineNs)) return ETIMEDOUT;
  } else {
    r.deadlineNs = Number.POSITIVE_INFINITY;
    if (timeout !== 0) {
      const t = loadTimespec(td, timeout);
      if (typeof t === "number") return t;
      if ((op & FUTEX_CLOCK_REALTIME) !== 0) until = t;
      r.deadlineNs = deadlineOf(td, t, (op & WAIT_IS_ABSOLUTE) !== 0, until !== null);
    }
  }
  // Each time: while a signal or a stop kept the thread off the queue, a wake would have missed it.
  const now = td.proc.vmspace.loadU32(word);
  if (failed(now)) return EFAULT;
  if (now !== val) return EAGAIN;
  if (clock.isPast(r.deadlineNs)) return ETIMEDOUT;
  if (isLock(key)) return EINVAL;
  const waiter = new FutexWaiter(td, bitset, until);
  r.data = waiter;
  futexWait(key, waiter);
  td.sleepUntil(until ? clock.wasSet : null, "futex", r.deadlineNs);
  // A timed wait must not begin anew after a handler ran: see signal(7).
  return timeout === 0 ? ERESTARTSYS : ERESTART_RESTARTBLOCK;
}

/** Takes a lock, however long that takes; a timeout is absolute. No signal interrupts it, but for its handler. */
function lockPi(
  td: Lwp,
  key: FutexKey,
  word: number,
  timeout: number,
  isRealtime: boolean,
): number {
  const r = td.restart;
  const { clock } = td.cpu;
  let until: Timespec | null = null;
  r.deadlineNs = Number.POSITIVE_INFINITY;
  if (timeout !== 0) {
    const t = loadTimespec(td, timeout);
    if (typeof t === "number") return t;
    r.deadlineNs = deadlineOf(td, t, true, isRealtime);
    if (isRealtime) until = t;
  }
  const r1 = tryLockPi(td, key, word);
  if (r1 !== EAGAIN) return r1;
  const waiter = waitPi(td, key, word, until);
  if (typeof waiter === "number") return waiter;
  if (clock.isPast(r.deadlineNs)) {
    td.unwatch();
    return ETIMEDOUT;
  }
  r.data = waiter;
  td.sleepUntil(until ? clock.wasSet : null, "futex", r.deadlineNs);
  return ERESTARTNOINTR;
}

/** The key of the futex at `word`; EINVAL if misaligned, EFAULT if it cannot be there. */
export function futexKey(td: Lwp, word: number, isPrivate: boolean): FutexKey | number {
  if (word % 4 !== 0) return EINVAL;
  if (word >= USER_END) return EFAULT;
  if (isPrivate) return privateKey(td.proc.vmspace, word);
  const shared = td.proc.vmspace.sharedWord(word);
  if (shared === null) return privateKey(td.proc.vmspace, word);
  return failed(shared) ? shared : sharedKey(shared.object, shared.offset);
}

/** Does FUTEX_WAKE_OP's arithmetic on the second word; 1 if the old value met the condition. */
function applyWakeOp(td: Lwp, word: number, encoded: number): number {
  const old = td.proc.vmspace.loadU32(word);
  if (failed(old)) return EFAULT;
  const op = (encoded >>> 28) & 7;
  const isShift = encoded >>> 31 !== 0;
  const rawArg = (encoded << 8) >> 20;
  const arg = isShift ? 1 << (rawArg & 31) : rawArg;
  const next = wakeOpResult(op, old | 0, arg);
  if (next === null) return ENOSYS;
  const stored = td.proc.vmspace.storeU32(word, next >>> 0);
  if (failed(stored)) return EFAULT;
  return wakeOpHolds((encoded >>> 24) & 15, old | 0, (encoded << 20) >> 20);
}

function wakeOpResult(op: number, old: number, arg: number): number | null {
  switch (op) {
    case 0:
      return arg;
    case 1:
      return (old + arg) | 0;
    case 2:
      return old | arg;
    case 3:
      return old & ~arg;
    case 4:
      return old ^ arg;
    default:
      return null;
  }
}

function wakeOpHolds(compare: number, old: number, arg: number): number {
  switch (compare) {
    case 0:
      return Number(old === arg);
    case 1:
      return Number(old !== arg);
    case 2:
      return Number(old < arg);
    case 3:
      return Number(old <= arg);
    case 4:
      return Number(old > arg);
    case 5:
      return Number(old >= arg);
    default:
      return ENOSYS;
  }
}

export const futexSyscalls: readonly (readonly [number, Syscall])[] = [[98, sys_futex]];
