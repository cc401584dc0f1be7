/**
 * open(2): from a path to an open file.
 *
 * Finds or makes the file, checks type, permission and mount, then hands over
 * to whoever makes files of that type. Nothing is changed before the last
 * possible sleep (a FIFO waits for its other side), but for the new file of
 * O_CREAT, which open(2) makes before it waits too.
 */
import {
  EACCES,
  EAGAIN,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  ERESTARTSYS,
  EROFS,
  type Errno,
  ETXTBSY,
  failed,
} from "../abi/errno.ts";
import { FAN_OPEN_EXEC } from "../abi/fanotify.ts";
import {
  FMODE_EXEC,
  O_ACCMODE,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE_BIT,
  O_TRUNC,
} from "../abi/fcntl.ts";
import { FS_APPEND_FL } from "../abi/fsflags.ts";
import { IN_CREATE, IN_MODIFY, IN_OPEN } from "../abi/inotify.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from "../abi/stat.ts";
import type { Thread } from "../kern/thread.ts";
import {
  access,
  clearSetId,
  hasFileFlag,
  isOwnerOrCapable,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
} from "./access.ts";
import { isWithoutDevices, maskedMode } from "./create.ts";
import { checkDeviceOpen } from "./deviceaccess.ts";
import { fifoBeingOpened, openFifo } from "./fifo.ts";
import type { File } from "./file.ts";
import type { FsContext } from "./fscontext.ts";
import { MS_NODEV } from "./mount.ts";
import { ENTERED, LAST_NORM, namei, WALK_DIRECTORY, WALK_FOLLOW, Walk } from "./namei.ts";
import { holdPath, type Path, releasePath } from "./path.ts";
import { mayOpen, openingAsked, Permissions } from "./permission.ts";
import { Pipe } from "./pipe.ts";
import { mayCreateOver } from "./protectedlinks.ts";
import type { Vfs } from "./vfs.ts";
import { PathFile, VnodeFile } from "./vnodefile.ts";
import { notifyChange, notifyName, notifyOpen } from "./watch.ts";

/**
 * Opens `path` from `start` (null: the working directory). `flags` and `mode`
 * are those of open(2); `resolve` are WALK_* restrictions of openat2(2).
 * Any errno of open(2), or ERESTARTSYS while a FIFO or device sleeps.
 */
export function vfsOpen(
  td: Thread,
  ctx: FsContext,
  path: string,
  flags: number,
  mode: number,
  start: Path | null = null,
  resolve = 0,
): File | Errno {
  const found = beingOpened(td);
  if (found) return openVnode(td, ctx.vfs, found.at, found.flags);
  if ((flags & O_PATH) === 0 && (flags & O_TMPFILE_BIT) !== 0) {
    return openTmpfile(td, ctx, path, flags, mode, start, resolve);
  }
  if ((flags & (O_CREAT | O_PATH)) === O_CREAT) {
    return openCreating(td, ctx, path, flags, mode, start, resolve);
  }
  let walk = resolve;
  if ((flags & O_NOFOLLOW) === 0) walk |= WALK_FOLLOW;
  if ((flags & O_DIRECTORY) !== 0) walk |= WALK_DIRECTORY;
  const at = namei(ctx, td, path, walk, start);
  if (failed(at)) return at;
  return openAt(td, ctx.vfs, at, flags, false);
}

/** What an open that sleeps has found already: it waits for a FIFO's other side, or asks somebody. */
export function beingOpened(td: Thread): { readonly at: Path; readonly flags: number } | null {
  return fifoBeingOpened(td) ?? openingAsked(td);
}

/** Opens what is at `at`; `isNew`: it was just made, so permission is no question. */
export function openAt(
  td: Thread,
  vfs: Vfs,
  at: Path,
  flags: number,
  isNew: boolean,
): File | Errno {
  const vp = at.entry.vnode;
  if (!vp) return ENOENT;
  if ((flags & O_PATH) !== 0) {
    return new PathFile(flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), holdPath(at));
  }
  const want = isNew ? 0 : wanted(flags);
  const isWriting = (want & MAY_WRITE) !== 0;
  if (vp.type === S_IFLNK) return ELOOP;
  if (vp.type === S_IFDIR && isWriting) return EISDIR;
  const isDevice = vp.type === S_IFCHR || vp.type === S_IFBLK;
  if (isDevice && ((at.mount.flags & MS_NODEV) !== 0 || isWithoutDevices(at.mount.fs))) {
    return EACCES;
  }
  const isStored = vp.type === S_IFREG || vp.type === S_IFDIR;
  if (isWriting && isStored && at.mount.isReadOnly) return EROFS;
  if (want !== 0) {
    const denied = access(vp, td.cred, want);
    if (denied < 0) return denied as Errno;
  }
  if (isDevice && td.cgroup.deviceFilter) {
    const denied = checkDeviceOpen(td, vp, want);
    if (denied < 0) return denied as Errno;
  }
  if (hasFileFlag(vp, FS_APPEND_FL) && isWriting) {
    if ((flags & O_APPEND) === 0 || (flags & O_TRUNC) !== 0) return EPERM;
  }
  if ((flags & O_NOATIME) !== 0) {
    const a = vp.getattr();
    if (failed(a)) return a;
    if (!isOwnerOrCapable(a, td.cred)) return EPERM;
  }
  if (vp.type === S_IFREG && isWriting && vp.writers < 0) return ETXTBSY;
  return openVnode(td, vfs, at, flags);
}

