/**
 * Addition, multiplication, division, square root and fused multiply-add.
 *
 * Each forms its result exactly (or exactly enough, with a sticky bit) as an integer
 * and rounds once. Integers stay below some 400 bits whatever the operands are.
 */
import {
  bitLength,
  exponent,
  FLAG_DZ,
  FLAG_NV,
  type FpFormat,
  type FpStatus,
  infinity,
  invalid,
  isInfinite,
  isNaNBits,
  isNegative,
  isSignalling,
  isZero,
  propagateNaN,
  RM_RDN,
  significand,
  zero,
} from "./format.ts";
import { roundPack } from "./round.ts";

export function add(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isNaNBits(f, a) || isNaNBits(f, b)) return propagateNaN(st, f, a, b);
  const negA = isNegative(f, a);
  const negB = isNegative(f, b);
  if (isInfinite(f, a)) return isInfinite(f, b) && negA !== negB ? invalid(st, f) : a;
  if (isInfinite(f, b)) return b;
  const sigA = significand(f, a);
  const sigB = significand(f, b);
  return sum(st, f, negA, sigA, exponent(f, a), negB, sigB, exponent(f, b));
}

export function sub(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  return add(st, f, a, isNaNBits(f, b) ? b : b ^ f.signBit);
}

export function mul(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isNaNBits(f, a) || isNaNBits(f, b)) return propagateNaN(st, f, a, b);
  const negative = isNegative(f, a) !== isNegative(f, b);
  if (isInfinite(f, a) || isInfinite(f, b)) {
    return isZero(f, a) || isZero(f, b) ? invalid(st, f) : infinity(f, negative);
  }
  const sig = significand(f, a) * significand(f, b);
  if (sig === 0n) return zero(f, negative);
  return roundPack(st, f, negative, sig, exponent(f, a) + exponent(f, b));
}

export function div(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isNaNBits(f, a) || isNaNBits(f, b)) return propagateNaN(st, f, a, b);
  const negative = isNegative(f, a) !== isNegative(f, b);
  if (isInfinite(f, a)) return isInfinite(f, b) ? invalid(st, f) : infinity(f, negative);
  if (isInfinite(f, b)) return zero(f, negative);
  if (isZero(f, b)) {
    if (isZero(f, a)) return invalid(st, f);
    st.flags |= FLAG_DZ;
    return infinity(f, negative);
  }
  if (isZero(f, a)) return zero(f, negative);
  const sigB = significand(f, b);
  const sigA = significand(f, a);
  // Enough digits that the quotient has three more than the format keeps.
  const shift = f.precision + 3 + bitLength(sigB) - bitLength(sigA);
  const scaled = sigA << BigInt(shift);
  const quotient = scaled / sigB;
  const sticky = quotient * sigB === scaled ? 0n : 1n;
  const exp = exponent(f, a) - exponent(f, b) - shift - 1;
  return roundPack(st, f, negative, (quotient << 1n) | sticky, exp);
}

export function sqrt(st: FpStatus, f: FpFormat, a: bigint): bigint {
  if (isNaNBits(f, a)) return propagateNaN(st, f, a, a);
  if (isZero(f, a)) return a;
  if (isNegative(f, a)) return invalid(st, f);
  if (isInfinite(f, a)) return a;
  const sig = significand(f, a);
  const exp = exponent(f, a);
  // Twice the digits of the result, and an even exponent.
  let shift = 2 * (f.precision + 3) - bitLength(sig);
  if (((exp - shift) & 1) !== 0) shift++;
  const scaled = sig << BigInt(shift);
  const root = integerSqrt(scaled);
  const sticky = root * root === scaled ? 0n : 1n;
  return roundPack(st, f, false, (root << 1n) | sticky, (exp - shift) / 2 - 1);
}

/** `a * b + c` with a single rounding. */
export function fma(st: FpStatus, f: FpFormat, a: bigint, b: bigint, c: bigint): bigint {
  const isProductInvalid = (isInfinite(f, a) && isZero(f, b)) || (isZero(f, a) && isInfinite(f, b));
  // RISC-V: infinity times zero is invalid even when the addend is a quiet NaN.
  if (isProductInvalid) return invalid(st, f);
  if (isNaNBits(f, a) || isNaNBits(f, b) || isNaNBits(f, c)) {
    if (isSignalling(f, c)) st.flags |= FLAG_NV;
    return propagateNaN(st, f, a, b);
  }
  const negP = isNegative(f, a) !== isNegative(f, b);
  const negC = isNegative(f, c);
  if (isInfinite(f, a) || isInfinite(f, b)) {
    return isInfinite(f, c) && negC !== negP ? invalid(st, f) : infinity(f, negP);
  }
  if (isInfinite(f, c)) return c;
  const sigP = significand(f, a) * significand(f, b);
  const expP = exponent(f, a) + exponent(f, b);
  return sum(st, f, negP, sigP, expP, negC, significand(f, c), exponent(f, c));
}

/** Adds two signed magnitudes, either of which may be zero, and rounds. */
function sum(
  st: FpStatus,
  f: FpFormat,
  negA: boolean,
  sigA: bigint,
  expA: number,
  negB: boolean,
  sigB: bigint,
  expB: number,
): bigint {
  if (sigA === 0n || sigB === 0n) {
    if (sigA !== 0n) return roundPack(st, f, negA, sigA, expA);
    if (sigB !== 0n) return roundPack(st, f, negB, sigB, expB);
    return zero(f, negA === negB ? negA : st.rm === RM_RDN);
  }
  const exp = Math.min(
    nearExponent(f, sigA, expA, sigB, expB),
    nearExponent(f, sigB, expB, sigA, expA),
  );
  const a = aligned(sigA, expA, exp);
  const b = aligned(sigB, expB, exp);
  const total = (negA ? -a : a) + (negB ? -b : b);
  if (total === 0n) return zero(f, st.rm === RM_RDN);
  return roundPack(st, f, total < 0n, total < 0n ? -total : total, exp);
}

/**
 * The exponent at which `sig * 2^exp` is added to another number.
 *
 * A number far below the other's last digit counts only as a sticky bit, which keeps
 * the sum short: it is enough to place it a few digits below what rounding looks at.
 */
function nearExponent(
  f: FpFormat,
  sig: bigint,
  exp: number,
  otherSig: bigint,
  otherExp: number,
): number {
  const top = exp + bitLength(sig);
  const otherTop = otherExp + bitLength(otherSig);
  const floor = Math.min(otherExp, otherTop - f.precision - 3) - 2;
  return top < floor ? floor - 1 : exp;
}

/** `sig * 2^exp` in units of `2^unit`; what is lost below the unit becomes one unit. */
function aligned(sig: bigint, exp: number, unit: number): bigint {
  return exp >= unit ? sig << BigInt(exp - unit) : 1n;
}

/** Floor of the square root, for integers of at most some 120 bits. */
function integerSqrt(n: bigint): bigint {
  let root = BigInt(Math.floor(Math.sqrt(Number(n))));
  root = (root + n / root) >> 1n;
  while (root * root > n) root--;
  while ((root + 1n) * (root + 1n) <= n) root++;
  return root;
}
