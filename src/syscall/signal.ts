/** Signals: sigaction(2), sigprocmask(2), kill(2), sigqueue(3), sigtimedwait(2), sigaltstack(2). */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINTR,
  EINVAL,
  ENOMEM,
  EPERM,
  ERESTARTNOHAND,
  type Errno,
  ESRCH,
  failed,
} from "../abi/errno.ts";
import {
  KernelSigaction,
  NSIG,
  SA_KNOWN,
  SI_TKILL,
  SIG_BLOCK,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGINFO_SIZE,
  SIGKILL,
  SIGSTOP,
  SiginfoRt,
  SigStack,
} from "../abi/signal.ts";
import { PidDir } from "../fs/procfs/piddir.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { Lwp } from "../proc/lwp.ts";
import { PidFile } from "../proc/pidfd.ts";
import type { Proc } from "../proc/proc.ts";
import { altStackFlags, isOnAltStack, leaveHandler, setAltStack } from "../proc/sigframe.ts";
import { encodeSiginfo, type SigInfo, userSignal } from "../proc/siginfo.ts";
import {
  checkKill,
  discardIgnored,
  psignal,
  setMask,
  setTemporaryMask,
  takeWanted,
  tsignal,
} from "../proc/signal.ts";
import { SigSet } from "../proc/sigset.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { loadTimespec } from "./timespec.ts";

const SIGSET_BYTES = 8;

export const sys_rt_sigaction = syscall(
  "rt_sigaction",
  [int, uaddr, uaddr, size],
  (td, sig, newAt, oldAt, setBytes) => {
    if (setBytes !== SIGSET_BYTES) return EINVAL;
    const { sigactions, table, vmspace } = td.proc;
    const bytes = table.scratch.window(KernelSigaction.sizeof);
    const v = table.scratch.view;
    if (newAt !== 0 && failed(vmspace.copyin(newAt, bytes))) return EFAULT;
    if (sig < 1 || sig > NSIG) return EINVAL;
    if (newAt !== 0 && (sig === SIGKILL || sig === SIGSTOP)) return EINVAL;
    const old = sigactions.get(sig);
    const { handler: oldHandler, flags: oldFlags } = old;
    const [oldLo, oldHi] = [old.mask.lo, old.mask.hi];
    if (newAt !== 0) {
      const action = sigactions.edit(sig);
      action.handler = KernelSigaction.sa_handler.get(v, 0);
      action.flags = (v.getUint32(KernelSigaction.sa_flags.offset, true) & SA_KNOWN) >>> 0;
      action.mask.lo = KernelSigaction.sa_mask_lo.get(v, 0) | 0;
      action.mask.hi = KernelSigaction.sa_mask_hi.get(v, 0) | 0;
      action.mask.dropUnblockable();
      discardIgnored(td.proc, sig);
    }
    if (oldAt === 0) return 0;
    KernelSigaction.sa_handler.set(v, 0, oldHandler);
    KernelSigaction.sa_flags.set(v, 0, oldFlags);
    KernelSigaction.sa_mask_lo.set(v, 0, oldLo);
    KernelSigaction.sa_mask_hi.set(v, 0, oldHi);
    return failed(vmspace.copyout(oldAt, bytes)) ? EFAULT : 0;
  },
);

export const sys_rt_sigprocmask = syscall(
  "rt_sigprocmask",
  [int, uaddr, uaddr, size],
  (td, how, newAt, oldAt, setBytes) => {
    if (setBytes !== SIGSET_BYTES) return EINVAL;
    const { lo, hi } = td.sigmask;
    if (newAt !== 0) {
      const set = loadSigset(td, newAt);
      if (typeof set === "number") return set;
      const mask = td.sigmask.clone();
      if (how === SIG_BLOCK) mask.addAll(set);
      else if (how === SIG_UNBLOCK) mask.removeAll(set);
      else if (how === SIG_SETMASK) mask.assign(set);
      else return EINVAL;
      setMask(td, mask);
    }
    return oldAt === 0 ? 0 : storeSigset(td, oldAt, lo, hi);
  },
);

