/** mount(2) and umount2(2). The newer calls are in fsopen.ts, opentree.ts and statmount.ts. */
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENOTDIR, EPERM, type Errno, failed } from "../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import { byteString } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import { breaksLock } from "../vfs/lockedmounts.ts";
import {
  type Mount,
  MS_BIND,
  MS_DIRSYNC,
  MS_MOVE,
  MS_NOATIME,
  MS_NODIRATIME,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
  mountFlags,
} from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { flags, uaddr, upath } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import {
  isOwnRoot,
  isTooRevealing,
  mayBind,
  mayMount,
  mayReconfigure,
  newFileSystem,
  place,
  reconfigure,
} from "./mounting.ts";

const MS_MGC_VAL = -0x3f130000; // 0xc0ed0000: what programs older than Linux 2.4 add
const MS_MGC_MSK = -0x10000;
const ATIME_FLAGS = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;
/** Of the file system, so that remounting a bind mount leaves them. */
const SYNC_FLAGS = MS_SYNCHRONOUS | MS_DIRSYNC;
const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

export const sys_mount = syscall(
  "mount",
  [uaddr, upath, uaddr, flags, uaddr],
  (td, sourceAddr, target, typeAddr, how, dataAddr) => {
    const source = optionalString(td, sourceAddr);
    if (failed(source)) return source;
    const typeName = optionalString(td, typeAddr);
    if (failed(typeName)) return typeName;
    const data = loadData(td, dataAddr);
    if (failed(data)) return data;
    if (!mayMount(td)) return EPERM;
    const found = namei(td.fs, td, target, WALK_FOLLOW);
    if (failed(found)) return found;
    const at = td.fs.vfs.mounts.topmost(found);
    const bits = (how & MS_MGC_MSK) === MS_MGC_VAL ? how & ~MS_MGC_MSK : how;
    if ((bits & MS_REMOUNT) !== 0) return remount(td, at, bits, data);
    if ((bits & MS_BIND) !== 0) return bind(td, source, at, bits);
    if ((bits & PROPAGATION) !== 0) return propagate(td, at, bits);
    if ((bits & MS_MOVE) !== 0) return move(td, source, at);
    return mountNew(td, source, at, typeName, bits, data);
  },
);

function mountNew(
  td: Lwp,
  source: string,
  at: Path,
  typeName: string,
  bits: number,
  data: string,
): number {
  const { vfs } = td.fs;
  if (typeName === "") return EINVAL;
  vfs.hold(at);
  const fs = newFileSystem(td, { typeName, source, data, isReadOnly: (bits & MS_RDONLY) !== 0 });
  let r: number;
  if (failed(fs)) r = fs;
  else {
    const m = vfs.mounts.makeDetached(
      fs,
      bits,
      source === "" ? "none" : source,
      fs.mountRoot?.(td),
    );
    r = failed(m) ? m : isTooRevealing(td, m) ? refuse(m) : place(td, m, at);
  }
  vfs.release(at);
  return r;
}

/** It would show what mounts hide from the caller. */
function refuse(m: Mount): number {
  m.table.discard(m);
  return EPERM;
}

function remount(td: Lwp, at: Path, bits: number, data: string): number {
  const { mount } = at;
  if (!isOwnRoot(td, at)) return EINVAL;
  const isReadOnly = (bits & MS_RDONLY) !== 0;
  const isBind = (bits & MS_BIND) !== 0;
  // Who names no rule for access times keeps the one that is.
  const kept = (bits & ATIME_FLAGS) === 0 ? mount.flags & ATIME_FLAGS : 0;
  const strict = (bits & ATIME_FLAGS) === 0 && kept === 0 ? MS_STRICTATIME : 0;
  const sync = isBind ? mount.flags & SYNC_FLAGS : bits & SYNC_FLAGS;
  const wanted = mountFlags((bits & ~SYNC_FLAGS) | kept | strict | sync);
  if (breaksLock(mount, wanted)) return EPERM;
  if (!isBind && !mayReconfigure(td, mount.fs)) return EPERM;
  if (isReadOnly && !mount.isReadOnly && mount.table.isWritten(mount, !isBind)) return EBUSY;
  if (!isBind) {
    const r = reconfigure(mount.fs, isReadOnly, data);
    if (r < 0) return r;
  }
  mount.flags = wanted;
  mount.ns?.change();
  return 0;
}

