/**
 * Small pieces of ext4's checksums: sums continued over little-endian words, and over holes.
 */
import { crc32c, crc32cWord, crc32cZeroes } from "../../lib/crc32c.ts";

/** Continues `seed` over the four bytes of `value`. */
export function crcU32(seed: number, value: number): number {
  return crc32cWord(seed, value);
}

/** Continues `seed` over `bytes` as if the `length` bytes at `hole` were zero. */
export function crcWithHole(
  seed: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  hole: number,
  length: number,
): number {
  const sum = crc32cZeroes(crc32c(seed, bytes, start, hole), length);
  return crc32c(sum, bytes, hole + length, end);
}
