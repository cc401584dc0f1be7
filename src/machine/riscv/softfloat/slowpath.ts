/**
 * The slow path of floating point: a WebAssembly function that compiled code calls when
 * the native result may not be the whole truth.
 *
 *     fpSlow(ctx: i32, op: i32, rm: i32, a: i64, b: i64, c: i64) -> i64
 *
 * `op` is `FOP_*` (with FOP_DOUBLE), `rm` a resolved rounding mode (0..4), operands and
 * result are whole registers, as for softFloat(). In round-to-nearest the function proves most results exact or inexact with
 * a few native operations, raises NX if need be, and leaves the rest to softFloat.
 *
 * Why it matters: until a program's first inexact result NX is clear, so programs that
 * compute with small integers in doubles come here for every operation.
 */
import { CTX_FFLAGS } from "../../layout.ts";
import { type Asm, I32, I64, type Label, VOID } from "../../wasm/asm.ts";
import type { Helper } from "../helper.ts";
import { HAS_FUSED_MADD } from "./fusedmadd.ts";
import { doubleOperations } from "./slowdouble.ts";
import {
  A,
  B,
  boxSingle,
  CTX,
  I,
  J,
  LOCALS,
  OP,
  R,
  RAW_A,
  RAW_B,
  RAW_C,
  RM,
  refreshFpSlow,
  returnInexact,
  S,
  type SlowCode,
} from "./slowframe.ts";
import { singleOperations } from "./slowsingle.ts";
import {
  FOP_CONVERT,
  FOP_DOUBLE,
  FOP_EQ,
  FOP_FROM_L,
  FOP_FROM_LU,
  FOP_FROM_W,
  FOP_FROM_WU,
  FOP_LE,
  FOP_LT,
  FOP_MADD,
  FOP_NMADD,
  FOP_SQRT,
  FOP_TO_L,
  FOP_TO_LU,
  FOP_TO_W,
  FOP_TO_WU,
} from "./softfloat.ts";

/** softFloat() of the host (softfloat.ts). */
export const SOFT_FLOAT: Helper = {
  name: "softFloat",
  params: [I32, I32, I32, I64, I64, I64],
  results: [I64],
};

/** fpSlow as generated for this host. */
export const FP_SLOW: Helper = fpSlowHelper(HAS_FUSED_MADD);

/** fpSlow for a host that fuses relaxed_madd, or not. */
export function fpSlowHelper(hasFusedMadd: boolean): Helper {
  return {
    name: "fpSlow",
    params: [I32, I32, I32, I64, I64, I64],
    results: [I64],
    locals: LOCALS,
    uses: [SOFT_FLOAT],
    body: (asm, call) => {
      const soft = asm.block();
      const cases = new Map<number, (c: SlowCode) => void>([
        ...conversionsToInteger(),
        ...comparisons(),
        ...nearestOnly(conversionsFromInteger()),
        ...nearestOnly(doubleOperations()),
        ...nearestOnly(singleOperations()),
      ]);
      dispatch({ asm, soft, hasFusedMadd }, cases);
      asm.end();
      asm.local_get(CTX).i32_const(CTX_FFLAGS).i32_add().local_get(OP).local_get(RM);
      asm.local_get(RAW_A).local_get(RAW_B).local_get(RAW_C);
      call(SOFT_FLOAT);
      refreshFpSlow(asm);
    },
  };
}

/** One arm per operation that has one; the others go to softFloat. */
function dispatch(code: SlowCode, cases: Map<number, (c: SlowCode) => void>): void {
  const { asm, soft } = code;
  const kinds = [...cases.keys()].sort((x, y) => x - y);
  const labels = new Map<number, Label>();
  for (const kind of [...kinds].reverse()) labels.set(kind, asm.block());
  asm.local_get(OP).br_table(
    Array.from({ length: 64 }, (_, kind) => labels.get(kind) ?? soft),
    soft,
  );
  for (const kind of kinds) {
    asm.end();
    loadOperands(asm, (kind & FOP_DOUBLE) !== 0, kind & (FOP_DOUBLE - 1), soft);
    cases.get(kind)!(code);
  }
}

function loadOperands(asm: Asm, isDouble: boolean, kind: number, soft: Label): void {
  if (kind >= FOP_FROM_W) return;
  const isFromDouble = isDouble !== (kind === FOP_CONVERT);
  for (let i = 0; i < operandCount(kind); i++) {
    asm.local_get(RAW_A + i);
    if (isFromDouble) {
      asm.f64_reinterpret_i64().local_set(A + i);
      continue;
    }
    // What is not NaN-boxed is a NaN.
    asm.i64_const(32).i64_shr_s().i64_const(-1).i64_ne().br_if(soft);
    asm
      .local_get(RAW_A + i)
      .i32_wrap_i64()
      .f32_reinterpret_i32()
      .f64_promote_f32();
    asm.local_set(A + i);
  }
}

