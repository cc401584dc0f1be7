/**
 * Changing attributes with permission: chmod(2), chown(2), utimensat(2), truncate(2).
 *
 * What each may do is decided here; the file system only stores it.
 */
import {
  EACCES,
  EFBIG,
  EINVAL,
  EISDIR,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  type Errno,
  ETXTBSY,
  failed,
} from "../abi/errno.ts";
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from "../abi/fsflags.ts";
import { IN_ATTRIB, IN_MODIFY } from "../abi/inotify.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../abi/stat.ts";
import type { Timespec } from "../kern/clock.ts";
import { CAP_CHOWN, type Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import {
  access,
  chmodBits,
  clearSetId,
  hasFileFlag,
  isOwnerOrCapable,
  isUnchangeable,
  MAY_WRITE,
  withoutSetId,
} from "./access.ts";
import type { Attr, AttrChange } from "./attr.ts";
import type { Path } from "./path.ts";
import { MAX_FILE_BYTES } from "./vnodefile.ts";
import { notifyChange } from "./watch.ts";

export function chmod(at: Path, cred: Cred, mode: number): number {
  if (at.mount.isReadOnly) return EROFS;
  const vp = at.entry.vnode!;
  const a = vp.getattr();
  if (failed(a)) return a;
  const change = modeChange(a, cred, mode);
  if (failed(change)) return change;
  if (isUnchangeable(vp)) return EPERM;
  if (vp.type === S_IFLNK) return EOPNOTSUPP;
  return changed(at, vp.setattr(change));
}

/** What chmod(2) changes in `a`, if `cred` may: EPERM. */
export function modeChange(a: Attr, cred: Cred, mode: number): AttrChange | Errno {
  if (!isOwnerOrCapable(a, cred)) return EPERM;
  return { mode: chmodBits(a, mode, cred) };
}

/** `uid` or `gid` -1 stays as it is. */
export function chown(at: Path, cred: Cred, uid: number, gid: number): number {
  if (at.mount.isReadOnly) return EROFS;
  const vp = at.entry.vnode!;
  const a = vp.getattr();
  if (failed(a)) return a;
  if (isUnchangeable(vp)) return EPERM;
  const change = ownerChange(a, cred, uid, gid);
  return failed(change) ? change : changed(at, vp.setattr(change));
}

/** What chown(2) changes in `a`, if `cred` may: EPERM. */
export function ownerChange(a: Attr, cred: Cred, uid: number, gid: number): AttrChange | Errno {
  const isCapable = cred.hasCapOver(a, CAP_CHOWN);
  const isOwner = a.uid === cred.fsuid;
  if (uid !== -1 && !isCapable && !(isOwner && uid === a.uid)) return EPERM;
  if (gid !== -1 && !isCapable && !(isOwner && (cred.isMember(gid) || gid === a.gid))) return EPERM;
  const change: { uid?: number; gid?: number; mode?: number } = {};
  if (uid !== -1) change.uid = uid;
  if (gid !== -1) change.gid = gid;
  if ((a.mode & S_IFMT) !== S_IFDIR) {
    const mode = withoutSetId(a.mode) & 0o7777;
    if (mode !== (a.mode & 0o7777)) change.mode = mode;
  }
  return change;
}

/** utimensat(2): null leaves a time; `isNow` when both are the current time (needs only write access). */
export function utimes(
  at: Path,
  cred: Cred,
  atime: Timespec | null,
  mtime: Timespec | null,
  isNow: boolean,
): number {
  if (at.mount.isReadOnly) return EROFS;
  if (!atime && !mtime) return 0;
  const vp = at.entry.vnode!;
  const a = vp.getattr();
  if (failed(a)) return a;
  const binding = isNow ? FS_IMMUTABLE_FL : FS_IMMUTABLE_FL | FS_APPEND_FL;
  if (hasFileFlag(vp, binding)) return EPERM;
  if (!isOwnerOrCapable(a, cred)) {
    if (!isNow) return EPERM;
    const denied = access(vp, cred, MAY_WRITE);
    if (denied < 0) return EACCES;
  }
  return changed(at, vp.setattr(timesChange(atime, mtime)));
}

export function timesChange(atime: Timespec | null, mtime: Timespec | null): AttrChange {
  return { ...(atime ? { atime } : {}), ...(mtime ? { mtime } : {}) };
}

export function truncate(td: Thread, at: Path, sizeBytes: number): number {
  if (sizeBytes < 0) return EINVAL;
  const vp = at.entry.vnode!;
  if (vp.isDir) return EISDIR;
  if (vp.type !== S_IFREG) return EINVAL;
  if (at.mount.isReadOnly) return EROFS;
  const denied = access(vp, td.cred, MAY_WRITE);
  if (denied < 0) return denied;
  if (hasFileFlag(vp, FS_APPEND_FL)) return EPERM;
  if (vp.writers < 0) return ETXTBSY;
  if (sizeBytes > Math.min(td.fileSizeLimit, MAX_FILE_BYTES)) return EFBIG;
  const unbroken = vp.leases?.breakFor(td, true, false) ?? 0;
  if (unbroken < 0) return unbroken;
  const a = vp.getattr();
  if (failed(a)) return a;
  const r = clearSetId(vp, a, td.cred, { sizeBytes });
  if (r >= 0) notifyChange(at, IN_MODIFY);
  return r;
}

function changed(at: Path, result: number): number {
  if (result >= 0) notifyChange(at, IN_ATTRIB);
  return result;
}
