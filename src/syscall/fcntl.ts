/** fcntl(2), flock(2), and the ioctl(2) requests that every file has. */
import {
  EACCES,
  EBADF,
  EFAULT,
  EINVAL,
  ENOTTY,
  EOVERFLOW,
  EPERM,
  type Errno,
  ESRCH,
  failed,
} from "../abi/errno.ts";
import {
  DN_MULTISHOT,
  F_ADD_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_RW_HINT,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_RDLCK,
  F_SET_RW_HINT,
  F_SETFD,
  F_SETFL,
  F_SETLEASE,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  F_WRLCK,
  FD_CLOEXEC,
  Flock,
  FOwnerEx,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_APPEND,
  O_ASYNC,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  RWH_WRITE_LIFE_MAX,
} from "../abi/fcntl.ts";
import { S_IFREG } from "../abi/stat.ts";
import { CAP_LEASE, CAP_SYS_RESOURCE } from "../kern/cred.ts";
import { ownerOf, ownerPid, setOwner, setOwnerTo } from "../proc/ioowner.ts";
import type { Lwp } from "../proc/lwp.ts";
import { Proc } from "../proc/proc.ts";
import { isOwnerOrCapable } from "../vfs/access.ts";
import { notifyOfDir } from "../vfs/dnotify.ts";
import type { File } from "../vfs/file.ts";
import { isLockType, type RecordLock, testRecord } from "../vfs/lockf.ts";
import { PipeFile } from "../vfs/pipe.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import { fd, int, long, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const SETTABLE = O_APPEND | O_DIRECT | O_NOATIME | O_NONBLOCK;

/** What an O_PATH descriptor can still be asked. */
const FOR_PATH_ONLY = new Set([F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_GETFD, F_SETFD, F_GETFL]);

