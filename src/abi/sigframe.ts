/**
 * struct rt_sigframe of Linux/riscv64: siginfo, then ucontext.
 * Source: arch/riscv/kernel/signal.c, arch/riscv/include/uapi/asm/{ucontext,sigcontext,ptrace}.h.
 */
import { bytes, i32, struct, u32, u64 } from "../lib/struct.ts";

export const RtSigframe = struct({
  info: bytes(128),
  uc_flags: u64,
  uc_link: u64,
  ss_sp: u64,
  ss_flags: i32,
  ss_size: u64,
  sigmask_lo: u32,
  sigmask_hi: u32,
  _unused: bytes(120),
  /** mcontext is aligned to 16. */
  _align: bytes(8),
  pc: u64,
  /** x1 … x31 */
  regs: bytes(31 * 8),
  /** f0 … f31 as doubles, in a union sized for quads. */
  fregs: bytes(32 * 8),
  fcsr: u32,
  _quads: bytes(268),
});

/** The ucontext that a handler gets in a2. */
export const UCONTEXT_OFFSET = RtSigframe.uc_flags.offset;
