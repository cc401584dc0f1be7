/**
 * Sizes of the address space and of its pieces. See Sv39 in the RISC-V
 * privileged specification, and Linux's arch/riscv/include/asm/processor.h.
 */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_MASK = 4095;

/** The allocator hands out aligned runs of this many frames where it can: 64 KiB. */
export const CHUNK_PAGES = 16;
export const CHUNK_SIZE = CHUNK_PAGES * PAGE_SIZE;

/** First address past user space: the lower half of Sv39. */
export const USER_END = 2 ** 38;
/** vm.mmap_min_addr. */
export const MMAP_MIN_ADDR = 0x10000;
/** Kept free below a stack that may grow; stack_guard_gap of Linux. */
export const STACK_GUARD_GAP = 256 * PAGE_SIZE;
/** vm.max_map_count. */
export const MAX_MAP_COUNT = 65530;

/** `n` rounded down to its page; exact for any number below 2^53. */
export function pageFloor(n: number): number {
  return n - (n % PAGE_SIZE);
}

export function pageCeil(n: number): number {
  return pageFloor(n + PAGE_MASK);
}
