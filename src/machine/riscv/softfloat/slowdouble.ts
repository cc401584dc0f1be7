/**
 * Slow path of double precision.
 *
 * Sums are proven exact by TwoSum; products, quotients and roots by the odd parts of the
 * significands, whose integer product must be the odd part of the other side. A fused
 * multiply-add without host support is Boldo and Melquiond's: exact product, exact sums,
 * one rounding to odd (S. Boldo, G. Melquiond: Emulation of FMA and correctly rounded sums,
 * IEEE TC 57(4), 2008).
 */
import { CTX_FFLAGS } from "../../layout.ts";
import type { Asm } from "../../wasm/asm.ts";
import { I64, VOID } from "../../wasm/asm.ts";
import { F64X2_EXTRACT_LANE, F64X2_RELAXED_MADD, F64X2_SPLAT } from "../../wasm/simd.ts";
import { FLAG_NX } from "./format.ts";
import {
  A,
  B,
  C,
  CTX,
  I,
  J,
  K,
  R,
  returnInexact,
  roundToOdd,
  type SlowCode,
  settleSpecials,
  T,
  twoSum,
  U,
  unlessBetween,
  V,
  W,
} from "./slowframe.ts";
import {
  FOP_ADD,
  FOP_DIV,
  FOP_DOUBLE,
  FOP_MADD,
  FOP_MSUB,
  FOP_MUL,
  FOP_NMADD,
  FOP_NMSUB,
  FOP_SQRT,
  FOP_SUB,
} from "./softfloat.ts";

const MIN_NORMAL = 2 ** -1022;
const INFINITY = Number.POSITIVE_INFINITY;
/** Sums below this have no intermediate overflow in TwoSum. */
const SUM_LIMIT = 2 ** 1022;
/** Between these a product and its error are normal numbers, and Dekker's split is safe. */
const FACTOR_LOW = 2 ** -400;
const FACTOR_HIGH = 2 ** 400;

export function* doubleOperations(): Generator<[number, (c: SlowCode) => void]> {
  yield [FOP_ADD | FOP_DOUBLE, addition];
  yield [
    FOP_SUB | FOP_DOUBLE,
    (c) => {
      c.asm.local_get(B).f64_neg().local_set(B);
      addition(c);
    },
  ];
  yield [FOP_MUL | FOP_DOUBLE, multiplication];
  yield [FOP_DIV | FOP_DOUBLE, division];
  yield [FOP_SQRT | FOP_DOUBLE, squareRoot];
  yield [FOP_MADD | FOP_DOUBLE, (c) => fused(c, false, false)];
  yield [FOP_MSUB | FOP_DOUBLE, (c) => fused(c, false, true)];
  yield [FOP_NMSUB | FOP_DOUBLE, (c) => fused(c, true, false)];
  yield [FOP_NMADD | FOP_DOUBLE, (c) => fused(c, true, true)];
}

function pushResult(asm: Asm): void {
  asm.local_get(R).i64_reinterpret_f64();
}

/** A condition is on the stack: exact. Returns R, with NX when it is not. */
function finish(asm: Asm): void {
  asm.if_(VOID);
  pushResult(asm);
  asm.return_().end();
  pushResult(asm);
  returnInexact(asm);
}

function addition(c: SlowCode): void {
  const { asm, soft } = c;
  twoSum(asm, A, B, R, U, V);
  settleSpecials(c, [A, B], () => pushResult(asm));
  asm.local_get(R).f64_abs().f64_const(SUM_LIMIT).f64_lt().i32_eqz().br_if(soft);
  asm.local_get(U).f64_const(0).f64_eq();
  finish(asm);
}

function multiplication(c: SlowCode): void {
  const { asm, soft } = c;
  asm.local_get(A).local_get(B).f64_mul().local_set(R);
  settleSpecials(c, [A, B], () => pushResult(asm));
  returnIfZero(asm, [A, B]);
  unlessBetween(asm, R, MIN_NORMAL, INFINITY, soft);
  pushIsProductExact(asm);
  finish(asm);
}

function division(c: SlowCode): void {
  const { asm, soft } = c;
  asm.local_get(B).f64_const(0).f64_eq().br_if(soft);
  asm.local_get(A).local_get(B).f64_div().local_set(R);
  settleSpecials(c, [A, B], () => pushResult(asm));
  returnIfZero(asm, [A]);
  unlessBetween(asm, R, MIN_NORMAL, INFINITY, soft);
  // Exact if quotient times divisor is the dividend again.
  setOddPart(asm, R, I);
  setOddPart(asm, B, J);
  setOddPart(asm, A, K);
  pushIsWidthAtMost(asm, 54);
  asm.local_get(I).local_get(J).i64_mul().local_get(K).i64_eq().i32_and();
  finish(asm);
}

function squareRoot(c: SlowCode): void {
  const { asm } = c;
  asm.local_get(A).f64_sqrt().local_set(R);
  settleSpecials(c, [A], () => pushResult(asm));
  returnIfZero(asm, [A]);
  setOddPart(asm, R, I);
  asm.local_get(I).local_set(J);
  setOddPart(asm, A, K);
  pushIsWidthAtMost(asm, 54);
  asm.local_get(I).local_get(I).i64_mul().local_get(K).i64_eq().i32_and();
  finish(asm);
}

