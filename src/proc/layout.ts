/**
 * The layout of a program's address space: what lies where when it begins.
 *
 * From the bottom up: the program, its heap, maps from the top down, the stack; all of it, if it can be, below
 * HOME_BYTES, because there its pages can be at home (vm/homes.ts). What mmap finds no room for there, and what is long,
 * goes above. A program that is so large itself, or may have a stack so large, that room would be short gets the
 * whole of user space instead. Nothing is random.
 */
import { HOME_BYTES } from "../machine/layout.ts";
import type { MmapLayout } from "../vm/entrylist.ts";
import { MMAP_MIN_ADDR, pageFloor, USER_END } from "../vm/param.ts";

export interface Layout {
  readonly mmap: MmapLayout;
  readonly stackTop: number;
}

/** Room kept for the stack below its top: what the limit says, within reason. */
const MIN_STACK_GAP = 128 << 20;
const MAX_STACK_GAP = (USER_END / 6) * 5;
/**
 * TLB entries are chosen by address modulo 64 MiB: this keeps the top of the stack and the C library, which
 * are used together, half of that apart; or an eighth, where heaps want the rest.
 */
const STACK_SKEW = 32 << 20;
const LOW_STACK_SKEW = 8 << 20;
/** Mmap leaves this to the heap, and to the program before it. */
const LOW_MMAP_FLOOR = 256 << 20;

/** For a program that ends at `end` if it is loaded low, and the limit of its stack. */
export function layoutFor(end: number, stackLimit: number): Layout {
  if (end <= LOW_MMAP_FLOOR && stackLimit <= MIN_STACK_GAP) return LOW;
  const gap = Math.max(MIN_STACK_GAP, Math.min(stackLimit, MAX_STACK_GAP));
  const ceiling = pageFloor(USER_END - gap) - STACK_SKEW;
  return {
    mmap: { low: null, high: { floor: MMAP_MIN_ADDR, ceiling } },
    stackTop: USER_END,
  };
}

const LOW: Layout = {
  mmap: {
    low: { floor: LOW_MMAP_FLOOR, ceiling: HOME_BYTES - MIN_STACK_GAP - LOW_STACK_SKEW },
    high: { floor: HOME_BYTES, ceiling: USER_END - STACK_SKEW },
  },
  stackTop: HOME_BYTES,
};
