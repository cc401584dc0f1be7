/**
 * The stack of the kernel's Worker: guest calls are calls on it (machine/riscv/jit/region.ts), and
 * system calls run on top of them.
 *
 * A frame of compiled code takes 120 to 700 bytes, at the worst, with every local on the
 * stack, some 2 KB: half of it is the kernel's for certain. See test/machine/stack.test.ts.
 */
export const STACK_MB = 8;
export const CALL_DEPTH = 2000;
