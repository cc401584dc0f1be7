/**
 * The frame of fpSlow: its parameters and locals by name, and what all operations' code shares.
 */
import { CTX_FFLAGS, CTX_FPSLOW, CTX_FRM } from "../../layout.ts";
import { type Asm, F32, F64, I64, type Label, VOID } from "../../wasm/asm.ts";
import { FLAG_NX } from "./format.ts";

/** Parameters and locals of the function. */
export const CTX = 0;
export const OP = 1;
export const RM = 2;
export const RAW_A = 3;
export const RAW_B = 4;
export const RAW_C = 5;
/** The operands as doubles; singles are promoted, which is exact. */
export const A = 6;
export const B = 7;
export const C = 8;
/** The result, and scratch. */
export const R = 9;
export const T = 10;
export const U = 11;
export const V = 12;
export const W = 13;
export const I = 14;
export const J = 15;
export const K = 16;
export const S = 17;
export const LOCALS = [F64, F64, F64, F64, F64, F64, F64, F64, I64, I64, I64, F32] as const;

/** What an operation's code is emitted with. */
export interface SlowCode {
  readonly asm: Asm;
  /** Branch here when softFloat must decide. */
  readonly soft: Label;
  /** The host fuses f64x2.relaxed_madd. */
  readonly hasFusedMadd: boolean;
}

/** Raises NX and returns; the result is on the stack. */
export function returnInexact(asm: Asm): void {
  asm.local_get(CTX).local_get(CTX).i32_load(CTX_FFLAGS).i32_const(FLAG_NX).i32_or();
  asm.i32_store(CTX_FFLAGS);
  refreshFpSlow(asm);
  asm.return_();
}

/** After flags or mode may have changed: is the native path open now? */
export function refreshFpSlow(
  asm: Asm,
  pushCtx: () => void = () => {
    asm.local_get(CTX);
  },
): void {
  pushCtx();
  pushCtx();
  asm.i32_load(CTX_FRM).i32_const(0).i32_ne();
  pushCtx();
  asm.i32_load(CTX_FFLAGS).i32_const(FLAG_NX).i32_and().i32_eqz();
  asm.i32_or().i64_extend_i32_u().i64_const(-1).i64_mul().i64_store(CTX_FPSLOW);
}

/** Pushes the NaN-boxed register of the f32 local. */
export function boxSingle(asm: Asm, local: number): void {
  asm.local_get(local).i32_reinterpret_f32().i64_extend_i32_u();
  asm.i64_const(-(2 ** 32)).i64_or();
}

/** Leaves `x + y` in `sum` and its rounding error in `error` (Knuth's TwoSum); `t` is scratch. */
export function twoSum(
  asm: Asm,
  x: number,
  y: number,
  sum: number,
  error: number,
  t: number,
): void {
  asm.local_get(x).local_get(y).f64_add().local_tee(sum);
  asm.local_get(x).f64_sub().local_set(t);
  asm.local_get(x).local_get(sum).local_get(t).f64_sub().f64_sub();
  asm.local_get(y).local_get(t).f64_sub().f64_add().local_set(error);
}

/** Branches to `soft` unless the magnitude of the local lies strictly between the bounds. */
export function unlessBetween(asm: Asm, local: number, low: number, high: number, soft: Label) {
  asm.local_get(local).f64_abs().f64_const(low).f64_gt().i32_eqz().br_if(soft);
  asm.local_get(local).f64_abs().f64_const(high).f64_lt().i32_eqz().br_if(soft);
}

/** Leaves NaN results to softFloat; returns what `push` pushes when an operand is infinite. */
export function settleSpecials(
  { asm, soft }: SlowCode,
  operands: readonly number[],
  push: () => void,
): void {
  asm.local_get(R).local_get(R).f64_ne().br_if(soft);
  operands.forEach((x, i) => {
    asm.local_get(x).f64_abs().f64_const(Number.POSITIVE_INFINITY).f64_eq();
    if (i > 0) asm.i32_or();
  });
  asm.if_(VOID);
  push();
  asm.return_().end();
}

/** Makes the sum in `sum` odd when `error` was lost from it: no later rounding sees a false tie. */
export function roundToOdd(asm: Asm, sum: number, error: number): void {
  asm.local_get(error).f64_const(0).f64_ne();
  asm.local_get(sum).i64_reinterpret_f64().local_tee(I).i32_wrap_i64().i32_const(1).i32_and();
  asm.i32_eqz().i32_and().if_(VOID);
  // Towards the error: the magnitude grows when the signs agree.
  asm.local_get(I).i64_const(1).i64_const(-1);
  asm.local_get(error).i64_reinterpret_f64().local_get(I).i64_xor().i64_const(0).i64_ge_s();
  asm.select().i64_add().f64_reinterpret_i64().local_set(sum);
  asm.end();
}
