/** Descriptors and their bytes: openat(2), close(2), read(2), write(2), lseek(2), dup(2). */
import { E2BIG, EBADF, EFAULT, EFBIG, EINVAL, EMFILE, ERESTARTSYS, failed } from "../abi/errno.ts";
import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE_BIT,
  O_VALID,
  OpenHow,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../abi/fcntl.ts";
import { SIGXFSZ } from "../abi/signal.ts";
import type { Lwp } from "../proc/lwp.ts";
import { tsignal } from "../proc/signal.ts";
import type { File } from "../vfs/file.ts";
import {
  WALK_BENEATH,
  WALK_IN_ROOT,
  WALK_NO_MAGICLINKS,
  WALK_NO_SYMLINKS,
  WALK_NO_XDEV,
} from "../vfs/namei.ts";
import { beingOpened, vfsOpen } from "../vfs/open.ts";
import { Uio } from "../vm/uio.ts";
import { anyFd, fd, flags, int, long, mode, size, uaddr, ubuf, uint, upath } from "./args.ts";
import { dirfd, startOf } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";

export const sys_openat = syscall(
  "openat",
  [dirfd, upath, flags, mode],
  (td, dfd, path, oflags, omode) => open(td, dfd, path, oflags & O_VALID, omode, 0),
);

