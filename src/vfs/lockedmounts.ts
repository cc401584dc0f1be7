/**
 * Mounts that came from a more privileged name space: who has fewer rights can
 * neither take them apart, which would show what they cover, nor take back
 * what they restrict. See mount_namespaces(7), "Restrictions on mount namespaces".
 */
import {
  type Mount,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
} from "./mount.ts";
import { isWithin } from "./namei.ts";
import type { Path } from "./path.ts";

/** Flags that, once locked, stay set. */
const STICKY = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
/** Locked as they are, set or not. */
export const ATIME_FLAGS = MS_NOATIME | MS_NODIRATIME | MS_RELATIME;

/** Locks a tree that a less privileged name space got: all but its top stay where they are. */
export function lockTree(top: Mount): void {
  for (const m of top.subtree()) {
    m.lockedFlags |= (m.flags & STICKY) | ATIME_FLAGS;
    if (m !== top) m.isLocked = true;
  }
}

/** True if `flags` for `m` would take back what is locked. */
export function breaksLock(m: Mount, flags: number): boolean {
  const locked = m.lockedFlags;
  if ((locked & STICKY & ~flags) !== 0) return true;
  return (locked & ATIME_FLAGS) !== 0 && ((m.flags ^ flags) & ATIME_FLAGS) !== 0;
}

/** True if the place would show something without what is locked on top of it. */
export function hasLockedBelow(at: Path): boolean {
  for (const [place, child] of at.mount.children) {
    if (child.isLocked && isWithin(place, at.entry)) return true;
  }
  return false;
}