function openVnode(td: Thread, vfs: Vfs, at: Path, flags: number): File | Errno {
  const vp = at.entry.vnode!;
  const isExec = (flags & FMODE_EXEC) !== 0;
  const denied = mayOpen(td, at, isExec);
  if (denied < 0) {
    if (denied === ERESTARTSYS && !isExec) Permissions.of(td).setOpening(at, flags);
    return denied as Errno;
  }
  const kept = statusFlags(flags);
  // Opening may sleep or call a driver that walks: keep the place meanwhile.
  holdPath(at);
  let fp = vp.open(td, kept, at);
  if (fp === null) {
    if (vp.type === S_IFREG || vp.type === S_IFDIR) {
      if ((flags & O_DIRECT) !== 0 && vp.isDir) fp = EINVAL;
      else fp = openData(td, at, flags);
    } else if (vp.type === S_IFIFO) {
      vp.pipe ??= new Pipe(vp.ino, true, vfs.kmem);
      fp = openFifo(td, vfs.settings, at, vp.pipe, kept);
    } else if (vp.type === S_IFCHR || vp.type === S_IFBLK) {
      const table = vp.type === S_IFCHR ? vfs.chrdevs : vfs.blkdevs;
      const a = vp.getattr();
      fp = failed(a) ? a : table.open(td, a.rdev, kept | (flags & O_NOCTTY));
    } else fp = vp.type === S_IFSOCK ? ENXIO : ENXIO;
  }
  if (failed(fp)) {
    vfs.release(at);
    return fp;
  }
  if (fp.path === null) fp.path = at;
  else if (fp.path !== at) vfs.release(at);
  notifyOpen(at, isExec ? IN_OPEN | FAN_OPEN_EXEC : IN_OPEN);
  return fp;
}

function openData(td: Thread, at: Path, flags: number): File | Errno {
  const vp = at.entry.vnode!;
  if (vp.leases) {
    const isWriting = (flags & O_ACCMODE) !== O_RDONLY;
    const r = vp.leases.breakFor(td, isWriting, (flags & O_NONBLOCK) !== 0);
    if (r < 0) return r as Errno;
  }
  if ((flags & O_TRUNC) !== 0 && vp.type === S_IFREG) {
    const a = vp.getattr();
    if (failed(a)) return a;
    const r = clearSetId(vp, a, td.cred, { sizeBytes: 0 });
    if (r < 0) return r as Errno;
    notifyChange(at, IN_MODIFY);
  }
  const kept = statusFlags(flags);
  return vp.openData(kept, at) ?? new VnodeFile(vp, kept, at);
}

/**
 * Opens a file or directory for who listens to what happens to it, fanotify(7): whatever its permissions,
 * asking and telling nobody, and without waiting.
 */
export function openQuietly(td: Thread, at: Path, flags: number): File | Errno {
  const vp = at.entry.vnode!;
  const isWriting = (flags & O_ACCMODE) !== O_RDONLY && !vp.isDir;
  if (isWriting && at.mount.isReadOnly) return EROFS;
  if (isWriting && vp.writers < 0) return ETXTBSY;
  if (vp.leases && vp.leases.breakFor(td, isWriting, true) < 0) return EAGAIN;
  const kept = statusFlags(vp.isDir ? flags & ~O_ACCMODE : flags);
  holdPath(at);
  let fp = vp.open(td, kept, at);
  if (fp !== null && !failed(fp) && fp.path === null) fp.path = at;
  fp ??= vp.openData(kept, at) ?? new VnodeFile(vp, kept, at);
  if (failed(fp) || fp.path !== at) releasePath(at);
  if (!failed(fp)) fp.isQuiet = true;
  return fp;
}

