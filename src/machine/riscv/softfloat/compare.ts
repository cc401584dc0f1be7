/**
 * Comparisons, minimum and maximum, and fclass.
 *
 * feq is quiet: only a signalling NaN is invalid; flt and fle signal for any NaN.
 * fmin and fmax are IEEE 754-2019 minimumNumber and maximumNumber: -0 is below +0
 * and a NaN yields to a number.
 */
import {
  FLAG_NV,
  type FpFormat,
  type FpStatus,
  isInfinite,
  isNaNBits,
  isNegative,
  isSignalling,
  isZero,
  magnitude,
} from "./format.ts";

export function eq(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isNaNBits(f, a) || isNaNBits(f, b)) {
    if (isSignalling(f, a) || isSignalling(f, b)) st.flags |= FLAG_NV;
    return 0n;
  }
  return order(f, a) === order(f, b) ? 1n : 0n;
}

export function lt(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isUnordered(st, f, a, b)) return 0n;
  return order(f, a) < order(f, b) ? 1n : 0n;
}

export function le(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isUnordered(st, f, a, b)) return 0n;
  return order(f, a) <= order(f, b) ? 1n : 0n;
}

export function min(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  return pick(st, f, a, b, (x, y) => x < y);
}

export function max(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  return pick(st, f, a, b, (x, y) => x > y);
}

/** The ten-bit mask of fclass. */
export function classify(f: FpFormat, a: bigint): bigint {
  if (isNaNBits(f, a)) return isSignalling(f, a) ? 1n << 8n : 1n << 9n;
  const negative = isNegative(f, a);
  if (isInfinite(f, a)) return negative ? 1n << 0n : 1n << 7n;
  if (isZero(f, a)) return negative ? 1n << 3n : 1n << 4n;
  if ((a & f.infinity) === 0n) return negative ? 1n << 2n : 1n << 5n;
  return negative ? 1n << 1n : 1n << 6n;
}

/** A key that sorts like the number; both zeroes are equal. */
function order(f: FpFormat, a: bigint): bigint {
  return isNegative(f, a) ? -magnitude(f, a) : a;
}

function isUnordered(st: FpStatus, f: FpFormat, a: bigint, b: bigint): boolean {
  if (!isNaNBits(f, a) && !isNaNBits(f, b)) return false;
  st.flags |= FLAG_NV;
  return true;
}

function pick(
  st: FpStatus,
  f: FpFormat,
  a: bigint,
  b: bigint,
  isBetter: (x: bigint, y: bigint) => boolean,
): bigint {
  if (isSignalling(f, a) || isSignalling(f, b)) st.flags |= FLAG_NV;
  const nanA = isNaNBits(f, a);
  if (nanA && isNaNBits(f, b)) return f.canonicalNaN;
  if (nanA) return b;
  if (isNaNBits(f, b)) return a;
  if (isZero(f, a) && isZero(f, b))
    return isBetter(isNegative(f, a) ? -1n : 0n, isNegative(f, b) ? -1n : 0n) ? a : b;
  return isBetter(order(f, a), order(f, b)) ? a : b;
}
