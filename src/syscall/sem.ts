/** semget(2), semop(2), semtimedop(2), semctl(2). */
import {
  E2BIG,
  EACCES,
  EAGAIN,
  EFAULT,
  EFBIG,
  EINTR,
  EINVAL,
  ENOMEM,
  EPERM,
  ERANGE,
  ERESTARTNOHAND,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  GETALL,
  GETNCNT,
  GETPID,
  GETVAL,
  GETZCNT,
  IPC_INFO,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SEM_INFO,
  SEM_STAT,
  SEM_STAT_ANY,
  SEM_UNDO,
  SEMVMX,
  SETALL,
  SETVAL,
  Sembuf,
  Semid64Ds,
  Seminfo,
} from "../abi/ipc.ts";
import { type SemOp, type SemSet, SemWaiter } from "../ipc/sem.ts";
import { type SemUndo, SemUndoList } from "../ipc/semundo.ts";
import type { Lwp } from "../proc/lwp.ts";
import { flags, int, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { owner, setPerm } from "./ipcperm.ts";
import { deadlineOf, loadTimespec } from "./timespec.ts";

const READ = 0o444;
const WRITE = 0o222;
/** The register of semctl's last argument, which is an int for SETVAL. */
const A3 = 13;
/** Size of the undo structure that SEM_INFO tells of where it does not count. */
const SEMUSZ = 20;

export const sys_semget = syscall("semget", [int, int, flags], (td, key, count, how) =>
  td.ipc.sem.get(key, count, how, td.cred),
);

export const sys_semop = syscall("semop", [int, uaddr, uint], (td, id, sops, count) =>
  operate(td, id, sops, count, 0),
);

export const sys_semtimedop = syscall(
  "semtimedop",
  [int, uaddr, uint, uaddr],
  (td, id, sops, count, timeout) => operate(td, id, sops, count, timeout),
);

export const sys_semctl = syscall("semctl", [int, int, int, uaddr], (td, id, num, command, arg) => {
  if (id < 0) return EINVAL;
  const { sem } = td.ipc;
  switch (command) {
    case IPC_INFO:
    case SEM_INFO:
      return storeInfo(td, arg, command === SEM_INFO);
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY: {
      const set = command === IPC_STAT ? sem.ids.get(id) : sem.ids.at(id);
      if (failed(set)) return set;
      if (command !== SEM_STAT_ANY && !set.permits(td.cred, READ)) return EACCES;
      const r = storeSet(td, arg, set);
      return failed(r) || command === IPC_STAT ? r : set.id;
    }
    case GETALL:
    case SETALL:
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT: {
      const set = sem.ids.get(id);
      if (failed(set)) return set;
      if (!set.permits(td.cred, command === SETALL ? WRITE : READ)) return EACCES;
      if (command === GETALL) return td.proc.vmspace.copyout(arg, bytesOfWords(set.values));
      if (command === SETALL) return setAll(td, set, arg);
      return num < 0 || num >= set.count ? EINVAL : query(td, set, num, command);
    }
    case SETVAL:
      return setOne(td, id, num, td.context.xlo(A3));
    case IPC_SET:
    case IPC_RMID:
      return change(td, id, command, arg);
    default:
      return EINVAL;
  }
});

export const semSyscalls: readonly (readonly [number, Syscall])[] = [
  [190, sys_semget],
  [191, sys_semctl],
  [192, sys_semtimedop],
  [193, sys_semop],
];

function operate(td: Lwp, id: number, sops: number, count: number, timeout: number): number {
  const r = td.restart;
  const { clock } = td.cpu;
  if (r.data instanceof SemWaiter) {
    if (r.data.status <= 0) return r.data.status;
    // Woken by something else: by the clock, or a signal, which always ends it, handled or not.
    return clock.isPast(r.deadlineNs) ? EAGAIN : EINTR;
  }
  const time = timeout === 0 ? null : loadTimespec(td, timeout);
  if (time === EFAULT) return EFAULT;
  const { sem } = td.ipc;
  if (count > sem.maxOps) return E2BIG;
  if (count < 1) return EINVAL;
  const ops = loadOps(td, sops, count);
  if (failed(ops)) return ops;
  if (id < 0) return EINVAL;
  if (failed(time)) return time;
  const set = sem.ids.get(id);
  if (failed(set)) return set;
  if (ops.some((o) => o.num >= set.count)) return EFBIG;
  if (!set.permits(td.cred, ops.some((o) => o.op !== 0) ? WRITE : READ)) return EACCES;
  let undo: SemUndo | null = null;
  if (ops.some((o) => (o.flags & SEM_UNDO) !== 0)) {
    td.semUndo ??= new SemUndoList();
    undo = td.semUndo.of(set);
    if (!undo) return ENOMEM;
  }
  const waiter = SemWaiter.make(td, ops, undo);
  if (!waiter) return ENOMEM;
  r.data = waiter;
  r.deadlineNs = time ? deadlineOf(td, time, false, false) : Number.POSITIVE_INFINITY;
  const result = set.operate(waiter);
  if (result <= 0) return result;
  if (clock.isPast(r.deadlineNs)) {
    td.unwatch();
    return EAGAIN;
  }
  td.sleepUntil(null, "semop", r.deadlineNs);
  return ERESTARTNOHAND;
}

function loadOps(td: Lwp, sops: number, count: number): SemOp[] | Errno {
  const bytes = new Uint8Array(count * Sembuf.sizeof);
  const r = td.proc.vmspace.copyin(sops, bytes);
  if (failed(r)) return r;
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => {
    const at = i * Sembuf.sizeof;
    return {
      num: Sembuf.sem_num.get(view, at),
      op: Sembuf.sem_op.get(view, at),
      flags: Sembuf.sem_flg.get(view, at),
    };
  });
}

