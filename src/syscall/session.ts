/** Sessions, process groups, robust lists: setsid(2), setpgid(2), set_robust_list(2), rseq(2). */
import { EACCES, EBUSY, EFAULT, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import { RSEQ_ALIGN, RSEQ_BYTES, RSEQ_CS, RSEQ_FLAG_UNREGISTER } from "../abi/rseq.ts";
import { CAP_SYS_TTY_CONFIG } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Proc } from "../proc/proc.ts";
import { mayPtrace } from "../proc/ptraceaccess.ts";
import { endSequences, Rseq } from "../proc/rseq.ts";
import { USER_END } from "../vm/param.ts";
import { flags, int, size, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const ROBUST_HEAD_BYTES = 24;

export const sys_setsid = syscall("setsid", [], (td) => {
  const p = td.proc;
  const { table } = p;
  if (p.pgrp.session.leader === p || table.group(p.pid)) return EPERM;
  table.newSession(p);
  return p.ownPid;
});

export const sys_getsid = syscall("getsid", [int], (td, pid) => {
  const p = target(td, pid);
  return p ? td.numberOf(p.pgrp.session.id) : ESRCH;
});

export const sys_getpgid = syscall("getpgid", [int], (td, pid) => {
  const p = target(td, pid);
  return p ? td.numberOf(p.pgrp.id) : ESRCH;
});

export const sys_setpgid = syscall("setpgid", [int, int], (td, pid, wanted) => {
  const pgid = wanted === 0 ? (pid === 0 ? td.proc.ownPid : pid) : wanted;
  if (pgid < 0) return EINVAL;
  const p = target(td, pid);
  if (!p) return ESRCH;
  const { session } = td.proc.pgrp;
  if (p.parent === td.proc) {
    if (p.pgrp.session !== session) return EPERM;
    if (p.hasExecuted) return EACCES;
  } else if (p !== td.proc) return ESRCH;
  if (p.pgrp.session.leader === p) return EPERM;
  const group = td.numberOf(p.id) === pgid ? null : td.findGroup(pgid);
  if (td.numberOf(p.id) !== pgid && group?.session !== session) return EPERM;
  td.proc.table.joinGroup(p, group?.pgid ?? p.pid, session);
  return 0;
});

export const sys_vhangup = syscall("vhangup", [], (td) => {
  if (!td.cred.hasCap(CAP_SYS_TTY_CONFIG)) return EPERM;
  td.proc.tty?.vhangup();
  return 0;
});

export const sys_set_robust_list = syscall("set_robust_list", [uaddr, size], (td, head, length) => {
  if (length !== ROBUST_HEAD_BYTES) return EINVAL;
  td.robustListHead = head;
  return 0;
});

export const sys_get_robust_list = syscall(
  "get_robust_list",
  [int, uaddr, uaddr],
  (td, tid, headAt, lengthAt) => {
    const other = tid === 0 ? td : td.findThread(tid);
    if (!other) return ESRCH;
    if (!mayPtrace(td, other.proc, "real", other.cred)) return EPERM;
    const { vmspace } = td.proc;
    if (failed(vmspace.storeU64(lengthAt, ROBUST_HEAD_BYTES))) return EFAULT;
    return failed(vmspace.storeU64(headAt, other.robustListHead)) ? EFAULT : 0;
  },
);

export const sys_rseq = syscall(
  "rseq",
  [uaddr, uint, flags, uint],
  (td, addr, length, how, signature) => {
    const old = td.rseq;
    const isSame = old !== null && old.addr === addr && old.length === length;
    if ((how & RSEQ_FLAG_UNREGISTER) !== 0) {
      if (how !== RSEQ_FLAG_UNREGISTER || !isSame) return EINVAL;
      if (old.signature !== signature) return EPERM;
      return endSequences(td, old) ? 0 : EFAULT;
    }
    if (how !== 0) return EINVAL;
    if (old !== null) {
      if (!isSame) return EINVAL;
      return old.signature === signature ? EBUSY : EPERM;
    }
    if (addr % RSEQ_ALIGN !== 0 || length < RSEQ_BYTES) return EINVAL;
    if (addr + length > USER_END) return EFAULT;
    const { vmspace } = td.proc;
    const rseq = new Rseq(addr, length, signature);
    if (failed(vmspace.storeU64(addr + RSEQ_CS, 0))) return EFAULT;
    if (!rseq.store(vmspace, td.cpu.id, td.cpu.id)) return EFAULT;
    td.rseq = rseq;
    return 0;
  },
);

export const sessionSyscalls: readonly (readonly [number, Syscall])[] = [
  [58, sys_vhangup],
  [99, sys_set_robust_list],
  [100, sys_get_robust_list],
  [154, sys_setpgid],
  [155, sys_getpgid],
  [156, sys_getsid],
  [157, sys_setsid],
  [293, sys_rseq],
];

function target(td: Lwp, pid: number): Proc | null {
  if (pid === 0 || pid === td.proc.ownPid) return td.proc;
  return td.findProc(pid);
}
