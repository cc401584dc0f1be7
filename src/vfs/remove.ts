/**
 * Taking names away and moving them: unlink(2), rmdir(2), rename(2).
 */
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  type Errno,
  EXDEV,
  failed,
} from "../abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from "../abi/fcntl.ts";
import { FS_APPEND_FL } from "../abi/fsflags.ts";
import { IN_ATTRIB, IN_DELETE, IN_MOVE_SELF } from "../abi/inotify.ts";
import type { Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { access, checkSticky, hasFileFlag, isUnchangeable, MAY_EXEC, MAY_WRITE } from "./access.ts";
import type { FsContext } from "./fscontext.ts";
import type { NameEntry } from "./namecache.ts";
import {
  isWithin,
  LAST_DOT,
  LAST_DOTDOT,
  LAST_NORM,
  lookupEntry,
  nameiParent,
  type ParentPath,
} from "./namei.ts";
import type { Path } from "./path.ts";
import type { Vnode } from "./vnode.ts";
import { notifyMove, notifyName, notifySelf } from "./watch.ts";

export function unlink(td: Thread, ctx: FsContext, path: string, start: Path | null): number {
  const at = nameiParent(ctx, td, path, start);
  if (failed(at)) return at;
  if (at.last !== LAST_NORM) return EISDIR;
  if (at.mount.isReadOnly) return EROFS;
  const e = lookupEntry(ctx.vfs, at.dir, at.name);
  if (failed(e)) return e;
  const vp = e.vnode;
  if (!vp) return ENOENT;
  if (at.hasTrailingSlash) return vp.isDir ? EISDIR : ENOTDIR;
  const denied = mayDelete(at.dir.vnode!, vp, td.cred);
  if (denied < 0) return denied;
  if (vp.isDir) return EISDIR;
  if (isBusy(ctx, e)) return EBUSY;
  return removed(ctx, at, e, vp, at.dir.vnode!.unlink(at.name, vp));
}

export function rmdir(td: Thread, ctx: FsContext, path: string, start: Path | null): number {
  const at = nameiParent(ctx, td, path, start);
  if (failed(at)) return at;
  if (at.last === LAST_DOT) return EINVAL;
  if (at.last === LAST_DOTDOT) return ENOTEMPTY;
  if (at.last !== LAST_NORM) return EBUSY;
  if (at.mount.isReadOnly) return EROFS;
  const e = lookupEntry(ctx.vfs, at.dir, at.name);
  if (failed(e)) return e;
  const vp = e.vnode;
  if (!vp) return ENOENT;
  const denied = mayDelete(at.dir.vnode!, vp, td.cred);
  if (denied < 0) return denied;
  if (!vp.isDir) return ENOTDIR;
  if (isBusy(ctx, e)) return EBUSY;
  return removed(ctx, at, e, vp, at.dir.vnode!.rmdir(at.name, vp));
}

/** A mount point of one's own name space stays; those of others do not keep it. */
function isBusy(ctx: FsContext, e: NameEntry): boolean {
  return e.mountCount > 0 && ctx.vfs.mounts.isMountpointIn(e, ctx.ns);
}

function removed(ctx: FsContext, at: ParentPath, e: NameEntry, vp: Vnode, result: number): number {
  if (result < 0) return result;
  const dir = at.dir.vnode!;
  // The entry may have been the last to hold its vnode.
  vp.hold();
  ctx.vfs.mounts.detachFrom(e);
  if (!vp.isDir) notifySelf(vp, IN_ATTRIB);
  ctx.vfs.names.removed(e);
  notifyName(dir, IN_DELETE, at.name, vp);
  vp.release();
  return 0;
}

/** Write and search permission in `dir`, and the sticky rule for `vp`. */
function mayDelete(dir: Vnode, vp: Vnode, cred: Cred): number {
  const denied = access(dir, cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  if (hasFileFlag(dir, FS_APPEND_FL) || isUnchangeable(vp)) return EPERM;
  return checkSticky(dir, vp, cred);
}

/** renameat2(2). `flags`: RENAME_NOREPLACE, RENAME_WHITEOUT or RENAME_EXCHANGE. */
export function rename(
  td: Thread,
  ctx: FsContext,
  oldPath: string,
  oldStart: Path | null,
  newPath: string,
  newStart: Path | null,
  flags: number,
): number {
  const from = nameiParent(ctx, td, oldPath, oldStart);
  if (failed(from)) return from;
  const fromDir = { mount: from.mount, entry: from.dir };
  ctx.vfs.hold(fromDir);
  const to = nameiParent(ctx, td, newPath, newStart);
  const r = failed(to) ? to : renameAt(td, ctx, from, to, flags);
  ctx.vfs.release(fromDir);
  return r;
}

function renameAt(
  td: Thread,
  ctx: FsContext,
  from: ParentPath,
  to: ParentPath,
  flags: number,
): number {
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  if (from.mount !== to.mount) return EXDEV;
  if (from.last !== LAST_NORM) return EBUSY;
  if (to.last !== LAST_NORM) return (flags & RENAME_NOREPLACE) !== 0 ? EEXIST : EBUSY;
  if (from.mount.isReadOnly) return EROFS;
  const e = lookupEntry(ctx.vfs, from.dir, from.name);
  if (failed(e)) return e;
  const vp = e.vnode;
  if (!vp) return ENOENT;
  const over = lookupEntry(ctx.vfs, to.dir, to.name);
  if (failed(over)) return over;
  const target = over.vnode;
  if (target && (flags & RENAME_NOREPLACE) !== 0) return EEXIST;
  if (isExchange && !target) return ENOENT;
  if (!vp.isDir && (from.hasTrailingSlash || (to.hasTrailingSlash && !isExchange))) return ENOTDIR;
  if (isExchange && target && !target.isDir && to.hasTrailingSlash) return ENOTDIR;
  if (isWithin(to.dir, e)) return EINVAL;
  if (target && isWithin(from.dir, over)) return isExchange ? EINVAL : ENOTEMPTY;
  if (vp === target) return 0;
  const denied = mayRename(td.cred, from.dir, to.dir, vp, target, isExchange);
  if (denied < 0) return denied;
  if (isBusy(ctx, e) || isBusy(ctx, over)) return EBUSY;
  const r = from.dir.vnode!.rename(from.name, vp, to.dir.vnode!, to.name, target, flags);
  if (r < 0) return r;
  settle(ctx, from, to, e, over, isExchange);
  if ((flags & RENAME_WHITEOUT) !== 0) {
    // Not nothing, but a whiteout, has the old name.
    const gone = ctx.vfs.names.find(from.dir, from.name);
    if (gone && !gone.vnode) ctx.vfs.names.drop(gone);
  }
  return 0;
}

function mayRename(
  cred: Cred,
  fromDir: NameEntry,
  toDir: NameEntry,
  vp: Vnode,
  target: Vnode | null,
  isExchange: boolean,
): number {
  const from = fromDir.vnode!;
  const to = toDir.vnode!;
  let denied = mayDelete(from, vp, cred);
  if (denied < 0) return denied;
  if (toDir.isDeleted) return ENOENT;
  denied = target ? mayDelete(to, target, cred) : access(to, cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  if (target && !isExchange) {
    if (vp.isDir && !target.isDir) return ENOTDIR;
    if (!vp.isDir && target.isDir) return EISDIR;
  }
  // Moving a directory rewrites its "..".
  if (from === to) return 0;
  if (vp.isDir) denied = access(vp, cred, MAY_WRITE);
  if (denied >= 0 && isExchange && target?.isDir) denied = access(target, cred, MAY_WRITE);
  return denied < 0 ? (denied as Errno) : 0;
}

/** The name cache and the watchers follow what the file system did. */
function settle(
  ctx: FsContext,
  from: ParentPath,
  to: ParentPath,
  e: NameEntry,
  over: NameEntry,
  isExchange: boolean,
): void {
  const { names } = ctx.vfs;
  const vp = e.vnode!;
  const target = over.vnode;
  // What it was ends when all have been told.
  if (target) names.hold(over);
  if (isExchange) names.exchanged(e, over);
  else {
    ctx.vfs.mounts.detachFrom(over);
    names.moved(e, to.dir, to.name);
  }
  notifyMove(vp, from.dir.vnode!, from.name, to.dir.vnode!, to.name, ctx.vfs);
  if (target && !isExchange && !target.isDir) notifySelf(target, IN_ATTRIB);
  notifySelf(vp, IN_MOVE_SELF);
  if (!target) return;
  if (isExchange) {
    notifyMove(target, to.dir.vnode!, to.name, from.dir.vnode!, from.name, ctx.vfs);
    notifySelf(target, IN_MOVE_SELF);
  }
  names.release(over);
}
