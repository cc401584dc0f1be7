/** What mount(2) and the newer mount calls do alike: make a file system, put a mount in its place. */
import { EBUSY, EINVAL, ENODEV, ENOTBLK, ENOTDIR, type Errno, failed } from "../abi/errno.ts";
import { S_IFBLK } from "../abi/stat.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import type { Mount } from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";

export interface NewFileSystem {
  readonly typeName: string;
  readonly source: string;
  /** The option string, comma separated. */
  readonly data: string;
  readonly isReadOnly: boolean;
}

/** ENODEV for a type that is not there, ENOTBLK for a source that is no disk, and what the type says. */
export function newFileSystem(td: Lwp, asked: NewFileSystem): FileSystem | Errno {
  const { vfs } = td.fs;
  const type = vfs.types.get(asked.typeName);
  if (!type) return ENODEV;
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