export const sys_rt_sigpending = syscall("rt_sigpending", [uaddr, size], (td, out, setBytes) => {
  if (setBytes > SIGSET_BYTES) return EINVAL;
  const lo = (td.pending.set.lo | td.proc.pending.set.lo) & td.sigmask.lo;
  const hi = (td.pending.set.hi | td.proc.pending.set.hi) & td.sigmask.hi;
  return storeSigset(td, out, lo, hi);
});

export const sys_rt_sigsuspend = syscall("rt_sigsuspend", [uaddr, size], (td, at, setBytes) => {
  if (setBytes !== SIGSET_BYTES) return EINVAL;
  if (!td.isMadeAgain || !td.savedSigmask) {
    const set = loadSigset(td, at);
    if (typeof set === "number") return set;
    setTemporaryMask(td, set);
  }
  td.sleep(td.proc.signalQueue, "pause");
  return ERESTARTNOHAND;
});

export const sys_rt_sigtimedwait = syscall(
  "rt_sigtimedwait",
  [uaddr, uaddr, uaddr, size],
  (td, setAt, infoAt, timeoutAt, setBytes) => {
    if (setBytes !== SIGSET_BYTES) return EINVAL;
    const kept = td.isMadeAgain ? (td.firstRead as SigSet | null) : null;
    const wanted = kept ?? loadSigset(td, setAt);
    if (typeof wanted === "number") return wanted;
    td.firstRead = wanted;
    wanted.dropUnblockable();
    const { restart } = td;
    if (restart.deadlineNs < 0) {
      restart.deadlineNs = Number.POSITIVE_INFINITY;
      if (timeoutAt !== 0) {
        const t = loadTimespec(td, timeoutAt);
        if (typeof t === "number") return t;
        restart.deadlineNs = td.cpu.clock.monotonicNs() + t.sec * NS_PER_SEC + t.nsec;
      }
    }
    const info = takeWanted(td, wanted);
    if (info) {
      const isStored =
        infoAt === 0 || !failed(td.proc.vmspace.copyout(infoAt, encodeSiginfo(info)));
      return isStored ? info.signo : EFAULT;
    }
    if (td.cpu.clock.isPast(restart.deadlineNs)) return EAGAIN;
    td.sleepUntil(td.proc.signalQueue, "sigwait", restart.deadlineNs);
    // Linux: a handler ends the wait with EINTR, never a restart; see signal(7).
    return ERESTARTNOHAND;
  },
);

export const sys_kill = syscall("kill", [int, int], (td, pid, sig) => {
  if (sig < 0 || sig > NSIG) return EINVAL;
  const info = userSignal(sig, td.proc.ownPid, td.cred.uid);
  if (pid > 0) return killOne(td, processNamed(td, pid), info);
  if (pid === -1) return killAll(td, info);
  const group = pid === 0 ? td.proc.pgrp : td.findGroup(-pid);
  if (!group) return ESRCH;
  return killMany(td, [...group.members], info);
});

export const sys_tkill = syscall("tkill", [int, int], (td, tid, sig) => {
  if (tid <= 0) return EINVAL;
  return killThread(td, 0, tid, tkillInfo(td, sig));
});

export const sys_tgkill = syscall("tgkill", [int, int, int], (td, tgid, tid, sig) => {
  if (tid <= 0 || tgid <= 0) return EINVAL;
  return killThread(td, tgid, tid, tkillInfo(td, sig));
});

export const sys_rt_sigqueueinfo = syscall(
  "rt_sigqueueinfo",
  [int, int, uaddr],
  (td, pid, sig, infoAt) => {
    const info = loadSiginfo(td, sig, infoAt);
    if (typeof info === "number") return info;
    if (isForged(info) && pid !== td.proc.ownPid) return EPERM;
    return killOne(td, processNamed(td, pid), info);
  },
);

