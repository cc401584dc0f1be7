/** Directories and names: getdents64(2), chdir(2), mkdir(2), unlink(2), rename(2), link(2), umask(2). */
import { DIRENT64_NAME, Dirent64 } from "../abi/dirent.ts";
import { EINVAL, ENOENT, ENOTDIR, EPERM, ERANGE, failed } from "../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from "../abi/fcntl.ts";
import { CAP_SYS_CHROOT } from "../kern/cred.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import { access, MAY_EXEC } from "../vfs/access.ts";
import { link, mayLinkByFd, mkdir, mknod, symlink } from "../vfs/create.ts";
import { namei, pathString, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { mayReadFile } from "../vfs/permission.ts";
import { rename, rmdir, unlink } from "../vfs/remove.ts";
import type { DirSink } from "../vfs/vnode.ts";
import { anyFd, fd, flags, int, mode, size, uaddr, uint, upath } from "./args.ts";
import { dirfd, onlyFlags, pathAt, startOf } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";

/** Lays entries out in a buffer as getdents64(2) returns them. */
class DirentWriter implements DirSink {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #room: number;
  used = 0;
  isFull = false;

  constructor(bytes: Uint8Array, view: DataView, room: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#room = room;
  }

  entry(name: string, ino: number, type: number, next: number): boolean {
    const at = this.used;
    const length = (DIRENT64_NAME + name.length + 8) & ~7;
    if (at + length > this.#room) {
      this.isFull = true;
      return false;
    }
    const view = this.#view;
    Dirent64.d_ino.set(view, at, ino);
    Dirent64.d_off.set(view, at, next);
    Dirent64.d_reclen.set(view, at, length);
    Dirent64.d_type.set(view, at, type >>> 12);
    const bytes = this.#bytes;
    const nameAt = at + DIRENT64_NAME;
    for (let i = 0; i < name.length; i++) bytes[nameAt + i] = name.charCodeAt(i);
    bytes.fill(0, nameAt + name.length, at + length);
    this.used = at + length;
    return true;
  }
}

export const sys_getdents64 = syscall("getdents64", [fd, uaddr, uint], (td, fp, out, count) => {
  const { scratch, scratchView } = td.cpu;
  const path = fp.path;
  if (path?.entry.isDeleted && path.entry.vnode?.isDir) return ENOENT;
  if (path && !fp.isQuiet) {
    const denied = mayReadFile(td, path);
    if (denied < 0) return denied;
  }
  const sink = new DirentWriter(scratch, scratchView, Math.min(count, scratch.length));
  const r = fp.readdir(sink);
  if (r < 0) return r;
  if (sink.used === 0) return sink.isFull ? EINVAL : 0;
  const copied = td.proc.vmspace.copyout(out, scratch.subarray(0, sink.used));
  return copied < 0 ? copied : sink.used;
});

export const sys_chdir = syscall("chdir", [upath], (td, path) => {
  const { fs } = td;
  const at = namei(fs, td, path, WALK_FOLLOW | WALK_DIRECTORY);
  if (failed(at)) return at;
  const denied = access(at.entry.vnode!, td.cred, MAY_EXEC);
  if (denied < 0) return denied;
  fs.setCwd(at);
  return 0;
});

export const sys_fchdir = syscall("fchdir", [anyFd], (td, fp) => {
  const vp = fp.path?.entry.vnode;
  if (!fp.path || !vp?.isDir) return ENOTDIR;
  const denied = access(vp, td.cred, MAY_EXEC);
  if (denied < 0) return denied;
  td.fs.setCwd(fp.path);
  return 0;
});

export const sys_chroot = syscall("chroot", [upath], (td, path) => {
  const { fs } = td;
  const at = namei(fs, td, path, WALK_FOLLOW | WALK_DIRECTORY);
  if (failed(at)) return at;
  const denied = access(at.entry.vnode!, td.cred, MAY_EXEC);
  if (denied < 0) return denied;
  if (!td.cred.hasOwnCap(CAP_SYS_CHROOT)) return EPERM;
  fs.setRoot(at);
  return 0;
});

export const sys_getcwd = syscall("getcwd", [uaddr, size], (td, out, room) => {
  const { fs } = td;
  if (fs.cwd.entry.isDeleted) return ENOENT;
  const bytes = bytesOf(`${pathString(fs.root, fs.cwd)}\0`);
  if (bytes.length > room) return ERANGE;
  const r = td.proc.vmspace.copyout(out, bytes);
  return r < 0 ? r : bytes.length;
});

export const sys_mkdirat = syscall("mkdirat", [dirfd, upath, mode], (td, dfd, path, bits) =>
  from(td, dfd, path, (start) => mkdir(td, td.fs, path, bits, start)),
);

export const sys_mknodat = syscall(
  "mknodat",
  [dirfd, upath, mode, uint],
  (td, dfd, path, bits, rdev) =>
    from(td, dfd, path, (start) => {
      const vp = mknod(td, td.fs, path, bits, rdev, start);
      return failed(vp) ? vp : 0;
    }),
);

export const sys_unlinkat = syscall("unlinkat", [dirfd, upath, flags], (td, dfd, path, how) => {
  if (failed(onlyFlags(how, AT_REMOVEDIR))) return EINVAL;
  const remove = (how & AT_REMOVEDIR) !== 0 ? rmdir : unlink;
  return from(td, dfd, path, (start) => remove(td, td.fs, path, start));
});

export const sys_symlinkat = syscall("symlinkat", [upath, dirfd, upath], (td, target, dfd, path) =>
  from(td, dfd, path, (start) => symlink(td, td.fs, target, path, start)),
);

export const sys_linkat = syscall(
  "linkat",
  [dirfd, upath, dirfd, upath, flags],
  (td, oldDfd, oldPath, newDfd, newPath, how) => {
    if (failed(onlyFlags(how, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))) return EINVAL;
    if ((how & AT_EMPTY_PATH) !== 0 && oldPath.length === 0 && !mayLinkByFd(td)) return ENOENT;
    const follow = (how & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW;
    const old = pathAt(td, oldDfd, oldPath, follow | (how & AT_EMPTY_PATH));
    if (failed(old)) return old;
    return from(td, newDfd, newPath, (start) => link(td, td.fs, old, newPath, start));
  },
);

export const sys_renameat2 = syscall(
  "renameat2",
  [dirfd, upath, dirfd, upath, flags],
  (td, oldDfd, oldPath, newDfd, newPath, how) => {
    const alone = RENAME_NOREPLACE | RENAME_WHITEOUT;
    if (failed(onlyFlags(how, alone | RENAME_EXCHANGE))) return EINVAL;
    if ((how & RENAME_EXCHANGE) !== 0 && (how & alone) !== 0) return EINVAL;
    const a = startOf(td, oldDfd, oldPath);
    if (a !== null && failed(a)) return a;
    const b = startOf(td, newDfd, newPath);
    if (b !== null && failed(b)) return b;
    return rename(td, td.fs, oldPath, a, newPath, b, how);
  },
);

export const sys_umask = syscall("umask", [int], (td, mask) => {
  const { fs } = td;
  const old = fs.umask;
  fs.umask = mask & 0o777;
  return old;
});

/** Calls `act` with the directory of an *at call. */
function from(td: Lwp, dfd: number, path: string, act: (start: Path | null) => number): number {
  const start = startOf(td, dfd, path);
  return start !== null && failed(start) ? start : act(start);
}

export const dirSyscalls: readonly (readonly [number, Syscall])[] = [
  [17, sys_getcwd],
  [33, sys_mknodat],
  [34, sys_mkdirat],
  [35, sys_unlinkat],
  [36, sys_symlinkat],
  [37, sys_linkat],
  [49, sys_chdir],
  [50, sys_fchdir],
  [51, sys_chroot],
  [61, sys_getdents64],
  [166, sys_umask],
  [276, sys_renameat2],
];
