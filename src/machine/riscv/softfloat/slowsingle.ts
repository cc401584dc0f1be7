/**
 * Slow path of single precision: done in doubles, where products are exact and sums,
 * quotients and roots of singles round innocuously (53 >= 2 * 24 + 2).
 *
 * The result is exact when the double was and survives the way to single unchanged.
 * An exact subnormal raises nothing; an inexact one is softFloat's.
 */
import type { Asm } from "../../wasm/asm.ts";
import { VOID } from "../../wasm/asm.ts";
import {
  A,
  B,
  boxSingle,
  C,
  R,
  returnInexact,
  roundToOdd,
  S,
  type SlowCode,
  settleSpecials,
  T,
  twoSum,
  U,
  unlessBetween,
  V,
} from "./slowframe.ts";
import {
  FOP_ADD,
  FOP_CONVERT,
  FOP_DIV,
  FOP_MADD,
  FOP_MSUB,
  FOP_MUL,
  FOP_NMADD,
  FOP_NMSUB,
  FOP_SQRT,
  FOP_SUB,
} from "./softfloat.ts";

const MIN_NORMAL = 2 ** -126;
const INFINITY = Number.POSITIVE_INFINITY;

export function* singleOperations(): Generator<[number, (c: SlowCode) => void]> {
  yield [FOP_ADD, addition];
  yield [
    FOP_SUB,
    (c) => {
      c.asm.local_get(B).f64_neg().local_set(B);
      addition(c);
    },
  ];
  yield [FOP_MUL, multiplication];
  yield [FOP_DIV, division];
  yield [FOP_SQRT, squareRoot];
  yield [FOP_MADD, (c) => fused(c, false, false)];
  yield [FOP_MSUB, (c) => fused(c, false, true)];
  yield [FOP_NMSUB, (c) => fused(c, true, false)];
  yield [FOP_NMADD, (c) => fused(c, true, true)];
  yield [FOP_CONVERT, fromDouble];
}

/** Demotes R into S, then R becomes what S is worth. */
function demote(asm: Asm): void {
  asm.local_get(R).f32_demote_f64().local_tee(S).f64_promote_f32().local_set(R);
}

/** A condition is on the stack: exact. Returns S, with NX when it is not. */
function finish({ asm, soft }: SlowCode): void {
  asm.if_(VOID);
  boxSingle(asm, S);
  asm.return_().end();
  unlessBetween(asm, R, MIN_NORMAL, INFINITY, soft);
  boxSingle(asm, S);
  returnInexact(asm);
}

function infinities(c: SlowCode, operands: readonly number[]): void {
  const { asm } = c;
  settleSpecials(c, operands, () => {
    asm.local_get(R).f32_demote_f64().local_set(S);
    boxSingle(asm, S);
  });
}

function addition(c: SlowCode): void {
  const { asm } = c;
  twoSum(asm, A, B, R, U, V);
  infinities(c, [A, B]);
  asm.local_get(R).local_set(T);
  demote(asm);
  asm.local_get(R).local_get(T).f64_eq().local_get(U).f64_const(0).f64_eq().i32_and();
  finish(c);
}

function multiplication(c: SlowCode): void {
  const { asm } = c;
  asm.local_get(A).local_get(B).f64_mul().local_tee(R).local_set(T);
  infinities(c, [A, B]);
  demote(asm);
  asm.local_get(R).local_get(T).f64_eq();
  finish(c);
}

function division(c: SlowCode): void {
  const { asm, soft } = c;
  asm.local_get(B).f64_const(0).f64_eq().br_if(soft);
  asm.local_get(A).local_get(B).f64_div().local_set(R);
  infinities(c, [A, B]);
  demote(asm);
  asm.local_get(R).local_get(B).f64_mul().local_get(A).f64_eq();
  finish(c);
}

function squareRoot(c: SlowCode): void {
  const { asm } = c;
  asm.local_get(A).f64_sqrt().local_set(R);
  infinities(c, [A]);
  demote(asm);
  asm.local_get(R).local_get(R).f64_mul().local_get(A).f64_eq();
  finish(c);
}

/** The product is exact; the sum is rounded to odd so that rounding it again to single is right. */
function fused(c: SlowCode, negatesProduct: boolean, negatesAddend: boolean): void {
  const { asm } = c;
  asm.local_get(A).local_get(B).f64_mul();
  if (negatesProduct) asm.f64_neg();
  asm.local_set(T);
  if (negatesAddend) asm.local_get(C).f64_neg().local_set(C);
  twoSum(asm, T, C, R, U, V);
  infinities(c, [A, B, C]);
  roundToOdd(asm, R, U);
  asm.local_get(R).local_set(T);
  demote(asm);
  asm.local_get(R).local_get(T).f64_eq().local_get(U).f64_const(0).f64_eq().i32_and();
  finish(c);
}

function fromDouble(c: SlowCode): void {
  const { asm } = c;
  asm.local_get(A).local_set(R);
  infinities(c, [A]);
  demote(asm);
  asm.local_get(R).local_get(A).f64_eq();
  finish(c);
}