/** O_CREAT: the last component may be missing, and is made then. */
function openCreating(
  td: Thread,
  ctx: FsContext,
  path: string,
  flags: number,
  mode: number,
  start: Path | null,
  resolve: number,
): File | Errno {
  if (path.length === 0) return ENOENT;
  if ((flags & O_DIRECTORY) !== 0) return EINVAL;
  const isExclusive = (flags & O_EXCL) !== 0;
  const isFollowing = (flags & O_NOFOLLOW) === 0 && !isExclusive;
  const w = new Walk(ctx, td, td.cred, resolve, start);
  let r = w.begin(path);
  if (r < 0) return r as Errno;
  for (;;) {
    r = w.toLast();
    if (r < 0) return r as Errno;
    if (w.last !== LAST_NORM || w.hasTrailingSlash) {
      return isExclusive && w.last !== LAST_NORM ? EEXIST : EISDIR;
    }
    const { mount, entry: dir, name } = w;
    r = w.enterLast(isFollowing);
    if (r < 0) return r as Errno;
    if (r !== ENTERED) continue;
    if (!w.entry.vnode) return create(td, ctx, { mount, entry: dir }, name, flags, mode);
    if (isExclusive) return EEXIST;
    if (w.entry.vnode.isDir) return EISDIR;
    const kept = mayCreateOver(ctx.vfs.settings, dir.vnode!, w.entry.vnode, td.cred);
    if (failed(kept)) return kept as Errno;
    return openAt(td, ctx.vfs, { mount: w.mount, entry: w.entry }, flags, false);
  }
}

function create(
  td: Thread,
  ctx: FsContext,
  at: Path,
  name: string,
  flags: number,
  mode: number,
): File | Errno {
  const { vfs } = ctx;
  const dir = at.entry;
  const dvp = dir.vnode!;
  if (dir.isDeleted) return ENOENT;
  if (at.mount.isReadOnly) return EROFS;
  const denied = access(dvp, td.cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied as Errno;
  const bits = maskedMode(ctx, dvp, mode) & 0o7777;
  const vp = dvp.mknod(name, S_IFREG | bits, 0, td.cred);
  if (failed(vp)) return vp;
  const entry = vfs.names.enter(dir, name, vp);
  notifyName(dvp, IN_CREATE, name, vp);
  return openAt(td, vfs, { mount: at.mount, entry }, flags & ~O_TRUNC, true);
}

function openTmpfile(
  td: Thread,
  ctx: FsContext,
  path: string,
  flags: number,
  mode: number,
  start: Path | null,
  resolve: number,
): File | Errno {
  if ((flags & O_DIRECTORY) === 0 || (flags & O_ACCMODE) === O_RDONLY) return EINVAL;
  const at = namei(ctx, td, path, resolve | WALK_FOLLOW, start);
  if (failed(at)) return at;
  const dvp = at.entry.vnode!;
  if (!dvp.isDir) return ENOTDIR;
  if (at.mount.isReadOnly) return EROFS;
  const denied = access(dvp, td.cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied as Errno;
  const vp = dvp.tmpfile(S_IFREG | (maskedMode(ctx, dvp, mode) & 0o7777), td.cred);
  if (failed(vp)) return vp;
  const entry = ctx.vfs.names.makeUnnamed(at.entry, vp, (flags & O_EXCL) === 0);
  const fp = openAt(td, ctx.vfs, { mount: at.mount, entry }, flags & ~O_DIRECTORY, true);
  ctx.vfs.names.release(entry);
  return fp;
}

/** As `vfsOpen`, of what was found by other means than its path. */
export function openPlace(td: Thread, vfs: Vfs, at: Path, flags: number): File | Errno {
  const found = beingOpened(td);
  if (found) return openVnode(td, vfs, found.at, found.flags);
  if ((flags & O_DIRECTORY) !== 0 && !at.entry.vnode?.isDir) return ENOTDIR;
  return openAt(td, vfs, at, flags, false);
}

/** The flags that stay with the open file, as F_GETFL shows them. */
function statusFlags(flags: number): number {
  const once = FMODE_EXEC | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC | O_ASYNC;
  return (flags & ~once) | O_LARGEFILE;
}

function wanted(flags: number): number {
  const mode = flags & O_ACCMODE;
  let want = mode === O_RDONLY ? MAY_READ : MAY_WRITE;
  if (mode === O_RDWR || mode === 3) want = MAY_READ | MAY_WRITE;
  return (flags & (O_TRUNC | O_APPEND)) === 0 || (flags & O_TRUNC) === 0 ? want : want | MAY_WRITE;
}
