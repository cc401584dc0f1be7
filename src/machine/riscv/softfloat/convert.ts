/**
 * Conversions between the formats and to and from integers.
 *
 * An integer result out of range saturates and raises NV alone; a NaN converts to the
 * largest integer. Integers are BigInts of exactly the value they stand for.
 */
import {
  exponent,
  FLAG_NV,
  FLAG_NX,
  type FpFormat,
  type FpStatus,
  infinity,
  isInfinite,
  isNaNBits,
  isNegative,
  isZero,
  propagateNaN,
  significand,
  zero,
} from "./format.ts";
import { roundPack, shiftRounded } from "./round.ts";

/** The integers from `least` to `largest`. */
export interface IntegerRange {
  readonly least: bigint;
  readonly largest: bigint;
}

export const RANGE_W: IntegerRange = { least: -(1n << 31n), largest: (1n << 31n) - 1n };
export const RANGE_WU: IntegerRange = { least: 0n, largest: (1n << 32n) - 1n };
export const RANGE_L: IntegerRange = { least: -(1n << 63n), largest: (1n << 63n) - 1n };
export const RANGE_LU: IntegerRange = { least: 0n, largest: (1n << 64n) - 1n };

export function toInteger(st: FpStatus, f: FpFormat, a: bigint, range: IntegerRange): bigint {
  if (isNaNBits(f, a)) return outOfRange(st, range.largest);
  const negative = isNegative(f, a);
  if (isInfinite(f, a)) return outOfRange(st, negative ? range.least : range.largest);
  const sig = significand(f, a);
  const exp = exponent(f, a);
  if (exp > 64) return outOfRange(st, negative ? range.least : range.largest);
  // Everything below a quarter rounds alike: keep the sticky digits few.
  const drop = Math.min(-exp, f.precision + 2);
  const rounded = drop > 0 ? shiftRounded(st.rm, negative, sig, drop) : sig << BigInt(exp);
  const value = negative ? -rounded : rounded;
  if (value < range.least) return outOfRange(st, range.least);
  if (value > range.largest) return outOfRange(st, range.largest);
  if (drop > 0 && rounded << BigInt(drop) !== sig) st.flags |= FLAG_NX;
  return value;
}

export function fromInteger(st: FpStatus, f: FpFormat, value: bigint): bigint {
  if (value === 0n) return 0n;
  return roundPack(st, f, value < 0n, value < 0n ? -value : value, 0);
}

export function convertFormat(st: FpStatus, from: FpFormat, to: FpFormat, a: bigint): bigint {
  if (isNaNBits(from, a)) {
    propagateNaN(st, from, a, a);
    return to.canonicalNaN;
  }
  const negative = isNegative(from, a);
  if (isInfinite(from, a)) return infinity(to, negative);
  if (isZero(from, a)) return zero(to, negative);
  return roundPack(st, to, negative, significand(from, a), exponent(from, a));
}

function outOfRange(st: FpStatus, value: bigint): bigint {
  st.flags |= FLAG_NV;
  return value;
}
