/**
 * The two binary formats of the F and D extensions, taken apart and put together.
 *
 * A finite number is `(-1)^sign * sig * 2^exp` with an integer `sig`, so that sums,
 * products and quotients are exact integers until they are rounded once.
 * Bits are unsigned BigInts: this is the slow path, for what WebAssembly cannot say itself.
 * Source: IEEE 754-2008 §3.4; The RISC-V Instruction Set Manual I, chapters F and D.
 */

/** Accrued exception flags, as in fcsr[4:0]. */
export const FLAG_NX = 1;
export const FLAG_UF = 2;
export const FLAG_OF = 4;
export const FLAG_DZ = 8;
export const FLAG_NV = 16;

/** Rounding modes, as in frm and in the rm field of an instruction. */
export const RM_RNE = 0;
export const RM_RTZ = 1;
export const RM_RDN = 2;
export const RM_RUP = 3;
export const RM_RMM = 4;
/** In the rm field only: use frm. */
export const RM_DYN = 7;

/** Rounding mode in, flags out: what one operation shares with the world. */
export interface FpStatus {
  rm: number;
  flags: number;
}

export interface FpFormat {
  /** Bits of the whole encoding. */
  readonly width: number;
  /** Bits of the significand, the hidden one included. */
  readonly precision: number;
  readonly bias: number;
  readonly expMax: number;
  readonly fractionMask: bigint;
  readonly hidden: bigint;
  readonly infinity: bigint;
  readonly quietBit: bigint;
  readonly signBit: bigint;
  readonly canonicalNaN: bigint;
  readonly fractionBits: bigint;
}

function format(width: number, precision: number): FpFormat {
  const fractionBits = BigInt(precision - 1);
  const expMax = 2 ** (width - precision) - 1;
  const infinity = BigInt(expMax) << fractionBits;
  const quietBit = 1n << (fractionBits - 1n);
  return {
    width,
    precision,
    bias: (expMax - 1) / 2,
    expMax,
    fractionMask: (1n << fractionBits) - 1n,
    hidden: 1n << fractionBits,
    infinity,
    quietBit,
    signBit: 1n << BigInt(width - 1),
    canonicalNaN: infinity | quietBit,
    fractionBits,
  };
}

export const BINARY32: FpFormat = format(32, 24);
export const BINARY64: FpFormat = format(64, 53);

export const magnitude = (f: FpFormat, a: bigint): bigint => a & (f.signBit - 1n);
export const isNegative = (f: FpFormat, a: bigint): boolean => (a & f.signBit) !== 0n;
export const isNaNBits = (f: FpFormat, a: bigint): boolean => magnitude(f, a) > f.infinity;
export const isInfinite = (f: FpFormat, a: bigint): boolean => magnitude(f, a) === f.infinity;
export const isZero = (f: FpFormat, a: bigint): boolean => magnitude(f, a) === 0n;
export const isSignalling = (f: FpFormat, a: bigint): boolean =>
  isNaNBits(f, a) && (a & f.quietBit) === 0n;

/** The integer significand of a finite number; 0n for zero. */
export function significand(f: FpFormat, a: bigint): bigint {
  const fraction = a & f.fractionMask;
  return (a & f.infinity) === 0n ? fraction : fraction | f.hidden;
}

/** The exponent of the last bit of `significand`. */
export function exponent(f: FpFormat, a: bigint): number {
  const biased = Number((a & f.infinity) >> f.fractionBits);
  return (biased === 0 ? 1 : biased) - f.bias - f.precision + 1;
}

export const zero = (f: FpFormat, negative: boolean): bigint => (negative ? f.signBit : 0n);
export const infinity = (f: FpFormat, negative: boolean): bigint =>
  negative ? f.signBit | f.infinity : f.infinity;

/** Length in bits of a nonnegative integer. */
export function bitLength(x: bigint): number {
  let n = 0;
  let rest = x;
  while (rest > 0xffff_ffffn) {
    rest >>= 32n;
    n += 32;
  }
  return n + 32 - Math.clz32(Number(rest));
}

/** The canonical NaN, and NV when one of the operands was signalling. */
export function propagateNaN(st: FpStatus, f: FpFormat, a: bigint, b: bigint): bigint {
  if (isSignalling(f, a) || isSignalling(f, b)) st.flags |= FLAG_NV;
  return f.canonicalNaN;
}

export function invalid(st: FpStatus, f: FpFormat): bigint {
  st.flags |= FLAG_NV;
  return f.canonicalNaN;
}
