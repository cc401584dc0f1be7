/**
 * Waiting for many files: ppoll(2), pselect6(2).
 *
 * First every file is asked; only if none is ready and there is time to wait
 * are they asked again with the thread as the one to wake. Nothing can happen
 * between the two rounds. The request is read once. As in Linux a call that
 * woke looks its descriptors up again, but the files that it waited for stay
 * open until it ends.
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
import type { Paddr } from "../machine/physmem.ts";
import type { Lwp } from "../proc/lwp.ts";
import { setTemporaryMask } from "../proc/signal.ts";
import { SigSet } from "../proc/sigset.ts";
import { PolledFiles, type PollTable } from "../vfs/poll.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { int, size, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { loadTimespec, storeTimespec, timespecOfNs } from "./timespec.ts";

const POLLFD_SIZE = 8;
const REVENTS = 6;
const POLLRDBAND = 0x80;
const POLLWRBAND = 0x200;

export const sys_ppoll = syscall(
  "ppoll",
  [uaddr, uint, uaddr, uaddr, size],
  (td, fds, count, timeout, mask, maskSize) => {
    if (count > td.fdtable.limit) return EINVAL;
    const deadline = waitUntil(td, timeout);
    if (failed(deadline)) return deadline;
    const masked = applyMask(td, mask, maskSize);
    if (masked < 0) return masked;
    const view = pollfds(td, fds, count);
    if (failed(view)) return view;
    let ready = pollAll(td, view, count, null);
    if (ready === 0 && !td.cpu.clock.isPast(deadline)) {
      ready = pollAll(td, view, count, td);
      if (ready === 0 && !td.isShortOfWaiters && keepPollfds(td, view, count)) {
        return asleep(td, "poll", deadline);
      }
      if (ready === 0) ready = ENOMEM;
      td.unwatch();
    }
    if (!storeRevents(td, fds, view, count)) return EFAULT;
    storeRemaining(td, timeout, deadline);
    return ready;
  },
);

/** The array of struct pollfd at `fds`; after a sleep, as it was before. */
function pollfds(td: Lwp, fds: number, count: number): DataView | Errno {
  const { data } = td.restart;
  if (data instanceof PolledFiles) return data.request as DataView;
  const bytes = count * POLLFD_SIZE;
  const isSmall = bytes <= td.cpu.scratch.length;
  const buffer = isSmall ? td.cpu.scratchPrefix(bytes) : new Uint8Array(bytes);
  if (failed(td.proc.vmspace.copyin(fds, buffer))) return EFAULT;
  return isSmall ? td.cpu.scratchView : new DataView(buffer.buffer);
}

/** Before the first sleep: false for want of memory. */
function keepPollfds(td: Lwp, view: DataView, count: number): boolean {
  if (td.restart.data instanceof PolledFiles) return true;
  const copy = new DataView(view.buffer.slice(0, count * POLLFD_SIZE));
  const kept = PolledFiles.keep(td.cpu.kmem, copy, copy.byteLength);
  if (!kept) return false;
  td.restart.data = kept;
  for (let i = 0; i < count; i++) {
    kept.hold(td.fdtable.get(view.getInt32(i * POLLFD_SIZE, true)));
  }
  return true;
}

/** Nothing but revents is written: the rest is the program's, which may be at it. */
function storeRevents(td: Lwp, fds: number, view: DataView, count: number): boolean {
  const mem = td.proc.vmspace;
  const { u8 } = mem.frames.mem;
  for (let i = 0; i < count; ) {
    const to = fds + i * POLLFD_SIZE + REVENTS;
    const room = PAGE_SIZE - (to % PAGE_SIZE);
    const from = i * POLLFD_SIZE + REVENTS;
    if (room < 2) {
      const both = Uint8Array.of(view.getUint8(from), view.getUint8(from + 1));
      if (failed(mem.copyout(to, both))) return false;
      i++;
      continue;
    }
    const pa = mem.writable(to);
    if (pa < 0) return false;
    const n = Math.min(count - i, Math.floor((room - 2) / POLLFD_SIZE) + 1);
    for (let k = 0; k < n * POLLFD_SIZE; k += POLLFD_SIZE) {
      u8[pa + k] = view.getUint8(from + k);
      u8[pa + k + 1] = view.getUint8(from + k + 1);
    }
    mem.frames.codeWritten(pa as Paddr, (n - 1) * POLLFD_SIZE + 2);
    i += n;
  }
  return true;
}

