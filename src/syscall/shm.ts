/** shmget(2), shmat(2), shmdt(2), shmctl(2). */
import { EACCES, EINVAL, ENOMEM, EPERM, failed } from "../abi/errno.ts";
import {
  IPC_INFO,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SHM_INFO,
  SHM_LOCK,
  SHM_LOCKED,
  SHM_STAT,
  SHM_STAT_ANY,
  SHM_UNLOCK,
  ShmInfo,
  Shmid64Ds,
  Shminfo64,
} from "../abi/ipc.ts";
import { attach, detach, SHMMIN, type ShmSegment } from "../ipc/shm.ts";
import { CAP_IPC_LOCK } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import { RLIMIT_MEMLOCK } from "../proc/rlimit.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { owner, setPerm } from "./ipcperm.ts";

const READABLE = 0o444;

export const sys_shmget = syscall("shmget", [int, size, flags], (td, key, bytes, how) =>
  td.ipc.shm.get(key, bytes, how, td.cred),
);

export const sys_shmat = syscall("shmat", [int, uaddr, flags], (td, id, addr, how) =>
  attach(td.proc.vmspace, td.ipc.shm, td.cred, id, addr, how),
);

export const sys_shmdt = syscall("shmdt", [uaddr], (td, addr) => detach(td.proc.vmspace, addr));

export const sys_shmctl = syscall("shmctl", [int, int, uaddr], (td, id, command, buf) => {
  const { shm } = td.ipc;
  if (id < 0 || command < 0) return EINVAL;
  switch (command) {
    case IPC_INFO:
      return storeLimits(td, buf);
    case SHM_INFO:
      return storeUse(td, buf);
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const segment = command === IPC_STAT ? shm.ids.get(id) : shm.ids.at(id);
      if (failed(segment)) return segment;
      if (command !== SHM_STAT_ANY && !segment.permits(td.cred, READABLE)) return EACCES;
      const r = storeSegment(td, buf, segment);
      return failed(r) || command === IPC_STAT ? r : segment.id;
    }
    case IPC_SET:
    case IPC_RMID:
      return change(td, id, command, buf);
    case SHM_LOCK:
    case SHM_UNLOCK: {
      const segment = shm.ids.get(id);
      return failed(segment) ? segment : lock(td, segment, command === SHM_LOCK);
    }
    default:
      return EINVAL;
  }
});

export const shmSyscalls: readonly (readonly [number, Syscall])[] = [
  [194, sys_shmget],
  [195, sys_shmctl],
  [196, sys_shmat],
  [197, sys_shmdt],
];

function change(td: Lwp, id: number, command: number, buf: number): number {
  const { shm } = td.ipc;
  const bytes = new Uint8Array(Shmid64Ds.sizeof);
  if (command === IPC_SET) {
    const r = td.proc.vmspace.copyin(buf, bytes);
    if (failed(r)) return r;
  }
  const segment = shm.ids.get(id);
  if (failed(segment)) return segment;
  if (!segment.mayControl(td.cred)) return EPERM;
  if (command === IPC_RMID) {
    shm.remove(segment);
    return 0;
  }
  const view = new DataView(bytes.buffer);
  const mode = Shmid64Ds.mode.get(view, 0);
  const [uid, gid] = owner(td, Shmid64Ds, view);
  return segment.setOwner(uid, gid, mode, shm.nowSec);
}

/** Guest RAM is never paged out: only the limits and what others see of it are real. */
function lock(td: Lwp, segment: ShmSegment, isLock: boolean): number {
  if (!td.cred.hasCapIn(td.ipc.owner, CAP_IPC_LOCK)) {
    if (!segment.isOwner(td.cred)) return EPERM;
    const limit = td.proc.rlimits.soft(RLIMIT_MEMLOCK);
    if (isLock && limit === 0) return EPERM;
    if (isLock && !segment.isLocked && segment.sizeBytes > limit) return ENOMEM;
  }
  if (isLock) segment.mode |= SHM_LOCKED;
  else segment.mode &= ~SHM_LOCKED;
  return 0;
}

function storeSegment(td: Lwp, buf: number, s: ShmSegment): number {
  const view = new DataView(new ArrayBuffer(Shmid64Ds.sizeof));
  setPerm(td, Shmid64Ds, view, s);
  Shmid64Ds.shm_segsz.set(view, 0, s.sizeBytes);
  Shmid64Ds.shm_atime.set(view, 0, s.atimeSec);
  Shmid64Ds.shm_dtime.set(view, 0, s.dtimeSec);
  Shmid64Ds.shm_ctime.set(view, 0, s.ctimeSec);
  Shmid64Ds.shm_cpid.set(view, 0, td.proc.table.numberIn(td.pidns, s.cpid));
  Shmid64Ds.shm_lpid.set(view, 0, td.proc.table.numberIn(td.pidns, s.lpid));
  Shmid64Ds.shm_nattch.set(view, 0, s.attachCount);
  return copyout(td, buf, view);
}

function storeLimits(td: Lwp, buf: number): number {
  const { shm } = td.ipc;
  const view = new DataView(new ArrayBuffer(Shminfo64.sizeof));
  setLimit(view, Shminfo64.shmmax.offset, shm.maxBytes);
  Shminfo64.shmmin.set(view, 0, SHMMIN);
  Shminfo64.shmmni.set(view, 0, shm.ids.limit);
  Shminfo64.shmseg.set(view, 0, shm.ids.limit);
  setLimit(view, Shminfo64.shmall.offset, shm.maxPages);
  const r = copyout(td, buf, view);
  return failed(r) ? r : shm.ids.maxIndex;
}

function setLimit(view: DataView, at: number, limit: number): void {
  const isUnlimited = limit >= Number.MAX_SAFE_INTEGER;
  view.setBigUint64(at, isUnlimited ? ULONG_MAX - (1n << 24n) : BigInt(limit), true);
}

const ULONG_MAX = (1n << 64n) - 1n;

function storeUse(td: Lwp, buf: number): number {
  const { shm } = td.ipc;
  const view = new DataView(new ArrayBuffer(ShmInfo.sizeof));
  let resident = 0;
  for (const s of shm.ids.all()) resident += s.object.residentPages;
  ShmInfo.used_ids.set(view, 0, shm.ids.count);
  ShmInfo.shm_tot.set(view, 0, shm.totalPages);
  ShmInfo.shm_rss.set(view, 0, resident);
  const r = copyout(td, buf, view);
  return failed(r) ? r : shm.ids.maxIndex;
}

function copyout(td: Lwp, buf: number, view: DataView): number {
  return td.proc.vmspace.copyout(buf, new Uint8Array(view.buffer));
}
