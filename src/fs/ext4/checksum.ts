/**
 * Small pieces of ext4's checksums: sums continued over little-endian words.
 */
import { crc32c } from "../../lib/crc32c.ts";

/** Continues `seed` over the four bytes of `value`. */
export function crcU32(seed: number, value: number): number {
  return crc32c(seed, new Uint8Array([value, value >>> 8, value >>> 16, value >>> 24]));
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
  const sum = crc32c(crc32c(seed, bytes, start, hole), new Uint8Array(length));
  return crc32c(sum, bytes, hole + length, end);
}
