/** fanotify_init(2) and fanotify_mark(2). */
import {
  EBADF,
  EINVAL,
  EISDIR,
  ENODEV,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  ADMIN_INIT_FLAGS,
  ALL_EVENTS,
  CLASS_BITS,
  DIRONLY_BITS,
  EVENT_F_FLAGS,
  EVENT_FLAGS,
  FAN_CLOEXEC,
  FAN_EVENT_ON_CHILD,
  FAN_FS_ERROR,
  FAN_MARK_ADD,
  FAN_MARK_DONT_FOLLOW,
  FAN_MARK_EVICTABLE,
  FAN_MARK_FILESYSTEM,
  FAN_MARK_FLUSH,
  FAN_MARK_IGNORE,
  FAN_MARK_IGNORED_MASK,
  FAN_MARK_IGNORED_SURV_MODIFY,
  FAN_MARK_MOUNT,
  FAN_MARK_ONLYDIR,
  FAN_MARK_REMOVE,
  FAN_RENAME,
  FAN_REPORT_DIR_FID,
  FAN_REPORT_FID,
  FAN_REPORT_NAME,
  FAN_REPORT_PIDFD,
  FAN_REPORT_TARGET_FID,
  FAN_REPORT_TID,
  FD_EVENTS,
  FID_BITS,
  INIT_FLAGS,
  MARK_CMD_BITS,
  MARK_FLAGS,
  MARK_IGNORE_BITS,
  MARK_TYPE_BITS,
  PERM_EVENTS,
} from "../abi/fanotify.ts";
import { O_ACCMODE, O_LARGEFILE } from "../abi/fcntl.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import { FanotifyFile } from "../proc/fanotify.ts";
import type { Lwp } from "../proc/lwp.ts";
import { access, MAY_READ } from "../vfs/access.ts";
import { anonAttr } from "../vfs/anon.ts";
import type { MarkPlace } from "../vfs/mark.ts";
import { namei, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { flags, long, uint, upath } from "./args.ts";
import { dirfd, startOf, upathOrNull } from "./at.ts";
import { type ArgType, type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

export const sys_fanotify_init = syscall("fanotify_init", [uint, flags], (td, how, eventFlags) => {
  const isAdmin = td.cred.hasCap(CAP_SYS_ADMIN);
  const fids = how & FID_BITS;
  if (!isAdmin && ((how & ADMIN_INIT_FLAGS) !== 0 || fids === 0)) return EPERM;
  if ((how & ~INIT_FLAGS) !== 0) return EINVAL;
  if ((how & FAN_REPORT_PIDFD) !== 0 && (how & FAN_REPORT_TID) !== 0) return EINVAL;
  if ((eventFlags & ~EVENT_F_FLAGS) !== 0 || (eventFlags & O_ACCMODE) === O_ACCMODE) return EINVAL;
  if (fids !== 0 && (how & CLASS_BITS) !== 0) return EINVAL;
  const isNamed = (fids & FAN_REPORT_NAME) !== 0;
  if (isNamed && (fids & FAN_REPORT_DIR_FID) === 0) return EINVAL;
  const hasTarget = (fids & FAN_REPORT_TARGET_FID) !== 0;
  if (hasTarget && (!isNamed || (fids & FAN_REPORT_FID) === 0)) return EINVAL;
  if ((how & CLASS_BITS) === CLASS_BITS) return EINVAL;
  const attr = anonAttr(td.fs.vfs, td.cred);
  const fp = FanotifyFile.open(td, how, eventFlags | O_LARGEFILE, isAdmin, attr);
  if (failed(fp)) return fp;
  return newFd(td, fp, (how & FAN_CLOEXEC) !== 0);
});

/** 64 bits, of which the lower 32 are used; others make it huge, or negative. */
const mask64: ArgType<number> = { ...long, name: "mask" };

export const sys_fanotify_mark = syscall(
  "fanotify_mark",
  [uint, flags, mask64, dirfd, upathOrNullDir()],
  (td, fanotifyFd, how, mask, dfd, path) => {
    const wrong = checkRequest(how, mask);
    if (wrong < 0) return wrong;
    const group = td.fdtable.get(fanotifyFd | 0);
    if (!group) return EBADF;
    if (!(group instanceof FanotifyFile)) return EINVAL;
    const events = (how & MARK_IGNORE_BITS) === FAN_MARK_IGNORED_MASK ? mask & ~EVENT_FLAGS : mask;
    const refused = checkForGroup(td, group, how, events);
    if (refused < 0) return refused;
    const type = how & MARK_TYPE_BITS;
    if ((how & FAN_MARK_FLUSH) !== 0) {
      group.flushMarks(kindOf(type));
      return 0;
    }
    const at = placeOf(td, dfd, path, how);
    if (failed(at)) return at;
    const unfit = checkPlace(group, at, how, events);
    return unfit < 0 ? unfit : change(group, at, how, events);
  },
);

/** NULL names what the descriptor names. */
function upathOrNullDir(): ArgType<string | null> {
  return {
    ...upath,
    decode: (td, i) => (td.context.getXu(10 + i) === 0 ? null : upathOrNull.decode(td, i)),
  };
}

/** What is wrong with a request whatever it is about: EINVAL. */
function checkRequest(how: number, mask: number): number {
  if (mask < 0 || mask > 0xffffffff || (how & ~MARK_FLAGS) !== 0) return EINVAL;
  if ((how & MARK_TYPE_BITS) === MARK_TYPE_BITS) return EINVAL;
  const cmd = how & MARK_CMD_BITS;
  if (cmd === FAN_MARK_FLUSH) {
    if ((how & ~(MARK_TYPE_BITS | FAN_MARK_FLUSH)) !== 0) return EINVAL;
  } else if ((cmd !== FAN_MARK_ADD && cmd !== FAN_MARK_REMOVE) || mask === 0) return EINVAL;
  if ((mask & ~(ALL_EVENTS | EVENT_FLAGS)) !== 0) return EINVAL;
  return (how & MARK_IGNORE_BITS) === MARK_IGNORE_BITS ? EINVAL : 0;
}

/** What this group cannot have: EPERM, EINVAL. */
function checkForGroup(td: Lwp, group: FanotifyFile, how: number, mask: number): number {
  const type = how & MARK_TYPE_BITS;
  const isAdmin = td.cred.hasCap(CAP_SYS_ADMIN) && !group.isUnprivileged;
  if (!isAdmin && type !== 0) return EPERM;
  if ((mask & PERM_EVENTS) !== 0 && !group.asksPermission) return EINVAL;
  if ((mask & FAN_FS_ERROR) !== 0 && type !== FAN_MARK_FILESYSTEM) return EINVAL;
  if ((how & FAN_MARK_EVICTABLE) !== 0 && type !== 0) return EINVAL;
  const fids = group.fidBits;
  const needsFid = (mask & ~(FD_EVENTS | EVENT_FLAGS)) !== 0;
  if (needsFid && (fids === 0 || type === FAN_MARK_MOUNT)) return EINVAL;
  return (mask & FAN_RENAME) !== 0 && (fids & FAN_REPORT_NAME) === 0 ? EINVAL : 0;
}

/** One may watch only what one may read. */
function placeOf(td: Lwp, dfd: number, path: string | null, how: number): Path | Errno {
  const isDirOnly = (how & FAN_MARK_ONLYDIR) !== 0;
  let at: Path | Errno;
  if (path === null) {
    const fp = td.fdtable.get(dfd);
    if (!fp) return EBADF;
    if (isDirOnly && !fp.path?.entry.vnode?.isDir) return ENOTDIR;
    if (!fp.path) return EINVAL;
    at = fp.path;
  } else {
    const start = startOf(td, dfd, path);
    if (start !== null && failed(start)) return start;
    let walk = (how & FAN_MARK_DONT_FOLLOW) === 0 ? WALK_FOLLOW : 0;
    if (isDirOnly) walk |= WALK_DIRECTORY;
    at = namei(td.fs, td, path, walk, start);
    if (failed(at)) return at;
  }
  const denied = access(at.entry.vnode!, td.cred, MAY_READ);
  return denied < 0 ? (denied as Errno) : at;
}

function checkPlace(group: FanotifyFile, at: Path, how: number, mask: number): number {
  const isFile = (how & MARK_TYPE_BITS) === 0;
  const isDir = at.entry.vnode!.isDir;
  const { fs } = at.mount;
  const isAdding = (how & FAN_MARK_ADD) !== 0;
  const isIgnore = (how & FAN_MARK_IGNORE) !== 0;
  if (isAdding) {
    if ((mask & PERM_EVENTS) !== 0 && fs.typeName === "proc") return EINVAL;
    const isStrict =
      (group.fidBits & FAN_REPORT_TARGET_FID) !== 0 || (mask & FAN_RENAME) !== 0 || isIgnore;
    if (isStrict && isFile && !isDir && (mask & DIRONLY_BITS) !== 0) return ENOTDIR;
  }
  if (group.fidBits !== 0) {
    if (fs.dev === 0 && !isFile) return ENODEV;
    if (!isFile && !fs.fileHandles) return EOPNOTSUPP;
  }
  if (isAdding && isIgnore && (how & FAN_MARK_IGNORED_SURV_MODIFY) === 0) {
    if (!isFile) return EINVAL;
    if (isDir) return EISDIR;
  }
  return 0;
}

function change(group: FanotifyFile, at: Path, how: number, mask: number): number {
  const vp = at.entry.vnode!;
  const { mount } = at;
  const type = how & MARK_TYPE_BITS;
  const isIgnoring = (how & MARK_IGNORE_BITS) !== 0;
  let events = mask;
  let untold = (how & MARK_IGNORE_BITS) === FAN_MARK_IGNORED_MASK ? EVENT_FLAGS : 0;
  if (type !== 0 || !vp.isDir) {
    events &= ~FAN_EVENT_ON_CHILD;
    untold = FAN_EVENT_ON_CHILD;
    const tellsParent = (group.fidBits & FAN_REPORT_DIR_FID) !== 0;
    if (tellsParent && (how & FAN_MARK_ADD) !== 0 && !isIgnoring) events |= FAN_EVENT_ON_CHILD;
  }
  let place: MarkPlace = { kind: "file", vp };
  if (type === FAN_MARK_MOUNT) place = { kind: "mount", mount };
  else if (type === FAN_MARK_FILESYSTEM) place = { kind: "filesystem", fs: mount.fs, mount };
  if ((how & FAN_MARK_REMOVE) !== 0) return group.take(place, events, how, untold);
  // Somebody may change the file at any moment: there is nothing to ignore.
  const isFleeting = isIgnoring && (how & FAN_MARK_IGNORED_SURV_MODIFY) === 0;
  if (type === 0 && isFleeting && vp.writers > 0) return 0;
  return group.add(place, events, how);
}

function kindOf(type: number): MarkPlace["kind"] {
  if (type === FAN_MARK_MOUNT) return "mount";
  return type === FAN_MARK_FILESYSTEM ? "filesystem" : "file";
}

export const fanotifySyscalls: readonly (readonly [number, Syscall])[] = [
  [262, sys_fanotify_init],
  [263, sys_fanotify_mark],
];