function query(td: Lwp, set: SemSet, num: number, command: number): number {
  switch (command) {
    case GETVAL:
      return set.values[num]!;
    case GETPID:
      return td.proc.table.numberIn(td.pidns, set.pids[num]!);
    default:
      return set.waiting(num, command === GETZCNT);
  }
}

function setOne(td: Lwp, id: number, num: number, value: number): number {
  if (value < 0 || value > SEMVMX) return ERANGE;
  const set = td.ipc.sem.ids.get(id);
  if (failed(set)) return set;
  if (num < 0 || num >= set.count) return EINVAL;
  if (!set.permits(td.cred, WRITE)) return EACCES;
  set.setValue(num, value, td.pid);
  set.ctimeSec = set.table.nowSec;
  set.settle();
  return 0;
}

function setAll(td: Lwp, set: SemSet, arg: number): number {
  const values = new Uint16Array(set.count);
  const r = td.proc.vmspace.copyin(arg, bytesOfWords(values));
  if (failed(r)) return r;
  if (values.some((v) => v > SEMVMX)) return ERANGE;
  for (const [num, value] of values.entries()) {
    set.values[num] = value;
    set.pids[num] = td.pid;
  }
  for (const undo of set.undos) undo.adjust.fill(0);
  set.ctimeSec = set.table.nowSec;
  set.settle();
  return 0;
}

/** Guest and host are both little-endian: what is there is what is copied. */
function bytesOfWords(words: Uint16Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function change(td: Lwp, id: number, command: number, arg: number): number {
  const { sem } = td.ipc;
  const bytes = new Uint8Array(Semid64Ds.sizeof);
  if (command === IPC_SET) {
    const r = td.proc.vmspace.copyin(arg, bytes);
    if (failed(r)) return r;
  }
  const set = sem.ids.get(id);
  if (failed(set)) return set;
  if (!set.mayControl(td.cred)) return EPERM;
  if (command === IPC_RMID) {
    sem.remove(set);
    return 0;
  }
  const view = new DataView(bytes.buffer);
  const mode = Semid64Ds.mode.get(view, 0);
  const [uid, gid] = owner(td, Semid64Ds, view);
  return set.setOwner(uid, gid, mode, sem.nowSec);
}

function storeSet(td: Lwp, arg: number, set: SemSet): number {
  const view = new DataView(new ArrayBuffer(Semid64Ds.sizeof));
  setPerm(td, Semid64Ds, view, set);
  Semid64Ds.sem_otime.set(view, 0, set.otimeSec);
  Semid64Ds.sem_ctime.set(view, 0, set.ctimeSec);
  Semid64Ds.sem_nsems.set(view, 0, set.count);
  return td.proc.vmspace.copyout(arg, new Uint8Array(view.buffer));
}

function storeInfo(td: Lwp, arg: number, isUse: boolean): number {
  const { sem } = td.ipc;
  const view = new DataView(new ArrayBuffer(Seminfo.sizeof));
  Seminfo.semmap.set(view, 0, sem.maxInAll);
  Seminfo.semmni.set(view, 0, sem.ids.limit);
  Seminfo.semmns.set(view, 0, sem.maxInAll);
  Seminfo.semmnu.set(view, 0, sem.maxInAll);
  Seminfo.semmsl.set(view, 0, sem.maxPerSet);
  Seminfo.semopm.set(view, 0, sem.maxOps);
  Seminfo.semume.set(view, 0, sem.maxOps);
  Seminfo.semusz.set(view, 0, isUse ? sem.ids.count : SEMUSZ);
  Seminfo.semvmx.set(view, 0, SEMVMX);
  Seminfo.semaem.set(view, 0, isUse ? sem.inAll : SEMVMX);
  const r = td.proc.vmspace.copyout(arg, new Uint8Array(view.buffer));
  return failed(r) ? r : sem.ids.maxIndex;
}