function operandCount(kind: number): number {
  if (kind >= FOP_CONVERT || kind === FOP_SQRT) return 1;
  return kind >= FOP_MADD && kind <= FOP_NMADD ? 3 : 2;
}

function* nearestOnly(
  cases: Iterable<[number, (c: SlowCode) => void]>,
): Generator<[number, (c: SlowCode) => void]> {
  for (const [kind, emit] of cases) {
    yield [
      kind,
      (c) => {
        c.asm.local_get(RM).br_if(c.soft);
        emit(c);
      },
    ];
  }
}

/** Quiet and signalling comparisons: only NaNs come here. */
function* comparisons(): Generator<[number, (c: SlowCode) => void]> {
  for (const dbl of [0, FOP_DOUBLE]) {
    for (const kind of [FOP_EQ, FOP_LT, FOP_LE]) {
      yield [
        kind | dbl,
        ({ asm, soft }) => {
          // An ordered pair is an ordinary comparison; NaNs need their quiet bits looked at.
          asm.local_get(A).local_get(A).f64_ne().br_if(soft);
          asm.local_get(B).local_get(B).f64_ne().br_if(soft);
          asm.local_get(A).local_get(B);
          if (kind === FOP_EQ) asm.f64_eq();
          else if (kind === FOP_LT) asm.f64_lt();
          else asm.f64_le();
          asm.i64_extend_i32_u().return_();
        },
      ];
    }
  }
}

/** In range, every mode but RMM is a native instruction; inexact if it changed the number. */
function* conversionsToInteger(): Generator<[number, (c: SlowCode) => void]> {
  const ranges: [number, number, number][] = [
    [FOP_TO_W, -(2 ** 31), 2 ** 31],
    [FOP_TO_WU, 0, 2 ** 32],
    [FOP_TO_L, -(2 ** 63), 2 ** 63],
    [FOP_TO_LU, 0, 2 ** 64],
  ];
  for (const dbl of [0, FOP_DOUBLE]) {
    for (const [kind, least, end] of ranges) {
      yield [
        kind | dbl,
        ({ asm, soft }) => {
          const rounded = asm.block();
          const modes = [asm.block(), asm.block(), asm.block(), asm.block()].reverse();
          asm.local_get(RM).br_table(modes, soft);
          asm.end().local_get(A).f64_nearest().local_set(R).br(rounded);
          asm.end().local_get(A).f64_trunc().local_set(R).br(rounded);
          asm.end().local_get(A).f64_floor().local_set(R).br(rounded);
          asm.end().local_get(A).f64_ceil().local_set(R).end();
          asm.local_get(R).f64_const(least).f64_ge().i32_eqz().br_if(soft);
          asm.local_get(R).f64_const(end).f64_lt().i32_eqz().br_if(soft);
          asm.local_get(R);
          if (kind === FOP_TO_LU) asm.i64_trunc_f64_u();
          else asm.i64_trunc_f64_s();
          if (kind === FOP_TO_WU) asm.i64_extend32_s();
          asm.local_set(I);
          asm.local_get(R).local_get(A).f64_eq().if_(VOID);
          asm.local_get(I).return_().end();
          asm.local_get(I);
          returnInexact(asm);
        },
      ];
    }
  }
}

/** Exact when the way back yields the same integer. */
function* conversionsFromInteger(): Generator<[number, (c: SlowCode) => void]> {
  for (const dbl of [0, FOP_DOUBLE]) {
    for (const kind of [FOP_FROM_W, FOP_FROM_WU, FOP_FROM_L, FOP_FROM_LU]) {
      yield [
        kind | dbl,
        ({ asm }) => {
          asm.local_get(RAW_A);
          if (kind === FOP_FROM_W) asm.i64_extend32_s();
          if (kind === FOP_FROM_WU) asm.i64_const(0xffff_ffff).i64_and();
          asm.local_tee(I);
          const isUnsigned = kind === FOP_FROM_LU;
          if (dbl !== 0) {
            if (isUnsigned) asm.f64_convert_i64_u();
            else asm.f64_convert_i64_s();
            asm.local_tee(R).i64_reinterpret_f64().local_set(J);
          } else {
            if (isUnsigned) asm.f32_convert_i64_u();
            else asm.f32_convert_i64_s();
            asm.local_tee(S).f64_promote_f32().local_set(R);
            boxSingle(asm, S);
            asm.local_set(J);
          }
          // The power of two past the largest integer saturates back onto it: never exact.
          asm.local_get(R);
          if (isUnsigned) asm.i64_trunc_sat_f64_u();
          else asm.i64_trunc_sat_f64_s();
          asm.local_get(I).i64_eq();
          asm
            .local_get(R)
            .f64_const(isUnsigned ? 2 ** 64 : 2 ** 63)
            .f64_lt()
            .i32_and();
          asm.if_(VOID);
          asm.local_get(J).return_().end();
          asm.local_get(J);
          returnInexact(asm);
        },
      ];
    }
  }
}
