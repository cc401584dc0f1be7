/**
 * Signals of Linux/riscv64 as data: numbers, dispositions, codes, layouts.
 * Source: signal(7), sigaction(2), include/uapi/asm-generic/{signal,siginfo}.h.
 */
import { i32, struct, u32, u64 } from "../lib/struct.ts";

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
export const SIGRTMIN = 32;
export const SIGRTMAX = 64;
/** Signals are 1 … NSIG; signal 0 only probes. */
export const NSIG = SIGRTMAX;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_SIGINFO = 0x4;
export const SA_ONSTACK = 0x0800_0000;
export const SA_RESTART = 0x1000_0000;
export const SA_NODEFER = 0x4000_0000;
export const SA_RESETHAND = 0x8000_0000;
/** All flags known here; sigaction(2) clears the others so that programs can probe. */
export const SA_KNOWN = 0xd800_0007;

export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x8000_0000;
export const MINSIGSTKSZ = 2048;

export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_ASYNCIO = -4;
export const SI_SIGIO = -5;
export const SI_TKILL = -6;

/** Why SIGIO came: si_code. */
export const POLL_IN = 1;
export const POLL_OUT = 2;
export const POLL_MSG = 3;
export const POLL_PRI = 5;
export const POLL_HUP = 6;

export const ILL_ILLOPC = 1;
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_TRAPPED = 4;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

/** What a signal does when nobody handles it. */
export type DefaultAction = "terminate" | "core" | "ignore" | "stop" | "continue";

export function defaultAction(sig: number): DefaultAction {
  switch (sig) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return "ignore";
    case SIGCONT:
      return "continue";
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return "stop";
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
      return "core";
    default:
      return "terminate";
  }
}

/** struct sigaction of the system call: no restorer on riscv. */
export const KernelSigaction = struct({
  sa_handler: u64,
  sa_flags: u64,
  sa_mask_lo: u32,
  sa_mask_hi: u32,
});

/** stack_t */
export const SigStack = struct({ ss_sp: u64, ss_flags: i32, ss_size: u64 });

/** siginfo_t: the common head; its union begins at 16. */
export const SIGINFO_SIZE = 128;
export const SiginfoHead = struct({ si_signo: i32, si_errno: i32, si_code: i32 });
/** kill, tkill, sigqueue. */
export const SiginfoRt = struct({
  si_signo: i32,
  si_errno: i32,
  si_code: i32,
  _pad: i32,
  si_pid: i32,
  si_uid: u32,
  si_value_lo: u32,
  si_value_hi: u32,
});
export const SiginfoTimer = struct({
  si_signo: i32,
  si_errno: i32,
  si_code: i32,
  _pad: i32,
  si_tid: i32,
  si_overrun: i32,
  si_value_lo: u32,
  si_value_hi: u32,
});
export const SiginfoChild = struct({
  si_signo: i32,
  si_errno: i32,
  si_code: i32,
  _pad: i32,
  si_pid: i32,
  si_uid: u32,
  si_status: i32,
  si_utime: u64,
  si_stime: u64,
});
export const SiginfoFault = struct({
  si_signo: i32,
  si_errno: i32,
  si_code: i32,
  _pad: i32,
  si_addr: u64,
});
export const SiginfoPoll = struct({
  si_signo: i32,
  si_errno: i32,
  si_code: i32,
  _pad: i32,
  si_band: u64,
  si_fd: i32,
});

/** SIGSYS of seccomp(2). */
export const SiginfoSys = struct({
  si_signo: i32,
  si_errno: i32,
  si_code: i32,
  _pad: i32,
  si_call_addr: u64,
  si_syscall: i32,
  si_arch: u32,
});

export const signalNames: readonly string[] = [
  "0",
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
];

export function signalName(sig: number): string {
  return signalNames[sig] ?? `SIGRT_${sig - SIGRTMIN}`;
}
