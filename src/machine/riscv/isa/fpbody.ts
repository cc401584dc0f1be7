/**
 * How floating-point instructions are done: natively where that is provably right, by
 * fpSlow otherwise.
 *
 * Natively means round-to-nearest with NX already accrued, and a result that can raise
 * nothing else: a finite number, and for what may underflow one above the least normal.
 * Everything else (other modes, first inexact result, zeroes and subnormals of a product,
 * infinities, NaNs) goes to fpSlow, which is exact. See softfloat/slowpath.ts.
 */
import { CTX_FFLAGS } from "../../layout.ts";
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
  readonly abs: Push;
  readonly lt: Push;
  readonly gt: Push;
  readonly ne: Push;
  readonly constant: (e: Emit, v: number) => Emit;
  /** Takes the value out of a whole register on the stack (i64). */
  readonly fromBits: Push;
  readonly minNormal: number;
}

export const SINGLE: Format = {
  op: 0,
  type: F32,
  src1: (e) => e.frs1s(),
  src2: (e) => e.frs2s(),
  src3: (e) => e.frs3s(),
  set: (e, value) => e.setFrdS(value),
  abs: (e) => e.f32_abs(),
  lt: (e) => e.f32_lt(),
  gt: (e) => e.f32_gt(),
  ne: (e) => e.f32_ne(),
  constant: (e, v) => e.f32_const(v),
  fromBits: (e) => e.i32_wrap_i64().f32_reinterpret_i32(),
  minNormal: 2 ** -126,
};

export const DOUBLE: Format = {
  op: FOP_DOUBLE,
  type: F64,
  src1: (e) => e.frs1(),
  src2: (e) => e.frs2(),
  src3: (e) => e.frs3(),
  set: (e, value) => e.setFrd(value),
  abs: (e) => e.f64_abs(),
  lt: (e) => e.f64_lt(),
  gt: (e) => e.f64_gt(),
  ne: (e) => e.f64_ne(),
  constant: (e, v) => e.f64_const(v),
  fromBits: (e) => e.f64_reinterpret_i64(),
  minNormal: 2 ** -1022,
};

/** How much of the number line a native result may be trusted on. */
type Trust = "finite" | "normal" | "number";

/** An operation on up to three registers of one format, rounded to nearest by `native`. */
export function rounded(e: Emit, f: Format, op: number, trust: Trust, native: Push): void {
  const r = e.temp(f.type);
  fastOrSlow(
    e,
    (slow) => {
      e.fpSlow().unlikely().br_if(slow);
      native(e).local_set(r);
      return trustResult(e, f, r, trust, slow);
    },
    () => {
      f.fromBits(callSlow(e, op | f.op)).local_set(r);
    },
  );
  f.set(e, () => e.local_get(r));
}

/** fmadd and its three relatives. */
export function fused(e: Emit, f: Format, op: number): void {
  const isDouble = f.op !== 0;
  const negatesProduct = op === FOP_NMSUB || op === FOP_NMADD;
  const negatesAddend = op !== FOP_MADD && op !== FOP_NMSUB;
  const r = e.temp(f.type);
  const slowOnly = (): void => {
    f.fromBits(callSlow(e, op | f.op)).local_set(r);
  };
  if (HAS_FUSED_MADD) {
    fastOrSlow(
      e,
      (slow) => {
        e.fpSlow().unlikely().br_if(slow);
        const splat = isDouble ? F64X2_SPLAT : F32X4_SPLAT;
        f.src1(e).simd(splat);
        f.src2(e).simd(splat);
        f.src3(e);
        if (negatesAddend) isDouble ? e.f64_neg() : e.f32_neg();
        e.simd(splat);
        if (isDouble) e.simd(negatesProduct ? F64X2_RELAXED_NMADD : F64X2_RELAXED_MADD);
        else e.simd(negatesProduct ? F32X4_RELAXED_NMADD : F32X4_RELAXED_MADD);
        e.simdLane(isDouble ? F64X2_EXTRACT_LANE : F32X4_EXTRACT_LANE, 0).local_set(r);
        return trustResult(e, f, r, "normal", slow);
      },
      slowOnly,
    );
  } else {
    slowOnly();
  }
  f.set(e, () => e.local_get(r));
}

/** fmin and fmax: WebAssembly's own, but for NaNs. */
export function minMax(e: Emit, f: Format, op: number): void {
  const r = e.temp(f.type);
  fastOrSlow(
    e,
    (slow) => {
      f.src2(f.src1(e));
      if (f.op !== 0) op === FOP_MIN ? e.f64_min() : e.f64_max();
      else op === FOP_MIN ? e.f32_min() : e.f32_max();
      e.local_set(r);
      return trustResult(e, f, r, "number", slow);
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
        if (mode === RM_DYN) e.fpSlow().unlikely().br_if(slow);
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
  fastOrSlow(
    e,
    (slow) => {
      e.fpSlow().unlikely().br_if(slow);
      native(e).local_set(r);
      return "sure";
    },
    () => {
      e.ctx().i32_const(op | f.op);
      legalMode(e);
      e.rs1().i64_const(0).i64_const(0).callHelper(FP_SLOW);
      f.fromBits(e).local_set(r);
    },
  );
  f.set(e, () => e.local_get(r));
}

/** fcvt between the formats; `f` is the destination. */
export function convertFormat(e: Emit, f: Format, op: number, native: Push): void {
  const r = e.temp(f.type);
  const isWidening = f.op !== 0;
  fastOrSlow(
    e,
    (slow) => {
      if (!isWidening) e.fpSlow().unlikely().br_if(slow);
      native(e).local_set(r);
      return trustResult(e, f, r, isWidening ? "number" : "normal", slow);
    },
    () => {
      f.fromBits(callSlow(e, op | f.op, isWidening ? RM_RNE : undefined)).local_set(r);
    },
  );
  f.set(e, () => e.local_get(r));
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

function trustResult(e: Emit, f: Format, r: number, trust: Trust, slow: Label): Outcome {
  if (trust === "number") {
    f.ne(e.local_get(r).local_get(r)).i32_eqz();
    return "checked";
  }
  if (trust === "normal") {
    f.gt(f.constant(f.abs(e.local_get(r)), f.minNormal))
      .i32_eqz()
      .unlikely()
      .br_if(slow);
  }
  f.lt(f.constant(f.abs(e.local_get(r)), Number.POSITIVE_INFINITY));
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
