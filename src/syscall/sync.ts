/** Getting data to disk, and advice about access: fsync(2), sync(2), posix_fadvise(2). */
import { EBADF, EINVAL, EROFS, ESPIPE, failed } from "../abi/errno.ts";
import { S_IFIFO, S_IFMT, S_IFREG } from "../abi/stat.ts";
import { fd, flags, int, long, size } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

export const sys_sync = syscall("sync", [], (td) => {
  for (const m of td.fs.vfs.mounts.all) m.fs.sync();
  return 0;
});

export const sys_syncfs = syscall("syncfs", [fd], (_td, fp) => fp.path?.mount.fs.sync() ?? 0);

export const sys_fsync = syscall("fsync", [fd], (_td, fp) => fp.fsync(false));

export const sys_fdatasync = syscall("fdatasync", [fd], (_td, fp) => fp.fsync(true));

export const sys_sync_file_range = syscall(
  "sync_file_range",
  [fd, long, long, flags],
  (_td, fp, offset, length, how) => {
    if ((how & ~7) !== 0 || offset < 0 || length < 0) return EINVAL;
    const a = fp.stat();
    if (failed(a)) return a;
    const type = a.mode & S_IFMT;
    if (type !== S_IFREG) return type === S_IFIFO ? ESPIPE : EINVAL;
    const r = fp.fsync(true);
    return r === EROFS ? 0 : r;
  },
);

const POSIX_FADV_NOREUSE = 5;

export const sys_fadvise64 = syscall(
  "fadvise64",
  [fd, long, long, int],
  (_td, fp, _offset, length, advice) => {
    const a = fp.stat();
    if (failed(a)) return a;
    if ((a.mode & S_IFMT) === S_IFIFO) return ESPIPE;
    return length < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE ? EINVAL : 0;
  },
);

export const sys_readahead = syscall("readahead", [fd, long, size], (_td, fp) => {
  if (!fp.isReadable) return EBADF;
  const a = fp.stat();
  if (failed(a)) return a;
  return (a.mode & S_IFMT) === S_IFREG ? 0 : EINVAL;
});

export const syncSyscalls: readonly (readonly [number, Syscall])[] = [
  [81, sys_sync],
  [82, sys_fsync],
  [83, sys_fdatasync],
  [84, sys_sync_file_range],
  [213, sys_readahead],
  [223, sys_fadvise64],
  [267, sys_syncfs],
];
