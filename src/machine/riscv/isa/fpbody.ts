/**
 * The bodies that F and D share: arithmetic, sign injection, comparison. See fppath.ts.
 */
import { I64, type Label } from "../../wasm/asm.ts";
import {
  F32X4_EXTRACT_LANE,
  F32X4_RELAXED_MADD,
  F32X4_RELAXED_NMADD,
  F32X4_SPLAT,
  F64X2_ABS,
  F64X2_ADD,
  F64X2_DIV,
  F64X2_EXTRACT_LANE,
  F64X2_MUL,
  F64X2_NEG,
  F64X2_RELAXED_MADD,
  F64X2_RELAXED_NMADD,
  F64X2_SPLAT,
  F64X2_SQRT,
  F64X2_SUB,
} from "../../wasm/simd.ts";
import type { Emit } from "../emit.ts";
import { RM_RNE } from "../softfloat/format.ts";
import { HAS_FUSED_MADD } from "../softfloat/fusedmadd.ts";
import {
  FOP_ADD,
  FOP_DIV,
  FOP_EQ,
  FOP_LT,
  FOP_MADD,
  FOP_MIN,
  FOP_MUL,
  FOP_NMADD,
  FOP_NMSUB,
  FOP_SQRT,
  FOP_SUB,
} from "../softfloat/softfloat.ts";
import { isExact } from "./fpexact.ts";
import * as optimist from "./fpoptimist.ts";
import { isNonzero, type Sources } from "./fpoptimist.ts";
import {
  callSlow,
  type Format,
  fastOrSlow,
  isFarFromUnderflow,
  isNumber,
  isTrusted,
  nearestOrSlow,
  type Outcome,
  type Push,
  refuseNaN,
  type Trust,
} from "./fppath.ts";

/** An operation on up to three registers of one format, rounded to nearest by `native`. */
export function rounded(e: Emit, f: Format, op: number, trust: Trust, native: Push): void {
  if (e.isOptimistic()) {
    const nonzero = [isNonzero(f, f.src1)];
    if (op === FOP_MUL) nonzero.push(isNonzero(f, f.src2));
    // A divisor's infinity becomes a zero.
    const passes: Sources = op === FOP_DIV || op === FOP_SQRT ? [1] : [1, 2];
    const vector = (): Emit => {
      e.frsv(1);
      return (op === FOP_SQRT ? e : e.frsv(2)).simd(F64X2[op]!);
    };
    const push = f.op !== 0 ? vector : native;
    optimist.arithmetic(e, f, passes, push, trust === "normal" ? nonzero : undefined);
    return;
  }
  const r = e.temp(f.type);
  const slow = (): void => {
    f.fromBits(callSlow(e, op | f.op)).local_set(r);
  };
  const fast = (): Outcome => {
    native(e).local_tee(r);
    return isTrusted(e, f, trust);
  };
  nearestOrSlow(e, slow, fast, () => isExact(e, f, op, r));
  f.set(e, () => e.local_get(r));
}

/** The vector instructions for doubles. */
const F64X2: Readonly<Record<number, number>> = {
  [FOP_ADD]: F64X2_ADD,
  [FOP_SUB]: F64X2_SUB,
  [FOP_MUL]: F64X2_MUL,
  [FOP_DIV]: F64X2_DIV,
  [FOP_SQRT]: F64X2_SQRT,
};

