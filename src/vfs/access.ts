/**
 * Who may do what to a file: permission bits, capabilities, sticky
 * directories. See path_resolution(7), capabilities(7), inode(7).
 *
 * File access acts as the fsuid and fsgid; access(2) asks for the real ids by
 * passing a Cred that has them in their place.
 */
import { EACCES, EPERM, failed } from "../abi/errno.ts";
import { FS_APPEND_FL, FS_IMMUTABLE_FL } from "../abi/fsflags.ts";
import { S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_ISVTX } from "../abi/stat.ts";
import {
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  type Cred,
} from "../kern/cred.ts";
import { NO_ID } from "../kern/idmap.ts";
import type { Attr, AttrChange } from "./attr.ts";
import { aclAllows } from "./posixacl.ts";
import type { Vnode } from "./vnode.ts";

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/**
 * 0 if `cred` may access `vp` in all the ways of `want` (MAY_*), else EACCES;
 * EPERM for who would write what is immutable, whoever that is.
 */
export function access(vp: Vnode, cred: Cred, want: number): number {
  if ((want & MAY_WRITE) !== 0 && hasFileFlag(vp, FS_IMMUTABLE_FL)) return EPERM;
  if (vp.isDir && cred.hasCap(CAP_DAC_OVERRIDE)) return 0;
  const a = vp.getattr();
  if (failed(a)) return a;
  return accessAttr(a, cred, want);
}

function accessAttr(a: Attr, cred: Cred, want: number): number {
  if (isGranted(a, cred, want)) return 0;
  if ((a.mode & S_IFMT) === S_IFDIR) {
    if (cred.hasCapOver(a, CAP_DAC_OVERRIDE)) return 0;
    return (want & MAY_WRITE) === 0 && cred.hasCapOver(a, CAP_DAC_READ_SEARCH) ? 0 : EACCES;
  }
  if (want === MAY_READ && cred.hasCapOver(a, CAP_DAC_READ_SEARCH)) return 0;
  const mayRun = (want & MAY_EXEC) === 0 || (a.mode & 0o111) !== 0;
  return mayRun && cred.hasCapOver(a, CAP_DAC_OVERRIDE) ? 0 : EACCES;
}

/** What permission bits and access control list say, whatever else `cred` may do. */
function isGranted(a: Attr, cred: Cred, want: number): boolean {
  let bits = a.mode;
  if (a.uid === cred.fsuid) bits >>= 6;
  else if (a.acl && (a.mode & 0o070) !== 0) return aclAllows(a.acl, a.gid, cred, want);
  else if (cred.isMember(a.gid)) bits >>= 3;
  return (want & ~bits & 7) === 0;
}

/** True if one of `flags` (FS_*_FL) is set on the file. */
export function hasFileFlag(vp: Vnode, flags: number): boolean {
  const set = vp.fileFlags;
  return set !== -1 && (set & flags) !== 0;
}

/** Nobody may change its attributes, links or name. */
export function isUnchangeable(vp: Vnode): boolean {
  return hasFileFlag(vp, FS_IMMUTABLE_FL | FS_APPEND_FL);
}

/** Acts as the file's owner: may chmod, set times, and the like. */
export function isOwnerOrCapable(a: Attr, cred: Cred): boolean {
  if (a.uid === cred.fsuid) return true;
  return cred.hasOwnCap(CAP_FOWNER) && cred.userns.uid(a.uid) !== NO_ID;
}

/** 0 if the entry `vp` may be removed from or renamed in `dir`; write access was checked. */
export function checkSticky(dir: Vnode, vp: Vnode, cred: Cred): number {
  const d = dir.getattr();
  if (failed(d)) return d;
  if ((d.mode & S_ISVTX) === 0 || d.uid === cred.fsuid) return 0;
  const a = vp.getattr();
  if (failed(a)) return a;
  return isOwnerOrCapable(a, cred) ? 0 : EPERM;
}

/** The mode left after somebody without CAP_FSETID changed owner or contents: no set-id bits. */
export function withoutSetId(mode: number): number {
  let kept = mode & ~S_ISUID;
  if ((mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010)) kept &= ~S_ISGID;
  return kept;
}

/** Changes contents or size; set-id bits do not survive that, but for the privileged. */
export function clearSetId(vp: Vnode, a: Attr, cred: Cred, change: AttrChange): number {
  const mode = withoutSetId(a.mode);
  if (mode === a.mode || cred.hasCapOver(a, CAP_FSETID)) return vp.setattr(change);
  return vp.setattr({ ...change, mode: mode & 0o7777 });
}

/** chmod(2) by somebody outside the file's group loses set-group-ID. */
export function chmodBits(a: Attr, mode: number, cred: Cred): number {
  const kept = mode & 0o7777;
  if ((kept & S_ISGID) !== 0 && !cred.isMember(a.gid) && !cred.hasCapOver(a, CAP_FSETID)) {
    return kept & ~S_ISGID;
  }
  return kept;
}

/** Owner, group and mode of a file that `cred` makes in a directory with `dir`'s attributes. */
export function ownership(
  dir: Pick<Attr, "mode" | "uid" | "gid">,
  mode: number,
  cred: Cred,
): { readonly uid: number; readonly gid: number; readonly mode: number } {
  if ((dir.mode & S_ISGID) === 0) return { uid: cred.fsuid, gid: cred.fsgid, mode };
  let bits = mode;
  if ((mode & S_IFMT) === S_IFDIR) bits |= S_ISGID;
  else if ((mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010)) {
    if (!cred.isMember(dir.gid) && !cred.hasCapOver(dir, CAP_FSETID)) bits &= ~S_ISGID;
  }
  return { uid: cred.fsuid, gid: dir.gid, mode: bits };
}
