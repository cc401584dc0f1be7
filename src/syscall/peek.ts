/** Looking at what other processes share and have open: kcmp(2), pidfd_getfd(2). */
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM, type Errno, ESRCH, failed } from "../abi/errno.ts";
import type { Lwp } from "../proc/lwp.ts";
import { PidFile } from "../proc/pidfd.ts";
import { mayPtrace } from "../proc/ptraceaccess.ts";
import { EpollFile } from "../vfs/epoll.ts";
import type { File } from "../vfs/file.ts";
import { flags, int, size } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const KCMP_FILE = 0;
const KCMP_VM = 1;
const KCMP_FILES = 2;
const KCMP_FS = 3;
const KCMP_SIGHAND = 4;
const KCMP_IO = 5;
const KCMP_SYSVSEM = 6;
const KCMP_EPOLL_TFD = 7;

export const sys_kcmp = syscall(
  "kcmp",
  [int, int, int, size, size],
  (td, pid1, pid2, type, index1, index2) => {
    const one = td.findThread(pid1);
    const two = td.findThread(pid2);
    if (!one || !two) return ESRCH;
    if (!mayPtrace(td, one.proc, "real") || !mayPtrace(td, two.proc, "real")) return EPERM;
    switch (type) {
      case KCMP_FILE:
        return compareFiles(td, fileOf(one, index1), fileOf(two, index2));
      case KCMP_EPOLL_TFD:
        return compareFiles(td, fileOf(one, index1), watchedFile(td, two, index2));
      case KCMP_VM:
        return compare(td, one.proc.vmspace, two.proc.vmspace);
      case KCMP_FILES:
        return compare(td, one.fdtable, two.fdtable);
      case KCMP_FS:
        return compare(td, one.fs, two.fs);
      case KCMP_SIGHAND:
        return compare(td, one.proc.sigactions, two.proc.sigactions);
      case KCMP_IO:
        // No thread has an I/O context here: all share none.
        return 0;
      case KCMP_SYSVSEM:
        return compare(td, one.semUndo, two.semUndo);
      default:
        return EINVAL;
    }
  },
);

function fileOf(td: Lwp, fd: number): File | Errno {
  return td.fdtable.getAny(fd) ?? EBADF;
}

function compareFiles(td: Lwp, a: File | Errno, b: File | Errno): number {
  if (failed(a)) return a;
  return failed(b) ? b : compare(td, a, b);
}

/** 0, 1 or 2: equal, less, greater, by an order that stays while both exist. */
function compare(td: Lwp, a: object | null, b: object | null): number {
  if (a === b) return 0;
  const { order } = td.proc.table;
  return (a ? order.of(a) : 0) < (b ? order.of(b) : 0) ? 1 : 2;
}

/** What struct kcmp_epoll_slot names: the file that an epoll of `other` watches as a descriptor. */
function watchedFile(td: Lwp, other: Lwp, at: number): File | Errno {
  const { vmspace } = td.proc;
  const efd = vmspace.loadU32(at);
  const tfd = vmspace.loadU32(at + 4);
  const nth = vmspace.loadU32(at + 8);
  if (efd < 0 || tfd < 0 || nth < 0) return EFAULT;
  const epoll = fileOf(other, efd);
  if (failed(epoll)) return epoll;
  if (!(epoll instanceof EpollFile)) return EINVAL;
  return epoll.watched(tfd, nth) ?? ENOENT;
}

export const sys_pidfd_getfd = syscall("pidfd_getfd", [int, int, flags], (td, pidfd, fd, how) => {
  if (how !== 0) return EINVAL;
  const pid = td.fdtable.get(pidfd);
  if (!(pid instanceof PidFile)) return EBADF;
  const there = pid.proc?.leader;
  if (!there) return ESRCH;
  if (!mayPtrace(td, there.proc, "real")) return EPERM;
  const fp = there.fdtable.getAny(fd);
  if (!fp) return EBADF;
  const n = td.fdtable.alloc(fp.hold(), true);
  if (failed(n)) fp.release();
  return n;
});

export const peekSyscalls: readonly (readonly [number, Syscall])[] = [
  [272, sys_kcmp],
  [438, sys_pidfd_getfd],
];
