/**
 * How floating-point instructions are done: natively where that is provably right, by
 * fpSlow otherwise.
 *
 * Natively means round-to-nearest with NX already accrued (CTX_FPSLOW is 0), and a result
 * that can raise nothing else: a finite number, and for what may underflow one above the
 * least normal.
 * Everything else (other modes, first inexact result, zeroes and subnormals of a product,
 * infinities, NaNs) goes to fpSlow, which is exact. See softfloat/slowpath.ts.
 */
import { CTX_FFLAGS, CTX_FPSLOW } from "../../layout.ts";
import { TRAP_ILLEGAL } from "../../traps.ts";
import { F32, F64, I64, type Label } from "../../wasm/asm.ts";
import type { Emit } from "../emit.ts";
import { FLAG_NX, RM_DYN, RM_RDN, RM_RMM, RM_RNE, RM_RTZ, RM_RUP } from "../softfloat/format.ts";
import {
  F32X4_EXTRACT_LANE,
  F32X4_RELAXED_MADD,
  F32X4_RELAXED_NMADD,
  F32X4_SPLAT,
  F64X2_EXTRACT_LANE,
  F64X2_RELAXED_MADD,
  F64X2_RELAXED_NMADD,
  F64X2_SPLAT,
  HAS_FUSED_MADD,
} from "../softfloat/fusedmadd.ts";
import { FP_SLOW } from "../softfloat/slowpath.ts";
import {
  FOP_CONVERT,
  FOP_DOUBLE,
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

type Push = (e: Emit) => Emit;

/** What differs between single and double precision. */
export interface Format {
  /** FOP_DOUBLE or 0. */
  readonly op: number;
  readonly type: typeof F32 | typeof F64;
  readonly src1: Push;
  readonly src2: Push;
  readonly src3: Push;
  readonly set: (e: Emit, value: () => void) => Emit;
  readonly ne: Push;
  /** Takes the value out of a whole register on the stack (i64). */
  readonly fromBits: Push;
}

export const SINGLE: Format = {
  op: 0,
  type: F32,
  src1: (e) => e.frs1s(),
  src2: (e) => e.frs2s(),
  src3: (e) => e.frs3s(),
  set: (e, value) => e.setFrdS(value),
  ne: (e) => e.f32_ne(),
  fromBits: (e) => e.i32_wrap_i64().f32_reinterpret_i32(),
};

export const DOUBLE: Format = {
  op: FOP_DOUBLE,
  type: F64,
  src1: (e) => e.frs1(),
  src2: (e) => e.frs2(),
  src3: (e) => e.frs3(),
  set: (e, value) => e.setFrd(value),
  ne: (e) => e.f64_ne(),
  fromBits: (e) => e.f64_reinterpret_i64(),
};

/**
 * Results to be trusted: finite ones, or for what can underflow only those above the least
 * normal number (that itself may have been rounded up to).
 */
type Trust = "finite" | "normal";

/** An operation on up to three registers of one format, rounded to nearest by `native`. */
export function rounded(e: Emit, f: Format, op: number, trust: Trust, native: Push): void {
  const r = e.temp(f.type);
  const slow = (): void => {
    f.fromBits(callSlow(e, op | f.op)).local_set(r);
  };
  nearestOrSlow(e, slow, () => {
    native(e).local_tee(r);
    return isTrusted(e, f, trust);
  });
  f.set(e, () => e.local_get(r));
}

/** fmadd and its three relatives. */
export function fused(e: Emit, f: Format, op: number): void {
  const isDouble = f.op !== 0;
  const negatesProduct = op === FOP_NMSUB || op === FOP_NMADD;
  const negatesAddend = op !== FOP_MADD && op !== FOP_NMSUB;
  const r = e.temp(f.type);
  const slow = (): void => {
    f.fromBits(callSlow(e, op | f.op)).local_set(r);
  };
  const fast = (): Outcome => {
    const splat = isDouble ? F64X2_SPLAT : F32X4_SPLAT;
    f.src1(e).simd(splat);
    f.src2(e).simd(splat);
    f.src3(e);
    if (negatesAddend) isDouble ? e.f64_neg() : e.f32_neg();
    e.simd(splat);
    if (isDouble) e.simd(negatesProduct ? F64X2_RELAXED_NMADD : F64X2_RELAXED_MADD);
    else e.simd(negatesProduct ? F32X4_RELAXED_NMADD : F32X4_RELAXED_MADD);
    e.simdLane(isDouble ? F64X2_EXTRACT_LANE : F32X4_EXTRACT_LANE, 0).local_tee(r);
    return isTrusted(e, f, "normal");
  };
  if (HAS_FUSED_MADD) nearestOrSlow(e, slow, fast);
  else slow();
  f.set(e, () => e.local_get(r));
}

/** fmin and fmax: WebAssembly's own, but for NaNs. */
export function minMax(e: Emit, f: Format, op: number): void {
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
  const r = e.temp(I64);
  fastOrSlow(
    e,
    (slow) => {
      f.ne(f.src1(f.src1(e)))
        .unlikely()
        .br_if(slow);
      f.ne(f.src2(f.src2(e)))
        .unlikely()
        .br_if(slow);
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

/** fcvt to an integer: natively when the mode is known and the number well inside the range. */
export function toInteger(e: Emit, f: Format, op: number): void {
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
  const r = e.temp(f.type);
  const slow = (): void => {
    e.ctx().i32_const(op | f.op);
    legalMode(e);
    e.rs1().i64_const(0).i64_const(0).callHelper(FP_SLOW);
    f.fromBits(e).local_set(r);
  };
  nearestOrSlow(e, slow, (outside) => {
    e.ctx().i32_load(CTX_FPSLOW).unlikely().br_if(outside);
    native(e).local_set(r);
    return "sure";
  });
  f.set(e, () => e.local_get(r));
}

/** fcvt.s.d */
export function narrow(e: Emit): void {
  const r = e.temp(F32);
  const slow = (): void => {
    SINGLE.fromBits(callSlow(e, FOP_CONVERT)).local_set(r);
  };
  nearestOrSlow(e, slow, () => {
    e.frs1().f32_demote_f64().local_tee(r);
    return isTrusted(e, SINGLE, "normal");
  });
  e.setFrdS(() => e.local_get(r));
}

/** fcvt.d.s: exact, but for NaNs. */
export function widen(e: Emit): void {
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

/** A fast path is "sure", or leaves on the stack (i32) whether its result is to be trusted. */
type Outcome = "sure" | "checked";

/** `fast` computes, or branches to its argument; then `slow` computes instead. */
function fastOrSlow(e: Emit, fast: (slow: Label) => Outcome, slow: () => void): void {
  const done = e.block();
  const outside = e.block();
  if (fast(outside) === "checked") e.likely().br_if(done);
  else e.br(done);
  e.end();
  slow();
  e.end();
}

/**
 * `fast` for the instructions that round to nearest or by frm; `slow` for other modes.
 * `fast` must look at CTX_FPSLOW itself, which knows about frm.
 */
function nearestOrSlow(e: Emit, slow: () => void, fast: (slow: Label) => Outcome): void {
  const mode = e.staticRm();
  if (mode !== undefined && mode !== RM_RNE && mode !== RM_DYN) {
    slow();
    return;
  }
  fastOrSlow(
    e,
    (outside) => {
      if (mode === undefined) {
        // Bits of the modes 1 to 6, which are neither RNE nor DYN.
        e.i32_const(0x7e).field(12, 7).i32_shr_u().i32_const(1).i32_and();
        e.unlikely().br_if(outside);
      }
      return fast(outside);
    },
    slow,
  );
}

/**
 * Takes a native result from the stack and leaves whether it is to be trusted: one compare
 * of the bits, shifted left to lose the sign, or-ed with CTX_FPSLOW's all or nothing.
 */
function isTrusted(e: Emit, f: Format, trust: Trust): Outcome {
  const isDouble = f.op !== 0;
  const infinity2 = isDouble ? 0xffe0_0000_0000_0000n : 0xff00_0000n;
  const least2 = infinity2 & -infinity2;
  const least = trust === "normal" ? least2 + 1n : 0n;
  if (isDouble) {
    e.i64_reinterpret_f64().i64_const(1).i64_shl();
    if (least !== 0n) e.i64_const(least).i64_sub();
    e.ctx().i64_load(CTX_FPSLOW).i64_or();
    e.i64_const(infinity2 - least).i64_lt_u();
  } else {
    e.i32_reinterpret_f32().i32_const(1).i32_shl();
    if (least !== 0n) e.i32_const(Number(least)).i32_sub();
    e.ctx().i32_load(CTX_FPSLOW).i32_or();
    e.i32_const(Number(infinity2 - least)).i32_lt_u();
  }
  return "checked";
}

function isNumber(e: Emit, f: Format, r: number): Outcome {
  f.ne(e.local_get(r).local_get(r)).i32_eqz();
  return "checked";
}

function roundNatively(e: Emit, mode: number): Emit {
  switch (mode) {
    case RM_RTZ:
      return e.f64_trunc();
    case RM_RDN:
      return e.f64_floor();
    case RM_RUP:
      return e.f64_ceil();
    default:
      return e.f64_nearest();
  }
}

/** Calls fpSlow on the f sources; leaves the register's bits. `rm`: for what does not round. */
function callSlow(e: Emit, op: number, rm?: number): Emit {
  const kind = op & (FOP_DOUBLE - 1);
  e.ctx().i32_const(op);
  if (rm === undefined) legalMode(e);
  else e.i32_const(rm);
  e.frs1bits();
  if (SOURCES[kind]! > 1) e.frs2bits();
  else e.i64_const(0);
  if (SOURCES[kind]! > 2) e.frs3bits();
  else e.i64_const(0);
  return e.callHelper(FP_SLOW);
}

/** Floating-point sources by FOP_*. */
const SOURCES = [2, 2, 2, 2, 1, 3, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0];

/** Pushes the rounding mode; a reserved one is an illegal instruction. */
function legalMode(e: Emit): void {
  const mode = e.staticRm();
  if (mode === undefined || mode > RM_RMM) {
    e.rm().i32_const(RM_RMM).i32_gt_u().trapIf(TRAP_ILLEGAL);
  }
  e.rm();
}