export const sys_rt_tgsigqueueinfo = syscall(
  "rt_tgsigqueueinfo",
  [int, int, int, uaddr],
  (td, tgid, tid, sig, infoAt) => {
    if (tid <= 0 || tgid <= 0) return EINVAL;
    const info = loadSiginfo(td, sig, infoAt);
    if (typeof info === "number") return info;
    if (isForged(info) && tid !== td.ownTid) return EPERM;
    return killThread(td, tgid, tid, info);
  },
);

export const sys_pidfd_send_signal = syscall(
  "pidfd_send_signal",
  [int, int, uaddr, flags],
  (td, pidfd, sig, infoAt, how) => {
    if (how !== 0) return EINVAL;
    const p = processOf(td, pidfd);
    if (failed(p)) return p;
    // Nobody reaches out of his pid name space.
    if (p && td.numberOf(p.id) === 0) return EINVAL;
    if (sig < 0 || sig > NSIG) return EINVAL;
    if (infoAt === 0) return killOne(td, p, userSignal(sig, td.proc.ownPid, td.cred.uid));
    const info = loadSiginfo(td, sig, infoAt);
    if (typeof info === "number") return info;
    if (info.signo !== readSigno(info)) return EINVAL;
    if (isForged(info) && p !== td.proc) return EPERM;
    return killOne(td, p, info);
  },
);

export const sys_sigaltstack = syscall("sigaltstack", [uaddr, uaddr], (td, newAt, oldAt) => {
  const mem = td.proc.vmspace;
  const bytes = new Uint8Array(SigStack.sizeof);
  const v = new DataView(bytes.buffer);
  if (newAt !== 0 && failed(mem.copyin(newAt, bytes))) return EFAULT;
  const old = new Uint8Array(SigStack.sizeof);
  const w = new DataView(old.buffer);
  SigStack.ss_sp.set(w, 0, td.altStackBase);
  SigStack.ss_flags.set(w, 0, altStackFlags(td));
  SigStack.ss_size.set(w, 0, td.altStackSize);
  if (newAt !== 0) {
    if (isOnAltStack(td)) return EPERM;
    const [base, how] = [SigStack.ss_sp.get(v, 0), SigStack.ss_flags.get(v, 0)];
    const r = setAltStack(td, base, how, SigStack.ss_size.get(v, 0));
    if (r === "small") return ENOMEM;
    if (r !== "ok") return EINVAL;
  }
  return oldAt !== 0 && failed(mem.copyout(oldAt, old)) ? EFAULT : 0;
});

export const sys_rt_sigreturn = syscall("rt_sigreturn", [], (td) => {
  leaveHandler(td);
  td.isContextReplaced = true;
  return 0;
});

/** Reached only by a program that makes it itself; interrupted calls restart by themselves. */
export const sys_restart_syscall = syscall("restart_syscall", [], () => EINTR);

export const signalSyscalls: readonly (readonly [number, Syscall])[] = [
  [128, sys_restart_syscall],
  [129, sys_kill],
  [130, sys_tkill],
  [131, sys_tgkill],
  [132, sys_sigaltstack],
  [133, sys_rt_sigsuspend],
  [134, sys_rt_sigaction],
  [135, sys_rt_sigprocmask],
  [136, sys_rt_sigpending],
  [137, sys_rt_sigtimedwait],
  [138, sys_rt_sigqueueinfo],
  [139, sys_rt_sigreturn],
  [240, sys_rt_tgsigqueueinfo],
  [424, sys_pidfd_send_signal],
];

/** A sigset_t of a system call: 8 bytes. Also for ppoll(2) and its kin. */
export function loadSigset(td: Lwp, at: number): SigSet | Errno {
  const { scratch } = td.proc.table;
  if (failed(td.proc.vmspace.copyin(at, scratch.window(SIGSET_BYTES)))) return EFAULT;
  const v = scratch.view;
  const set = new SigSet();
  set.setWords(v.getInt32(0, true), v.getInt32(4, true));
  return set;
}

