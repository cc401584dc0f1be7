/**
 * Making names: mkdir(2), mknod(2), symlink(2), link(2).
 *
 * The order of complaints is Linux's: EEXIST before EROFS before EACCES.
 */
import {
  EEXIST,
  EINVAL,
  ENOENT,
  EOVERFLOW,
  EPERM,
  EROFS,
  type Errno,
  EXDEV,
  failed,
} from "../abi/errno.ts";
import { IN_ATTRIB, IN_CREATE } from "../abi/inotify.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../abi/stat.ts";
import { CAP_DAC_READ_SEARCH, CAP_MKNOD, type Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { access, isUnchangeable, MAY_EXEC, MAY_WRITE } from "./access.ts";
import { checkDeviceMake } from "./deviceaccess.ts";
import type { FileSystem } from "./filesystem.ts";
import type { FsContext } from "./fscontext.ts";
import type { NameEntry } from "./namecache.ts";
import { LAST_NORM, lookupEntry, nameiParent, type ParentPath } from "./namei.ts";
import type { Path } from "./path.ts";
import { mayLink } from "./protectedlinks.ts";
import type { Vnode } from "./vnode.ts";
import { notifyName, notifySelf } from "./watch.ts";

export function mkdir(
  td: Thread,
  ctx: FsContext,
  path: string,
  mode: number,
  start: Path | null,
): number {
  const at = prepare(td, ctx, path, start, true);
  if (failed(at)) return at;
  const dir = at.dir.vnode!;
  const vp = dir.mkdir(at.name, maskedMode(ctx, dir, mode) & 0o1777, td.cred);
  if (failed(vp)) return vp;
  ctx.vfs.names.enter(at.dir, at.name, vp);
  notifyName(dir, IN_CREATE, at.name, vp);
  return 0;
}

/** The new node is returned too, for bind(2) of a UNIX socket. `mode` has its type bits. */
export function mknod(
  td: Thread,
  ctx: FsContext,
  path: string,
  mode: number,
  rdev: number,
  start: Path | null,
): Vnode | Errno {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return EPERM;
  const isDevice = type === S_IFCHR || type === S_IFBLK;
  if (type !== 0 && type !== S_IFREG && type !== S_IFIFO && type !== S_IFSOCK && !isDevice) {
    return EINVAL;
  }
  const at = prepare(td, ctx, path, start, false);
  if (failed(at)) return at;
  const isWhiteout = type === S_IFCHR && rdev === 0;
  if (isDevice && !isWhiteout && !td.cred.hasCap(CAP_MKNOD)) return EPERM;
  const dir = at.dir.vnode!;
  if (isDevice && !isWhiteout && isWithoutDevices(at.mount.fs)) return EPERM;
  if (isDevice && !isWhiteout && failed(checkDeviceMake(td, type, rdev))) return EPERM;
  const bits = (type === 0 ? S_IFREG : type) | (maskedMode(ctx, dir, mode) & 0o7777);
  const vp = dir.mknod(at.name, bits, isDevice ? rdev : 0, td.cred);
  if (failed(vp)) return vp;
  ctx.vfs.names.enter(at.dir, at.name, vp);
  notifyName(dir, IN_CREATE, at.name, vp);
  return vp;
}

export function symlink(
  td: Thread,
  ctx: FsContext,
  target: string,
  path: string,
  start: Path | null,
): number {
  if (target.length === 0) return ENOENT;
  const at = prepare(td, ctx, path, start, false);
  if (failed(at)) return at;
  const dir = at.dir.vnode!;
  const vp = dir.symlink(at.name, target, td.cred);
  if (failed(vp)) return vp;
  ctx.vfs.names.enter(at.dir, at.name, vp);
  notifyName(dir, IN_CREATE, at.name, vp);
  return 0;
}

/** Gives the file at `from` a further name. */
export function link(
  td: Thread,
  ctx: FsContext,
  from: Path,
  path: string,
  start: Path | null,
): number {
  const vp = from.entry.vnode!;
  if (ctx.vfs.settings.protectedHardlinks) {
    const denied = mayLink(vp, td.cred);
    if (denied < 0) return denied;
  }
  ctx.vfs.hold(from);
  const r = linkHeld(td, ctx, from, vp, path, start);
  ctx.vfs.release(from);
  return r;
}

function linkHeld(
  td: Thread,
  ctx: FsContext,
  from: Path,
  vp: Vnode,
  path: string,
  start: Path | null,
): number {
  const at = prepare(td, ctx, path, start, false);
  if (failed(at)) return at;
  if (at.mount !== from.mount) return EXDEV;
  const a = vp.getattr();
  if (failed(a)) return a;
  if (vp.isDir || isUnchangeable(vp)) return EPERM;
  if (a.nlink === 0 && !from.entry.isLinkable) return ENOENT;
  const dir = at.dir.vnode!;
  const r = dir.link(at.name, vp);
  if (r < 0) return r;
  ctx.vfs.names.enter(at.dir, at.name, vp);
  notifySelf(vp, IN_ATTRIB);
  notifyName(dir, IN_CREATE, at.name, vp);
  return 0;
}

/** A file system that was made in a further user name space keeps no devices that open. */
export function isWithoutDevices(fs: FileSystem): boolean {
  return fs.userns !== undefined && !fs.userns.isInitial && fs.typeName !== "devpts";
}

/** EOVERFLOW for who is nobody where the file system was made, and could not own what he makes. */
function checkOwner(fs: FileSystem, cred: Cred): number {
  return !fs.userns || fs.userns.knows(cred.fsuid, cred.fsgid) ? 0 : EOVERFLOW;
}

/** Permissions of a new file in `dir`: less the umask, unless an access control list says. */
export function maskedMode(ctx: FsContext, dir: Vnode, mode: number): number {
  return dir.hasDefaultAcl ? mode : mode & ~ctx.umask;
}

/** True for who may link by descriptor alone (AT_EMPTY_PATH). */
export function mayLinkByFd(td: Thread): boolean {
  return td.cred.hasCap(CAP_DAC_READ_SEARCH);
}

/** The place for a new name, checked: it is free, and may be made. */
function prepare(
  td: Thread,
  ctx: FsContext,
  path: string,
  start: Path | null,
  isDir: boolean,
): ParentPath | Errno {
  const at = nameiParent(ctx, td, path, start);
  if (failed(at)) return at;
  if (at.last !== LAST_NORM) return EEXIST;
  if (!at.dir.vnode!.isDir) return ENOENT;
  const there: NameEntry | Errno = lookupEntry(ctx.vfs, at.dir, at.name);
  if (failed(there)) return there;
  if (there.vnode) return EEXIST;
  if (at.hasTrailingSlash && !isDir) return ENOENT;
  if (at.mount.isReadOnly) return EROFS;
  if (at.dir.isDeleted) return ENOENT;
  const nobody = checkOwner(at.mount.fs, td.cred);
  if (failed(nobody)) return nobody as Errno;
  const denied = access(at.dir.vnode!, td.cred, MAY_WRITE | MAY_EXEC);
  return denied < 0 ? (denied as Errno) : at;
}
