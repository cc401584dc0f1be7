/** Mounts by descriptor: open_tree(2), open_tree_attr(2), move_mount(2). */
import { EINVAL, ELOOP, EPERM, type Errno, failed } from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, O_PATH } from "../abi/fcntl.ts";
import {
  AT_RECURSIVE,
  MOVE_MOUNT_F_AUTOMOUNTS,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_F_SYMLINKS,
  MOVE_MOUNT_SET_GROUP,
  MOVE_MOUNT_T_AUTOMOUNTS,
  MOVE_MOUNT_T_EMPTY_PATH,
  MOVE_MOUNT_T_SYMLINKS,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../abi/mount.ts";
import type { Lwp } from "../proc/lwp.ts";
import { isWithin } from "../vfs/namei.ts";
import { holdPath, type Path } from "../vfs/path.ts";
import { follow, joinGroup } from "../vfs/peergroup.ts";
import { PathFile } from "../vfs/vnodefile.ts";
import { flags, size, uaddr, upath } from "./args.ts";
import { dirfd, onlyFlags, pathAt } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";
import { type AttrRequest, changeMounts, loadMountAttr, mayChange } from "./mountattr.ts";
import { MountFile } from "./mountfile.ts";
import { mayBind, mayMount } from "./mounting.ts";

export const sys_open_tree = syscall("open_tree", [dirfd, upath, flags], (td, dfd, path, how) =>
  openTree(td, dfd, path, how, null),
);

/** Linux 6.15: open_tree(2) and mount_setattr(2) in one. */
export const sys_open_tree_attr = syscall(
  "open_tree_attr",
  [dirfd, upath, flags, uaddr, size],
  (td, dfd, path, how, addr, length) => {
    if (addr === 0) return length === 0 ? openTree(td, dfd, path, how, null) : EINVAL;
    const asked = loadMountAttr(td, addr, length);
    return failed(asked) ? asked : openTree(td, dfd, path, how, asked);
  },
);

function openTree(
  td: Lwp,
  dfd: number,
  path: string,
  how: number,
  asked: AttrRequest | null,
): number {
  const walk = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
  const known = walk | AT_NO_AUTOMOUNT | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  if (failed(onlyFlags(how, known))) return EINVAL;
  const isClone = (how & OPEN_TREE_CLONE) !== 0;
  const isRecursive = (how & AT_RECURSIVE) !== 0;
  if (isRecursive && !isClone) return EINVAL;
  if ((isClone || asked) && !mayMount(td)) return EPERM;
  const at = pathAt(td, dfd, path, how & walk);
  if (failed(at)) return at;
  const isCloexec = (how & OPEN_TREE_CLOEXEC) !== 0;
  if (!isClone) {
    if (asked) {
      if (!mayChange(td, at)) return EINVAL;
      const r = changeMounts(at, false, asked);
      if (r < 0) return r;
    }
    return newFd(td, new PathFile(O_PATH, holdPath(at)), isCloexec);
  }
  if (at.mount.ns !== null && !mayBind(td, at)) return EINVAL;
  const copy = td.fs.vfs.mounts.copyTree(at, isRecursive);
  if (failed(copy)) return copy;
  const fp = new MountFile(copy);
  const r = asked ? changeMounts({ mount: copy, entry: copy.root }, isRecursive, asked) : 0;
  if (r >= 0) return newFd(td, fp, isCloexec);
  fp.release();
  return r;
}

const FROM_FLAGS = MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_F_AUTOMOUNTS | MOVE_MOUNT_F_EMPTY_PATH;
const TO_FLAGS = MOVE_MOUNT_T_SYMLINKS | MOVE_MOUNT_T_AUTOMOUNTS | MOVE_MOUNT_T_EMPTY_PATH;

export const sys_move_mount = syscall(
  "move_mount",
  [dirfd, upath, dirfd, upath, flags],
  (td, fromDfd, fromPath, toDfd, toPath, how) => {
    if (!mayMount(td)) return EPERM;
    if (failed(onlyFlags(how, FROM_FLAGS | TO_FLAGS | MOVE_MOUNT_SET_GROUP))) return EINVAL;
    const { vfs } = td.fs;
    const fromFollows = (how & MOVE_MOUNT_F_SYMLINKS) !== 0;
    const from = placeOf(td, fromDfd, fromPath, fromFollows, (how & MOVE_MOUNT_F_EMPTY_PATH) !== 0);
    if (failed(from)) return from;
    vfs.hold(from);
    const toFollows = (how & MOVE_MOUNT_T_SYMLINKS) !== 0;
    const to = placeOf(td, toDfd, toPath, toFollows, (how & MOVE_MOUNT_T_EMPTY_PATH) !== 0);
    let r: number;
    if (failed(to)) r = to;
    else if ((how & MOVE_MOUNT_SET_GROUP) !== 0) r = setGroup(td, from, to);
    else r = move(td, from, vfs.mounts.topmost(to));
    vfs.release(from);
    return r;
  },
);

function placeOf(
  td: Lwp,
  dfd: number,
  path: string,
  isFollowing: boolean,
  mayBeEmpty: boolean,
): Path | Errno {
  const walk = isFollowing ? 0 : AT_SYMLINK_NOFOLLOW;
  return pathAt(td, dfd, path, mayBeEmpty ? walk | AT_EMPTY_PATH : walk);
}

function move(td: Lwp, from: Path, to: Path): number {
  const { mounts } = td.fs.vfs;
  const m = from.mount;
  if (!mayChange(td, from) || to.mount.ns !== td.fs.ns) return EINVAL;
  if (from.entry.vnode!.isDir !== to.entry.vnode!.isDir) return EINVAL;
  if (m.isAttached) return mounts.move(from, to);
  return m.contains(to.mount) ? ELOOP : mounts.attach(m, to);
}

/** MOVE_MOUNT_SET_GROUP: `to` shares and follows as `from` does. */
function setGroup(td: Lwp, from: Path, to: Path): number {
  const a = from.mount;
  const b = to.mount;
  if (!mayChange(td, from) || !mayChange(td, to)) return EINVAL;
  if (b.group || b.master || !(a.group || a.master)) return EINVAL;
  if (a.fs !== b.fs || !isWithin(b.root, a.root)) return EINVAL;
  if (a.group) joinGroup(b, a.group);
  follow(b, a.master);
  return 0;
}

export const opentreeSyscalls: readonly (readonly [number, Syscall])[] = [
  [428, sys_open_tree],
  [429, sys_move_mount],
  [467, sys_open_tree_attr],
];
