/**
 * Memory: mmap(2) and its family. What needs files, credentials or limits is
 * checked here; the rest is the address space's own affair.
 */
import {
  EACCES,
  EAGAIN,
  EBADF,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE } from "../abi/fcntl.ts";
import {
  MAP_ANONYMOUS,
  MAP_DENYWRITE,
  MAP_DROPPABLE,
  MAP_EXECUTABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MLOCK_ONFAULT,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../abi/mman.ts";
import { S_IFCHR, S_IFMT } from "../abi/stat.ts";
import { CAP_IPC_LOCK } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { RLIMIT_MEMLOCK } from "../proc/rlimit.ts";
import type { File } from "../vfs/file.ts";
import { MS_NOEXEC } from "../vfs/mount.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import { PROT_ALL, VM_LOCKED, VM_LOCKONFAULT } from "../vm/mapentry.ts";
import { isWrapped, lockAll, lockRange, mayLock, mincore, syncRange } from "../vm/mlock.ts";
import type { MmapRequest } from "../vm/mmap.ts";
import { sealRange } from "../vm/mseal.ts";
import type { VmObject } from "../vm/object.ts";
import { PAGE_SIZE, pageCeil } from "../vm/param.ts";
import { remapFilePages } from "../vm/remapfile.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

/** Flags of before MAP_SHARED_VALIDATE: all that it accepts, as no file system here adds others. */
const VALIDATED_FLAGS =
  MAP_TYPE |
  MAP_FIXED |
  MAP_ANONYMOUS |
  MAP_DENYWRITE |
  MAP_EXECUTABLE |
  MAP_GROWSDOWN |
  MAP_LOCKED |
  MAP_NORESERVE |
  MAP_POPULATE |
  MAP_NONBLOCK |
  MAP_STACK |
  MAP_HUGETLB |
  MAP_FIXED_NOREPLACE;
/** Device number of /dev/zero, which maps as anonymous memory. */
const ZERO_RDEV = 0x105;

export const sys_mmap = syscall(
  "mmap",
  [uaddr, size, flags, flags, int, size],
  (td, addr, length, prot, mapFlags, fd, offset) => {
    if (offset % PAGE_SIZE !== 0) return EINVAL;
    const isAnonymous = (mapFlags & MAP_ANONYMOUS) !== 0;
    const fp = isAnonymous ? null : td.fdtable.get(fd);
    if (!isAnonymous && !fp) return EBADF;
    if ((mapFlags & MAP_HUGETLB) !== 0) return EINVAL;
    if (length === 0) return EINVAL;
    const type = mapFlags & MAP_TYPE;
    if (type === MAP_DROPPABLE && (mapFlags & (MAP_LOCKED | MAP_GROWSDOWN)) !== 0) return EINVAL;
    const isLocked = (mapFlags & MAP_LOCKED) !== 0 || td.proc.vmspace.lockFuture !== 0;
    if (isLocked) {
      const limit = memlockLimit(td);
      if (limit === 0) return EPERM;
      const r = mayLock(td.proc.vmspace, pageCeil(length), limit, true);
      if (failed(r)) return r;
    }
    if (fp) return mapFile(td, fp, { addr, length, prot, flags: mapFlags, offset, file: fp });
    if (type !== MAP_SHARED && type !== MAP_PRIVATE && type !== MAP_DROPPABLE) return EINVAL;
    return td.proc.vmspace.mmap({ addr, length, prot, flags: mapFlags });
  },
);

export const sys_munmap = syscall("munmap", [uaddr, size], (td, addr, length) =>
  td.proc.vmspace.munmap(addr, length),
);

export const sys_mprotect = syscall("mprotect", [uaddr, size, flags], (td, addr, length, prot) =>
  td.proc.vmspace.mprotect(addr, length, prot),
);

export const sys_mremap = syscall(
  "mremap",
  [uaddr, size, size, flags, uaddr],
  (td, addr, oldSize, newSize, remapFlags, newAddr) => {
    const vs = td.proc.vmspace;
    const e = vs.entries.find(addr);
    if (e && (e.flags & VM_LOCKED) !== 0 && newSize > oldSize) {
      const r = mayLock(vs, newSize - oldSize, memlockLimit(td), true);
      if (failed(r)) return r;
    }
    return vs.mremap(addr, oldSize, newSize, remapFlags, newAddr);
  },
);

export const sys_brk = syscall("brk", [uaddr], (td, addr) => td.proc.vmspace.brk(addr));

export const sys_madvise = syscall("madvise", [uaddr, size, int], (td, addr, length, advice) =>
  td.proc.vmspace.madvise(addr, length, advice),
);

export const sys_mincore = syscall("mincore", [uaddr, size, uaddr], (td, addr, length, vec) =>
  mincore(td.proc.vmspace, addr, length, vec),
);

export const sys_msync = syscall("msync", [uaddr, size, flags], (td, addr, length, how) =>
  syncRange(td.proc.vmspace, addr, length, how),
);

export const sys_mlock = syscall("mlock", [uaddr, size], (td, addr, length) =>
  lock(td, addr, length, VM_LOCKED),
);

export const sys_mlock2 = syscall("mlock2", [uaddr, size, flags], (td, addr, length, how) => {
  if ((how & ~MLOCK_ONFAULT) !== 0) return EINVAL;
  return lock(td, addr, length, how === 0 ? VM_LOCKED : VM_LOCKED | VM_LOCKONFAULT);
});

export const sys_munlock = syscall("munlock", [uaddr, size], (td, addr, length) =>
  lockRange(td.proc.vmspace, addr, length, 0),
);

export const sys_mlockall = syscall("mlockall", [flags], (td, how) => {
  const vs = td.proc.vmspace;
  if (how === 0 || (how & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0) return EINVAL;
  if (how === MCL_ONFAULT) return EINVAL;
  const limit = memlockLimit(td);
  if (limit === 0) return EPERM;
  if ((how & MCL_CURRENT) !== 0 && vs.totalBytes > limit) return ENOMEM;
  return lockAll(vs, how);
});

export const sys_munlockall = syscall("munlockall", [], (td) => lockAll(td.proc.vmspace, 0));

/** Deprecated, and never given to riscv64 programs by its C libraries; Linux emulates it, we do not. */
export const sys_remap_file_pages = syscall(
  "remap_file_pages",
  [uaddr, size, flags, size, flags],
  (td, addr, length, prot, page, how) =>
    remapFilePages(td.proc.vmspace, addr, length, prot, page, how),
);

export const sys_mseal = syscall("mseal", [uaddr, size, flags], (td, addr, length, how) =>
  how === 0 ? sealRange(td.proc.vmspace, addr, length) : EINVAL,
);

export const memorySyscalls: readonly (readonly [number, Syscall])[] = [
  [214, sys_brk],
  [215, sys_munmap],
  [216, sys_mremap],
  [222, sys_mmap],
  [226, sys_mprotect],
  [227, sys_msync],
  [228, sys_mlock],
  [229, sys_munlock],
  [230, sys_mlockall],
  [231, sys_munlockall],
  [232, sys_mincore],
  [233, sys_madvise],
  [234, sys_remap_file_pages],
  [284, sys_mlock2],
  [462, sys_mseal],
];

function mapFile(td: Lwp, fp: File, request: MmapRequest): number {
  const { prot } = request;
  const type = request.flags & MAP_TYPE;
  const isShared = type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
  if (!isShared && type !== MAP_PRIVATE) return EINVAL;
  if (type === MAP_SHARED_VALIDATE && (request.flags & ~VALIDATED_FLAGS) !== 0) return EOPNOTSUPP;
  if (isShared && (prot & PROT_WRITE) !== 0 && !fp.isWritable) return EACCES;
  if (!fp.isReadable) return EACCES;
  const isNoexec = ((fp.path?.mount.flags ?? 0) & MS_NOEXEC) !== 0;
  if (isNoexec && (prot & PROT_EXEC) !== 0) return EPERM;
  let maxProt = isNoexec ? PROT_READ | PROT_WRITE : PROT_ALL;
  if (isShared && !fp.isWritable) maxProt &= ~PROT_WRITE;
  if (isShared && fp instanceof VnodeFile && isSealed(fp)) {
    if ((prot & PROT_WRITE) !== 0) return EPERM;
    maxProt &= ~PROT_WRITE;
  }
  const object: VmObject | Errno = fp.object();
  if (failed(object)) {
    if (object === ENODEV && isZeroDevice(fp)) {
      return td.proc.vmspace.mmap({ ...request, file: null, offset: 0 });
    }
    return object;
  }
  return td.proc.vmspace.mmap({ ...request, object, maxProt });
}

/** A memfd that fcntl(2) F_ADD_SEALS closed to writers. */
function isSealed(fp: VnodeFile): boolean {
  const seals = fp.vp.seals(0);
  return seals > 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0;
}

function isZeroDevice(fp: File): boolean {
  const attr = fp.stat();
  return !failed(attr) && (attr.mode & S_IFMT) === S_IFCHR && attr.rdev === ZERO_RDEV;
}

function lock(td: Lwp, addr: number, length: number, lockFlags: number): number {
  const limit = memlockLimit(td);
  if (limit === 0) return EPERM;
  const vs = td.proc.vmspace;
  const bytes = pageCeil(length + (addr % PAGE_SIZE));
  if (isWrapped(length + (addr % PAGE_SIZE))) return 0;
  if (failed(mayLock(vs, bytes - lockedWithin(td, addr, bytes), limit, false))) return ENOMEM;
  const r = lockRange(vs, addr, length, lockFlags);
  return r === EAGAIN ? ENOMEM : r;
}

/** Bytes of the range that are locked already, which locking again does not count. */
function lockedWithin(td: Lwp, addr: number, length: number): number {
  let sum = 0;
  const { entries } = td.proc.vmspace;
  for (let i = entries.indexAfter(addr); ; i++) {
    const e = entries.at(i);
    if (!e || e.start >= addr + length) return sum;
    if ((e.flags & VM_LOCKED) !== 0) {
      sum += Math.min(e.end, addr + length) - Math.max(e.start, addr);
    }
  }
}

function memlockLimit(td: Lwp): number {
  if (td.cred.hasCap(CAP_IPC_LOCK)) return Number.POSITIVE_INFINITY;
  return td.proc.rlimits.soft(RLIMIT_MEMLOCK);
}