function fused(c: SlowCode, negatesProduct: boolean, negatesAddend: boolean): void {
  const { asm, soft } = c;
  if (negatesProduct) asm.local_get(A).f64_neg().local_set(A);
  if (negatesAddend) asm.local_get(C).f64_neg().local_set(C);
  if (c.hasFusedMadd) returnExactZero(c);
  asm.local_get(A).local_get(B).f64_mul().local_set(T);
  twoSum(asm, T, C, R, U, V);
  settleSpecials(c, [A, B, C], () => pushResult(asm));
  returnIfZero(asm, [A, B]);
  unlessBetween(asm, A, FACTOR_LOW, FACTOR_HIGH, soft);
  unlessBetween(asm, B, FACTOR_LOW, FACTOR_HIGH, soft);
  asm
    .local_get(C)
    .f64_abs()
    .f64_const(SUM_LIMIT / 2)
    .f64_lt()
    .i32_eqz()
    .br_if(soft);
  pushIsProductExact(asm);
  asm.if_(VOID);
  asm.local_get(U).f64_const(0).f64_eq();
  finish(asm);
  asm.end();
  // Whether an inexact product makes an inexact sum is softFloat's to say, unless NX stands.
  asm.local_get(CTX).i32_load(CTX_FFLAGS).i32_const(FLAG_NX).i32_and().i32_eqz().br_if(soft);
  if (c.hasFusedMadd) {
    setFusedMadd(asm);
  } else {
    softwareFma(asm);
  }
  unlessBetween(asm, R, MIN_NORMAL, INFINITY, soft);
  pushResult(asm);
  asm.return_();
}

/** R = A * B + C by the host. */
function setFusedMadd(asm: Asm): void {
  for (const x of [A, B, C]) asm.local_get(x).simd(F64X2_SPLAT);
  asm.simd(F64X2_RELAXED_MADD).simdLane(F64X2_EXTRACT_LANE, 0).local_set(R);
}

/** Full cancellation and zero factors are everyday: a zero that did not underflow is exact. */
function returnExactZero({ asm, soft }: SlowCode): void {
  setFusedMadd(asm);
  asm.local_get(R).f64_const(0).f64_eq().if_(VOID);
  returnIfZero(asm, [A, B]);
  unlessBetween(asm, A, FACTOR_LOW, FACTOR_HIGH, soft);
  unlessBetween(asm, B, FACTOR_LOW, FACTOR_HIGH, soft);
  pushResult(asm);
  asm.return_().end();
}

/** R = A * B + C; T holds A * B. Overwrites A, B and the scratch locals. */
function softwareFma(asm: Asm): void {
  productError(asm);
  // Now T + W is the product. (th, tl) = c + ul; (vh, vl) = uh + th; r = vh + odd(tl + vl).
  twoSum(asm, C, W, A, B, V);
  twoSum(asm, T, A, R, U, V);
  twoSum(asm, B, U, T, W, V);
  roundToOdd(asm, T, W);
  asm.local_get(R).local_get(T).f64_add().local_set(R);
}

/** W = A * B - T exactly, by Dekker's splitting. Overwrites U, V, R. */
function productError(asm: Asm): void {
  const SPLITTER = 2 ** 27 + 1;
  const high = (x: number, to: number): void => {
    asm.local_get(x).f64_const(SPLITTER).f64_mul().local_tee(to);
    asm.local_get(to).local_get(x).f64_sub().f64_sub().local_set(to);
  };
  high(A, U);
  high(B, V);
  // w = ((ah*bh - t) + ah*bl + al*bh) + al*bl
  asm.local_get(U).local_get(V).f64_mul().local_get(T).f64_sub();
  asm.local_get(U).local_get(B).local_get(V).f64_sub().f64_mul().f64_add();
  asm.local_get(A).local_get(U).f64_sub().local_tee(R).local_get(V).f64_mul().f64_add();
  asm.local_get(R).local_get(B).local_get(V).f64_sub().f64_mul().f64_add().local_set(W);
}

function returnIfZero(asm: Asm, operands: readonly number[]): void {
  for (const x of operands) {
    asm.local_get(x).f64_const(0).f64_eq().if_(VOID);
    pushResult(asm);
    asm.return_().end();
  }
}

/** Sets an i64 local to the significand of a nonzero f64 local without its trailing zeros. */
function setOddPart(asm: Asm, x: number, to: number): void {
  const FRACTION = (1n << 52n) - 1n;
  asm.local_get(x).i64_reinterpret_f64().local_tee(to).i64_const(FRACTION).i64_and();
  asm.local_get(x).f64_abs().f64_const(MIN_NORMAL).f64_lt();
  asm.if_(I64);
  asm
    .i64_const(0)
    .else_()
    .i64_const(1n << 52n)
    .end();
  asm.i64_or().local_set(to);
  asm.local_get(to).local_get(to).i64_ctz().i64_shr_u().local_set(to);
}

/** Pushes whether the product of the integers I and J has at most so many bits (or one less). */
function pushIsWidthAtMost(asm: Asm, bits: number): void {
  asm.local_get(I).i64_clz().local_get(J).i64_clz().i64_add();
  asm.i64_const(128 - bits).i64_ge_s();
}

/** Pushes whether A times B needs no rounding: their odd parts multiply to 53 bits or less. */
function pushIsProductExact(asm: Asm): void {
  setOddPart(asm, A, I);
  setOddPart(asm, B, J);
  pushIsWidthAtMost(asm, 54);
  asm
    .local_get(I)
    .local_get(J)
    .i64_mul()
    .i64_const(1n << 53n)
    .i64_lt_u()
    .i32_and();
}
