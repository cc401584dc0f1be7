/** System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). Segments lie on the tmpfs that memfds lie on. */
import {
  EACCES,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOSYS,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_INFO,
  IPC_PRIVATE,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SHM_EXEC,
  SHM_HUGETLB,
  SHM_INFO,
  SHM_LOCK,
  SHM_LOCKED,
  SHM_NORESERVE,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
  SHM_STAT,
  SHM_STAT_ANY,
  SHM_UNLOCK,
  ShmInfo,
  ShmidDs,
  Shminfo,
} from "../abi/ipc.ts";
import {
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../abi/mman.ts";
import { S_IFREG } from "../abi/stat.ts";
import { TmpFile } from "../fs/tmpfs/tmpfile.ts";
import { Tmpfs } from "../fs/tmpfs/tmpfs.ts";
import { CAP_IPC_LOCK, CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { RLIMIT_MEMLOCK } from "../proc/rlimit.ts";
import { SHMMNI, type ShmSegment } from "../proc/shm.ts";
import { holdPath } from "../vfs/path.ts";
import { PROT_ALL } from "../vm/mapentry.ts";
import { MAX_OBJECT_BYTES } from "../vm/object.ts";
import { PAGE_SIZE, pageCeil } from "../vm/param.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { shmMount } from "./memfd.ts";

/** SHMMAX and SHMALL: no limit of their own. */
const UNLIMITED = 2 ** 64 - 2 ** 24;
const READ = 0o444;
const WRITE = 0o222;

export const sys_shmget = syscall("shmget", [int, size, flags], (td, key, bytes, how) => {
  const old = key === IPC_PRIVATE ? null : td.proc.table.shm.byKey(key);
  if (!old) {
    return key === IPC_PRIVATE || (how & IPC_CREAT) !== 0 ? create(td, key, bytes, how) : ENOENT;
  }
  if ((how & IPC_CREAT) !== 0 && (how & IPC_EXCL) !== 0) return EEXIST;
  if (bytes > old.sizeBytes) return EINVAL;
  return old.permits(td.cred, how) ? old.id : EACCES;
});

function create(td: Lwp, key: number, bytes: number, how: number): number {
  const { shm, pages } = td.proc.table;
  if (bytes < 1 || bytes > MAX_OBJECT_BYTES || (how & SHM_HUGETLB) !== 0) return EINVAL;
  if (shm.size >= SHMMNI) return ENOSPC;
  if ((how & SHM_NORESERVE) === 0 && bytes > pages.totalPages * PAGE_SIZE) return ENOMEM;
  const mount = shmMount(td);
  if (failed(mount)) return mount;
  if (!(mount.fs instanceof Tmpfs)) return ENOSYS;
  if (!mount.fs.chargeInode()) return ENOSPC;
  const { cred } = td;
  const vnode = new TmpFile(mount.fs, S_IFREG | (how & 0o777), cred.fsuid, cred.fsgid);
  vnode.nlink = 0;
  const object = vnode.object();
  object.truncate(bytes);
  const name = `/SYSV${(key >>> 0).toString(16).padStart(8, "0")}`;
  const entry = td.fs.vfs.names.makeLoose(name, vnode);
  entry.isDeleted = true;
  const path = holdPath({ mount, entry });
  return shm.create({ key, sizeBytes: bytes, mode: how, cred, vnode, path, object }).id;
}

export const sys_shmat = syscall("shmat", [int, uaddr, flags], (td, id, at, how) => {
  if (id < 0) return EINVAL;
  const rest = at % PAGE_SIZE;
  if (rest !== 0 && (how & SHM_RND) === 0) return EINVAL;
  const addr = at - rest;
  const isRemap = (how & SHM_REMAP) !== 0;
  if (addr === 0 && isRemap) return EINVAL;
  const s = td.proc.table.shm.byId(id);
  if (failed(s)) return s;
  const isReadOnly = (how & SHM_RDONLY) !== 0;
  const isExec = (how & SHM_EXEC) !== 0;
  const wanted = READ | (isReadOnly ? 0 : WRITE) | (isExec ? 0o111 : 0);
  if (!s.permits(td.cred, wanted)) return EACCES;
  let place = MAP_SHARED;
  if (at !== 0) place |= isRemap ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  const r = td.proc.vmspace.mmap({
    addr,
    length: s.sizeBytes,
    prot: PROT_READ | (isReadOnly ? 0 : PROT_WRITE) | (isExec ? PROT_EXEC : 0),
    flags: place,
    object: s.object,
    file: s.file,
    maxProt: isReadOnly ? PROT_ALL & ~PROT_WRITE : PROT_ALL,
  });
  return r === EEXIST ? EINVAL : r;
});

/** The attachment at `addr` is all maps that lie where it put them: parts may be gone, others mapped in between. */
export const sys_shmdt = syscall("shmdt", [uaddr], (td, addr) => {
  if (addr % PAGE_SIZE !== 0) return EINVAL;
  const vs = td.proc.vmspace;
  const { shm } = td.proc.table;
  let s: ShmSegment | null = null;
  for (let i = vs.entries.indexAfter(addr); ; ) {
    const e = vs.entries.at(i);
    if (!e || (s && e.start >= addr + s.sizeBytes)) return s ? 0 : EINVAL;
    const here = e.start - e.offset === addr ? shm.ofFile(e.file) : null;
    if (here && (!s || here === s)) {
      s = here;
      const { start, end } = e;
      const r = vs.munmap(start, end - start);
      if (failed(r)) return r;
      i = vs.entries.indexAfter(start);
    } else i++;
  }
});

export const sys_shmctl = syscall("shmctl", [int, int, uaddr], (td, id, cmd, at) => {
  if (id < 0 || cmd < 0) return EINVAL;
  switch (cmd) {
    case IPC_INFO:
      return limits(td, at);
    case SHM_INFO:
      return use(td, at);
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY:
      return status(td, id, cmd, at);
    case IPC_SET:
      return change(td, id, at);
    case IPC_RMID:
      return owned(td, id, (s) => {
        td.proc.table.shm.remove(s);
        return 0;
      });
    case SHM_LOCK:
    case SHM_UNLOCK:
      return lock(td, id, cmd === SHM_LOCK);
    default:
      return EINVAL;
  }
});

/** Runs `what` on a segment that the caller may administer. */
function owned(td: Lwp, id: number, what: (s: ShmSegment) => number): number {
  const s = td.proc.table.shm.byId(id);
  if (failed(s)) return s;
  return s.isOwner(td.cred) || td.cred.hasCap(CAP_SYS_ADMIN) ? what(s) : EPERM;
}

function change(td: Lwp, id: number, at: number): number {
  const bytes = new Uint8Array(ShmidDs.sizeof);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  const view = new DataView(bytes.buffer);
  return owned(td, id, (s) => {
    s.uid = ShmidDs.uid.get(view, 0);
    s.gid = ShmidDs.gid.get(view, 0);
    s.mode = (s.mode & ~0o777) | (ShmidDs.mode.get(view, 0) & 0o777);
    s.ctimeSec = td.proc.table.shm.nowSec;
    return 0;
  });
}

/** Nothing is ever swapped out here, so all that locking changes is the mark. */
function lock(td: Lwp, id: number, isOn: boolean): number {
  const s = td.proc.table.shm.byId(id);
  if (failed(s)) return s;
  if (!td.cred.hasCap(CAP_IPC_LOCK)) {
    if (!s.isOwner(td.cred)) return EPERM;
    if (isOn && td.proc.rlimits.soft(RLIMIT_MEMLOCK) === 0) return EPERM;
  }
  if (isOn) s.mode |= SHM_LOCKED;
  else s.mode &= ~SHM_LOCKED;
  return 0;
}

function status(td: Lwp, id: number, cmd: number, at: number): number {
  const { shm } = td.proc.table;
  const s: ShmSegment | Errno = cmd === IPC_STAT ? shm.byId(id) : shm.byIndex(id);
  if (failed(s)) return s;
  if (cmd !== SHM_STAT_ANY && !s.permits(td.cred, READ)) return EACCES;
  const view = new DataView(new ArrayBuffer(ShmidDs.sizeof));
  ShmidDs.key.set(view, 0, s.key);
  ShmidDs.uid.set(view, 0, s.uid);
  ShmidDs.gid.set(view, 0, s.gid);
  ShmidDs.cuid.set(view, 0, s.cuid);
  ShmidDs.cgid.set(view, 0, s.cgid);
  ShmidDs.mode.set(view, 0, s.mode);
  ShmidDs.seq.set(view, 0, s.sequence);
  ShmidDs.segsz.set(view, 0, s.sizeBytes);
  ShmidDs.atime.set(view, 0, s.atimeSec);
  ShmidDs.dtime.set(view, 0, s.dtimeSec);
  ShmidDs.ctime.set(view, 0, s.ctimeSec);
  ShmidDs.cpid.set(view, 0, s.cpid);
  ShmidDs.lpid.set(view, 0, s.lpid);
  ShmidDs.nattch.set(view, 0, s.attachments);
  const r = td.proc.vmspace.copyout(at, new Uint8Array(view.buffer));
  if (failed(r)) return r;
  return cmd === IPC_STAT ? 0 : s.id;
}

function limits(td: Lwp, at: number): number {
  const view = new DataView(new ArrayBuffer(Shminfo.sizeof));
  Shminfo.shmmax.set(view, 0, UNLIMITED);
  Shminfo.shmmin.set(view, 0, 1);
  Shminfo.shmmni.set(view, 0, SHMMNI);
  Shminfo.shmseg.set(view, 0, SHMMNI);
  Shminfo.shmall.set(view, 0, UNLIMITED);
  const r = td.proc.vmspace.copyout(at, new Uint8Array(view.buffer));
  return failed(r) ? r : highestIndex(td);
}

function use(td: Lwp, at: number): number {
  const { all } = td.proc.table.shm;
  const view = new DataView(new ArrayBuffer(ShmInfo.sizeof));
  ShmInfo.used_ids.set(view, 0, all.length);
  ShmInfo.shm_tot.set(
    view,
    0,
    all.reduce((sum, s) => sum + pageCeil(s.sizeBytes) / PAGE_SIZE, 0),
  );
  ShmInfo.shm_rss.set(
    view,
    0,
    all.reduce((sum, s) => sum + s.object.residentPages, 0),
  );
  const r = td.proc.vmspace.copyout(at, new Uint8Array(view.buffer));
  return failed(r) ? r : highestIndex(td);
}

function highestIndex(td: Lwp): number {
  return td.proc.table.shm.all.at(-1)?.index ?? 0;
}

export const shmSyscalls: readonly (readonly [number, Syscall])[] = [
  [194, sys_shmget],
  [195, sys_shmctl],
  [196, sys_shmat],
  [197, sys_shmdt],
];
