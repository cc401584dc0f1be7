/**
 * ptrace(2): one number, many requests. What they mean is in proc/tracing.ts
 * and proc/ptrace.ts; here are their arguments and their errors, in Linux's order.
 */
import { EFAULT, EINVAL, EIO, EPERM, ESRCH, failed } from "../abi/errno.ts";
import {
  FPR_SET_SIZE,
  GPR_SET_SIZE,
  NT_PRFPREG,
  NT_PRSTATUS,
  PeekSiginfoArgs,
  PTRACE_ATTACH,
  PTRACE_CONT,
  PTRACE_DETACH,
  PTRACE_EVENT_STOP,
  PTRACE_GET_RSEQ_CONFIGURATION,
  PTRACE_GET_SYSCALL_INFO,
  PTRACE_GETEVENTMSG,
  PTRACE_GETREGSET,
  PTRACE_GETSIGINFO,
  PTRACE_GETSIGMASK,
  PTRACE_INTERRUPT,
  PTRACE_KILL,
  PTRACE_LISTEN,
  PTRACE_OLDSETOPTIONS,
  PTRACE_PEEKDATA,
  PTRACE_PEEKSIGINFO,
  PTRACE_PEEKSIGINFO_SHARED,
  PTRACE_PEEKTEXT,
  PTRACE_POKEDATA,
  PTRACE_POKETEXT,
  PTRACE_SECCOMP_GET_FILTER,
  PTRACE_SECCOMP_GET_METADATA,
  PTRACE_SEIZE,
  PTRACE_SET_SYSCALL_INFO,
  PTRACE_SETOPTIONS,
  PTRACE_SETREGSET,
  PTRACE_SETSIGINFO,
  PTRACE_SETSIGMASK,
  PTRACE_SINGLESTEP,
  PTRACE_SYSCALL,
  PTRACE_TRACEME,
  RseqConfiguration,
  SYSCALL_INFO_SIZE,
} from "../abi/ptrace.ts";
import { NSIG, SIGINFO_SIZE, SIGKILL, SiginfoRt } from "../abi/signal.ts";
import type { Lwp } from "../proc/lwp.ts";
import { attach, checkOptions, detach, traceMe } from "../proc/ptrace.ts";
import { isDumpableFor } from "../proc/ptraceaccess.ts";
import { setSyscallInfo, syscallInfo } from "../proc/ptraceinfo.ts";
import { getRegset, setRegset } from "../proc/regset.ts";
import { encodeSiginfo } from "../proc/siginfo.ts";
import { psignal, setMask } from "../proc/signal.ts";
import { SigSet } from "../proc/sigset.ts";
import type { ResumeMode, Tracing } from "../proc/tracing.ts";
import { readForced, writeForced } from "../vm/forced.ts";
import { int, long, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { seccompFilter, seccompMetadata } from "./ptraceseccomp.ts";

const A3 = 13;
const WORD_BYTES = 8;
const SIGSET_BYTES = 8;
/** struct iovec */
const IOV_LENGTH = 8;

export const sys_ptrace = syscall(
  "ptrace",
  [long, int, uaddr, uaddr],
  (td, request, pid, addr, data) => {
    if (request === PTRACE_TRACEME) return traceMe(td);
    const target = td.findThread(pid);
    if (!target) {
      const begins = request === PTRACE_ATTACH || request === PTRACE_SEIZE;
      return begins && td.findProc(pid) ? EPERM : ESRCH;
    }
    if (request === PTRACE_ATTACH) return attach(td, target, false, 0);
    if (request === PTRACE_SEIZE) {
      if (addr !== 0) return EIO;
      const invalid = checkOptions(td, data);
      if (failed(invalid)) return invalid === EINVAL ? EIO : invalid;
      return attach(td, target, true, data);
    }
    const { trace } = target;
    if (!trace || trace.tracer !== td) return ESRCH;
    if (request === PTRACE_KILL) return psignal(target.proc, SIGKILL);
    if (request === PTRACE_INTERRUPT) return interrupt(trace);
    if (!trace.stop || trace.isListening) return ESRCH;
    return perform(td, trace, request, addr, data);
  },
);

export const ptraceSyscalls: readonly (readonly [number, Syscall])[] = [[117, sys_ptrace]];

/** Requests to a thread that is stopped for the caller. */
function perform(td: Lwp, trace: Tracing, request: number, addr: number, data: number): number {
  switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
      return peek(td, trace, addr, data);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
      return poke(td, trace, addr);
    case PTRACE_CONT:
      return resume(trace, "cont", data);
    case PTRACE_SYSCALL:
      return resume(trace, "syscall", data);
    case PTRACE_SINGLESTEP:
      return resume(trace, "step", data);
    case PTRACE_DETACH:
      return detach(trace, data);
    case PTRACE_SETOPTIONS:
    case PTRACE_OLDSETOPTIONS: {
      const invalid = checkOptions(td, data);
      if (!failed(invalid)) trace.options = data;
      return invalid;
    }
    case PTRACE_GETEVENTMSG:
      return td.proc.vmspace.storeU64(data, trace.message);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
      return moveRegset(td, trace.td, addr, data, request === PTRACE_SETREGSET);
    case PTRACE_GETSIGINFO:
      return getSiginfo(td, trace, data);
    case PTRACE_SETSIGINFO:
      return setSiginfo(td, trace, data);
    case PTRACE_PEEKSIGINFO:
      return peekSiginfo(td, trace.td, addr, data);
    case PTRACE_GETSIGMASK:
    case PTRACE_SETSIGMASK:
      return moveSigmask(td, trace.td, addr, data, request === PTRACE_SETSIGMASK);
    case PTRACE_LISTEN:
      return listen(trace);
    case PTRACE_GET_SYSCALL_INFO:
      return getSyscallInfo(td, trace, addr, data);
    case PTRACE_SET_SYSCALL_INFO: {
      if (addr < SYSCALL_INFO_SIZE) return EINVAL;
      const bytes = new Uint8Array(SYSCALL_INFO_SIZE);
      if (failed(td.proc.vmspace.copyin(data, bytes))) return EFAULT;
      return setSyscallInfo(trace, bytes);
    }
    case PTRACE_SECCOMP_GET_FILTER:
      return seccompFilter(td, trace.td, addr, data);
    case PTRACE_SECCOMP_GET_METADATA:
      return seccompMetadata(td, trace.td, addr, data);
    case PTRACE_GET_RSEQ_CONFIGURATION:
      return rseqConfiguration(td, trace.td, addr, data);
    default:
      // PEEKUSR and the register requests of other architectures too: riscv has none.
      return EIO;
  }
}

