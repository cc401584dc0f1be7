/** Reading and writing struct timespec in user memory, and turning one into a deadline. */
import { EFAULT, EINVAL, type Errno, failed } from "../abi/errno.ts";
import { TimespecAbi, TimevalAbi } from "../abi/time.ts";
import { type KernelClock, NS_PER_SEC, type Timespec } from "../kern/clock.ts";
import type { Lwp } from "../proc/lwp.ts";

/** A valid struct timespec at `at`: EFAULT, or EINVAL for a negative or overfull one. */
export function loadTimespec(td: Lwp, at: number): Timespec | Errno {
  const view = scratch();
  if (failed(td.proc.vmspace.copyin(at, bytesOfView(view)))) return EFAULT;
  const sec = TimespecAbi.tv_sec.get(view, 0);
  const nsec = TimespecAbi.tv_nsec.get(view, 0);
  if (sec < 0 || nsec < 0 || nsec >= NS_PER_SEC) return EINVAL;
  return { sec, nsec };
}

export function storeTimespec(td: Lwp, at: number, t: Timespec): number {
  const view = scratch();
  TimespecAbi.tv_sec.set(view, 0, t.sec);
  TimespecAbi.tv_nsec.set(view, 0, t.nsec);
  return td.proc.vmspace.copyout(at, bytesOfView(view));
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

/** When `t` is over, on the monotonic clock; a relative time counts from now. */
export function deadlineOf(
  clock: KernelClock,
  t: Timespec,
  isAbsolute: boolean,
  isRealtime: boolean,
): number {
  if (isAbsolute && isRealtime) return clock.monotonicAt(t);
  const ns = t.sec * NS_PER_SEC + t.nsec;
  return isAbsolute ? ns : clock.monotonicNs() + ns;
}

const scratch = (): DataView => new DataView(new ArrayBuffer(TimespecAbi.sizeof));
const bytesOfView = (view: DataView): Uint8Array => new Uint8Array(view.buffer);
