/** Changing files: chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2). */
import {
  EACCES,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  type Errno,
  ESPIPE,
  failed,
} from "../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "../abi/fcntl.ts";
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from "../abi/fsflags.ts";
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFREG } from "../abi/stat.ts";
import { TimespecAbi } from "../abi/time.ts";
import type { Timespec } from "../kern/clock.ts";
import type { Cred } from "../kern/cred.ts";
import { NO_ID } from "../kern/idmap.ts";
import type { Lwp } from "../proc/lwp.ts";
import { clearSetId, hasFileFlag, isOwnerOrCapable, withoutSetId } from "../vfs/access.ts";
import type { Attr, AttrChange } from "../vfs/attr.ts";
import {
  chmod,
  chown,
  modeChange,
  ownerChange,
  timesChange,
  truncate,
  utimes,
} from "../vfs/attributes.ts";
import type { File } from "../vfs/file.ts";
import type { Path } from "../vfs/path.ts";
import { MAX_FILE_BYTES } from "../vfs/vnodefile.ts";
import { fd, flags, int, long, mode, uaddr, upath } from "./args.ts";
import { dirfd, onlyFlags, pathAt, upathOrNull } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";
import { writeFailed } from "./file.ts";

const NOFOLLOW_OR_EMPTY = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

export const sys_fchmod = syscall("fchmod", [fd, mode], (td, fp, bits) =>
  fp.path
    ? chmod(fp.path, td.cred, bits)
    : changeLoose(fp, (attr) => modeChange(attr, td.cred, bits)),
);

/** Changes the attributes of what has no place in the tree: a pipe, a socket. */
function changeLoose(fp: File, decide: (attr: Attr) => AttrChange | Errno): number {
  const attr = fp.stat();
  if (failed(attr)) return attr;
  const change = decide(attr);
  return failed(change) ? change : fp.setattr(change);
}

export const sys_fchmodat = syscall("fchmodat", [dirfd, upath, mode], (td, dfd, path, bits) => {
  const at = pathAt(td, dfd, path, 0);
  return failed(at) ? at : chmod(at, td.cred, bits);
});

export const sys_fchmodat2 = syscall(
  "fchmodat2",
  [dirfd, upathOrNull, mode, flags],
  (td, dfd, path, bits, how) => {
    if (failed(onlyFlags(how, NOFOLLOW_OR_EMPTY))) return EINVAL;
    const at = pathAt(td, dfd, path, how);
    return failed(at) ? at : chmod(at, td.cred, bits);
  },
);

export const sys_fchown = syscall("fchown", [fd, int, int], (td, fp, uid, gid) =>
  chownTo(td, uid, gid, (kuid, kgid) =>
    fp.path
      ? chown(fp.path, td.cred, kuid, kgid)
      : changeLoose(fp, (attr) => ownerChange(attr, td.cred, kuid, kgid)),
  ),
);

export const sys_fchownat = syscall(
  "fchownat",
  [dirfd, upathOrNull, int, int, flags],
  (td, dfd, path, uid, gid, how) => {
    if (failed(onlyFlags(how, NOFOLLOW_OR_EMPTY))) return EINVAL;
    const at = pathAt(td, dfd, path, how);
    if (failed(at)) return at;
    return chownTo(td, uid, gid, (kuid, kgid) => chown(at, td.cred, kuid, kgid));
  },
);

/** The kernel's ids for what the caller named; -1 means "leave". EINVAL for who is nobody in his user name space. */
function chownTo(
  td: Lwp,
  uid: number,
  gid: number,
  change: (kuid: number, kgid: number) => number,
): number {
  const { userns } = td.cred;
  const kuid = uid === -1 ? -1 : userns.kuid(uid >>> 0);
  const kgid = gid === -1 ? -1 : userns.kgid(gid >>> 0);
  if ((uid !== -1 && kuid === NO_ID) || (gid !== -1 && kgid === NO_ID)) return EINVAL;
  return change(kuid, kgid);
}

export const sys_utimensat = syscall(
  "utimensat",
  [dirfd, uaddr, uaddr, flags],
  (td, dfd, pathAddr, times, how) => {
    const t = loadTimes(td, times);
    if (t === EFAULT) return EFAULT;
    // Nothing to do: not even the path is looked at.
    if (typeof t !== "number" && t.atime === null && t.mtime === null) return 0;
    if (failed(onlyFlags(how, NOFOLLOW_OR_EMPTY))) return EINVAL;
    let at: Path;
    if (pathAddr === 0) {
      if (dfd === AT_FDCWD) return EFAULT;
      const fp = td.fdtable.get(dfd);
      if (!fp) return EBADF;
      if (!fp.path) {
        if (typeof t === "number") return t;
        return changeLoose(fp, (attr) => looseTimes(attr, td.cred, t));
      }
      at = fp.path;
    } else {
      const path = td.proc.vmspace.copyinstr(pathAddr, 4096);
      if (failed(path)) return path;
      const found = pathAt(td, dfd, path, how);
      if (failed(found)) return found;
      at = found;
    }
    if (typeof t === "number") return t;
    return utimes(at, td.cred, t.atime, t.mtime, t.isNow);
  },
);

