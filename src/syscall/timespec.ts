/** Reading and writing struct timespec in user memory, and turning one into a deadline. */
import { EFAULT, EINVAL, type Errno } from "../abi/errno.ts";
import { TimevalAbi } from "../abi/time.ts";
import { NS_PER_SEC, type Timespec } from "../kern/clock.ts";
import type { Lwp } from "../proc/lwp.ts";

/** A valid struct timespec at `at`: EFAULT, or EINVAL for a negative or overfull one. */
export function loadTimespec(td: Lwp, at: number): Timespec | Errno {
  const mem = td.proc.vmspace;
  const sec = mem.loadU64(at);
  const nsec = mem.loadU64(at + 8);
  if (sec < 0 || nsec < 0) return EFAULT;
  // A negative time reads as an enormous one.
  return sec >= TWO63 || nsec >= NS_PER_SEC ? EINVAL : { sec, nsec };
}

const TWO63 = 2 ** 63;

export function storeTimespec(td: Lwp, at: number, t: Timespec): number {
  const mem = td.proc.vmspace;
  const r = mem.storeU64(at, t.sec);
  return r < 0 ? r : mem.storeU64(at + 8, t.nsec);
}

export function storeTimeval(td: Lwp, at: number, t: Timespec): number {
  const view = scratch();
  TimevalAbi.tv_sec.set(view, 0, t.sec);
  TimevalAbi.tv_usec.set(view, 0, Math.floor(t.nsec / 1000));
  return td.proc.vmspace.copyout(at, bytesOfView(view));
}

export function timespecOfNs(ns: number): Timespec {
  const sec = Math.floor(ns / NS_PER_SEC);
  return { sec, nsec: Math.floor(ns - sec * NS_PER_SEC) };
}

/**
 * When `t` is over, on the machine's monotonic clock; a relative time counts
 * from now, an absolute one is by the clock that `td` sees.
 */
export function deadlineOf(
  td: Lwp,
  t: Timespec,
  isAbsolute: boolean,
  isRealtime: boolean,
  offsetNs = td.ns.time.monotonicOffsetNs,
): number {
  const { clock } = td.cpu;
  if (isAbsolute && isRealtime) return clock.monotonicAt(t);
  const ns = t.sec * NS_PER_SEC + t.nsec;
  return isAbsolute ? Math.max(0, ns - offsetNs) : clock.monotonicNs() + ns;
}

const scratch = (): DataView => new DataView(new ArrayBuffer(TimevalAbi.sizeof));
const bytesOfView = (view: DataView): Uint8Array => new Uint8Array(view.buffer);
