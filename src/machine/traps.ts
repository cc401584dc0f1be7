/**
 * Why `Hart.run` returned. The context holds the exact state: its pc is at the
 * instruction that trapped, which has had no effect and may be run again.
 */
/** Fuel is out, or the attention word was set. */
export const TRAP_FUEL = 0;
export const TRAP_ECALL = 1;
export const TRAP_BREAK = 2;
export const TRAP_ILLEGAL = 3;
/** A load, store or fetch was refused; `Hart.faultAddr` says where. */
export const TRAP_FAULT_READ = 4;
export const TRAP_FAULT_WRITE = 5;
export const TRAP_FAULT_FETCH = 6;
/** An atomic on an address not aligned to its size. */
export const TRAP_MISALIGNED = 7;

export type Trap = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

export const TRAP_NAMES = [
  "fuel",
  "ecall",
  "break",
  "illegal instruction",
  "read fault",
  "write fault",
  "fetch fault",
  "misaligned atomic",
] as const;
