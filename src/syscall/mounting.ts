/** What mount(2) and the newer mount calls do alike: make a file system, put a mount in its place. */
import {
  EBUSY,
  EINVAL,
  ENODEV,
  ENOTBLK,
  ENOTDIR,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { S_IFBLK } from "../abi/stat.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import { ATIME_FLAGS as LOCKED_ATIME } from "../vfs/lockedmounts.ts";
import { type Mount, MS_RDONLY } from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";

export interface NewFileSystem {
  readonly typeName: string;
  readonly source: string;
  /** The option string, comma separated. */
  readonly data: string;
  readonly isReadOnly: boolean;
}

/** Whether the caller may change mounts: those of its name space are its owner's to change. */
export function mayMount(td: Lwp): boolean {
  return td.cred.hasCapIn(td.fs.ns.owner, CAP_SYS_ADMIN);
}

/** Other options: for who could have made the file system. */
export function mayReconfigure(td: Lwp, fs: FileSystem): boolean {
  return td.cred.hasCapIn(fs.userns ?? td.fs.vfs.userns, CAP_SYS_ADMIN);
}

/** What can be bound: what is mounted in the caller's name space, and files that stand for name spaces. */
export function mayBind(td: Lwp, from: Path): boolean {
  return from.mount.ns === td.fs.ns || from.mount.fs.typeName === "nsfs";
}

/**
 * True for a proc or sysfs that shows all, mounted by who is not the machine's
 * administrator, where every other one that he sees has parts covered.
 * Source: Linux fs/namespace.c mount_too_revealing.
 */
export function isTooRevealing(td: Lwp, m: Mount): boolean {
  const { ns } = td.fs;
  if (ns.owner.isInitial || !m.fs.showsMachine) return false;
  for (const other of m.table.all) {
    if (other.ns !== ns || other.fs.typeName !== m.fs.typeName) continue;
    if (other.root !== m.table.fileSystems.rootEntry(other.fs)) continue;
    const isRestricted = (other.lockedFlags & MS_RDONLY) !== 0 && (m.flags & MS_RDONLY) === 0;
    const differsInAtime =
      (other.lockedFlags & LOCKED_ATIME) !== 0 && ((other.flags ^ m.flags) & LOCKED_ATIME) !== 0;
    if (isRestricted || differsInAtime || hidesSomething(other)) continue;
    m.lockedFlags |= other.lockedFlags & (MS_RDONLY | LOCKED_ATIME);
    return false;
  }
  return true;
}

/** Something locked covers a part of it that is more than a place to mount on. */
function hidesSomething(m: Mount): boolean {
  for (const [place, child] of m.children) {
    if (child.isLocked && !m.fs.isBareMountpoint?.(place.vnode!)) return true;
  }
  return false;
}

/** ENODEV for a type that is not there, ENOTBLK for a source that is no disk, and what the type says. */
export function newFileSystem(td: Lwp, asked: NewFileSystem): FileSystem | Errno {
  const { vfs } = td.fs;
  const type = vfs.types.get(asked.typeName);
  if (!type) return ENODEV;
  const { cred } = td;
  const mayMake = type.isForUsers
    ? cred.hasCapIn(cred.userns, CAP_SYS_ADMIN)
    : cred.hasCap(CAP_SYS_ADMIN);
  if (!mayMake) return EPERM;
  let rdev = 0;
  if (type.needsDevice) {
    const found = blockDevice(td, asked.source);
    if (failed(found)) return found;
    rdev = found;
    const synced = vfs.blkdevs.find(rdev)?.sync?.(rdev) ?? 0;
    if (failed(synced)) return synced as Errno;
  }
  const { source, data, isReadOnly } = asked;
  const lookup = (path: string): Path | Errno => namei(td.fs, td, path, WALK_FOLLOW);
  return type.mount({ source, rdev, data, isReadOnly, cred: td.cred, td, vfs, lookup });
}

/** The device number of the block special file at `path`. */
function blockDevice(td: Lwp, path: string): number | Errno {
  const at = namei(td.fs, td, path, WALK_FOLLOW);
  if (failed(at)) return at;
  const a = at.entry.vnode!.getattr();
  if (failed(a)) return a;
  return at.entry.vnode!.type === S_IFBLK ? a.rdev : ENOTBLK;
}

/** Other options for a mounted file system, or read-only and back. */
export function reconfigure(fs: FileSystem, isReadOnly: boolean, data: string): number {
  if (fs.remount) return fs.remount(isReadOnly, data);
  return fs.isReadOnly && !isReadOnly ? EINVAL : 0;
}

/** Puts a mount that is in no tree on `at`; where that fails, the mount is gone. */
export function place(td: Lwp, m: Mount, at: Path): number {
  const { mounts } = td.fs.vfs;
  const r = mayPlace(td, m, at);
  const placed = r < 0 ? r : mounts.attach(m, at);
  if (placed < 0) mounts.discard(m);
  return placed;
}

function mayPlace(td: Lwp, m: Mount, at: Path): number {
  if (at.mount.ns !== td.fs.ns) return EINVAL;
  if (at.entry === at.mount.root && at.mount.fs === m.fs && at.mount.root === m.root) return EBUSY;
  return m.root.vnode!.isDir === at.entry.vnode!.isDir ? 0 : ENOTDIR;
}

/** True for the root of a mount in the caller's own name space. */
export function isOwnRoot(td: Lwp, at: Path): boolean {
  return at.entry === at.mount.root && at.mount.ns === td.fs.ns;
}