function looseTimes(attr: Attr, cred: Cred, t: Times): AttrChange | Errno {
  if (!isOwnerOrCapable(attr, cred)) return t.isNow ? EACCES : EPERM;
  return timesChange(t.atime, t.mtime);
}

interface Times {
  readonly atime: Timespec | null;
  readonly mtime: Timespec | null;
  readonly isNow: boolean;
}

function loadTimes(td: Lwp, at: number): Times | number {
  const now = td.cpu.clock.realtime();
  if (at === 0) return { atime: now, mtime: now, isNow: true };
  const view = td.cpu.scratchView;
  const size = TimespecAbi.sizeof;
  if (failed(td.proc.vmspace.copyin(at, td.cpu.scratchPrefix(2 * size)))) return EFAULT;
  const atime = oneTime(view, 0, now);
  const mtime = oneTime(view, size, now);
  if (typeof atime === "number") return atime;
  if (typeof mtime === "number") return mtime;
  return { atime, mtime, isNow: atime === now && mtime === now };
}

function oneTime(view: DataView, at: number, now: Timespec): Timespec | null | number {
  const sec = TimespecAbi.tv_sec.get(view, at);
  const nsec = TimespecAbi.tv_nsec.get(view, at);
  if (nsec === UTIME_NOW) return now;
  if (nsec === UTIME_OMIT) return null;
  return nsec < 0 || nsec >= 1e9 ? EINVAL : { sec, nsec };
}

export const sys_truncate = syscall("truncate", [upath, long], (td, path, length) => {
  if (length < 0) return EINVAL;
  const at = pathAt(td, AT_FDCWD, path, 0);
  if (failed(at)) return at;
  const r = truncate(td, at, length);
  return r >= 0 ? r : writeFailed(td, r);
});

export const sys_ftruncate = syscall("ftruncate", [fd, long], (td, fp, length) => {
  if (length < 0) return EINVAL;
  if (length > Math.min(td.fileSizeLimit, MAX_FILE_BYTES)) return writeFailed(td, EFBIG);
  return fp.truncate(length, td);
});

export const sys_fallocate = syscall(
  "fallocate",
  [fd, flags, long, long],
  (td, fp, how, offset, length) => {
    if (offset < 0 || length <= 0) return EINVAL;
    if (!isAllocation(how)) return EOPNOTSUPP;
    if (!fp.isWritable) return EBADF;
    return allocate(td, fp, how, offset, length);
  },
);

/** One thing to do at a time; some change the size by nature, one never does. */
function isAllocation(how: number): boolean {
  const keepsSize = (how & FALLOC_FL_KEEP_SIZE) !== 0;
  switch (how & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
    case FALLOC_FL_ZERO_RANGE:
      return true;
    case FALLOC_FL_PUNCH_HOLE:
      return keepsSize;
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
      return !keepsSize;
    default:
      return false;
  }
}

function allocate(td: Lwp, fp: File, how: number, offset: number, length: number): number {
  const vp = fp.path?.entry.vnode;
  const a = fp.stat();
  if (failed(a)) return a;
  const type = a.mode & 0o170000;
  if (type === S_IFIFO) return ESPIPE;
  if (type === S_IFDIR) return EISDIR;
  if (type === S_IFBLK) return fp.allocate(how, offset, length);
  if (type !== S_IFREG || !vp || !fp.path) return ENODEV;
  if (fp.path.mount.isReadOnly) return EROFS;
  const grows = (how & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_COLLAPSE_RANGE)) === 0;
  if (offset + length > MAX_FILE_BYTES) return EFBIG;
  if (grows && offset + length > td.fileSizeLimit) return writeFailed(td, EFBIG);
  if (hasFileFlag(vp, FS_IMMUTABLE_FL)) return EPERM;
  if ((how & ~FALLOC_FL_KEEP_SIZE) !== 0 && hasFileFlag(vp, FS_APPEND_FL)) return EPERM;
  if (withoutSetId(a.mode) !== a.mode) {
    const r = clearSetId(vp, a, td.cred, {});
    if (r < 0) return r;
  }
  return vp.allocate(how, offset, length);
}

export const attrSyscalls: readonly (readonly [number, Syscall])[] = [
  [45, sys_truncate],
  [46, sys_ftruncate],
  [47, sys_fallocate],
  [52, sys_fchmod],
  [53, sys_fchmodat],
  [54, sys_fchownat],
  [55, sys_fchown],
  [88, sys_utimensat],
  [452, sys_fchmodat2],
];
