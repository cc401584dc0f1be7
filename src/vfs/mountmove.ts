/** Mounts that change their places: MS_MOVE of mount(2), and pivot_root(2). */
import { EINVAL, ELOOP } from "../abi/errno.ts";
import type { Mount } from "./mount.ts";
import type { MountTable } from "./mounttable.ts";
import type { NameEntry } from "./namecache.ts";
import type { Path } from "./path.ts";

/**
 * MS_MOVE: the mount at `from` (which must be its root) goes to `to`.
 * EINVAL if others would have to see it go; ELOOP into itself.
 */
export function moveMount(table: MountTable, from: Path, to: Path): number {
  const m = from.mount;
  if (from.entry !== m.root || !m.isAttached || !m.parent || m.parent.group) return EINVAL;
  if (m.isLocked) return EINVAL;
  const isReceived = table.topmost(to).mount.group !== null;
  if (isReceived && m.subtree().some((each) => each.isUnbindable)) return EINVAL;
  if (m.contains(to.mount)) return ELOOP;
  const back: Path = { mount: m.parent, entry: m.mountpoint! };
  m.refs++;
  back.mount.refs++;
  table.lift(m);
  const r = table.attach(m, to);
  if (r < 0) table.place(m, back);
  table.releaseMount(back.mount);
  m.refs--;
  m.ns?.change();
  return r;
}

/** pivot_root(2): `next` becomes the root, the old root moves to `putOld` below it. */
export function pivotRoot(table: MountTable, next: Mount, root: Mount, putOld: Path): void {
  const at: Path | null = root.parent
    ? { mount: root.parent, entry: root.mountpoint as NameEntry }
    : null;
  const { ns } = root;
  if (root.isLocked) {
    next.isLocked = true;
    root.isLocked = false;
  }
  next.refs++;
  root.refs++;
  table.lift(next);
  if (at) {
    at.mount.refs++;
    table.lift(root);
    table.place(next, at);
    at.mount.refs--;
  } else if (ns) ns.root = next;
  table.place(root, putOld);
  next.refs--;
  root.refs--;
  ns?.change();
}
