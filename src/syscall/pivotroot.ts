/** pivot_root(2): another mount becomes the root, the old one moves below it. */
import { EBUSY, EINVAL, ENOENT, EPERM, failed } from "../abi/errno.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Mount } from "../vfs/mount.ts";
import { isWithin, namei, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { upath } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { mayMount } from "./mounting.ts";

export const sys_pivot_root = syscall("pivot_root", [upath, upath], (td, newPath, oldPath) => {
  if (!mayMount(td)) return EPERM;
  const { fs } = td;
  const { vfs, root } = fs;
  const next = namei(fs, td, newPath, WALK_FOLLOW | WALK_DIRECTORY);
  if (failed(next)) return next;
  vfs.hold(next);
  const putOld = namei(fs, td, oldPath, WALK_FOLLOW | WALK_DIRECTORY);
  const r = failed(putOld) ? putOld : pivot(td, next, vfs.mounts.topmost(putOld), root);
  vfs.release(next);
  return r;
});

function pivot(td: Lwp, next: Path, putOld: Path, root: Path): number {
  const { vfs, ns } = td.fs;
  if (putOld.mount.group || next.mount.parent?.group || root.mount.parent?.group) return EINVAL;
  if (root.mount.ns !== ns || next.mount.ns !== ns) return EINVAL;
  if (next.mount.isLocked) return EINVAL;
  if (next.entry.isDeleted || putOld.entry.isDeleted) return ENOENT;
  if (next.mount === root.mount || putOld.mount === root.mount) return EBUSY;
  if (next.entry !== next.mount.root || root.entry !== root.mount.root) return EINVAL;
  if (!next.mount.parent || !isReachable(putOld, next) || !isReachable(next, root)) return EINVAL;
  vfs.hold(putOld);
  vfs.hold(root);
  vfs.mounts.pivot(next.mount, root.mount, putOld);
  // Everybody whose root or working directory was the old root moves along.
  for (const p of td.proc.table.all()) {
    for (const { fs } of p.threads) {
      if (isSame(fs.root, root)) fs.setRoot(next);
      if (isSame(fs.cwd, root)) fs.setCwd(next);
    }
  }
  vfs.release(root);
  vfs.release(putOld);
  return 0;
}

function isSame(a: Path, b: Path): boolean {
  return a.mount === b.mount && a.entry === b.entry;
}

function isReachable(place: Path, from: Path): boolean {
  let m: Mount | null = place.mount;
  let e = place.entry;
  while (m && m !== from.mount) {
    if (!m.mountpoint) return false;
    e = m.mountpoint;
    m = m.parent;
  }
  return m !== null && isWithin(e, from.entry);
}

export const pivotRootSyscalls: readonly (readonly [number, Syscall])[] = [[41, sys_pivot_root]];
