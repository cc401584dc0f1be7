/** Scattered reads and writes: readv(2), preadv2(2) and kin. */
import { EBADF, EFAULT, EINVAL, EOPNOTSUPP, type Errno, failed } from "../abi/errno.ts";
import {
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOAPPEND,
  RWF_NOWAIT,
  RWF_SYNC,
} from "../abi/fcntl.ts";
import { wide } from "../lib/wide.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { File } from "../vfs/file.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import { type IoVec, Uio } from "../vm/uio.ts";
import { fd, flags, int, long, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { didRead, didWrite } from "./file.ts";

const IOV_MAX = 1024;
const IOVEC_SIZE = 16;
const SSIZE_MAX = 2 ** 63;

const RWF_KNOWN = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;

/** The segments of an iovec array in user memory, read once for a call: EINVAL, EFAULT. */
export function loadIov(td: Lwp, at: number, count: number): readonly IoVec[] | Errno {
  if (td.isMadeAgain && td.firstRead) return td.firstRead as readonly IoVec[];
  const out = readIov(td, at, count);
  if (!failed(out)) td.firstRead = out;
  return out;
}

/** As `loadIov`, for a call that keeps them itself. */
export function readIov(td: Lwp, at: number, count: number): readonly IoVec[] | Errno {
  if (count < 0 || count > IOV_MAX) return EINVAL;
  const { scratch, scratchView: view } = td.cpu;
  if (failed(td.proc.vmspace.copyin(at, scratch.subarray(0, count * IOVEC_SIZE)))) return EFAULT;
  const out: IoVec[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const p = i * IOVEC_SIZE;
    const base = wide(view.getUint32(p + 4, true), view.getUint32(p, true));
    const length = wide(view.getUint32(p + 12, true), view.getUint32(p + 8, true));
    total += length;
    if (length >= SSIZE_MAX || total >= SSIZE_MAX) return EINVAL;
    out.push({ base, length });
  }
  return out;
}

function transfer(
  td: Lwp,
  fp: File,
  iov: number,
  count: number,
  isWrite: boolean,
  offset: number | null,
  how = 0,
): number {
  if (isWrite ? !fp.isWritable : !fp.isReadable) return EBADF;
  const segments = loadIov(td, iov, count);
  if (failed(segments)) return segments;
  const uio = Uio.userv(td.proc.vmspace, segments);
  uio.flags = how;
  if (!isWrite) {
    return didRead(td, offset === null ? fp.read(td, uio) : fp.pread(td, uio, offset));
  }
  return didWrite(td, offset === null ? fp.write(td, uio) : fp.pwrite(td, uio, offset));
}

export const sys_readv = syscall("readv", [fd, uaddr, int], (td, fp, iov, count) =>
  transfer(td, fp, iov, count, false, null),
);

export const sys_writev = syscall("writev", [fd, uaddr, int], (td, fp, iov, count) =>
  transfer(td, fp, iov, count, true, null),
);

export const sys_preadv = syscall("preadv", [fd, uaddr, int, long], (td, fp, iov, count, offset) =>
  offset < 0 ? EINVAL : transfer(td, fp, iov, count, false, offset),
);

export const sys_pwritev = syscall(
  "pwritev",
  [fd, uaddr, int, long],
  (td, fp, iov, count, offset) =>
    offset < 0 ? EINVAL : transfer(td, fp, iov, count, true, offset),
);

export const sys_preadv2 = syscall(
  "preadv2",
  [fd, uaddr, int, long, long, flags],
  (td, fp, iov, count, offset, _high, how) => v2(td, fp, iov, count, false, offset, how),
);

export const sys_pwritev2 = syscall(
  "pwritev2",
  [fd, uaddr, int, long, long, flags],
  (td, fp, iov, count, offset, _high, how) => v2(td, fp, iov, count, true, offset, how),
);

/** What RWF_* a file cannot have: 0, or why not. */
export function refuseFlags(fp: File, how: number): number {
  if ((how & ~RWF_KNOWN) !== 0) return EOPNOTSUPP;
  if ((how & RWF_APPEND) !== 0 && (how & RWF_NOAPPEND) !== 0) return EINVAL;
  // Others would have to promise that they do not wait.
  return (how & RWF_NOWAIT) !== 0 && !(fp instanceof VnodeFile) ? EOPNOTSUPP : 0;
}

/** Offset -1 is the file's own. */
function v2(
  td: Lwp,
  fp: File,
  iov: number,
  count: number,
  isWrite: boolean,
  offset: number,
  how: number,
): number {
  const refused = refuseFlags(fp, how);
  if (refused < 0) return refused;
  if (offset < -1) return EINVAL;
  return transfer(td, fp, iov, count, isWrite, offset === -1 ? null : offset, how);
}

export const iovSyscalls: readonly (readonly [number, Syscall])[] = [
  [65, sys_readv],
  [66, sys_writev],
  [69, sys_preadv],
  [70, sys_pwritev],
  [286, sys_preadv2],
  [287, sys_pwritev2],
];