function storeSigset(td: Lwp, at: number, lo: number, hi: number): number {
  const { scratch } = td.proc.table;
  const { view } = scratch;
  view.setInt32(0, lo, true);
  view.setInt32(4, hi, true);
  return failed(td.proc.vmspace.copyout(at, scratch.window(SIGSET_BYTES))) ? EFAULT : 0;
}

/** The process that a pidfd or a directory /proc/PID stands for; null if it is gone. */
function processOf(td: Lwp, fd: number): Proc | null | Errno {
  const fp = td.fdtable.get(fd);
  if (fp instanceof PidFile) return fp.proc;
  const vp = fp?.path?.entry.vnode;
  return vp instanceof PidDir ? vp.process : EBADF;
}

function tkillInfo(td: Lwp, sig: number): SigInfo {
  return { signo: sig, code: SI_TKILL, pid: td.proc.ownPid, uid: td.cred.uid };
}

/** siginfo_t as the caller made it, but for the signal's number. */
function loadSiginfo(td: Lwp, sig: number, at: number): SigInfo | Errno {
  const raw = new Uint8Array(SIGINFO_SIZE);
  if (failed(td.proc.vmspace.copyin(at, raw))) return EFAULT;
  const v = new DataView(raw.buffer);
  const given = SiginfoRt.si_signo.get(v, 0);
  SiginfoRt.si_signo.set(v, 0, sig);
  return {
    signo: sig,
    code: SiginfoRt.si_code.get(v, 0),
    status: given,
    pid: SiginfoRt.si_pid.get(v, 0),
    uid: SiginfoRt.si_uid.get(v, 0),
    valueLo: SiginfoRt.si_value_lo.get(v, 0),
    valueHi: SiginfoRt.si_value_hi.get(v, 0),
    raw,
  };
}

function readSigno(info: SigInfo): number {
  return info.status ?? info.signo;
}

/** Only the kernel, and tkill, may use these codes. */
function isForged(info: SigInfo): boolean {
  return info.code >= 0 || info.code === SI_TKILL;
}

function killOne(td: Lwp, p: Proc | null, info: SigInfo): number {
  if (!p || p.state === "dead") return ESRCH;
  if (info.signo < 0 || info.signo > NSIG) return EINVAL;
  const denied = checkKill(td, p, info.signo);
  if (failed(denied)) return denied;
  return info.signo === 0 ? 0 : psignal(p, info.signo, info);
}

/** The process with that number, or with a thread of it. */
function processNamed(td: Lwp, pid: number): Proc | null {
  return td.findThread(pid)?.proc ?? td.findProc(pid);
}

function killThread(td: Lwp, tgid: number, tid: number, info: SigInfo): number {
  const target = td.findThread(tid);
  if (!target || (tgid > 0 && td.numberOf(target.proc.id) !== tgid)) return ESRCH;
  if (info.signo < 0 || info.signo > NSIG) return EINVAL;
  const denied = checkKill(td, target.proc, info.signo);
  if (failed(denied)) return denied;
  return info.signo === 0 ? 0 : tsignal(target, info.signo, info);
}

/** Everyone that the caller can see but the init there and his own process. */
function killAll(td: Lwp, info: SigInfo): number {
  const targets = [...td.proc.table.all()].filter((p) => td.numberOf(p.id) > 1 && p !== td.proc);
  return killMany(td, targets, info);
}

/** 0 if one could be signalled, else the last reason; ESRCH if there is nobody. */
function killMany(td: Lwp, targets: readonly Proc[], info: SigInfo): number {
  let r: number = ESRCH;
  let isSent = false;
  for (const p of targets) {
    const one = killOne(td, p, info);
    if (one === 0) isSent = true;
    else r = one;
  }
  return isSent ? 0 : r;
}