function resume(trace: Tracing, mode: ResumeMode, sig: number): number {
  if (sig > NSIG) return EIO;
  trace.resume(mode, sig);
  return 0;
}

function interrupt(trace: Tracing): number {
  if (!trace.isSeized) return EIO;
  trace.trapStop = true;
  trace.demandTrap();
  if (trace.isListening) trace.release();
  return 0;
}

/** All zeroes for a thread that has registered no area. */
function rseqConfiguration(td: Lwp, other: Lwp, size: number, data: number): number {
  const v = new DataView(new ArrayBuffer(RseqConfiguration.sizeof));
  const { rseq } = other;
  RseqConfiguration.rseq_abi_pointer.set(v, 0, rseq?.addr ?? 0);
  RseqConfiguration.rseq_abi_size.set(v, 0, rseq?.length ?? 0);
  RseqConfiguration.signature.set(v, 0, rseq?.signature ?? 0);
  const bytes = new Uint8Array(v.buffer, 0, Math.min(size, v.byteLength));
  return failed(td.proc.vmspace.copyout(data, bytes)) ? EFAULT : v.byteLength;
}

function listen(trace: Tracing): number {
  const code = trace.stop!.info?.code ?? 0;
  if (!trace.isSeized || code >> 8 !== PTRACE_EVENT_STOP) return EIO;
  trace.isListening = true;
  if (trace.trapNotify) trace.release();
  return 0;
}

function peek(td: Lwp, trace: Tracing, addr: number, data: number): number {
  const word = new Uint8Array(WORD_BYTES);
  if (!isDumpableFor(trace.tracerCred, trace.td.proc)) return EIO;
  if (readForced(trace.td.proc.vmspace, addr, word) !== WORD_BYTES) return EIO;
  return failed(td.proc.vmspace.copyout(data, word)) ? EFAULT : 0;
}

function poke(td: Lwp, trace: Tracing, addr: number): number {
  if (!isDumpableFor(trace.tracerCred, trace.td.proc)) return EIO;
  const word = new Uint8Array(WORD_BYTES);
  const v = new DataView(word.buffer);
  v.setInt32(0, td.context.xlo(A3), true);
  v.setInt32(4, td.context.xhi(A3), true);
  return writeForced(trace.td.proc.vmspace, addr, word) === WORD_BYTES ? 0 : EIO;
}

