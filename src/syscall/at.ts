/** Where the *at(2) calls start, and the place that a descriptor and a path name together. */
import { EBADF, EINVAL, ENOENT, ENOTDIR, type Errno, failed } from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../abi/fcntl.ts";
import type { Lwp } from "../proc/lwp.ts";
import { namei, WALK_EMPTY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { int, uaddr, upath } from "./args.ts";
import type { ArgType } from "./declare.ts";

/** The directory of `dfd` for `path`; null: the working directory, or the path is absolute. */
export function startOf(td: Lwp, dfd: number, path: string): Path | null | Errno {
  if (dfd === AT_FDCWD || path.charCodeAt(0) === 0x2f) return null;
  const fp = td.fdtable.getAny(dfd);
  if (!fp) return EBADF;
  if (!fp.path || (path.length > 0 && !fp.path.entry.vnode?.isDir)) return ENOTDIR;
  return fp.path;
}

/**
 * The place that `dfd` and `path` name. `flags`: AT_SYMLINK_NOFOLLOW and
 * AT_EMPTY_PATH count. A file without a place (a pipe) is ENOENT by empty path.
 */
export function pathAt(td: Lwp, dfd: number, path: string, flags: number): Path | Errno {
  let walk = (flags & AT_SYMLINK_NOFOLLOW) === 0 ? WALK_FOLLOW : 0;
  if (path.length === 0) {
    if ((flags & AT_EMPTY_PATH) === 0) return ENOENT;
    walk |= WALK_EMPTY;
    if (dfd !== AT_FDCWD && td.fdtable.getAny(dfd)?.path === null) return ENOENT;
  }
  const start = startOf(td, dfd, path);
  if (start !== null && failed(start)) return start;
  return namei(td.fs, td, path, walk, start);
}

/** A directory descriptor of an *at call; AT_FDCWD included. */
export const dirfd: ArgType<number> = {
  ...int,
  format: (td, i) => (int.decode(td, i) === AT_FDCWD ? "AT_FDCWD" : int.format(td, i)),
};

/** A path that may be NULL when flags say AT_EMPTY_PATH: then it is "". */
export const upathOrNull: ArgType<string> = {
  ...upath,
  decode: (td, i) => (uaddr.decode(td, i) === 0 ? "" : upath.decode(td, i)),
};

/** EINVAL if `flags` has bits outside `known`. */
export function onlyFlags(flags: number, known: number): number {
  return (flags & ~known) === 0 ? 0 : EINVAL;
}
