/** Getting data to disk, and advice about access: fsync(2), sync(2), posix_fadvise(2). */
import { EBADF, EFAULT, EINVAL, EPERM, ESPIPE, failed } from "../abi/errno.ts";
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../abi/stat.ts";
import type { Lwp } from "../proc/lwp.ts";
import { access, isOwnerOrCapable, MAY_WRITE } from "../vfs/access.ts";
import { FADV_NOREUSE, FADV_WILLNEED } from "../vfs/advice.ts";
import type { File } from "../vfs/file.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { fd, flags, int, long, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

export const sys_sync = syscall("sync", [], (td) => {
  const { vfs } = td.fs;
  for (const m of vfs.mounts.all) m.fs.sync();
  // What is left belongs to block devices.
  for (const domain of [...td.proc.table.pages.writeback.domains]) domain.sync();
  return 0;
});

export const sys_syncfs = syscall("syncfs", [fd], (_td, fp) => {
  const fs = fp.path?.mount.fs;
  if (!fs) return 0;
  const r = fs.sync();
  const late = fs.dirty?.errors.check(fp.fsErrorsSeen) ?? 0;
  fp.fsErrorsSeen = fs.dirty?.errors.sample() ?? 0;
  return failed(r) ? r : late;
});

export const sys_fsync = syscall("fsync", [fd], (_td, fp) => fp.fsync(false));

export const sys_fdatasync = syscall("fdatasync", [fd], (_td, fp) => fp.fsync(true));

const SYNC_FILE_RANGE_WRITE = 2;
const SYNC_FILE_RANGE_WAITS = 1 | 4;

export const sys_sync_file_range = syscall(
  "sync_file_range",
  [fd, long, long, flags],
  (_td, fp, offset, length, how) => {
    if ((how & ~(SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAITS)) !== 0) return EINVAL;
    if (offset < 0 || length < 0 || offset + length >= 2 ** 63) return EINVAL;
    const a = fp.stat();
    if (failed(a)) return a;
    const type = a.mode & S_IFMT;
    if (type === S_IFDIR || type === S_IFLNK) return 0;
    if (type !== S_IFREG && type !== S_IFBLK) return ESPIPE;
    let r = 0;
    const object = fp.object();
    if ((how & SYNC_FILE_RANGE_WRITE) !== 0 && !failed(object)) {
      const end = length === 0 ? Number.POSITIVE_INFINITY : offset + length;
      r = object.sync(Math.floor(offset / PAGE_SIZE), Math.ceil(end / PAGE_SIZE));
    }
    const late = (how & SYNC_FILE_RANGE_WAITS) !== 0 ? fp.lateError() : 0;
    return failed(r) ? r : late;
  },
);

export const sys_fadvise64 = syscall(
  "fadvise64",
  [fd, long, long, int],
  (_td, fp, offset, length, advice) => {
    const a = fp.stat();
    if (failed(a)) return a;
    if ((a.mode & S_IFMT) === S_IFIFO) return ESPIPE;
    if (length < 0 || advice < 0 || advice > FADV_NOREUSE) return EINVAL;
    return advise(fp, advice, offset, length);
  },
);

export const sys_readahead = syscall("readahead", [fd, long, size], (_td, fp, offset, count) => {
  if (!fp.isReadable) return EBADF;
  const a = fp.stat();
  if (failed(a)) return a;
  const type = a.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK) return EINVAL;
  return advise(fp, FADV_WILLNEED, offset, count);
});

/**
 * How much of a range of a file is in memory, and dirty. What was evicted is not
 * remembered: nr_evicted and nr_recently_evicted are 0.
 */
export const sys_cachestat = syscall(
  "cachestat",
  [fd, uaddr, uaddr, flags],
  (td, fp, rangeAt, out, how) => {
    const mem = td.proc.vmspace;
    const offset = mem.loadU64(rangeAt);
    const length = mem.loadU64(rangeAt + 8);
    if (offset < 0 || length < 0) return EFAULT;
    if (!mayAskOfCache(td, fp)) return EPERM;
    if (how !== 0) return EINVAL;
    const object = fp.object();
    const first = Math.floor(offset / PAGE_SIZE);
    const end = length === 0 ? Number.POSITIVE_INFINITY : Math.ceil((offset + length) / PAGE_SIZE);
    const counts = [0, 0, 0, 0, 0];
    if (!failed(object)) {
      const { queue } = object.frames;
      for (const pindex of object.resident(first, end)) {
        counts[0]!++;
        const pa = object.lookup(pindex);
        if (pa !== 0 && !object.isShmem && queue.isDirty(pa)) counts[1]!++;
      }
    }
    for (let i = 0; i < counts.length; i++) {
      if (failed(mem.storeU64(out + 8 * i, counts[i]!))) return EFAULT;
    }
    return 0;
  },
);

/** Others than who may write the file must not learn who read what of it. */
function mayAskOfCache(td: Lwp, fp: File): boolean {
  if (fp.isWritable) return true;
  const a = fp.stat();
  if (!failed(a) && isOwnerOrCapable(a, td.cred)) return true;
  const vp = fp.path?.entry.vnode;
  return vp ? access(vp, td.cred, MAY_WRITE) === 0 : false;
}

/** `length` 0 is up to the end. */
function advise(fp: File, advice: number, offset: number, length: number): number {
  const end = length === 0 ? Number.POSITIVE_INFINITY : offset + length;
  if (offset >= 0) fp.advise(advice, offset, end);
  return 0;
}

export const syncSyscalls: readonly (readonly [number, Syscall])[] = [
  [81, sys_sync],
  [82, sys_fsync],
  [83, sys_fdatasync],
  [84, sys_sync_file_range],
  [213, sys_readahead],
  [223, sys_fadvise64],
  [267, sys_syncfs],
  [451, sys_cachestat],
];
