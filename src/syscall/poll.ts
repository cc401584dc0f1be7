/**
 * Waiting for many files: ppoll(2), pselect6(2).
 *
 * First every file is asked; only if none is ready and there is time to wait
 * are they asked again with the thread as the one to wake. Nothing can happen
 * between the two rounds.
 */
import { EBADF, EFAULT, EINVAL, ENOMEM, ERESTARTNOHAND, type Errno, failed } from "../abi/errno.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from "../abi/poll.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { Lwp } from "../proc/lwp.ts";
import { setTemporaryMask } from "../proc/signal.ts";
import { SigSet } from "../proc/sigset.ts";
import type { PollTable } from "../vfs/poll.ts";
import { int, size, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { loadTimespec, storeTimespec, timespecOfNs } from "./timespec.ts";

const POLLFD_SIZE = 8;
const POLLRDBAND = 0x80;
const POLLWRBAND = 0x200;

export const sys_ppoll = syscall(
  "ppoll",
  [uaddr, uint, uaddr, uaddr, size],
  (td, fds, count, timeout, mask, maskSize) => {
    if (count > td.proc.fdtable.limit) return EINVAL;
    const deadline = waitUntil(td, timeout);
    if (failed(deadline)) return deadline;
    const masked = applyMask(td, mask, maskSize);
    if (masked < 0) return masked;
    const bytes = count * POLLFD_SIZE;
    const isSmall = bytes <= td.cpu.scratch.length;
    const buffer = isSmall ? td.cpu.scratchPrefix(bytes) : new Uint8Array(bytes);
    const view = isSmall ? td.cpu.scratchView : new DataView(buffer.buffer);
    if (failed(td.proc.vmspace.copyin(fds, buffer))) return EFAULT;
    let ready = pollAll(td, view, count, null);
    if (ready === 0 && td.cpu.clock.monotonicNs() < deadline) {
      ready = pollAll(td, view, count, td);
      if (ready === 0 && !td.isShortOfWaiters) return asleep(td, "poll", deadline);
      if (ready === 0) ready = ENOMEM;
      td.unwatch();
    }
    if (failed(td.proc.vmspace.copyout(fds, buffer))) return EFAULT;
    storeRemaining(td, timeout, deadline);
    return ready;
  },
);

/** Fills in every revents; how many are not zero. */
function pollAll(td: Lwp, view: DataView, count: number, table: PollTable | null): number {
  const files = td.proc.fdtable;
  let ready = 0;
  for (let i = 0, at = 0; i < count; i++, at += POLLFD_SIZE) {
    const fd = view.getInt32(at, true);
    let revents = 0;
    if (fd >= 0) {
      const fp = files.get(fd);
      const events = view.getInt16(at + 4, true) | POLLERR | POLLHUP;
      revents = fp ? fp.poll(td, table) & events : POLLNVAL;
    }
    view.setInt16(at + 6, revents, true);
    if (revents !== 0) ready++;
  }
  return ready;
}

/** The absolute end of the wait that a struct timespec in user memory asks for, found once per call. */
export function waitUntil(td: Lwp, timeout: number): number | Errno {
  if (timeout === 0) return Number.POSITIVE_INFINITY;
  if (td.restart.deadlineNs < 0) {
    const t = loadTimespec(td, timeout);
    if (failed(t)) return t;
    td.restart.deadlineNs = td.cpu.clock.monotonicNs() + t.sec * NS_PER_SEC + t.nsec;
  }
  return td.restart.deadlineNs;
}

/** Blocks the signals of a sigset_t in user memory for the length of this call. */
export function applyMask(td: Lwp, mask: number, maskSize: number): number {
  if (mask === 0) return 0;
  if (maskSize !== 8) return EINVAL;
  const lo = td.proc.vmspace.loadU32(mask);
  const hi = td.proc.vmspace.loadU32(mask + 4);
  if (lo < 0 || hi < 0) return EFAULT;
  const set = new SigSet();
  set.setWords(lo, hi);
  setTemporaryMask(td, set);
  return 0;
}

/** Sleeps on what was watched; a handler ends the wait with EINTR. */
function asleep(td: Lwp, wmesg: string, deadline: number): number {
  td.sleepUntil(null, wmesg, deadline);
  return ERESTARTNOHAND;
}

/** Linux's poll and select say how much of the time was left. */
function storeRemaining(td: Lwp, timeout: number, deadline: number): void {
  if (timeout === 0) return;
  const left = Math.max(0, deadline - td.cpu.clock.monotonicNs());
  storeTimespec(td, timeout, timespecOfNs(left));
}

/** Descriptors that a table has room for at the least: bits up to here must be open. */
const MIN_FDS = 256;

const IN_SET = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR;
const OUT_SET = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR;
const EX_SET = POLLPRI;

export const sys_pselect6 = syscall(
  "pselect6",
  [int, uaddr, uaddr, uaddr, uaddr, uaddr],
  (td, n, readfds, writefds, exceptfds, timeout, maskArg) => {
    if (n < 0) return EINVAL;
    const deadline = waitUntil(td, timeout);
    if (failed(deadline)) return deadline;
    if (maskArg !== 0) {
      const mask = td.proc.vmspace.loadU64(maskArg);
      const maskSize = td.proc.vmspace.loadU64(maskArg + 8);
      if (mask < 0 || maskSize < 0) return EFAULT;
      const masked = applyMask(td, mask, maskSize);
      if (masked < 0) return masked;
    }
    const count = Math.min(n, Math.max(MIN_FDS, td.proc.fdtable.size));
    const sets = new FdSets(count);
    const loaded = sets.load(td, [readfds, writefds, exceptfds]);
    if (loaded < 0) return loaded;
    let ready = sets.poll(td, null);
    if (ready < 0) return ready;
    if (ready === 0 && td.cpu.clock.monotonicNs() < deadline) {
      ready = sets.poll(td, td);
      if (ready === 0 && !td.isShortOfWaiters) return asleep(td, "select", deadline);
      if (ready === 0) ready = ENOMEM;
      td.unwatch();
    }
    if (ready < 0) return ready;
    const stored = sets.store(td, [readfds, writefds, exceptfds]);
    if (stored < 0) return stored;
    storeRemaining(td, timeout, deadline);
    return ready;
  },
);

/** The three bit sets of select(2): what is asked, and what holds. */
class FdSets {
  readonly #count: number;
  readonly #words: number;
  readonly #asked: Uint32Array[] = [];
  readonly #found: Uint32Array[] = [];

  constructor(count: number) {
    this.#count = count;
    this.#words = Math.ceil(count / 64) * 2;
    for (let i = 0; i < 3; i++) {
      this.#asked.push(new Uint32Array(this.#words));
      this.#found.push(new Uint32Array(this.#words));
    }
  }

  load(td: Lwp, addresses: readonly number[]): number {
    for (let i = 0; i < 3; i++) {
      const at = addresses[i]!;
      if (at === 0 || this.#words === 0) continue;
      const set = this.#asked[i]!;
      const bytes = new Uint8Array(set.buffer);
      if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
    }
    return 0;
  }

  store(td: Lwp, addresses: readonly number[]): number {
    for (let i = 0; i < 3; i++) {
      const at = addresses[i]!;
      if (at === 0 || this.#words === 0) continue;
      const bytes = new Uint8Array(this.#found[i]!.buffer);
      if (failed(td.proc.vmspace.copyout(at, bytes))) return EFAULT;
    }
    return 0;
  }

  /** Bits set in all three results, or EBADF. */
  poll(td: Lwp, table: PollTable | null): number {
    const [asksIn, asksOut, asksEx] = this.#asked as [Uint32Array, Uint32Array, Uint32Array];
    const [isIn, isOut, isEx] = this.#found as [Uint32Array, Uint32Array, Uint32Array];
    let ready = 0;
    for (let fd = 0; fd < this.#count; fd++) {
      const w = fd >>> 5;
      const bit = 1 << (fd & 31);
      if (((asksIn[w]! | asksOut[w]! | asksEx[w]!) & bit) === 0) continue;
      const fp = td.proc.fdtable.get(fd);
      if (!fp) {
        td.unwatch();
        return EBADF;
      }
      const events = fp.poll(td, table);
      if ((asksIn[w]! & bit) !== 0 && (events & IN_SET) !== 0) {
        isIn[w]! |= bit;
        ready++;
      }
      if ((asksOut[w]! & bit) !== 0 && (events & OUT_SET) !== 0) {
        isOut[w]! |= bit;
        ready++;
      }
      if ((asksEx[w]! & bit) !== 0 && (events & EX_SET) !== 0) {
        isEx[w]! |= bit;
        ready++;
      }
    }
    return ready;
  }
}

export const pollSyscalls: readonly (readonly [number, Syscall])[] = [
  [72, sys_pselect6],
  [73, sys_ppoll],
];
