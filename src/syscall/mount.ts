/** mount(2), umount2(2), pivot_root(2). The newer mount API is not offered (ENOSYS). */
import {
  EBUSY,
  EFAULT,
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
import { byteString } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import {
  type Mount,
  MS_BIND,
  MS_MOVE,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_UNBINDABLE,
  mountFlags,
} from "../vfs/mount.ts";
import { isWithin, namei, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { flags, uaddr, upath } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const MS_MGC_VAL = -0x3f130000; // 0xc0ed0000: what programs older than Linux 2.4 add
const MS_MGC_MSK = -0x10000;
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
    if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
    const at = namei(td.fs, td, target, WALK_FOLLOW);
    if (failed(at)) return at;
    const bits = (how & MS_MGC_MSK) === MS_MGC_VAL ? how & ~MS_MGC_MSK : how;
    if ((bits & MS_REMOUNT) !== 0) return remount(at, bits, data);
    if ((bits & MS_BIND) !== 0) return bind(td, source, at, bits);
    if ((bits & PROPAGATION) !== 0) return propagate(at, bits);
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
  const type = vfs.types.get(typeName);
  if (!type) return typeName === "" ? EINVAL : ENODEV;
  if (!at.entry.vnode!.isDir) return ENOTDIR;
  let rdev = 0;
  vfs.hold(at);
  if (type.needsDevice) {
    const found = blockDevice(td, source);
    if (failed(found)) {
      vfs.release(at);
      return found;
    }
    rdev = found;
  }
  const isReadOnly = (bits & MS_RDONLY) !== 0;
  const fs = type.mount({ source, rdev, data, isReadOnly, cred: td.cred });
  let r: Mount | Errno;
  if (failed(fs)) r = fs;
  else if (at.entry === at.mount.root && at.mount.fs === fs) r = EBUSY;
  else r = vfs.mounts.mount(fs, at, bits, source === "" ? "none" : source);
  vfs.release(at);
  return failed(r) ? r : 0;
}

/** The device number of the block special file at `path`. */
function blockDevice(td: Lwp, path: string): number | Errno {
  const at = namei(td.fs, td, path, WALK_FOLLOW);
  if (failed(at)) return at;
  const a = at.entry.vnode!.getattr();
  if (failed(a)) return a;
  return at.entry.vnode!.type === S_IFBLK ? a.rdev : ENOTBLK;
}

function remount(at: Path, bits: number, data: string): number {
  const { mount } = at;
  if (at.entry !== mount.root) return EINVAL;
  const isReadOnly = (bits & MS_RDONLY) !== 0;
  const isBind = (bits & MS_BIND) !== 0;
  if (isReadOnly && mount.table.isWritten(mount, !isBind)) return EBUSY;
  if (!isBind) {
    if (mount.fs.remount) {
      const r = mount.fs.remount(isReadOnly, data);
      if (r < 0) return r;
    } else if (mount.fs.isReadOnly && !isReadOnly) return EINVAL;
  }
  mount.flags = mountFlags(bits);
  mount.table.changed.wakeup();
  return 0;
}

function bind(td: Lwp, source: string, at: Path, bits: number): number {
  const { vfs } = td.fs;
  vfs.hold(at);
  const from = namei(td.fs, td, source, WALK_FOLLOW);
  let r = 0;
  if (failed(from)) r = from;
  else if (from.entry.vnode!.isDir !== at.entry.vnode!.isDir) r = ENOTDIR;
  else {
    vfs.hold(from);
    const m = vfs.mounts.bind(from, at, from.mount.flags);
    if (failed(m)) r = m;
    else if ((bits & MS_REC) !== 0) r = bindBelow(td, from, m);
    vfs.release(from);
  }
  vfs.release(at);
  return r;
}

/** MS_REC: what is mounted below `from` is mounted at the same places below `copy`. */
function bindBelow(td: Lwp, from: Path, copy: Mount): number {
  const { vfs } = td.fs;
  const pairs: [Mount, Mount][] = [[from.mount, copy]];
  const all = [...vfs.mounts.all];
  for (let i = 0; i < pairs.length; i++) {
    const [original, twin] = pairs[i]!;
    for (const child of all) {
      if (child.parent !== original || child === copy) continue;
      if (original === from.mount && !isWithin(child.mountpoint!, from.entry)) continue;
      const place = { mount: twin, entry: child.mountpoint! };
      const m = vfs.mounts.bind({ mount: child, entry: child.root }, place, child.flags);
      if (failed(m)) return m;
      pairs.push([child, m]);
    }
  }
  return 0;
}

/** One name space has nobody to propagate to: the request is granted and changes nothing. */
function propagate(at: Path, bits: number): number {
  const asked = bits & ~(MS_REC | MS_SILENT);
  if ((asked & ~PROPAGATION) !== 0 || (asked & (asked - 1)) !== 0) return EINVAL;
  return at.entry === at.mount.root ? 0 : EINVAL;
}

function move(td: Lwp, source: string, at: Path): number {
  const { vfs } = td.fs;
  vfs.hold(at);
  const from = namei(td.fs, td, source, WALK_FOLLOW);
  let r = 0;
  if (failed(from)) r = from;
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
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  const at = namei(td.fs, td, path, (how & UMOUNT_NOFOLLOW) !== 0 ? 0 : WALK_FOLLOW);
  if (failed(at)) return at;
  const { mount } = at;
  if (at.entry !== mount.root || !mount.parent) return EINVAL;
  if (mount === td.fs.root.mount && td.fs.root.entry === mount.root) return EBUSY;
  if ((how & MNT_DETACH) === 0) return mount.table.unmount(mount);
  mount.table.detach(mount);
  return 0;
});

export const sys_pivot_root = syscall("pivot_root", [upath, upath], (td, newPath, oldPath) => {
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  const { fs } = td;
  const { vfs, root } = fs;
  const next = namei(fs, td, newPath, WALK_FOLLOW | WALK_DIRECTORY);
  if (failed(next)) return next;
  vfs.hold(next);
  const putOld = namei(fs, td, oldPath, WALK_FOLLOW | WALK_DIRECTORY);
  const r = failed(putOld) ? putOld : pivot(td, next, putOld, root);
  vfs.release(next);
  return r;
});

function pivot(td: Lwp, next: Path, putOld: Path, root: Path): number {
  if (next.mount === root.mount || putOld.mount === root.mount) return EBUSY;
  if (next.entry !== next.mount.root || root.entry !== root.mount.root) return EINVAL;
  if (!next.mount.parent || !isReachable(putOld, next)) return EINVAL;
  const { vfs } = td.fs;
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

export const mountSyscalls: readonly (readonly [number, Syscall])[] = [
  [39, sys_umount2],
  [40, sys_mount],
  [41, sys_pivot_root],
];
