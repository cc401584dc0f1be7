/**
 * 64-bit numbers out of two halves.
 *
 * V8 keeps integers of 32 bits apart from other numbers, and what it has compiled for objects that
 * hold the one is thrown away when the other comes. A product with 2^32 is a floating-point number
 * even where it is small, but only until the code is optimised: so the small ones go past it. Not so with
 * addresses, which are small in few programs: there a floating-point number is what is expected.
 */
const TWO32 = 4294967296;

/**
 * Zero, for a field that may come to hold more than 31 bits (times in nanoseconds above all): V8 takes
 * minus zero for a floating-point number, so the shape of the object is the final one from the first.
 */
export const WIDE_ZERO = -0;

/** `hi` times 2^32 and `lo`: which of them has a sign is the caller's affair. Exact to 2^53. */
export function wide(hi: number, lo: number): number {
  return hi === 0 ? lo : hi * TWO32 + lo;
}
