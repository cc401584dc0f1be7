/** ptrace(2) as data. Source: include/uapi/linux/ptrace.h, arch/riscv/include/uapi/asm/ptrace.h, elf.h. */
import { bytes, i32, struct, u8, u16, u32, u64 } from "../lib/struct.ts";

export const PTRACE_TRACEME = 0;
export const PTRACE_PEEKTEXT = 1;
export const PTRACE_PEEKDATA = 2;
export const PTRACE_POKETEXT = 4;
export const PTRACE_POKEDATA = 5;
export const PTRACE_CONT = 7;
export const PTRACE_KILL = 8;
export const PTRACE_SINGLESTEP = 9;
export const PTRACE_ATTACH = 16;
export const PTRACE_DETACH = 17;
export const PTRACE_OLDSETOPTIONS = 21;
export const PTRACE_SYSCALL = 24;
export const PTRACE_SETOPTIONS = 0x4200;
export const PTRACE_GETEVENTMSG = 0x4201;
export const PTRACE_GETSIGINFO = 0x4202;
export const PTRACE_SETSIGINFO = 0x4203;
export const PTRACE_GETREGSET = 0x4204;
export const PTRACE_SETREGSET = 0x4205;
export const PTRACE_SEIZE = 0x4206;
export const PTRACE_INTERRUPT = 0x4207;
export const PTRACE_LISTEN = 0x4208;
export const PTRACE_PEEKSIGINFO = 0x4209;
export const PTRACE_GETSIGMASK = 0x420a;
export const PTRACE_SETSIGMASK = 0x420b;
export const PTRACE_SECCOMP_GET_FILTER = 0x420c;
export const PTRACE_SECCOMP_GET_METADATA = 0x420d;
export const PTRACE_GET_SYSCALL_INFO = 0x420e;
export const PTRACE_GET_RSEQ_CONFIGURATION = 0x420f;
export const PTRACE_SET_SYSCALL_INFO = 0x4212;

export const PTRACE_EVENT_FORK = 1;
export const PTRACE_EVENT_VFORK = 2;
export const PTRACE_EVENT_CLONE = 3;
export const PTRACE_EVENT_EXEC = 4;
export const PTRACE_EVENT_VFORK_DONE = 5;
export const PTRACE_EVENT_EXIT = 6;
export const PTRACE_EVENT_SECCOMP = 7;
export const PTRACE_EVENT_STOP = 128;

export const PTRACE_O_TRACESYSGOOD = 1;
/** The option that asks for event `event`, up to PTRACE_EVENT_SECCOMP. */
export const ptraceOptionOf = (event: number): number => 1 << event;
export const PTRACE_O_EXITKILL = 1 << 20;
export const PTRACE_O_SUSPEND_SECCOMP = 1 << 21;
export const PTRACE_O_MASK = 0xff | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP;

/** What GETEVENTMSG says at a stop of a system call. */
export const PTRACE_EVENTMSG_SYSCALL_ENTRY = 1;
export const PTRACE_EVENTMSG_SYSCALL_EXIT = 2;

export const PTRACE_PEEKSIGINFO_SHARED = 1;

/** Register sets, by the type of their note in a core file. */
export const NT_PRSTATUS = 1;
export const NT_PRFPREG = 2;
/** pc, then x1 … x31. */
export const GPR_SET_SIZE = 32 * 8;
/** f0 … f31, then fcsr and four bytes of nothing. */
export const FPR_SET_SIZE = 33 * 8;

export const PeekSiginfoArgs = struct({ off: u64, flags: u32, nr: i32 });
/** struct ptrace_rseq_configuration: where the area for restartable sequences is. */
export const RseqConfiguration = struct({
  rseq_abi_pointer: u64,
  rseq_abi_size: u32,
  signature: u32,
  flags: u32,
  pad: u32,
});

export const SeccompMetadata = struct({ filter_off: u64, flags: u64 });

export const PTRACE_SYSCALL_INFO_NONE = 0;
export const PTRACE_SYSCALL_INFO_ENTRY = 1;
export const PTRACE_SYSCALL_INFO_EXIT = 2;
export const PTRACE_SYSCALL_INFO_SECCOMP = 3;
/** struct ptrace_syscall_info: the head and the union's members side by side. */
export const SyscallInfo = struct({
  op: u8,
  reserved: u8,
  flags: u16,
  arch: u32,
  instruction_pointer: u64,
  stack_pointer: u64,
  /** entry.nr, seccomp.nr; exit.rval */
  nr: u64,
  /** entry.args, seccomp.args; the first byte is exit.is_error */
  args: bytes(48),
  ret_data: u32,
});
/** SET_SYSCALL_INFO wants all of it, with the padding behind seccomp.ret_data. */
export const SYSCALL_INFO_SIZE = SyscallInfo.sizeof;
/** How much of it means something, by `op`. */
export const SYSCALL_INFO_SIZES: readonly number[] = [24, 80, 33, 84];