function bind(td: Lwp, source: string, at: Path, bits: number): number {
  const { vfs } = td.fs;
  vfs.hold(at);
  const from = namei(td.fs, td, source, WALK_FOLLOW);
  let r = 0;
  if (failed(from)) r = from;
  else if (!mayBind(td, from)) r = EINVAL;
  else if (from.entry.vnode!.isDir !== at.entry.vnode!.isDir) r = ENOTDIR;
  else r = vfs.mounts.bind(from, at, (bits & MS_REC) !== 0);
  vfs.release(at);
  return r;
}

function propagate(td: Lwp, at: Path, bits: number): number {
  const asked = bits & ~(MS_REC | MS_SILENT);
  if ((asked & ~PROPAGATION) !== 0 || (asked & (asked - 1)) !== 0) return EINVAL;
  if (!isOwnRoot(td, at)) return EINVAL;
  at.mount.table.changePropagation(at.mount, asked, (bits & MS_REC) !== 0);
  return 0;
}

function move(td: Lwp, source: string, at: Path): number {
  const { vfs } = td.fs;
  vfs.hold(at);
  const from = namei(td.fs, td, source, WALK_FOLLOW);
  let r = 0;
  if (failed(from)) r = from;
  else if (!isOwnRoot(td, from)) r = EINVAL;
  else if (from.entry.vnode!.isDir !== at.entry.vnode!.isDir) r = EINVAL;
  else r = vfs.mounts.move(from, at);
  vfs.release(at);
  return r;
}

function optionalString(td: Lwp, addr: number): string | Errno {
  return addr === 0 ? "" : td.proc.vmspace.copyinstr(addr, 4096);
}

/** The option page: a string of at most a page, cut at its NUL. */
function loadData(td: Lwp, addr: number): string | Errno {
  if (addr === 0) return "";
  const mem = td.proc.vmspace;
  const { scratch } = td.cpu;
  const byte = scratch.subarray(0, 1);
  if (failed(mem.copyin(addr, byte))) return EFAULT;
  const s = mem.copyinstr(addr, 4096);
  if (!failed(s)) return s;
  const page = scratch.subarray(0, 4096);
  return failed(mem.copyin(addr, page)) ? EFAULT : byteString(page);
}

const MNT_FORCE = 1;
const MNT_DETACH = 2;
const MNT_EXPIRE = 4;
const UMOUNT_NOFOLLOW = 8;

export const sys_umount2 = syscall("umount2", [upath, flags], (td, path, how) => {
  if ((how & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return EINVAL;
  if (!mayMount(td)) return EPERM;
  const { mounts } = td.fs.vfs;
  const marked = new Set(mounts.expiring);
  const found = namei(td.fs, td, path, (how & UMOUNT_NOFOLLOW) !== 0 ? 0 : WALK_FOLLOW);
  if (failed(found)) return found;
  const at = mounts.topmost(found);
  const { mount } = at;
  if (!isOwnRoot(td, at) || mount.isLocked) return EINVAL;
  if ((how & MNT_FORCE) !== 0 && !td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if ((how & MNT_EXPIRE) !== 0) {
    if (!mount.parent || mount === td.fs.root.mount) return EINVAL;
    if ((how & (MNT_FORCE | MNT_DETACH)) !== 0) return EINVAL;
    if (mount.refs > 0) return EBUSY;
    if (!marked.has(mount)) {
      mounts.expiring.add(mount);
      return EAGAIN;
    }
  }
  if (mount === td.fs.root.mount && (how & MNT_DETACH) === 0) {
    return mayReconfigure(td, mount.fs) ? unmountRoot(mount) : EPERM;
  }
  if (!mount.parent) return EINVAL;
  if ((how & MNT_DETACH) === 0) {
    // What could not be written is lost, and in the log; it is unmounted all the same, as in Linux.
    return mounts.unmount(mount) === EBUSY ? EBUSY : 0;
  }
  mounts.detach(mount);
  return 0;
});

/** One's own root cannot go: it becomes read-only, which is what who shuts down wants. */
function unmountRoot(mount: Mount): number {
  if (mount.isReadOnly) return 0;
  return mount.table.isWritten(mount, true) ? EBUSY : reconfigure(mount.fs, true, "");
}

export const mountSyscalls: readonly (readonly [number, Syscall])[] = [
  [39, sys_umount2],
  [40, sys_mount],
];
