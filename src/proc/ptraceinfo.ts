/** PTRACE_GET_SYSCALL_INFO and _SET_: what a stopped thread's system call is, the same for all architectures. */
import { EINVAL, ERANGE } from "../abi/errno.ts";
import {
  PTRACE_EVENT_SECCOMP,
  PTRACE_O_TRACESYSGOOD,
  PTRACE_SYSCALL_INFO_ENTRY,
  PTRACE_SYSCALL_INFO_EXIT,
  PTRACE_SYSCALL_INFO_NONE,
  PTRACE_SYSCALL_INFO_SECCOMP,
  SYSCALL_INFO_SIZES,
  SyscallInfo,
} from "../abi/ptrace.ts";
import { AUDIT_ARCH_RISCV64 } from "../abi/seccomp.ts";
import type { Tracing } from "./tracing.ts";

const SP = 2;
const A0 = 10;
const A7 = 17;
const ARGS = 6;
const MAX_ERRNO = 4095;

/** struct ptrace_syscall_info as far as it means something. */
export function syscallInfo(trace: Tracing): Uint8Array {
  const { context } = trace.td;
  const op = opOf(trace);
  const bytes = new Uint8Array(SyscallInfo.sizeof);
  const v = new DataView(bytes.buffer);
  SyscallInfo.op.set(v, 0, op);
  SyscallInfo.arch.set(v, 0, AUDIT_ARCH_RISCV64);
  SyscallInfo.instruction_pointer.set(v, 0, context.pc);
  const setRegister = (at: number, reg: number): void => {
    v.setInt32(at, context.xlo(reg), true);
    v.setInt32(at + 4, context.xhi(reg), true);
  };
  setRegister(SyscallInfo.stack_pointer.offset, SP);
  if (op === PTRACE_SYSCALL_INFO_ENTRY || op === PTRACE_SYSCALL_INFO_SECCOMP) {
    // As an int: the number of a call that is skipped is -1.
    v.setInt32(SyscallInfo.nr.offset, context.xlo(A7), true);
    v.setInt32(SyscallInfo.nr.offset + 4, context.xlo(A7) >> 31, true);
    for (let i = 1; i < ARGS; i++) setRegister(SyscallInfo.args.offset + 8 * i, A0 + i);
    const [lo, hi] = trace.shownArg0;
    v.setInt32(SyscallInfo.args.offset, lo, true);
    v.setInt32(SyscallInfo.args.offset + 4, hi, true);
    if (op === PTRACE_SYSCALL_INFO_SECCOMP) SyscallInfo.ret_data.set(v, 0, trace.message);
  } else if (op === PTRACE_SYSCALL_INFO_EXIT) {
    setRegister(SyscallInfo.nr.offset, A0);
    const result = context.getX(A0);
    bytes[SyscallInfo.args.offset] = result < 0 && result >= -MAX_ERRNO ? 1 : 0;
  }
  return bytes.subarray(0, SYSCALL_INFO_SIZES[op]);
}

/** PTRACE_SET_SYSCALL_INFO: other arguments or another result than there were. 0, EINVAL, ERANGE. */
export function setSyscallInfo(trace: Tracing, bytes: Uint8Array): number {
  const { context } = trace.td;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const op = opOf(trace);
  if (SyscallInfo.flags.get(v, 0) !== 0 || SyscallInfo.reserved.get(v, 0) !== 0) return EINVAL;
  if (op === PTRACE_SYSCALL_INFO_NONE || op !== SyscallInfo.op.get(v, 0)) return EINVAL;
  const low = (at: number): number => v.getInt32(at, true);
  const { offset } = SyscallInfo.nr;
  const args = SyscallInfo.args.offset;
  if (op === PTRACE_SYSCALL_INFO_EXIT) {
    context.setXParts(A0, low(offset), low(offset + 4));
    return 0;
  }
  const nr = low(offset);
  if (low(offset + 4) !== nr >> 31) return ERANGE;
  context.setXParts(A7, nr, nr >> 31);
  if (nr === -1) return 0;
  trace.setShownArg0(low(args), low(args + 4));
  for (let i = 1; i < ARGS; i++) {
    context.setXParts(A0 + i, low(args + 8 * i), low(args + 8 * i + 4));
  }
  return 0;
}

function opOf(trace: Tracing): number {
  const { kind, code } = trace.stop!;
  if (code >> 8 === PTRACE_EVENT_SECCOMP) return PTRACE_SYSCALL_INFO_SECCOMP;
  if ((trace.options & PTRACE_O_TRACESYSGOOD) === 0) return PTRACE_SYSCALL_INFO_NONE;
  if (kind === "entry") return PTRACE_SYSCALL_INFO_ENTRY;
  return kind === "exit" ? PTRACE_SYSCALL_INFO_EXIT : PTRACE_SYSCALL_INFO_NONE;
}
