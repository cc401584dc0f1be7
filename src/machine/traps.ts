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
/** The hart's `TrapService` served an ecall, and the context is what that made of it. */
export const TRAP_SERVED = 8;

export type Trap = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/**
 * The kernel's side of traps that are served in place, under the generated code that trapped: its
 * WebAssembly frames, which are what returns are predicted by, stay.
 */
export interface TrapService {
  /**
   * Serves the ecall at which the context stands, with `fuelLeft`. The fuel to go on with, if the
   * context may simply run on behind the ecall; negative if it is to come out with TRAP_SERVED.
   */
  ecall(fuelLeft: number): number;
  /**
   * Makes the page of `va` accessible: true if the access may be tried again, false if it is to trap.
   * The registers are not in the context then, nor is the pc.
   */
  fault(va: number, isWrite: boolean): boolean;
}

export const TRAP_NAMES = [
  "fuel",
  "ecall",
  "break",
  "illegal instruction",
  "read fault",
  "write fault",
  "fetch fault",
  "misaligned atomic",
  "served",
] as const;
