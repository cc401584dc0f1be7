/**
 * What accompanies a signal: siginfo_t, as plain data until a program sees it.
 *
 * Which fields mean something depends on `code` (and for codes above 0 on the
 * signal), exactly as in the C union; `encodeSiginfo` knows. See sigaction(2).
 */
import {
  SI_KERNEL,
  SI_SIGIO,
  SI_TIMER,
  SI_USER,
  SIGBUS,
  SIGCHLD,
  SIGFPE,
  SIGILL,
  SIGINFO_SIZE,
  SIGIO,
  SIGSEGV,
  SIGSYS,
  SIGTRAP,
  SiginfoChild,
  SiginfoFault,
  SiginfoHead,
  SiginfoPoll,
  SiginfoRt,
  SiginfoSys,
  SiginfoTimer,
} from "../abi/signal.ts";

export interface SigInfo {
  readonly signo: number;
  readonly code: number;
  readonly errno?: number;
  /** Sender (kill), child (SIGCHLD), or timer id (SI_TIMER). */
  readonly pid?: number;
  readonly uid?: number;
  /** Exit status or signal of a child; overrun count of a timer; fd of SIGIO; number of SIGSYS's call. */
  readonly status?: number;
  readonly utimeTicks?: number;
  readonly stimeTicks?: number;
  /** Fault address; band of SIGIO; address behind SIGSYS's call. */
  readonly addr?: number;
  /** sigval: 64 bits as two halves; for SIGSYS the low one is AUDIT_ARCH_*. */
  readonly valueLo?: number;
  readonly valueHi?: number;
  /** Bytes as rt_sigqueueinfo(2) gave them, shown unchanged. */
  readonly raw?: Uint8Array;
  /** A timer's signal is queued once; expirations meanwhile count here. */
  readonly timer?: SignalTimer;
}

/** What a POSIX timer lends to its queued signal. */
export interface SignalTimer {
  /** Expirations beyond the first, asked for when the signal is taken. */
  takeOverrun(): number;
}

/** A signal from the kernel itself. */
export function kernelSignal(signo: number): SigInfo {
  return { signo, code: SI_KERNEL, pid: 0, uid: 0 };
}

export function userSignal(signo: number, pid: number, uid: number): SigInfo {
  return { signo, code: SI_USER, pid, uid };
}

export function faultSignal(signo: number, code: number, addr: number): SigInfo {
  return { signo, code, addr };
}

/** The 128 bytes that a program sees. */
export function encodeSiginfo(info: SigInfo): Uint8Array {
  const out = new Uint8Array(SIGINFO_SIZE);
  writeSiginfo(info, out, new DataView(out.buffer));
  return out;
}

/** As encodeSiginfo, into zeroed bytes that are already there; `v` is a view of them. */
export function writeSiginfo(info: SigInfo, out: Uint8Array, v: DataView): void {
  if (info.raw) {
    out.set(info.raw.subarray(0, SIGINFO_SIZE));
    return;
  }
  SiginfoHead.si_signo.set(v, 0, info.signo);
  SiginfoHead.si_errno.set(v, 0, info.errno ?? 0);
  SiginfoHead.si_code.set(v, 0, info.code);
  if (info.code === SI_TIMER) {
    SiginfoTimer.si_tid.set(v, 0, info.pid ?? 0);
    SiginfoTimer.si_overrun.set(v, 0, info.status ?? 0);
    SiginfoTimer.si_value_lo.set(v, 0, info.valueLo ?? 0);
    SiginfoTimer.si_value_hi.set(v, 0, info.valueHi ?? 0);
  } else if (isAboutFile(info)) {
    SiginfoPoll.si_band.set(v, 0, info.addr ?? 0);
    SiginfoPoll.si_fd.set(v, 0, info.status ?? 0);
  } else if (info.code > 0 && info.code < SI_KERNEL && isFault(info.signo)) {
    SiginfoFault.si_addr.set(v, 0, info.addr ?? 0);
  } else if (info.code > 0 && info.code < SI_KERNEL && info.signo === SIGCHLD) {
    SiginfoChild.si_pid.set(v, 0, info.pid ?? 0);
    SiginfoChild.si_uid.set(v, 0, info.uid ?? 0);
    SiginfoChild.si_status.set(v, 0, info.status ?? 0);
    SiginfoChild.si_utime.set(v, 0, info.utimeTicks ?? 0);
    SiginfoChild.si_stime.set(v, 0, info.stimeTicks ?? 0);
  } else if (info.code > 0 && info.code < SI_KERNEL && info.signo === SIGSYS) {
    SiginfoSys.si_call_addr.set(v, 0, info.addr ?? 0);
    SiginfoSys.si_syscall.set(v, 0, info.status ?? 0);
    SiginfoSys.si_arch.set(v, 0, info.valueLo ?? 0);
  } else {
    SiginfoRt.si_pid.set(v, 0, info.pid ?? 0);
    SiginfoRt.si_uid.set(v, 0, info.uid ?? 0);
    SiginfoRt.si_value_lo.set(v, 0, info.valueLo ?? 0);
    SiginfoRt.si_value_hi.set(v, 0, info.valueHi ?? 0);
  }
}

/** What accompanies it is the band and the descriptor of a file: see fileowner.ts. */
export function isAboutFile({ code, signo }: SigInfo): boolean {
  if (code === SI_SIGIO) return true;
  return code > 0 && code < SI_KERNEL && (signo === SIGIO || !hasOwnCodes(signo));
}

/** si_code of this signal has meanings of its own. */
export function hasOwnCodes(signo: number): boolean {
  return isFault(signo) || signo === SIGCHLD || signo === SIGSYS || signo === SIGIO;
}

function isFault(sig: number): boolean {
  return sig === SIGSEGV || sig === SIGBUS || sig === SIGILL || sig === SIGFPE || sig === SIGTRAP;
}
