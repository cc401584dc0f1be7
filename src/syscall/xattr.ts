/** Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their l and f forms. See xattr(7). */
import {
  E2BIG,
  EFAULT,
  EINVAL,
  ENODATA,
  ENOTSUP,
  EOVERFLOW,
  EPERM,
  ERANGE,
  EROFS,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../abi/fcntl.ts";
import { IN_ATTRIB } from "../abi/inotify.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../abi/stat.ts";
import { XATTR_CREATE, XATTR_NAME_MAX, XATTR_REPLACE, XATTR_SIZE_MAX } from "../abi/xattr.ts";
import { CAP_SETFCAP, CAP_SYS_ADMIN } from "../kern/cred.ts";
import { bytesOf } from "../lib/bytes.ts";
import { isFileCaps, shownFileCaps, storedFileCaps, XATTR_NAME_CAPS } from "../proc/filecaps.ts";
import type { Lwp } from "../proc/lwp.ts";
import { access, isOwnerOrCapable, isUnchangeable, MAY_READ, MAY_WRITE } from "../vfs/access.ts";
import type { Path } from "../vfs/path.ts";
import { mapAclIds } from "../vfs/posixacl.ts";
import type { Vnode } from "../vfs/vnode.ts";
import { notifyChange } from "../vfs/watch.ts";
import { fd, flags, size, uaddr, upath } from "./args.ts";
import { dirfd, pathAt } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";

const FOLLOW = 0;
const NOFOLLOW = AT_SYMLINK_NOFOLLOW;

export const sys_setxattr = syscall(
  "setxattr",
  [upath, uaddr, uaddr, size, flags],
  (td, path, name, value, length, how) => set(td, at(td, path, FOLLOW), name, value, length, how),
);
export const sys_lsetxattr = syscall(
  "lsetxattr",
  [upath, uaddr, uaddr, size, flags],
  (td, path, name, value, length, how) => set(td, at(td, path, NOFOLLOW), name, value, length, how),
);
export const sys_fsetxattr = syscall(
  "fsetxattr",
  [fd, uaddr, uaddr, size, flags],
  (td, fp, name, value, length, how) => set(td, fp.path ?? ENOTSUP, name, value, length, how),
);

export const sys_getxattr = syscall(
  "getxattr",
  [upath, uaddr, uaddr, size],
  (td, path, name, out, room) => get(td, at(td, path, FOLLOW), name, out, room),
);
export const sys_lgetxattr = syscall(
  "lgetxattr",
  [upath, uaddr, uaddr, size],
  (td, path, name, out, room) => get(td, at(td, path, NOFOLLOW), name, out, room),
);
export const sys_fgetxattr = syscall(
  "fgetxattr",
  [fd, uaddr, uaddr, size],
  (td, fp, name, out, room) => get(td, fp.path ?? ENOTSUP, name, out, room),
);

export const sys_listxattr = syscall("listxattr", [upath, uaddr, size], (td, path, out, room) =>
  list(td, at(td, path, FOLLOW), out, room),
);
export const sys_llistxattr = syscall("llistxattr", [upath, uaddr, size], (td, path, out, room) =>
  list(td, at(td, path, NOFOLLOW), out, room),
);
export const sys_flistxattr = syscall("flistxattr", [fd, uaddr, size], (td, fp, out, room) =>
  list(td, fp.path ?? ENOTSUP, out, room),
);

export const sys_removexattr = syscall("removexattr", [upath, uaddr], (td, path, name) =>
  remove(td, at(td, path, FOLLOW), name),
);
export const sys_lremovexattr = syscall("lremovexattr", [upath, uaddr], (td, path, name) =>
  remove(td, at(td, path, NOFOLLOW), name),
);
export const sys_fremovexattr = syscall("fremovexattr", [fd, uaddr], (td, fp, name) =>
  remove(td, fp.path ?? ENOTSUP, name),
);

/** Struct xattr_args: value, size, flags. */
const XATTR_ARGS_BYTES = 16;
const XATTR_ARGS_MAX = 4096;

interface XattrArgs {
  readonly value: number;
  readonly length: number;
  readonly how: number;
}

/** What setxattrat(2) and getxattrat(2) take by address; it may grow, with zeroes: E2BIG, EINVAL, EFAULT. */
function loadArgs(td: Lwp, addr: number, length: number): XattrArgs | Errno {
  if (length < XATTR_ARGS_BYTES) return EINVAL;
  if (length > XATTR_ARGS_MAX) return E2BIG;
  const bytes = new Uint8Array(length);
  if (failed(td.proc.vmspace.copyin(addr, bytes))) return EFAULT;
  if (bytes.subarray(XATTR_ARGS_BYTES).some((b) => b !== 0)) return E2BIG;
  const v = new DataView(bytes.buffer);
  return {
    value: v.getUint32(4, true) * TWO32 + v.getUint32(0, true),
    length: v.getUint32(8, true),
    how: v.getUint32(12, true) | 0,
  };
}

const TWO32 = 4294967296;

/** The place of an *xattrat call; with AT_EMPTY_PATH a NULL path is an empty one. */
function placeAt(td: Lwp, dfd: number, path: number, how: number): Path | Errno {
  if ((how & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL;
  const isNone = path === 0 && (how & AT_EMPTY_PATH) !== 0;
  const name = isNone ? "" : td.proc.vmspace.copyinstr(path, PATH_MAX);
  return failed(name) ? name : pathAt(td, dfd, name, how);
}

const PATH_MAX = 4096;

export const sys_setxattrat = syscall(
  "setxattrat",
  [dirfd, uaddr, flags, uaddr, uaddr, size],
  (td, dfd, path, how, name, argsAt, argsLength) => {
    const args = loadArgs(td, argsAt, argsLength);
    if (failed(args)) return args;
    return set(td, placeAt(td, dfd, path, how), name, args.value, args.length, args.how);
  },
);

export const sys_getxattrat = syscall(
  "getxattrat",
  [dirfd, uaddr, flags, uaddr, uaddr, size],
  (td, dfd, path, how, name, argsAt, argsLength) => {
    const args = loadArgs(td, argsAt, argsLength);
    if (failed(args)) return args;
    if (args.how !== 0) return EINVAL;
    return get(td, placeAt(td, dfd, path, how), name, args.value, args.length);
  },
);

export const sys_listxattrat = syscall(
  "listxattrat",
  [dirfd, uaddr, flags, uaddr, size],
  (td, dfd, path, how, out, room) => list(td, placeAt(td, dfd, path, how), out, room),
);

export const sys_removexattrat = syscall(
  "removexattrat",
  [dirfd, uaddr, flags, uaddr],
  (td, dfd, path, how, name) => remove(td, placeAt(td, dfd, path, how), name),
);

function at(td: Lwp, path: string, how: number): Path | Errno {
  return pathAt(td, AT_FDCWD, path, how);
}

/** A name: ERANGE for an empty or overlong one. */
function loadName(td: Lwp, addr: number): string | Errno {
  const name = td.proc.vmspace.copyinstr(addr, XATTR_NAME_MAX + 1);
  if (failed(name)) return name === EFAULT ? EFAULT : ERANGE;
  return name.length === 0 ? ERANGE : name;
}

function set(
  td: Lwp,
  place: Path | Errno,
  nameAddr: number,
  value: number,
  length: number,
  how: number,
): number {
  if (failed(place)) return place;
  if ((how & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return EINVAL;
  const name = loadName(td, nameAddr);
  if (failed(name)) return name;
  if (length > XATTR_SIZE_MAX) return E2BIG;
  let bytes: Uint8Array = new Uint8Array(length);
  if (length > 0 && failed(td.proc.vmspace.copyin(value, bytes))) return EFAULT;
  if (place.mount.isReadOnly) return EROFS;
  const vp = place.entry.vnode!;
  if (name === XATTR_NAME_CAPS && length > 0 && !isFileCaps(bytes)) return EINVAL;
  const denied = mayUse(td, vp, name, true);
  if (denied < 0) return denied;
  const stored = asStored(td, name, bytes);
  if (failed(stored)) return stored;
  bytes = stored;
  const r = vp.setxattr(name, bytes, how);
  if (r >= 0) notifyChange(place, IN_ATTRIB);
  return r;
}

function get(td: Lwp, place: Path | Errno, nameAddr: number, out: number, room: number): number {
  if (failed(place)) return place;
  const name = loadName(td, nameAddr);
  if (failed(name)) return name;
  const vp = place.entry.vnode!;
  const denied = mayUse(td, vp, name, false);
  if (denied < 0) return denied;
  const value = vp.getxattr(name);
  if (failed(value)) return value;
  const shown = asShown(td, name, value);
  return failed(shown) ? shown : store(td, shown, out, room);
}

/** Ids in a value are the caller's: the kernel's are stored. EINVAL for who is nobody. */
function asStored(td: Lwp, name: string, value: Uint8Array): Uint8Array | Errno {
  const { userns } = td.cred;
  if (userns.isInitial || value.length === 0) return value;
  if (name === XATTR_NAME_CAPS) return storedFileCaps(value, userns) ?? EINVAL;
  if (name !== ACL_ACCESS && name !== ACL_DEFAULT) return value;
  return mapAclIds(
    value,
    (uid) => userns.kuid(uid),
    (gid) => userns.kgid(gid),
  );
}

/** And back: EOVERFLOW for capabilities of a root that cannot be told. */
function asShown(td: Lwp, name: string, value: Uint8Array): Uint8Array | Errno {
  const { userns } = td.cred;
  if (userns.isInitial) return value;
  if (name === XATTR_NAME_CAPS) return shownFileCaps(value, userns) ?? EOVERFLOW;
  if (name !== ACL_ACCESS && name !== ACL_DEFAULT) return value;
  return mapAclIds(
    value,
    (uid) => userns.uid(uid) >>> 0,
    (gid) => userns.gid(gid) >>> 0,
  );
}

function list(td: Lwp, place: Path | Errno, out: number, room: number): number {
  if (failed(place)) return place;
  const names = place.entry.vnode!.listxattr();
  if (failed(names)) return names;
  const isTrusted = td.cred.hasCap(CAP_SYS_ADMIN);
  let all = "";
  for (const n of names) if (isTrusted || !n.startsWith("trusted.")) all += `${n}\0`;
  return store(td, bytesOf(all), out, room);
}

function remove(td: Lwp, place: Path | Errno, nameAddr: number): number {
  if (failed(place)) return place;
  const name = loadName(td, nameAddr);
  if (failed(name)) return name;
  if (place.mount.isReadOnly) return EROFS;
  const vp = place.entry.vnode!;
  const denied = mayUse(td, vp, name, true);
  if (denied < 0) return denied;
  const r = vp.removexattr(name);
  if (r >= 0) notifyChange(place, IN_ATTRIB);
  return r;
}

function store(td: Lwp, value: Uint8Array, out: number, room: number): number {
  if (room === 0) return value.length;
  if (value.length > room) return ERANGE;
  const r = td.proc.vmspace.copyout(out, value);
  return r < 0 ? r : value.length;
}

/** Who may use which name space on what: xattr(7), acl(5). */
function mayUse(td: Lwp, vp: Vnode, name: string, isWrite: boolean): number {
  if (isWrite && isUnchangeable(vp)) return EPERM;
  if (name === ACL_ACCESS || name === ACL_DEFAULT) return mayUseAcl(td, vp, isWrite);
  const dot = name.indexOf(".");
  const space = dot < 0 ? "" : name.slice(0, dot);
  if (space === "system" || dot < 0 || dot === name.length - 1) {
    return dot === name.length - 1 ? EINVAL : ENOTSUP;
  }
  if (space === "trusted") {
    return td.cred.hasCap(CAP_SYS_ADMIN) ? 0 : isWrite ? EPERM : ENODATA;
  }
  if (space === "security") {
    if (!isWrite) return 0;
    if (name !== XATTR_NAME_CAPS) {
      return td.cred.hasCapIn(vp.fs.userns ?? td.fs.vfs.userns, CAP_SYS_ADMIN) ? 0 : EPERM;
    }
    const a = vp.getattr();
    if (failed(a)) return a;
    return td.cred.hasCapOver(a, CAP_SETFCAP) ? 0 : EPERM;
  }
  if (space !== "user") return ENOTSUP;
  if (vp.type !== S_IFREG && vp.type !== S_IFDIR) return isWrite ? EPERM : ENODATA;
  const a = vp.getattr();
  if (failed(a)) return a;
  const isSticky = vp.type === S_IFDIR && (a.mode & 0o1000) !== 0;
  if (isSticky && isWrite && !isOwnerOrCapable(a, td.cred)) return EPERM;
  return access(vp, td.cred, isWrite ? MAY_WRITE : MAY_READ);
}

/** Everybody may read a list, the owner may change it; symbolic links have none. */
function mayUseAcl(td: Lwp, vp: Vnode, isWrite: boolean): number {
  if (vp.type === S_IFLNK || !vp.keepsAcls) return ENOTSUP;
  if (!isWrite) return 0;
  const a = vp.getattr();
  if (failed(a)) return a;
  return isOwnerOrCapable(a, td.cred) ? 0 : EPERM;
}

const ACL_ACCESS = "system.posix_acl_access";
const ACL_DEFAULT = "system.posix_acl_default";

export const xattrSyscalls: readonly (readonly [number, Syscall])[] = [
  [5, sys_setxattr],
  [6, sys_lsetxattr],
  [7, sys_fsetxattr],
  [8, sys_getxattr],
  [9, sys_lgetxattr],
  [10, sys_fgetxattr],
  [11, sys_listxattr],
  [12, sys_llistxattr],
  [13, sys_flistxattr],
  [14, sys_removexattr],
  [15, sys_lremovexattr],
  [16, sys_fremovexattr],
  [463, sys_setxattrat],
  [464, sys_getxattrat],
  [465, sys_listxattrat],
  [466, sys_removexattrat],
];
