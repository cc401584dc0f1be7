/**
 * One floating-point instruction, exactly: the door by which compiled code comes in.
 *
 * The generated code does an operation natively where it can prove that the result and
 * the flags are right, and calls here otherwise. The WebAssembly import is
 *
 *     (import "softFloat" (param $fcsr i32) (param $op i32) (param $rm i32)
 *                         (param $a i64) (param $b i64) (param $c i64) (result i64))
 *
 * `fcsr` is the address of the context's 32-bit fcsr word, into which the flags are or-ed;
 * `op` is `FOP_*`, plus `FOP_DOUBLE` for the D extension; `rm` is a resolved rounding mode
 * (0..4, never DYN). Operands and result are whole registers: single-precision operands are
 * NaN-boxed (one that is not reads as the canonical NaN) and so are results; 32-bit integer
 * results are sign-extended. V8 passes an i64 as a BigInt, which is what we compute with.
 *
 * For conversions `FOP_DOUBLE` tells the floating-point side; for FOP_CONVERT the destination.
 */
import { add, div, fma, mul, sqrt, sub } from "./arith.ts";
import { classify, eq, le, lt, max, min } from "./compare.ts";
import {
  convertFormat,
  fromInteger,
  RANGE_L,
  RANGE_LU,
  RANGE_W,
  RANGE_WU,
  toInteger,
} from "./convert.ts";
import { BINARY32, BINARY64, type FpFormat, type FpStatus, isNaNBits } from "./format.ts";

export const FOP_ADD = 0;
export const FOP_SUB = 1;
export const FOP_MUL = 2;
export const FOP_DIV = 3;
export const FOP_SQRT = 4;
export const FOP_MADD = 5;
export const FOP_MSUB = 6;
export const FOP_NMSUB = 7;
export const FOP_NMADD = 8;
export const FOP_MIN = 9;
export const FOP_MAX = 10;
export const FOP_EQ = 11;
export const FOP_LT = 12;
export const FOP_LE = 13;
export const FOP_CLASS = 14;
export const FOP_CONVERT = 15;
export const FOP_TO_W = 16;
export const FOP_TO_WU = 17;
export const FOP_TO_L = 18;
export const FOP_TO_LU = 19;
export const FOP_FROM_W = 20;
export const FOP_FROM_WU = 21;
export const FOP_FROM_L = 22;
export const FOP_FROM_LU = 23;
export const FOP_DOUBLE = 32;

const BOX = 0xffff_ffff_0000_0000n;

export type SoftFloatImport = (
  fcsr: number,
  op: number,
  rm: number,
  a: bigint,
  b: bigint,
  c: bigint,
) => bigint;

/** The import of the file header, over the machine's memory. */
export function softFloatImport(words: Int32Array): SoftFloatImport {
  const st: FpStatus = { rm: 0, flags: 0 };
  return (fcsr, op, rm, a, b, c) => {
    st.rm = rm;
    st.flags = 0;
    const result = softFloat(st, op, a, b, c);
    if (st.flags !== 0) words[fcsr >> 2] = words[fcsr >> 2]! | st.flags;
    return result;
  };
}

/** Runs one operation on whole registers; `st.flags` gains what it raises. */
export function softFloat(st: FpStatus, op: number, a: bigint, b: bigint, c: bigint): bigint {
  const isDouble = (op & FOP_DOUBLE) !== 0;
  const kind = op & (FOP_DOUBLE - 1);
  if (kind >= FOP_FROM_W) {
    const value = fromInteger(st, isDouble ? BINARY64 : BINARY32, sourceInteger(kind, a));
    return isDouble ? value : BOX | value;
  }
  if (kind === FOP_CONVERT) {
    if (isDouble) return convertFormat(st, BINARY32, BINARY64, unbox(a));
    return BOX | convertFormat(st, BINARY64, BINARY32, BigInt.asUintN(64, a));
  }
  const f = isDouble ? BINARY64 : BINARY32;
  const x = isDouble ? BigInt.asUintN(64, a) : unbox(a);
  if (kind >= FOP_CLASS) return integerResult(st, f, kind, x);
  const y = isDouble ? BigInt.asUintN(64, b) : unbox(b);
  if (kind >= FOP_EQ) return compare(st, f, kind, x, y);
  const z = isDouble ? BigInt.asUintN(64, c) : unbox(c);
  const value = arithmetic(st, f, kind, x, y, z);
  return isDouble ? value : BOX | value;
}

function arithmetic(
  st: FpStatus,
  f: FpFormat,
  kind: number,
  x: bigint,
  y: bigint,
  z: bigint,
): bigint {
  switch (kind) {
    case FOP_ADD:
      return add(st, f, x, y);
    case FOP_SUB:
      return sub(st, f, x, y);
    case FOP_MUL:
      return mul(st, f, x, y);
    case FOP_DIV:
      return div(st, f, x, y);
    case FOP_SQRT:
      return sqrt(st, f, x);
    case FOP_MADD:
      return fma(st, f, x, y, z);
    case FOP_MSUB:
      return fma(st, f, x, y, negated(f, z));
    case FOP_NMSUB:
      return fma(st, f, negated(f, x), y, z);
    case FOP_NMADD:
      return fma(st, f, negated(f, x), y, negated(f, z));
    case FOP_MIN:
      return min(st, f, x, y);
    default:
      return max(st, f, x, y);
  }
}

function compare(st: FpStatus, f: FpFormat, kind: number, x: bigint, y: bigint): bigint {
  if (kind === FOP_EQ) return eq(st, f, x, y);
  return kind === FOP_LT ? lt(st, f, x, y) : le(st, f, x, y);
}

function integerResult(st: FpStatus, f: FpFormat, kind: number, x: bigint): bigint {
  switch (kind) {
    case FOP_CLASS:
      return classify(f, x);
    case FOP_TO_W:
      return toInteger(st, f, x, RANGE_W);
    case FOP_TO_WU:
      return BigInt.asIntN(32, toInteger(st, f, x, RANGE_WU));
    case FOP_TO_L:
      return toInteger(st, f, x, RANGE_L);
    default:
      return BigInt.asIntN(64, toInteger(st, f, x, RANGE_LU));
  }
}

function sourceInteger(kind: number, a: bigint): bigint {
  switch (kind) {
    case FOP_FROM_W:
      return BigInt.asIntN(32, a);
    case FOP_FROM_WU:
      return BigInt.asUintN(32, a);
    case FOP_FROM_L:
      return BigInt.asIntN(64, a);
    default:
      return BigInt.asUintN(64, a);
  }
}

function unbox(register: bigint): bigint {
  const bits = BigInt.asUintN(64, register);
  return bits >= BOX ? bits - BOX : BINARY32.canonicalNaN;
}

/** A NaN keeps its bits: signalling or quiet is all that is asked of it. */
function negated(f: FpFormat, a: bigint): bigint {
  return isNaNBits(f, a) ? a : a ^ f.signBit;
}
