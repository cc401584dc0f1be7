/**
 * fs.protected_*: what others have put where everybody may put something is not to be trusted.
 * See proc_sys_fs(5); may_follow_link(), may_linkat() and may_create_in_sticky() in Linux.
 */
import { EACCES, EPERM, failed } from "../abi/errno.ts";
import { S_IFIFO, S_IFREG, S_ISGID, S_ISUID, S_ISVTX } from "../abi/stat.ts";
import type { Cred } from "../kern/cred.ts";
import { access, isOwnerOrCapable, MAY_READ, MAY_WRITE } from "./access.ts";
import type { FsSettings } from "./fssettings.ts";
import type { Vnode } from "./vnode.ts";

const S_IWOTH = 0o002;
const S_IWGRP = 0o020;
/** The values of protected_fifos and protected_regular: also where a group may write. */
const ALSO_GROUPS = 2;

/** 0 if `cred` may follow `link`, which is in `dir`, at the end of a path; else EACCES. */
export function mayFollow(dir: Vnode, link: Vnode, cred: Cred): number {
  const l = link.getattr();
  if (failed(l)) return l;
  if (l.uid === cred.fsuid) return 0;
  const d = dir.getattr();
  if (failed(d)) return d;
  const isOpenToAll = (d.mode & S_ISVTX) !== 0 && (d.mode & S_IWOTH) !== 0;
  return !isOpenToAll || d.uid === l.uid ? 0 : EACCES;
}

/** 0 if `cred` may give `vp` a further name; else EPERM. */
export function mayLink(vp: Vnode, cred: Cred): number {
  const a = vp.getattr();
  if (failed(a)) return a;
  if (isOwnerOrCapable(a, cred)) return 0;
  if (vp.type !== S_IFREG || (a.mode & S_ISUID) !== 0) return EPERM;
  if ((a.mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010)) return EPERM;
  return failed(access(vp, cred, MAY_READ | MAY_WRITE)) ? EPERM : 0;
}

/** 0 if `vp`, found in `dir` by who would have made it (O_CREAT), may be opened; else EACCES. */
export function mayCreateOver(settings: FsSettings, dir: Vnode, vp: Vnode, cred: Cred): number {
  const level =
    vp.type === S_IFIFO
      ? settings.protectedFifos
      : vp.type === S_IFREG
        ? settings.protectedRegular
        : 0;
  if (level === 0) return 0;
  const d = dir.getattr();
  if (failed(d)) return d;
  if ((d.mode & S_ISVTX) === 0) return 0;
  const a = vp.getattr();
  if (failed(a)) return a;
  if (a.uid === d.uid || a.uid === cred.fsuid) return 0;
  const isShared = (d.mode & S_IWOTH) !== 0 || (level >= ALSO_GROUPS && (d.mode & S_IWGRP) !== 0);
  return isShared ? EACCES : 0;
}
