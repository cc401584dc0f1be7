/**
 * Conversions between the floating-point formats and to and from integers. See fppath.ts.
 */
import { CTX_FFLAGS, CTX_FPSLOW, CTX_FRM } from "../../layout.ts";
import { F32, F64, I64, type Label } from "../../wasm/asm.ts";
import { F64X2_SPLAT } from "../../wasm/simd.ts";
import type { Emit } from "../emit.ts";
import { FLAG_NX, RM_DYN, RM_RMM, RM_RNE } from "../softfloat/format.ts";
import { FP_SLOW } from "../softfloat/slowpath.ts";
import {
  FOP_CONVERT,
  FOP_DOUBLE,
  FOP_FROM_L,
  FOP_FROM_W,
  FOP_TO_LU,
  FOP_TO_W,
  FOP_TO_WU,
} from "../softfloat/softfloat.ts";
import { isExact } from "./fpexact.ts";
import * as optimist from "./fpoptimist.ts";
import { isNonzero } from "./fpoptimist.ts";
import {
  callSlow,
  DOUBLE,
  type Format,
  fastOrSlow,
  isNumber,
  isTrusted,
  legalMode,
  nearestOrSlow,
  type Outcome,
  type Push,
  refuseReservedMode,
  roundNatively,
  SINGLE,
} from "./fppath.ts";

/** fcvt to an integer: natively when the mode is known and the number well inside the range. */
export function toInteger(e: Emit, f: Format, op: number): void {
  if (e.isOptimistic()) {
    optimist.toInteger(e, f, op);
    return;
  }
  const result = e.temp(I64);
  const slowOnly = (): void => {
    callSlow(e, op | f.op).local_set(result);
  };
  const mode = e.staticRm();
  if (mode === undefined || mode === RM_RMM || (mode > RM_RMM && mode !== RM_DYN)) {
    slowOnly();
  } else {
    const x = e.temp(F64);
    const r = e.temp(F64);
    fastOrSlow(
      e,
      (slow) => {
        if (mode === RM_DYN) e.ctx().i32_load(CTX_FPSLOW).unlikely().br_if(slow);
        f.src1(e);
        if (f.op === 0) e.f64_promote_f32();
        e.local_tee(x);
        roundNatively(e, mode).local_set(r);
        const isUnsigned = op === FOP_TO_WU || op === FOP_TO_LU;
        const isWord = op === FOP_TO_W || op === FOP_TO_WU;
        // -0 and what rounds to it is in the range of the unsigned ones too.
        e.local_get(r).f64_const(isUnsigned ? 0 : isWord ? -(2 ** 31) : -(2 ** 63));
        e.f64_ge().i32_eqz().unlikely().br_if(slow);
        const bits = (isWord ? 32 : 64) - (isUnsigned ? 0 : 1);
        e.local_get(r)
          .f64_const(2 ** bits)
          .f64_lt()
          .i32_eqz()
          .unlikely()
          .br_if(slow);
        e.local_get(r);
        if (op === FOP_TO_LU) e.i64_trunc_sat_f64_u();
        else e.i64_trunc_sat_f64_s();
        if (op === FOP_TO_WU) e.i64_extend32_s();
        e.local_set(result);
        // Inexact, and not yet said so?
        e.local_get(r).local_get(x).f64_ne();
        e.ctx().i32_load(CTX_FFLAGS).i32_const(FLAG_NX).i32_and().i32_eqz();
        e.i32_and().unlikely().br_if(slow);
        return "sure";
      },
      slowOnly,
    );
  }
  e.setRd(() => e.local_get(result));
}

/** fcvt from an integer that may be inexact. */
export function fromInteger(e: Emit, f: Format, op: number, native: Push): void {
  if (e.isOptimistic()) {
    optimist.fromInteger(e, f, native);
    return;
  }
  const r = e.temp(f.type);
  const slow = (): void => {
    e.ctx().i32_const(op | f.op);
    legalMode(e);
    e.rs1().i64_const(0).i64_const(0).callHelper(FP_SLOW);
    f.fromBits(e).local_set(r);
  };
  const fast = (outside: Label): Outcome => {
    native(e).local_set(r);
    e.ctx().i32_load(CTX_FPSLOW).unlikely().br_if(outside);
    return "sure";
  };
  // Small integers are exact in every mode that there is.
  const isSmall = (): void => {
    const limit = 2 ** (f.op !== 0 ? 53 : 24);
    e.rs1();
    if (op === FOP_FROM_W || op === FOP_FROM_L) {
      e.i64_const(limit).i64_add();
      e.i64_const(2 * limit).i64_lt_u();
    } else {
      e.i64_const(limit).i64_lt_u();
    }
    if (e.staticRm() !== RM_RNE) e.ctx().i32_load(CTX_FRM).i32_const(RM_RMM).i32_le_u().i32_and();
  };
  nearestOrSlow(e, slow, fast, isSmall);
  f.set(e, () => e.local_get(r));
}

/** fcvt.d.w and fcvt.d.wu, which are exact. */
export function fromWord(e: Emit, native: Push): void {
  if (e.isOptimistic()) {
    optimist.fromInteger(e, DOUBLE, native);
    return;
  }
  refuseReservedMode(e);
  e.setFrd(() => native(e));
}

/** fcvt.s.d */
export function narrow(e: Emit): void {
  if (e.isOptimistic()) {
    const nonzero = [isNonzero(DOUBLE, DOUBLE.src1)];
    optimist.arithmetic(e, SINGLE, [1], () => e.frs1().f32_demote_f64(), nonzero);
    return;
  }
  const r = e.temp(F32);
  const slow = (): void => {
    SINGLE.fromBits(callSlow(e, FOP_CONVERT)).local_set(r);
  };
  const fast = (): Outcome => {
    e.frs1().f32_demote_f64().local_tee(r);
    return isTrusted(e, SINGLE, "normal");
  };
  nearestOrSlow(e, slow, fast, () => isExact(e, SINGLE, FOP_CONVERT, r));
  e.setFrdS(() => e.local_get(r));
}

/** fcvt.d.s: exact, but for NaNs. */
export function widen(e: Emit): void {
  if (e.isOptimistic()) {
    optimist.arithmetic(e, DOUBLE, [1], () => e.frs1s().f64_promote_f32().simd(F64X2_SPLAT));
    return;
  }
  refuseReservedMode(e);
  const r = e.temp(F64);
  fastOrSlow(
    e,
    () => {
      e.frs1s().f64_promote_f32().local_set(r);
      return isNumber(e, DOUBLE, r);
    },
    () => {
      callSlow(e, FOP_CONVERT | FOP_DOUBLE, RM_RNE)
        .f64_reinterpret_i64()
        .local_set(r);
    },
  );
  e.setFrd(() => e.local_get(r));
}