export const sys_fcntl = syscall("fcntl", [int, int, long], (td, n, cmd, arg) => {
  const table = td.fdtable;
  const fp = table.getAny(n);
  if (!fp) return EBADF;
  if ((fp.flags & O_PATH) !== 0 && !FOR_PATH_ONLY.has(cmd)) return EBADF;
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return dupFrom(td, fp, arg, cmd === F_DUPFD_CLOEXEC);
    case F_DUPFD_QUERY: {
      const other = table.getAny(arg | 0);
      return other ? Number(other === fp) : EBADF;
    }
    case F_GETFD:
      return table.isCloexec(n) ? FD_CLOEXEC : 0;
    case F_SETFD:
      table.setCloexec(n, (arg & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return fp.flags;
    case F_NOTIFY: {
      const isOver = (arg & ~DN_MULTISHOT) === 0;
      if (!isOver && !td.fs.vfs.isDirNotifyEnabled) return EINVAL;
      const r = notifyOfDir(fp, table, n, arg | 0);
      if (r >= 0 && !isOver && !fp.owner) setOwnerTo(td, fp, td.proc);
      return r;
    }
    case F_SETFL:
      return setFlags(td, fp, n, arg | 0);
    default:
      return fileControl(td, fp, n, cmd, arg);
  }
});

function dupFrom(td: Lwp, fp: File, min: number, isCloexec: boolean): number {
  const table = td.fdtable;
  const from = min | 0;
  if (from < 0 || from >= table.limit) return EINVAL;
  const n = table.alloc(fp.hold(), isCloexec, from);
  if (n < 0) fp.release();
  return n;
}

function setFlags(td: Lwp, fp: File, n: number, arg: number): number {
  const change = (fp.flags ^ arg) & SETTABLE;
  if ((change & arg & O_NOATIME) !== 0) {
    const a = fp.stat();
    if (failed(a)) return a;
    if (!isOwnerOrCapable(a, td.cred)) return EPERM;
  }
  if (fp.canBeAsync) setAsync(td, fp, n, (arg & O_ASYNC) !== 0);
  return fp.setStatusFlags((fp.flags & ~SETTABLE) | (arg & SETTABLE));
}

function setAsync(td: Lwp, fp: File, n: number, isOn: boolean): void {
  if (isOn === ((fp.flags & O_ASYNC) !== 0)) return;
  fp.setAsync(td, isOn, n);
}

function fileControl(td: Lwp, fp: File, n: number, cmd: number, arg: number): number {
  switch (cmd) {
    case F_GETLK:
    case F_OFD_GETLK:
      return getLock(td, fp, cmd, arg);
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return setLock(td, fp, cmd, arg);
    case F_SETOWN:
      return setOwner(td, fp, arg | 0);
    case F_GETOWN:
      return ownerPid(td, fp);
    case F_SETOWN_EX:
    case F_GETOWN_EX:
      return ownerEx(td, fp, cmd, arg);
    case F_SETSIG:
      if (arg < 0 || arg > 64) return EINVAL;
      fp.ownerSignal = arg;
      return 0;
    case F_GETSIG:
      return fp.ownerSignal;
    case F_GETLEASE: {
      const vp = fp.path?.entry.vnode;
      return vp ? td.fs.vfs.leases.get(td, vp, fp) : F_UNLCK;
    }
    case F_SETLEASE:
      return setLease(td, fp, n, arg | 0);
    case F_GETPIPE_SZ:
      return fp instanceof PipeFile ? fp.pipe.capacity : EBADF;
    case F_SETPIPE_SZ:
      return setPipeSize(td, fp, arg);
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
      return writeHint(td, fp, cmd, arg);
    case F_ADD_SEALS:
      return addSeals(fp, arg);
    case F_GET_SEALS:
      return fp instanceof VnodeFile ? fp.vp.seals(0) : EINVAL;
    default:
      return EINVAL;
  }
}

function setLease(td: Lwp, fp: File, n: number, type: number): number {
  if (!isLockType(type)) return EINVAL;
  const a = fp.stat();
  if (failed(a)) return a;
  if (a.uid !== td.cred.fsuid && !td.cred.hasCap(CAP_LEASE)) return EACCES;
  if (!(fp instanceof VnodeFile) || fp.vp.type !== S_IFREG) return EINVAL;
  const vp = fp.path!.entry.vnode!;
  const r = td.fs.vfs.leases.set(td, vp, fp, n, td.proc.pid, type);
  if (r >= 0 && type !== F_UNLCK && !fp.owner) setOwnerTo(td, fp, td.proc);
  return r;
}

/** How long what is written to a file will last: kept with it, though no disk here is told. */
function writeHint(td: Lwp, fp: File, cmd: number, at: number): number {
  const mem = td.proc.vmspace;
  const holder = fp.path?.entry.vnode ?? fp;
  if (cmd === F_GET_RW_HINT) return mem.storeU64(at, holder.writeHint);
  const a = fp.stat();
  if (failed(a)) return a;
  if (!isOwnerOrCapable(a, td.cred)) return EPERM;
  const hint = mem.loadU64(at);
  if (hint < 0) return EFAULT;
  if (hint > RWH_WRITE_LIFE_MAX) return EINVAL;
  holder.writeHint = hint;
  return 0;
}

function addSeals(fp: File, arg: number): number {
  if (!(fp instanceof VnodeFile)) return EINVAL;
  if (!fp.isWritable) return EPERM;
  if (arg === 0) return fp.vp.seals(0) < 0 ? EINVAL : 0;
  const r = fp.vp.seals(arg);
  return Math.min(r, 0);
}

const F_OWNER_TID = 0;
const F_OWNER_PID = 1;
const F_OWNER_PGRP = 2;

function ownerEx(td: Lwp, fp: File, cmd: number, at: number): number {
  const view = td.cpu.scratchView;
  const bytes = td.cpu.scratchPrefix(FOwnerEx.sizeof);
  if (cmd === F_GETOWN_EX) {
    const target = ownerOf(fp);
    const who = ownerPid(td, fp);
    const type = who < 0 ? F_OWNER_PGRP : target instanceof Proc ? F_OWNER_PID : F_OWNER_TID;
    FOwnerEx.type.set(view, 0, type);
    FOwnerEx.pid.set(view, 0, Math.abs(who));
    return td.proc.vmspace.copyout(at, bytes);
  }
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  const type = FOwnerEx.type.get(view, 0);
  const pid = FOwnerEx.pid.get(view, 0);
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return EINVAL;
  if (pid === 0) return setOwnerTo(td, fp, null);
  const target =
    type === F_OWNER_TID
      ? td.findThread(pid)
      : type === F_OWNER_PID
        ? td.findProc(pid)
        : td.findGroup(pid);
  return target ? setOwnerTo(td, fp, target) : ESRCH;
}

function setPipeSize(td: Lwp, fp: File, bytes: number): number {
  if (!(fp instanceof PipeFile)) return EBADF;
  if (bytes < 0 || bytes > 2 ** 31) return EINVAL;
  const { pipeMaxSize, settings } = td.fs.vfs;
  const isMore = bytes > fp.pipe.capacity && bytes > pipeMaxSize;
  if (isMore && !td.cred.hasCap(CAP_SYS_RESOURCE)) return EPERM;
  const size = Math.min(bytes, MAX_PIPE_BYTES);
  return fp.pipe.mayResize(size, td, settings) ? fp.pipe.resize(size) : EPERM;
}

/** What even the privileged get: the ring is memory of the kernel. */
const MAX_PIPE_BYTES = 16 * 1024 * 1024;

/** The lock that a struct flock in user memory asks for, on `fp`. */
function loadLock(td: Lwp, fp: File, at: number, isOfd: boolean): RecordLock | Errno {
  const view = td.cpu.scratchView;
  if (failed(td.proc.vmspace.copyin(at, td.cpu.scratchPrefix(Flock.sizeof)))) return EFAULT;
  const type = Flock.l_type.get(view, 0);
  const whence = Flock.l_whence.get(view, 0);
  const length = Flock.l_len.get(view, 0);
  if (isOfd && Flock.l_pid.get(view, 0) !== 0) return EINVAL;
  let start = Flock.l_start.get(view, 0);
  if (whence === 1) start += fp instanceof VnodeFile ? fp.offset : 0;
  else if (whence === 2) {
    const a = fp.stat();
    if (failed(a)) return a;
    start += a.sizeBytes;
  } else if (whence !== 0) return EINVAL;
  let end = length === 0 ? Number.POSITIVE_INFINITY : start + length;
  if (length < 0) [start, end] = [end, start];
  if (start < 0) return EINVAL;
  if (end !== Number.POSITIVE_INFINITY && end > 2 ** 63) return EOVERFLOW;
  if (!isLockType(type)) return EINVAL;
  return {
    owner: isOfd ? fp : td.fdtable,
    pid: isOfd ? -1 : td.proc.pid,
    type,
    start,
    end,
  };
}

function getLock(td: Lwp, fp: File, cmd: number, at: number): number {
  const want = loadLock(td, fp, at, cmd === F_OFD_GETLK);
  if (failed(want)) return want;
  if (want.type === F_UNLCK) return EINVAL;
  const found = testRecord(fp.lockable, want);
  const view = td.cpu.scratchView;
  Flock.l_type.set(view, 0, found.type);
  if (found !== want && found.type !== F_UNLCK) {
    Flock.l_whence.set(view, 0, 0);
    Flock.l_start.set(view, 0, found.start);
    Flock.l_len.set(view, 0, Number.isFinite(found.end) ? found.end - found.start : 0);
    Flock.l_pid.set(
      view,
      0,
      found.pid < 0 ? found.pid : td.proc.table.numberIn(td.pidns, found.pid),
    );
  }
  return td.proc.vmspace.copyout(at, td.cpu.scratchPrefix(Flock.sizeof));
}

function setLock(td: Lwp, fp: File, cmd: number, at: number): number {
  const isOfd = cmd === F_OFD_SETLK || cmd === F_OFD_SETLKW;
  const kept = td.isMadeAgain ? (td.firstRead as RecordLock | null) : null;
  const want = kept ?? loadLock(td, fp, at, isOfd);
  if (failed(want)) return want;
  td.firstRead = want;
  if (want.type === F_RDLCK && !fp.isReadable) return EBADF;
  if (want.type === F_WRLCK && !fp.isWritable) return EBADF;
  const isWaiting = cmd === F_SETLKW || cmd === F_OFD_SETLKW;
  return td.fs.vfs.locks.setRecord(td, fp.lockable, want, isWaiting, !isOfd);
}

export const sys_flock = syscall("flock", [fd, int], (td, fp, op) => {
  const what = op & ~LOCK_NB;
  if (what !== LOCK_SH && what !== LOCK_EX && what !== LOCK_UN) return EINVAL;
  const type = what === LOCK_SH ? F_RDLCK : what === LOCK_EX ? F_WRLCK : F_UNLCK;
  const isWaiting = (op & LOCK_NB) === 0;
  return td.fs.vfs.locks.setFlock(td, fp.lockable, fp, type, isWaiting);
});

const FIONREAD = 0x541b;
const FIONBIO = 0x5421;
const FIOASYNC = 0x5452;
const FIONCLEX = 0x5450;
const FIOCLEX = 0x5451;
const FIOQSIZE = 0x5460;

export const sys_ioctl = syscall("ioctl", [int, uint, long], (td, n, request, arg) => {
  const table = td.fdtable;
  const fp = table.get(n);
  if (!fp) return EBADF;
  const mem = td.proc.vmspace;
  switch (request) {
    case FIOCLEX:
      table.setCloexec(n, true);
      return 0;
    case FIONCLEX:
      table.setCloexec(n, false);
      return 0;
    case FIONBIO: {
      const on = mem.loadU32(arg);
      if (on < 0) return on;
      return fp.setStatusFlags(on !== 0 ? fp.flags | O_NONBLOCK : fp.flags & ~O_NONBLOCK);
    }
    case FIOASYNC: {
      const on = mem.loadU32(arg);
      if (on < 0) return on;
      if (!fp.canBeAsync) return on !== 0 ? ENOTTY : 0;
      setAsync(td, fp, n, on !== 0);
      return 0;
    }
    case FIOQSIZE: {
      const a = fp.stat();
      if (failed(a)) return a;
      return fp instanceof VnodeFile ? mem.storeU64(arg, a.sizeBytes) : ENOTTY;
    }
    default: {
      const r = fp.ioctl(td, request, arg, mem);
      if (r !== ENOTTY || request !== FIONREAD) return r;
      const bytes = fp.bytesReadable();
      return bytes < 0 ? bytes : mem.storeU32(arg, Math.min(bytes, 0x7fffffff));
    }
  }
});

export const fcntlSyscalls: readonly (readonly [number, Syscall])[] = [
  [25, sys_fcntl],
  [29, sys_ioctl],
  [32, sys_flock],
];
