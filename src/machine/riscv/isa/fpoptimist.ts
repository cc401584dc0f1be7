/**
 * Floating-point instructions as optimistic code does them: NX is accrued and frm is
 * round-to-nearest, which the region sees to, so that a native result is the whole truth
 * unless it is an infinity or a NaN (jit/trust.ts looks at those), or may have underflowed.
 *
 * Underflow is looked at here, where a product or quotient is below 2^-511 (single: 2^-63):
 * there is nothing to say if it is a normal number above the least, which may have been rounded up to, or if a
 * factor was zero. What remains in doubt is done again with care.
 */
import { F32, F64, I64, V128 } from "../../wasm/asm.ts";
import {
  F32X4_EXTRACT_LANE,
  F32X4_NEG,
  F32X4_RELAXED_MADD,
  F32X4_RELAXED_NMADD,
  F64X2_EXTRACT_LANE,
  F64X2_NEG,
  F64X2_RELAXED_MADD,
  F64X2_RELAXED_NMADD,
  F64X2_SPLAT,
  I32X4_EXTRACT_LANE,
  V128_OR,
} from "../../wasm/simd.ts";
import type { Emit } from "../emit.ts";
import { RM_DYN, RM_RMM, RM_RNE } from "../softfloat/format.ts";
import { HAS_FUSED_MADD } from "../softfloat/fusedmadd.ts";
import {
  FOP_EQ,
  FOP_LT,
  FOP_MADD,
  FOP_MIN,
  FOP_NMADD,
  FOP_NMSUB,
  FOP_TO_LU,
  FOP_TO_W,
  FOP_TO_WU,
} from "../softfloat/softfloat.ts";
import { type Format, type Push, refuseNaN, roundNatively } from "./fppath.ts";

/** Numbers of sources. */
export type Sources = readonly (1 | 2 | 3)[];

/**
 * An operation that rounds to nearest; `native` leaves a vector with the result in its first lane, or a single. It is
 * neither infinite nor NaN only if none of the sources that it `passes` on is. Given `nonzero`, it may underflow, but
 * only if all of these leave true (i32).
 */
export function arithmetic(
  e: Emit,
  f: Format,
  passes: Sources,
  native: Push,
  nonzero?: readonly Push[],
): void {
  refuseOtherModes(e);
  const r = resultLocal(e, f);
  native(e).local_set(r);
  if (nonzero) {
    e.local_get(r);
    if (f.op !== 0) e.simdLane(I32X4_EXTRACT_LANE, 1);
    else e.i32_reinterpret_f32();
    doubtTiny(e, f, r, nonzero);
  }
  e.setTrusted(r, f.type, passes);
}

/**
 * fmadd and its relatives. No doubt if the result or the addend is far from underflow: digits
 * of the product reach far below, but not below the least subnormal.
 */
export function fused(e: Emit, f: Format, op: number): void {
  refuseOtherModes(e);
  const isDouble = f.op !== 0;
  const r = resultLocal(e, f);
  if (!HAS_FUSED_MADD) {
    doubt(e);
    e.setTrusted(r, f.type, []);
    return;
  }
  const negatesProduct = op === FOP_NMSUB || op === FOP_NMADD;
  const [sum, addend] = [isDouble ? r : e.temp(V128), e.temp(V128)];
  if (!isDouble) refuseUnboxed(e, f);
  e.frsv(1).frsv(2).frsv(3);
  if (op !== FOP_MADD && op !== FOP_NMSUB) e.simd(isDouble ? F64X2_NEG : F32X4_NEG);
  e.local_tee(addend);
  if (isDouble) e.simd(negatesProduct ? F64X2_RELAXED_NMADD : F64X2_RELAXED_MADD);
  else e.simd(negatesProduct ? F32X4_RELAXED_NMADD : F32X4_RELAXED_MADD);
  e.local_set(sum);
  if (!isDouble) e.local_get(sum).simdLane(F32X4_EXTRACT_LANE, 0).local_set(r);
  e.local_get(sum).local_get(addend).simd(V128_OR);
  if (isDouble) e.simdLane(I32X4_EXTRACT_LANE, 1);
  else e.simdLane(F32X4_EXTRACT_LANE, 0).i32_reinterpret_f32();
  doubtTiny(e, f, r, [isNonzero(f, f.src1), isNonzero(f, f.src2)]);
  e.setTrusted(r, f.type, [1, 2, 3]);
}

/** A single that is not in its box is in doubt. */
function refuseUnboxed(e: Emit, f: Format): void {
  for (const push of [f.src1, f.src2, f.src3]) push(e).drop();
}

