/**
 * The memory of other processes: process_vm_readv(2), process_vm_writev(2),
 * process_madvise(2), process_mrelease(2).
 *
 * Bytes go through the kernel's scratch memory, a page at most at a time, so that
 * what could be moved is counted before the page that could not.
 */
import { EACCES, EBADF, EFAULT, EINVAL, EPERM, type Errno, ESRCH, failed } from "../abi/errno.ts";
import { MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED } from "../abi/mman.ts";
import { CAP_SYS_NICE } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { PidFile } from "../proc/pidfd.ts";
import type { Proc } from "../proc/proc.ts";
import { mayPtrace } from "../proc/ptraceaccess.ts";
import { PAGE_SIZE, USER_END } from "../vm/param.ts";
import { type IoVec, Uio } from "../vm/uio.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { readIov } from "./iov.ts";

const VM_ARGS = [int, uaddr, size, uaddr, size, size] as const;

export const sys_process_vm_readv = syscall(
  "process_vm_readv",
  VM_ARGS,
  (td, pid, local, localCount, remote, remoteCount, how) =>
    how !== 0 ? EINVAL : move(td, pid, local, localCount, remote, remoteCount, false),
);

export const sys_process_vm_writev = syscall(
  "process_vm_writev",
  VM_ARGS,
  (td, pid, local, localCount, remote, remoteCount, how) =>
    how !== 0 ? EINVAL : move(td, pid, local, localCount, remote, remoteCount, true),
);

function move(
  td: Lwp,
  pid: number,
  localAt: number,
  localCount: number,
  remoteAt: number,
  remoteCount: number,
  isWrite: boolean,
): number {
  const mine = readIov(td, localAt, localCount);
  if (failed(mine)) return mine;
  if (!areOfUser(mine)) return EFAULT;
  const uio = Uio.userv(td.proc.vmspace, mine);
  if (uio.resid === 0) return 0;
  const theirs = readIov(td, remoteAt, remoteCount);
  if (failed(theirs)) return theirs;
  if (theirs.every((s) => s.length === 0)) return 0;
  const vs = spaceOf(td, td.findThread(pid)?.proc ?? td.findProc(pid));
  if (failed(vs)) return vs;
  const wanted = uio.resid;
  for (const { base, length } of theirs) {
    let at = base;
    for (let left = length; left > 0 && uio.resid > 0; ) {
      const n = Math.min(left, PAGE_SIZE - (at % PAGE_SIZE), uio.resid);
      const r = movePiece(td, vs, at, uio, n, isWrite);
      if (r < n) {
        const done = wanted - uio.resid;
        return done > 0 ? done : r;
      }
      at += n;
      left -= n;
    }
  }
  return wanted - uio.resid;
}

/** Moves `n` bytes within a page of the other: how many went, or EFAULT. */
function movePiece(
  td: Lwp,
  vs: Vmspace,
  at: number,
  uio: Uio,
  n: number,
  isWrite: boolean,
): number {
  const bytes = td.cpu.scratchPrefix(n);
  if (!(at + n <= USER_END)) return EFAULT;
  if (isWrite) {
    // Nothing is taken from the caller that the other has no place for.
    const pa = vs.writable(at);
    if (pa < 0) return outOfReach(td, vs);
    const got = uio.copyin(bytes);
    if (got < 0) return got;
    return failed(vs.copyout(at, bytes.subarray(0, got))) ? outOfReach(td, vs) : got;
  }
  return failed(vs.copyin(at, bytes)) ? outOfReach(td, vs) : uio.copyout(bytes);
}

/** EFAULT; the caller's call is made again if it was only for want of memory. */
function outOfReach(td: Lwp, vs: Vmspace): Errno {
  if (vs.ranOut) {
    vs.ranOut = false;
    td.proc.vmspace.ranOut = true;
  }
  return EFAULT;
}

function areOfUser(segments: readonly IoVec[]): boolean {
  return segments.every(({ base, length }) => base + length <= USER_END);
}

/** The memory of another process, as far as `td` may reach it: ESRCH, EPERM. */
function spaceOf(td: Lwp, p: Proc | null | undefined): Vmspace | Errno {
  if (p?.state !== "alive") return ESRCH;
  return mayPtrace(td, p, "real") ? p.vmspace : EPERM;
}

/** What may be advised to others: hints that lose nothing. */
const FOR_OTHERS: readonly number[] = [MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE];

export const sys_process_madvise = syscall(
  "process_madvise",
  [int, uaddr, size, int, flags],
  (td, pidfd, iov, count, advice, how) => {
    if (how !== 0) return EINVAL;
    const ranges = readIov(td, iov, count);
    if (failed(ranges)) return ranges;
    if (!areOfUser(ranges)) return EFAULT;
    const p = procOf(td, pidfd);
    if (failed(p)) return p;
    if (!FOR_OTHERS.includes(advice)) return EINVAL;
    if (p.state !== "alive") return ESRCH;
    if (!mayPtrace(td, p, "fs")) return EACCES;
    const vs = p.vmspace;
    if (vs !== td.proc.vmspace && !td.cred.hasCap(CAP_SYS_NICE)) return EPERM;
    let done = 0;
    for (const { base, length } of ranges) {
      const r = vs.madvise(base, length, advice);
      if (failed(r)) return done > 0 ? done : r;
      done += length;
    }
    return done;
  },
);

/** Here the memory of who is dying goes at once; so there is never anything left to do. */
export const sys_process_mrelease = syscall("process_mrelease", [int, flags], (td, pidfd, how) => {
  if (how !== 0) return EINVAL;
  const p = procOf(td, pidfd);
  if (failed(p)) return p;
  if (p.state !== "alive") return ESRCH;
  return p.fatalSignal !== 0 || p.isExiting ? 0 : EINVAL;
});

/** The process of a pidfd: EBADF, or ESRCH once it was waited for. */
function procOf(td: Lwp, pidfd: number): Proc | Errno {
  const fp = td.fdtable.get(pidfd);
  if (!(fp instanceof PidFile)) return EBADF;
  return fp.proc ?? ESRCH;
}

export const othermemSyscalls: readonly (readonly [number, Syscall])[] = [
  [270, sys_process_vm_readv],
  [271, sys_process_vm_writev],
  [440, sys_process_madvise],
  [448, sys_process_mrelease],
];
