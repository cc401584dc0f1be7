/** mount_setattr(2), and the MOUNT_ATTR_* flags as the vfs keeps them. */
import { E2BIG, EBUSY, EFAULT, EINVAL, EPERM, type Errno, failed } from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW } from "../abi/fcntl.ts";
import {
  AT_RECURSIVE,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_SIZE_VER0,
  MOUNT_ATTR_STRICTATIME,
  MountAttr,
} from "../abi/mount.ts";
import type { Lwp } from "../proc/lwp.ts";
import { breaksLock } from "../vfs/lockedmounts.ts";
import {
  type Mount,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_PRIVATE,
  MS_RDONLY,
  MS_RELATIME,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../vfs/mount.ts";
import type { Path } from "../vfs/path.ts";
import { flags, size, uaddr } from "./args.ts";
import { dirfd, onlyFlags, pathAt, upathOrNull } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";
import { mayMount } from "./mounting.ts";

const PAIRS: readonly (readonly [number, number])[] = [
  [MOUNT_ATTR_RDONLY, MS_RDONLY],
  [MOUNT_ATTR_NOSUID, MS_NOSUID],
  [MOUNT_ATTR_NODEV, MS_NODEV],
  [MOUNT_ATTR_NOEXEC, MS_NOEXEC],
  [MOUNT_ATTR_NODIRATIME, MS_NODIRATIME],
  [MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW],
];
const ATIME_FLAGS = MS_NOATIME | MS_RELATIME;
const PAGE = 4096;

function convert(attributes: number): number {
  let kept = 0;
  for (const [attr, ms] of PAIRS) if ((attributes & attr) !== 0) kept |= ms;
  return kept;
}

const KNOWN = PAIRS.reduce((all, [attr]) => all | attr, MOUNT_ATTR__ATIME);

function atimeFlags(attributes: number): number {
  const rule = attributes & MOUNT_ATTR__ATIME;
  if (rule === 0) return MS_RELATIME;
  if (rule === MOUNT_ATTR_NOATIME) return MS_NOATIME;
  return rule === MOUNT_ATTR_STRICTATIME ? 0 : EINVAL;
}

/** The flags of a mount that fsmount(2) describes so; EINVAL for what is not known. */
export function attrFlags(attributes: number): number {
  const atime = atimeFlags(attributes);
  if ((attributes & ~KNOWN) !== 0 || atime < 0) return EINVAL;
  return convert(attributes) | atime;
}

/** MOUNT_ATTR_* of a mount, for statmount(2). */
export function attrsOf(m: Mount): number {
  let attributes = 0;
  for (const [attr, ms] of PAIRS) if ((m.flags & ms) !== 0) attributes |= attr;
  if ((m.flags & MS_NOATIME) !== 0) return attributes | MOUNT_ATTR_NOATIME;
  return (m.flags & MS_RELATIME) !== 0 ? attributes : attributes | MOUNT_ATTR_STRICTATIME;
}

export interface AttrRequest {
  readonly set: number;
  readonly clear: number;
  readonly propagation: number;
}

/** struct mount_attr at `addr`; what a later Linux adds must be zero. */
export function loadMountAttr(td: Lwp, addr: number, length: number): AttrRequest | Errno {
  if (length > PAGE) return E2BIG;
  if (length < MOUNT_ATTR_SIZE_VER0) return EINVAL;
  const bytes = new Uint8Array(length);
  if (failed(td.proc.vmspace.copyin(addr, bytes))) return EFAULT;
  if (bytes.subarray(MOUNT_ATTR_SIZE_VER0).some((b) => b !== 0)) return E2BIG;
  const v = new DataView(bytes.buffer);
  const set = MountAttr.attr_set.get(v, 0);
  const clear = MountAttr.attr_clr.get(v, 0);
  const propagation = MountAttr.propagation.get(v, 0);
  if (set > 0x7fffffff || clear > 0x7fffffff || propagation > 0x7fffffff) return EINVAL;
  if (((set | clear) & ~KNOWN) !== 0) return EINVAL;
  if (![0, MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE].includes(propagation)) return EINVAL;
  const atime = clear & MOUNT_ATTR__ATIME;
  if (atime !== 0 ? atime !== MOUNT_ATTR__ATIME : (set & MOUNT_ATTR__ATIME) !== 0) return EINVAL;
  if (atimeFlags(set) < 0) return EINVAL;
  return { set, clear, propagation };
}

/** All of the mounts or none: EBUSY if one is to be read-only and is written to, EPERM for what is locked. */
export function changeMounts(at: Path, isRecursive: boolean, asked: AttrRequest): number {
  const top = at.mount;
  const all = isRecursive ? top.subtree() : [top];
  if ((asked.set & MOUNT_ATTR_RDONLY) !== 0 && all.some((m) => m.writers > 0)) return EBUSY;
  if (all.some((m) => breaksLock(m, changedFlags(m, asked)))) return EPERM;
  for (const m of all) m.flags = changedFlags(m, asked);
  if (asked.propagation !== 0) top.table.changePropagation(top, asked.propagation, isRecursive);
  else top.ns?.change();
  return 0;
}

function changedFlags(m: Mount, asked: AttrRequest): number {
  const changesAtime = (asked.clear & MOUNT_ATTR__ATIME) !== 0;
  const kept = m.flags & ~convert(asked.clear);
  const atime = changesAtime ? atimeFlags(asked.set) : m.flags & ATIME_FLAGS;
  return (kept & ~ATIME_FLAGS) | convert(asked.set) | atime;
}

/** True for the root of a mount of one's own: in one's name space, or at the top of a tree in none. */
export function mayChange(td: Lwp, at: Path): boolean {
  if (at.entry !== at.mount.root) return false;
  return at.mount.ns === td.fs.ns || (at.mount.ns === null && at.mount.parent === null);
}

export const sys_mount_setattr = syscall(
  "mount_setattr",
  [dirfd, upathOrNull, flags, uaddr, size],
  (td, dfd, path, how, addr, length) => {
    const known = AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (failed(onlyFlags(how, known))) return EINVAL;
    if (length > PAGE) return E2BIG;
    if (length < MOUNT_ATTR_SIZE_VER0) return EINVAL;
    if (!mayMount(td)) return EPERM;
    const asked = loadMountAttr(td, addr, length);
    if (failed(asked)) return asked;
    if ((asked.set | asked.clear | asked.propagation) === 0) return 0;
    const at = pathAt(td, dfd, path, how & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    if (failed(at)) return at;
    if (!mayChange(td, at)) return EINVAL;
    return changeMounts(at, (how & AT_RECURSIVE) !== 0, asked);
  },
);

export const mountattrSyscalls: readonly (readonly [number, Syscall])[] = [
  [442, sys_mount_setattr],
];