/** Fills in every revents; how many are not zero. */
function pollAll(td: Lwp, view: DataView, count: number, table: PollTable | null): number {
  const files = td.fdtable;
  let ready = 0;
  for (let i = 0, at = 0; i < count; i++, at += POLLFD_SIZE) {
    const fd = view.getInt32(at, true);
    let revents = 0;
    if (fd >= 0) {
      const fp = files.get(fd);
      const events = view.getInt16(at + 4, true) | POLLERR | POLLHUP;
      revents = fp ? fp.poll(td, table) & events : POLLNVAL;
    }
    view.setInt16(at + REVENTS, revents, true);
    if (revents !== 0) ready++;
  }
  return ready;
}

/** The absolute end of the wait that a struct timespec in user memory asks for, found once per call; 0: at once. */
export function waitUntil(td: Lwp, timeout: number): number | Errno {
  if (timeout === 0) return Number.POSITIVE_INFINITY;
  if (td.restart.deadlineNs < 0) {
    const t = loadTimespec(td, timeout);
    if (failed(t)) return t;
    const waitNs = t.sec * NS_PER_SEC + t.nsec;
    td.restart.deadlineNs = waitNs === 0 ? 0 : td.cpu.clock.monotonicNs() + waitNs;
  }
  return td.restart.deadlineNs;
}

/** Blocks the signals of a sigset_t in user memory for the length of this call. */
export function applyMask(td: Lwp, mask: number, maskSize: number): number {
  if (mask === 0 || (td.isMadeAgain && td.savedSigmask)) return 0;
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
  const left = deadline === 0 ? 0 : Math.max(0, deadline - td.cpu.clock.monotonicNs());
  storeTimespec(td, timeout, timespecOfNs(left));
}

/** Descriptors that a table has room for at the least: bits up to here must be open. */
const MIN_FDS = 256;

const IN_SET = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR | POLLNVAL;
const OUT_SET = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR | POLLNVAL;
const EX_SET = POLLPRI | POLLNVAL;

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
    const kept = td.restart.data instanceof PolledFiles ? td.restart.data : null;
    const count = Math.min(n, Math.max(MIN_FDS, td.fdtable.size));
    const sets = kept ? (kept.request as FdSets) : new FdSets(count);
    if (!kept) {
      const loaded = sets.load(td, [readfds, writefds, exceptfds]);
      if (loaded < 0) return loaded;
      if (!sets.areOpen(td)) return EBADF;
    }
    let ready = sets.poll(td, null);
    if (ready === 0 && !td.cpu.clock.isPast(deadline)) {
      ready = sets.poll(td, td);
      if (ready === 0 && !td.isShortOfWaiters && (kept || sets.keep(td))) {
        return asleep(td, "select", deadline);
      }
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

  /** Every descriptor that is asked for names a file. */
  areOpen(td: Lwp): boolean {
    for (let fd = 0; fd < this.#count; fd++) {
      if (this.#isAsked(fd) && !td.fdtable.get(fd)) return false;
    }
    return true;
  }

  /** Before the first sleep: false for want of memory. */
  keep(td: Lwp): boolean {
    const kept = PolledFiles.keep(td.cpu.kmem, this, this.#words * 24);
    if (!kept) return false;
    td.restart.data = kept;
    for (let fd = 0; fd < this.#count; fd++) {
      if (this.#isAsked(fd)) kept.hold(td.fdtable.get(fd));
    }
    return true;
  }

  #isAsked(fd: number): boolean {
    const w = fd >>> 5;
    const asked = this.#asked[0]![w]! | this.#asked[1]![w]! | this.#asked[2]![w]!;
    return (asked & (1 << (fd & 31))) !== 0;
  }

  /** Bits set in all three results; what was closed meanwhile counts as ready. */
  poll(td: Lwp, table: PollTable | null): number {
    const [asksIn, asksOut, asksEx] = this.#asked as [Uint32Array, Uint32Array, Uint32Array];
    const [isIn, isOut, isEx] = this.#found as [Uint32Array, Uint32Array, Uint32Array];
    let ready = 0;
    for (let fd = 0; fd < this.#count; fd++) {
      const w = fd >>> 5;
      const bit = 1 << (fd & 31);
      if (((asksIn[w]! | asksOut[w]! | asksEx[w]!) & bit) === 0) continue;
      const events = td.fdtable.get(fd)?.poll(td, table) ?? POLLNVAL;
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
