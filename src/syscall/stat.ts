/** What a file is: fstat(2), statx(2), statfs(2), access(2), readlink(2). */
import { EACCES, EINVAL, ENOENT, EROFS, type Errno, failed } from "../abi/errno.ts";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
} from "../abi/fcntl.ts";
import {
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  ST_RELATIME,
  ST_VALID,
  STATX__RESERVED,
  STATX_ATTR_FLAGS,
  STATX_ATTR_MOUNT_ROOT,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
  STATX_MNT_ID_UNIQUE,
  STATX_SIZE,
  Stat,
  Statfs,
  Statx,
} from "../abi/stat.ts";
import { CAP_FULL_SET, type Cred } from "../kern/cred.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import { access, MAY_EXEC, MAY_WRITE } from "../vfs/access.ts";
import type { Attr } from "../vfs/attr.ts";
import { majorOf, minorOf } from "../vfs/device.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import {
  type Mount,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_SYNCHRONOUS,
} from "../vfs/mount.ts";
import { nameiAs, WALK_EMPTY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { anyFd, flags, int, uaddr, uint, upath } from "./args.ts";
import { dirfd, onlyFlags, pathAt, startOf, upathOrNull } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";

const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;

export const sys_fstat = syscall("fstat", [anyFd, uaddr], (td, fp, out) => {
  const a = fp.stat();
  return failed(a) ? a : storeStat(td, out, a);
});

export const sys_newfstatat = syscall(
  "newfstatat",
  [dirfd, upathOrNull, uaddr, flags],
  (td, dfd, path, out, how) => {
    if (failed(onlyFlags(how, STAT_FLAGS))) return EINVAL;
    const a = attrAt(td, dfd, path, how);
    return failed(a) ? a : storeStat(td, out, a);
  },
);

/** An empty path with AT_EMPTY_PATH is the descriptor's file, whatever it is. */
function attrAt(td: Lwp, dfd: number, path: string, how: number): Attr | Errno {
  if (path.length === 0 && (how & AT_EMPTY_PATH) !== 0 && dfd !== AT_FDCWD) {
    const fp = td.fdtable.getAny(dfd);
    if (fp) return fp.stat();
  }
  const at = pathAt(td, dfd, path, how);
  return failed(at) ? at : at.entry.vnode!.getattr();
}

/** The hottest struct of all: laid out word by word, zeroes included. */
function storeStat(td: Lwp, out: number, a: Attr): number {
  const w = td.cpu.scratchWords;
  w.fill(0, 0, STAT_WORDS);
  putLong(w, ST_DEV, a.dev);
  putLong(w, ST_INO, a.ino);
  w[ST_MODE] = a.mode;
  w[ST_NLINK] = a.nlink;
  const { userns } = td.cred;
  w[ST_UID] = userns.shownUid(a.uid);
  w[ST_GID] = userns.shownGid(a.gid);
  putLong(w, ST_RDEV, a.rdev);
  putLong(w, ST_SIZE, a.sizeBytes);
  w[ST_BLKSIZE] = a.blksize;
  putLong(w, ST_BLOCKS, a.blocks);
  const { atime, mtime, ctime } = a;
  putLong(w, ST_ATIME, atime.sec);
  w[ST_ATIME_NSEC] = atime.nsec;
  putLong(w, ST_MTIME, mtime.sec);
  w[ST_MTIME_NSEC] = mtime.nsec;
  putLong(w, ST_CTIME, ctime.sec);
  w[ST_CTIME_NSEC] = ctime.nsec;
  return td.proc.vmspace.copyout(out, td.cpu.scratchPrefix(Stat.sizeof));
}

function putLong(words: Uint32Array, at: number, value: number): void {
  words[at] = value;
  if (value >= TWO32 || value < 0) words[at + 1] = Math.floor(value / TWO32);
}

const TWO32 = 4294967296;
const STAT_WORDS = Stat.sizeof >>> 2;
const ST_DEV = Stat.st_dev.offset >>> 2;
const ST_INO = Stat.st_ino.offset >>> 2;
const ST_MODE = Stat.st_mode.offset >>> 2;
const ST_NLINK = Stat.st_nlink.offset >>> 2;
const ST_UID = Stat.st_uid.offset >>> 2;
const ST_GID = Stat.st_gid.offset >>> 2;
const ST_RDEV = Stat.st_rdev.offset >>> 2;
const ST_SIZE = Stat.st_size.offset >>> 2;
const ST_BLKSIZE = Stat.st_blksize.offset >>> 2;
const ST_BLOCKS = Stat.st_blocks.offset >>> 2;
const ST_ATIME = Stat.st_atime.offset >>> 2;
const ST_ATIME_NSEC = Stat.st_atime_nsec.offset >>> 2;
const ST_MTIME = Stat.st_mtime.offset >>> 2;
const ST_MTIME_NSEC = Stat.st_mtime_nsec.offset >>> 2;
const ST_CTIME = Stat.st_ctime.offset >>> 2;
const ST_CTIME_NSEC = Stat.st_ctime_nsec.offset >>> 2;

export const sys_statx = syscall(
  "statx",
  [dirfd, upathOrNull, flags, uint, uaddr],
  (td, dfd, path, how, mask, out) => {
    if (failed(onlyFlags(how, STAT_FLAGS | AT_STATX_SYNC_TYPE))) return EINVAL;
    if ((how & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return EINVAL;
    if ((mask & STATX__RESERVED) !== 0) return EINVAL;
    let place: Path | null = null;
    let a: Attr | Errno;
    const fp =
      path.length === 0 && (how & AT_EMPTY_PATH) !== 0 && dfd !== AT_FDCWD
        ? td.fdtable.getAny(dfd)
        : null;
    if (fp) {
      place = fp.path;
      a = fp.stat();
    } else {
      const at = pathAt(td, dfd, path, how);
      if (failed(at)) return at;
      place = at;
      a = at.entry.vnode!.getattr();
    }
    return failed(a) ? a : storeStatx(td, out, a, place, (mask & STATX_MNT_ID_UNIQUE) !== 0);
  },
);

function storeStatx(
  td: Lwp,
  out: number,
  a: Attr,
  place: Path | null,
  isUniqueId: boolean,
): number {
  const v = td.cpu.scratchView;
  td.cpu.scratch.fill(0, 0, STATX_SIZE);
  let mask = STATX_BASIC_STATS | (isUniqueId ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID);
  Statx.stx_blksize.set(v, 0, a.blksize);
  Statx.stx_nlink.set(v, 0, a.nlink);
  Statx.stx_uid.set(v, 0, td.cred.userns.shownUid(a.uid));
  Statx.stx_gid.set(v, 0, td.cred.userns.shownGid(a.gid));
  Statx.stx_mode.set(v, 0, a.mode);
  Statx.stx_ino.set(v, 0, a.ino);
  Statx.stx_size.set(v, 0, a.sizeBytes);
  Statx.stx_blocks.set(v, 0, a.blocks);
  let attributes = 0;
  let known = STATX_ATTR_MOUNT_ROOT;
  if (a.fileFlags !== undefined) {
    // The attributes of statx(2) have the values of the flags.
    known |= STATX_ATTR_FLAGS;
    attributes |= a.fileFlags & STATX_ATTR_FLAGS;
  }
  Statx.stx_atime_sec.set(v, 0, a.atime.sec);
  Statx.stx_atime_nsec.set(v, 0, a.atime.nsec);
  Statx.stx_mtime_sec.set(v, 0, a.mtime.sec);
  Statx.stx_mtime_nsec.set(v, 0, a.mtime.nsec);
  Statx.stx_ctime_sec.set(v, 0, a.ctime.sec);
  Statx.stx_ctime_nsec.set(v, 0, a.ctime.nsec);
  if (a.btime) {
    mask |= STATX_BTIME;
    Statx.stx_btime_sec.set(v, 0, a.btime.sec);
    Statx.stx_btime_nsec.set(v, 0, a.btime.nsec);
  }
  Statx.stx_rdev_major.set(v, 0, majorOf(a.rdev));
  Statx.stx_rdev_minor.set(v, 0, minorOf(a.rdev));
  Statx.stx_dev_major.set(v, 0, majorOf(a.dev));
  Statx.stx_dev_minor.set(v, 0, minorOf(a.dev));
  if (place) {
    const { mount } = place;
    Statx.stx_mnt_id.set(v, 0, isUniqueId ? mount.uniqueId : mount.id);
    if (place.entry === place.mount.root) attributes |= STATX_ATTR_MOUNT_ROOT;
  }
  Statx.stx_attributes.set(v, 0, attributes);
  Statx.stx_attributes_mask.set(v, 0, known);
  Statx.stx_mask.set(v, 0, mask);
  return td.proc.vmspace.copyout(out, td.cpu.scratchPrefix(STATX_SIZE));
}

export const sys_statfs = syscall("statfs", [upath, uaddr], (td, path, out) => {
  const at = pathAt(td, AT_FDCWD, path, 0);
  return failed(at) ? at : storeStatfs(td, out, at.mount.fs, at.mount);
});

export const sys_fstatfs = syscall("fstatfs", [anyFd, uaddr], (td, fp, out) => {
  if (fp.path) return storeStatfs(td, out, fp.path.mount.fs, fp.path.mount);
  td.cpu.scratch.fill(0, 0, Statfs.sizeof);
  const v = td.cpu.scratchView;
  const isPipe = fp.describe().startsWith("pipe:");
  Statfs.f_type.set(v, 0, isPipe ? PIPEFS_MAGIC : ANON_INODE_FS_MAGIC);
  Statfs.f_bsize.set(v, 0, 4096);
  Statfs.f_frsize.set(v, 0, 4096);
  Statfs.f_namelen.set(v, 0, 255);
  return td.proc.vmspace.copyout(out, td.cpu.scratchPrefix(Statfs.sizeof));
});

const PIPEFS_MAGIC = 0x50495045;
const ANON_INODE_FS_MAGIC = 0x09041934;

function storeStatfs(td: Lwp, out: number, fs: FileSystem, mount: Mount): number {
  const s = fs.statfs();
  if (failed(s)) return s;
  td.cpu.scratch.fill(0, 0, Statfs.sizeof);
  const v = td.cpu.scratchView;
  Statfs.f_type.set(v, 0, s.type);
  Statfs.f_bsize.set(v, 0, s.bsize);
  Statfs.f_blocks.set(v, 0, s.blocks);
  Statfs.f_bfree.set(v, 0, s.bfree);
  Statfs.f_bavail.set(v, 0, s.bavail);
  Statfs.f_files.set(v, 0, s.files);
  Statfs.f_ffree.set(v, 0, s.ffree);
  Statfs.f_fsid_lo.set(v, 0, fs.dev);
  Statfs.f_namelen.set(v, 0, s.namelen);
  Statfs.f_frsize.set(v, 0, s.bsize);
  Statfs.f_flags.set(v, 0, mountStFlags(mount));
  return td.proc.vmspace.copyout(out, td.cpu.scratchPrefix(Statfs.sizeof));
}

/** MS_* and ST_* agree in the low bits only. */
function mountStFlags(mount: Mount): number {
  let st = ST_VALID | (mount.flags & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS));
  if (mount.isReadOnly) st |= MS_RDONLY;
  if ((mount.flags & MS_NOATIME) !== 0) st |= MS_NOATIME;
  else st |= ST_RELATIME;
  return (mount.flags & MS_NODIRATIME) !== 0 ? st | MS_NODIRATIME : st;
}

export const sys_faccessat = syscall("faccessat", [dirfd, upath, int], (td, dfd, path, want) =>
  checkAccess(td, dfd, path, want, 0),
);

export const sys_faccessat2 = syscall(
  "faccessat2",
  [dirfd, upathOrNull, int, flags],
  (td, dfd, path, want, how) => {
    if (failed(onlyFlags(how, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))) return EINVAL;
    return checkAccess(td, dfd, path, want, how);
  },
);

/** access(2) asks for the real ids; AT_EACCESS for those that open(2) would use. */
function checkAccess(td: Lwp, dfd: number, path: string, want: number, how: number): number {
  if ((want & ~7) !== 0) return EINVAL;
  const cred = (how & AT_EACCESS) !== 0 ? td.cred : realCred(td.cred);
  const start = startOf(td, dfd, path);
  if (start !== null && failed(start)) return start;
  let walk = (how & AT_SYMLINK_NOFOLLOW) === 0 ? WALK_FOLLOW : 0;
  if ((how & AT_EMPTY_PATH) !== 0) walk |= WALK_EMPTY;
  const at = nameiAs(td.fs, td, cred, path, walk, start);
  if (failed(at)) return at;
  const vp = at.entry.vnode!;
  if (want === 0) return 0;
  if ((want & MAY_EXEC) !== 0 && vp.type === S_IFREG && (at.mount.flags & MS_NOEXEC) !== 0) {
    return EACCES;
  }
  const denied = access(vp, cred, want);
  if (denied < 0) return denied;
  const isStored = vp.type === S_IFREG || vp.type === S_IFDIR || vp.type === S_IFLNK;
  return (want & MAY_WRITE) !== 0 && isStored && at.mount.isReadOnly ? EROFS : 0;
}

function realCred(cred: Cred): Cred {
  const root = cred.userns.rootUid;
  if (cred.uid === cred.fsuid && cred.gid === cred.fsgid) {
    if (cred.uid !== root ? cred.capEffective === 0n : cred.capEffective === cred.capPermitted) {
      return cred;
    }
  }
  const capEffective = cred.uid === root ? cred.capPermitted & CAP_FULL_SET : 0n;
  return cred.with({ fsuid: cred.uid, fsgid: cred.gid, capEffective });
}

export const sys_readlinkat = syscall(
  "readlinkat",
  [dirfd, upath, uaddr, int],
  (td, dfd, path, out, room) => {
    if (room <= 0) return EINVAL;
    const at = pathAt(td, dfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    if (failed(at)) return at;
    const vp = at.entry.vnode!;
    if (vp.type !== S_IFLNK) return path.length === 0 ? ENOENT : EINVAL;
    const target = vp.readlink();
    if (failed(target)) return target;
    const bytes = bytesOf(target.length > room ? target.slice(0, room) : target);
    const r = td.proc.vmspace.copyout(out, bytes);
    return r < 0 ? r : bytes.length;
  },
);

export const statSyscalls: readonly (readonly [number, Syscall])[] = [
  [43, sys_statfs],
  [44, sys_fstatfs],
  [48, sys_faccessat],
  [78, sys_readlinkat],
  [79, sys_newfstatat],
  [80, sys_fstat],
  [291, sys_statx],
  [439, sys_faccessat2],
];