/** fmadd and its three relatives. */
export function fused(e: Emit, f: Format, op: number): void {
  if (e.isOptimistic()) {
    optimist.fused(e, f, op);
    return;
  }
  const isDouble = f.op !== 0;
  const negatesProduct = op === FOP_NMSUB || op === FOP_NMADD;
  const negatesAddend = op !== FOP_MADD && op !== FOP_NMSUB;
  const r = e.temp(f.type);
  const slow = (): void => {
    f.fromBits(callSlow(e, op | f.op)).local_set(r);
  };
  const fast = (outside: Label): Outcome => {
    const splat = isDouble ? F64X2_SPLAT : F32X4_SPLAT;
    f.src1(e).simd(splat);
    f.src2(e).simd(splat);
    f.src3(e);
    if (negatesAddend) isDouble ? e.f64_neg() : e.f32_neg();
    e.simd(splat);
    if (isDouble) e.simd(negatesProduct ? F64X2_RELAXED_NMADD : F64X2_RELAXED_MADD);
    else e.simd(negatesProduct ? F32X4_RELAXED_NMADD : F32X4_RELAXED_MADD);
    e.simdLane(isDouble ? F64X2_EXTRACT_LANE : F32X4_EXTRACT_LANE, 0).local_set(r);
    e.local_get(r);
    isTrusted(e, f, "finite");
    e.i32_eqz().unlikely().br_if(outside);
    return isFarFromUnderflow(e, f, r);
  };
  if (HAS_FUSED_MADD) nearestOrSlow(e, slow, fast, () => isExact(e, f, op, r));
  else slow();
  f.set(e, () => e.local_get(r));
}

/**
 * fsgnj, fsgnjn, fsgnjx: bits are moved, so NaNs pass unchanged. Their everyday use is as
 * fmv, fneg and fabs, with one register named twice.
 */
export function injectSign(e: Emit, f: Format, how: "copy" | "negate" | "xor"): void {
  const isDouble = f.op !== 0;
  if (isDouble && e.hasVectors() && e.sourcesAreSame()) {
    e.setFrdV(() => {
      e.frsv(1);
      if (how === "negate") e.simd(F64X2_NEG);
      if (how === "xor") e.simd(F64X2_ABS);
    });
    return;
  }
  f.set(e, () => {
    f.src1(e);
    if (e.sourcesAreSame()) {
      if (how === "negate") isDouble ? e.f64_neg() : e.f32_neg();
      if (how === "xor") isDouble ? e.f64_abs() : e.f32_abs();
      return;
    }
    if (how === "xor") {
      // The sign of the product of the signs: negative if they differ.
      f.src2(e);
      if (isDouble) e.i64_reinterpret_f64();
      else e.i32_reinterpret_f32();
      f.src1(e);
      if (isDouble) e.i64_reinterpret_f64().i64_xor().f64_reinterpret_i64();
      else e.i32_reinterpret_f32().i32_xor().f32_reinterpret_i32();
    } else {
      f.src2(e);
      if (how === "negate") isDouble ? e.f64_neg() : e.f32_neg();
    }
    if (isDouble) e.f64_copysign();
    else e.f32_copysign();
  });
}

/** fmin and fmax: WebAssembly's own, but for NaNs. */
export function minMax(e: Emit, f: Format, op: number): void {
  if (e.isOptimistic()) {
    optimist.minMax(e, f, op);
    return;
  }
  const r = e.temp(f.type);
  fastOrSlow(
    e,
    () => {
      f.src2(f.src1(e));
      if (f.op !== 0) op === FOP_MIN ? e.f64_min() : e.f64_max();
      else op === FOP_MIN ? e.f32_min() : e.f32_max();
      e.local_set(r);
      return isNumber(e, f, r);
    },
    () => {
      f.fromBits(callSlow(e, op | f.op, RM_RNE)).local_set(r);
    },
  );
  f.set(e, () => e.local_get(r));
}

/** feq, flt, fle: NaNs are looked at outside. */
export function compare(e: Emit, f: Format, op: number): void {
  if (e.isOptimistic()) {
    optimist.compare(e, f, op);
    return;
  }
  const r = e.temp(I64);
  fastOrSlow(
    e,
    (slow) => {
      for (const source of [f.src1, f.src2]) {
        refuseNaN(e, f, op, source, () => e.unlikely().br_if(slow));
      }
      f.src2(f.src1(e));
      if (op === FOP_EQ) f.op !== 0 ? e.f64_eq() : e.f32_eq();
      else if (op === FOP_LT) f.op !== 0 ? e.f64_lt() : e.f32_lt();
      else f.op !== 0 ? e.f64_le() : e.f32_le();
      e.i64_extend_i32_u().local_set(r);
      return "sure";
    },
    () => {
      callSlow(e, op | f.op, RM_RNE).local_set(r);
    },
  );
  e.setRd(() => e.local_get(r));
}