/** `addr` is the note type of the set, `data` an iovec: its length becomes what was moved. */
function moveRegset(td: Lwp, target: Lwp, type: number, iov: number, isWrite: boolean): number {
  const mem = td.proc.vmspace;
  const base = mem.loadU64(iov);
  const length = mem.loadU64(iov + IOV_LENGTH);
  if (failed(base) || failed(length)) return EFAULT;
  const size = type === NT_PRSTATUS ? GPR_SET_SIZE : type === NT_PRFPREG ? FPR_SET_SIZE : 0;
  if (size === 0 || length % WORD_BYTES !== 0) return EINVAL;
  const n = Math.min(length, size);
  if (isWrite) {
    const bytes = new Uint8Array(n);
    if (failed(mem.copyin(base, bytes))) return EFAULT;
    setRegset(target, type, bytes);
  } else {
    const bytes = getRegset(target, type)!.subarray(0, n);
    if (failed(mem.copyout(base, bytes))) return EFAULT;
  }
  return failed(mem.storeU64(iov + IOV_LENGTH, n)) ? EFAULT : 0;
}

function getSiginfo(td: Lwp, trace: Tracing, data: number): number {
  const { info } = trace.stop!;
  if (!info) return EINVAL;
  return failed(td.proc.vmspace.copyout(data, encodeSiginfo(info))) ? EFAULT : 0;
}

function setSiginfo(td: Lwp, trace: Tracing, data: number): number {
  const raw = new Uint8Array(SIGINFO_SIZE);
  if (failed(td.proc.vmspace.copyin(data, raw))) return EFAULT;
  const stop = trace.stop!;
  if (!stop.info) return EINVAL;
  const v = new DataView(raw.buffer);
  stop.info = {
    signo: SiginfoRt.si_signo.get(v, 0),
    code: SiginfoRt.si_code.get(v, 0),
    pid: SiginfoRt.si_pid.get(v, 0),
    uid: SiginfoRt.si_uid.get(v, 0),
    raw,
  };
  return 0;
}

/** Pending signals, not taken: how many were stored. */
function peekSiginfo(td: Lwp, target: Lwp, addr: number, data: number): number {
  const mem = td.proc.vmspace;
  const bytes = new Uint8Array(PeekSiginfoArgs.sizeof);
  if (failed(mem.copyin(addr, bytes))) return EFAULT;
  const v = new DataView(bytes.buffer);
  const flags = PeekSiginfoArgs.flags.get(v, 0);
  const count = PeekSiginfoArgs.nr.get(v, 0);
  if ((flags & ~PTRACE_PEEKSIGINFO_SHARED) !== 0 || count < 0) return EINVAL;
  const pending = flags & PTRACE_PEEKSIGINFO_SHARED ? target.proc.pending : target.pending;
  const first = PeekSiginfoArgs.off.get(v, 0);
  let done = 0;
  for (const info of pending.queued(first, count)) {
    if (failed(mem.copyout(data + done * SIGINFO_SIZE, encodeSiginfo(info)))) {
      return done > 0 ? done : EFAULT;
    }
    done++;
  }
  return done;
}

function moveSigmask(td: Lwp, target: Lwp, size: number, data: number, isWrite: boolean): number {
  if (size !== SIGSET_BYTES) return EINVAL;
  const mem = td.proc.vmspace;
  const bytes = new Uint8Array(SIGSET_BYTES);
  const v = new DataView(bytes.buffer);
  if (isWrite) {
    if (failed(mem.copyin(data, bytes))) return EFAULT;
    const mask = new SigSet();
    mask.setWords(v.getInt32(0, true), v.getInt32(4, true));
    target.savedSigmask = null;
    setMask(target, mask);
    return 0;
  }
  const mask = target.savedSigmask ?? target.sigmask;
  v.setInt32(0, mask.lo, true);
  v.setInt32(4, mask.hi, true);
  return failed(mem.copyout(data, bytes)) ? EFAULT : 0;
}

/** How much there is to know, whatever of it fits. */
function getSyscallInfo(td: Lwp, trace: Tracing, size: number, data: number): number {
  const info = syscallInfo(trace);
  const shown = info.subarray(0, Math.min(size, info.length));
  return failed(td.proc.vmspace.copyout(data, shown)) ? EFAULT : info.length;
}
