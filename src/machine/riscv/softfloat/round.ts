/**
 * The one rounding every operation ends with.
 *
 * `sig * 2^exp` is the exact result, or has its last bit set as a sticky bit where
 * digits were dropped; a sticky bit must lie at least two places below the last kept digit.
 * Tininess is detected after rounding, as RISC-V demands. Source: IEEE 754-2008 §4.3, §7.
 */
import {
  bitLength,
  FLAG_NX,
  FLAG_OF,
  FLAG_UF,
  type FpFormat,
  type FpStatus,
  infinity,
  RM_RDN,
  RM_RMM,
  RM_RNE,
  RM_RTZ,
  RM_RUP,
  zero,
} from "./format.ts";

/** Rounds a nonzero `sig * 2^exp` to `f`; returns its bits and raises OF, UF, NX. */
export function roundPack(
  st: FpStatus,
  f: FpFormat,
  negative: boolean,
  sig: bigint,
  exp: number,
): bigint {
  const length = bitLength(sig);
  const eMin = 1 - f.bias;
  const eTop = exp + length - 1;
  const isSubnormal = eTop < eMin;
  const drop = isSubnormal ? eMin - f.precision + 1 - exp : length - f.precision;

  let kept: bigint;
  if (drop <= 0) {
    kept = sig << BigInt(-drop);
  } else {
    kept = shiftRounded(st.rm, negative, sig, drop);
    if (kept << BigInt(drop) !== sig) {
      st.flags |= FLAG_NX;
      if (isSubnormal && isTiny(st.rm, f, negative, sig, length, eTop)) st.flags |= FLAG_UF;
    }
  }
  // A carry out of the significand moves into the exponent field by itself: of a subnormal
  // it makes the least normal number, of a normal one the next power of two.
  const biased = isSubnormal ? 0 : eTop + f.bias - 1;
  if (biased >= f.expMax) return overflow(st, f, negative);
  const bits = (BigInt(biased) << f.fractionBits) + kept;
  if (bits >= f.infinity) return overflow(st, f, negative);
  return zero(f, negative) | bits;
}

/** `sig / 2^drop` rounded to an integer. */
export function shiftRounded(rm: number, negative: boolean, sig: bigint, drop: number): bigint {
  const shift = BigInt(drop);
  const kept = sig >> shift;
  const rest = sig - (kept << shift);
  if (rest === 0n) return kept;
  return roundsAway(rm, negative, kept, rest, 1n << (shift - 1n)) ? kept + 1n : kept;
}

function roundsAway(
  rm: number,
  negative: boolean,
  kept: bigint,
  rest: bigint,
  half: bigint,
): boolean {
  switch (rm) {
    case RM_RNE:
      return rest > half || (rest === half && (kept & 1n) === 1n);
    case RM_RDN:
      return negative;
    case RM_RUP:
      return !negative;
    case RM_RMM:
      return rest >= half;
    default:
      return false;
  }
}

/** Would the result still be below the least normal number, were the exponent unbounded? */
function isTiny(
  rm: number,
  f: FpFormat,
  negative: boolean,
  sig: bigint,
  length: number,
  eTop: number,
): boolean {
  if (eTop < -f.bias) return true;
  const drop = length - f.precision;
  if (drop <= 0) return true;
  return shiftRounded(rm, negative, sig, drop) < f.hidden << 1n;
}

function overflow(st: FpStatus, f: FpFormat, negative: boolean): bigint {
  st.flags |= FLAG_OF | FLAG_NX;
  const toLargest = st.rm === RM_RTZ || st.rm === (negative ? RM_RUP : RM_RDN);
  const bits = infinity(f, negative);
  return toLargest ? bits - 1n : bits;
}