const resultLocal = (e: Emit, f: Format): number => e.resultLocal(f.op !== 0 ? V128 : F32);

/** fmin and fmax: a NaN on either side makes WebAssembly's result one. */
export function minMax(e: Emit, f: Format, op: number): void {
  const r = resultLocal(e, f);
  f.src2(f.src1(e));
  if (f.op !== 0) (op === FOP_MIN ? e.f64_min() : e.f64_max()).simd(F64X2_SPLAT);
  else op === FOP_MIN ? e.f32_min() : e.f32_max();
  e.local_set(r).setTrusted(r, f.type, []);
}

/** feq, flt, fle: NaNs are in doubt. */
export function compare(e: Emit, f: Format, op: number): void {
  const refuse = (source: Push) => refuseNaN(e, f, op, source, () => e.doubtIf());
  if (!e.isTrusted(1, f.type)) refuse(f.src1);
  if (!e.isTrusted(2, f.type) && !e.sourcesAreSame()) refuse(f.src2);
  const isDouble = f.op !== 0;
  e.setRd(() => {
    f.src2(f.src1(e));
    if (op === FOP_EQ) isDouble ? e.f64_eq() : e.f32_eq();
    else if (op === FOP_LT) isDouble ? e.f64_lt() : e.f32_lt();
    else isDouble ? e.f64_le() : e.f32_le();
    e.i64_extend_i32_u();
  });
}

/** fcvt to an integer: what does not fit is in doubt. */
export function toInteger(e: Emit, f: Format, op: number): void {
  const mode = e.staticRm()!;
  const result = e.temp(I64);
  if (mode >= RM_RMM && mode !== RM_DYN) doubt(e);
  const r = e.temp(F64);
  f.src1(e);
  if (f.op === 0) e.f64_promote_f32();
  roundNatively(e, mode).local_set(r);
  const isUnsigned = op === FOP_TO_WU || op === FOP_TO_LU;
  const isWord = op === FOP_TO_W || op === FOP_TO_WU;
  const bits = (isWord ? 32 : 64) - (isUnsigned ? 0 : 1);
  // -0 and what rounds to it is in the range of the unsigned ones too.
  e.local_get(r)
    .f64_const(isUnsigned ? 0 : -(2 ** bits))
    .f64_ge()
    .i32_eqz()
    .doubtIf();
  e.local_get(r)
    .f64_const(2 ** bits)
    .f64_lt()
    .i32_eqz()
    .doubtIf();
  e.local_get(r);
  if (op === FOP_TO_LU) e.i64_trunc_sat_f64_u();
  else e.i64_trunc_sat_f64_s();
  if (op === FOP_TO_WU) e.i64_extend32_s();
  e.local_set(result).setRd(() => e.local_get(result));
}

/** fcvt from an integer: `native` leaves a finite number. */
export function fromInteger(e: Emit, f: Format, native: Push): void {
  refuseOtherModes(e);
  const r = resultLocal(e, f);
  native(e);
  if (f.op !== 0) e.simd(F64X2_SPLAT);
  e.local_set(r).setTrusted(r, f.type, "sure");
}

/** A static rounding mode other than to nearest is always in doubt. */
function refuseOtherModes(e: Emit): void {
  const mode = e.staticRm();
  if (mode !== RM_RNE && mode !== RM_DYN) doubt(e);
}

function doubt(e: Emit): void {
  e.i32_const(1).doubtIf();
}

/**
 * Takes the upper bits of a result (i32) off the stack (or-ed with those of an addend) and doubts the result in local `r` if they
 * are below the middle of the lower half of exponents, unless all is well nevertheless.
 */
function doubtTiny(e: Emit, f: Format, r: number, nonzero: readonly Push[]): void {
  const isDouble = f.op !== 0;
  e.i32_const(0x6000_0000).i32_and().i32_eqz().unlikely().if_();
  e.local_get(r);
  if (isDouble)
    e.simdLane(F64X2_EXTRACT_LANE, 0)
      .f64_abs()
      .f64_const(2 ** -1022)
      .f64_le();
  else
    e.f32_abs()
      .f32_const(2 ** -126)
      .f32_le();
  for (const push of nonzero) push(e).i32_and();
  e.doubtIf().end();
}

/** Leaves whether a source is not zero. */
export function isNonzero(f: Format, source: Push): Push {
  return (e) => {
    source(e);
    return f.op !== 0 ? e.f64_const(0).f64_ne() : e.f32_const(0).f32_ne();
  };
}