export const sys_openat2 = syscall(
  "openat2",
  [dirfd, upath, uaddr, size],
  (td, dfd, path, how, length) => {
    if (length < OpenHow.sizeof) return EINVAL;
    if (length > 4096) return E2BIG;
    const bytes = td.cpu.scratchPrefix(length);
    if (failed(td.proc.vmspace.copyin(how, bytes))) return EFAULT;
    for (let i = OpenHow.sizeof; i < length; i++) if (bytes[i] !== 0) return E2BIG;
    const view = td.cpu.scratchView;
    const oflags = OpenHow.flags.get(view, 0);
    const omode = OpenHow.mode.get(view, 0);
    const resolve = OpenHow.resolve.get(view, 0);
    if (oflags > 0x7fffffff || (oflags & ~O_VALID) !== 0) return EINVAL;
    if ((oflags & (O_CREAT | O_TMPFILE_BIT)) !== 0 ? omode > 0o7777 : omode !== 0) return EINVAL;
    if (
      (oflags & O_PATH) !== 0 &&
      (oflags & ~(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) !== 0
    ) {
      return EINVAL;
    }
    const walk = walkFlags(resolve);
    return failed(walk) ? walk : open(td, dfd, path, oflags, omode, walk);
  },
);

function walkFlags(resolve: number): number {
  if (resolve > 0x3f) return EINVAL;
  if ((resolve & RESOLVE_BENEATH) !== 0 && (resolve & RESOLVE_IN_ROOT) !== 0) return EINVAL;
  let walk = 0;
  if ((resolve & RESOLVE_NO_XDEV) !== 0) walk |= WALK_NO_XDEV;
  if ((resolve & RESOLVE_NO_MAGICLINKS) !== 0) walk |= WALK_NO_MAGICLINKS;
  if ((resolve & RESOLVE_NO_SYMLINKS) !== 0) walk |= WALK_NO_SYMLINKS;
  if ((resolve & RESOLVE_BENEATH) !== 0) walk |= WALK_BENEATH;
  if ((resolve & RESOLVE_IN_ROOT) !== 0) walk |= WALK_IN_ROOT;
  // RESOLVE_CACHED only forbids waiting for a disk, which a walk here never does.
  return walk;
}

function open(
  td: Lwp,
  dfd: number,
  path: string,
  oflags: number,
  omode: number,
  resolve: number,
): number {
  const isScoped = (resolve & (WALK_BENEATH | WALK_IN_ROOT)) !== 0;
  // An open that waits for a FIFO's other side, or for permission, has walked already.
  const hasWalked = beingOpened(td) !== null;
  // Before anything is created or truncated.
  if (!hasWalked && td.fdtable.isFull) return EMFILE;
  const start = hasWalked ? null : startOf(td, dfd, isScoped ? "." : path);
  if (start !== null && failed(start)) return start;
  const fp = vfsOpen(td, td.fs, path, oflags, omode, start, resolve);
  return failed(fp) ? fp : newFd(td, fp, (oflags & O_CLOEXEC) !== 0);
}

/** Gives a fresh file its descriptor; without a free one it is closed again. */
export function newFd(td: Lwp, fp: File, isCloexec: boolean): number {
  const n = td.fdtable.alloc(fp, isCloexec);
  if (n < 0) fp.release();
  return n;
}

export const sys_close = syscall("close", [int], (td, n) => td.fdtable.close(n));

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

export const sys_close_range = syscall(
  "close_range",
  [uint, uint, flags],
  (td, first, last, how) => {
    if ((how & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return EINVAL;
    if ((how & CLOSE_RANGE_UNSHARE) !== 0 && td.fdtable.refs > 1) {
      const shared = td.fdtable;
      const own = shared.copy();
      if (failed(own)) return own;
      td.fdtable = own;
      shared.release();
    }
    const table = td.fdtable;
    const end = Math.min(last + 1, table.size);
    for (let n = first; n < end; n++) {
      if ((how & CLOSE_RANGE_CLOEXEC) !== 0) table.setCloexec(n, true);
      else table.close(n);
    }
    return 0;
  },
);

export const sys_dup = syscall("dup", [anyFd], (td, fp) => newFd(td, fp.hold(), false));

export const sys_dup3 = syscall("dup3", [int, int, flags], (td, from, to, how) => {
  if ((how & ~O_CLOEXEC) !== 0 || from === to) return EINVAL;
  const table = td.fdtable;
  const fp = table.getAny(from);
  if (!fp || to < 0 || to >= table.limit) return EBADF;
  return table.install(to, fp.hold(), (how & O_CLOEXEC) !== 0);
});

export const sys_read = syscall("read", [fd, ubuf("count"), size], (td, fp, buf, count) => {
  if (!fp.isReadable) return EBADF;
  return didRead(td, fp.read(td, Uio.user(td.proc.vmspace, buf, count)));
});

export const sys_write = syscall("write", [fd, ubuf("count"), size], (td, fp, buf, count) => {
  if (!fp.isWritable) return EBADF;
  return didWrite(td, fp.write(td, Uio.user(td.proc.vmspace, buf, count)));
});

export const sys_pread64 = syscall(
  "pread64",
  [fd, ubuf("count"), size, long],
  (td, fp, buf, count, offset) => {
    if (offset < 0) return EINVAL;
    if (!fp.isReadable) return EBADF;
    return didRead(td, fp.pread(td, Uio.user(td.proc.vmspace, buf, count), offset));
  },
);

export const sys_pwrite64 = syscall(
  "pwrite64",
  [fd, ubuf("count"), size, long],
  (td, fp, buf, count, offset) => {
    if (offset < 0) return EINVAL;
    if (!fp.isWritable) return EBADF;
    return didWrite(td, fp.pwrite(td, Uio.user(td.proc.vmspace, buf, count), offset));
  },
);

/** Counts a read that is over (not one that sleeps and will be called again); its result. */
export function didRead(td: Lwp, r: number): number {
  if (r > ERESTARTSYS) {
    td.readCalls++;
    if (r > 0) td.bytesRead += r;
  }
  return r;
}

/** As `didRead`, for a write: its result, after the signal that goes with an error. */
export function didWrite(td: Lwp, r: number): number {
  if (r > ERESTARTSYS) {
    td.writeCalls++;
    if (r > 0) td.bytesWritten += r;
  }
  return r >= 0 ? r : writeFailed(td, r);
}

/** A write's error, after SIGXFSZ where that goes with it; the dispatcher sees to SIGPIPE. */
export function writeFailed(td: Lwp, error: number): number {
  if (error === EFBIG && td.fileSizeLimit < Number.POSITIVE_INFINITY) tsignal(td, SIGXFSZ);
  return error;
}

export const sys_lseek = syscall("lseek", [fd, long, int], (_td, fp, offset, whence) => {
  if (whence < 0 || whence > 4) return EINVAL;
  return fp.seek(offset, whence);
});

export const fileSyscalls: readonly (readonly [number, Syscall])[] = [
  [23, sys_dup],
  [24, sys_dup3],
  [56, sys_openat],
  [57, sys_close],
  [62, sys_lseek],
  [63, sys_read],
  [64, sys_write],
  [67, sys_pread64],
  [68, sys_pwrite64],
  [436, sys_close_range],
  [437, sys_openat2],
];
