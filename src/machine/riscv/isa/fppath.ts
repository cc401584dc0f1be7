/**
 * How floating-point instructions are done: natively where that is provably right, by
 * fpSlow otherwise.
 *
 * Natively means round-to-nearest with NX already accrued (CTX_FPSLOW is 0), and a result
 * that can raise nothing else: a finite number, and for what may underflow one above the
 * least normal. Everything else (other modes, first inexact result, zeroes and subnormals
 * of a product, infinities, NaNs) goes to fpSlow, which is exact. See softfloat/slowpath.ts.
 */
import { CTX_FPSLOW } from "../../layout.ts";
import { TRAP_ILLEGAL } from "../../traps.ts";
import { F32, F64, type Label } from "../../wasm/asm.ts";
import type { Emit } from "../emit.ts";
import { RM_DYN, RM_RDN, RM_RMM, RM_RNE, RM_RTZ, RM_RUP } from "../softfloat/format.ts";
import { FP_SLOW } from "../softfloat/slowpath.ts";
import { FOP_DOUBLE, FOP_EQ } from "../softfloat/softfloat.ts";

export type Push = (e: Emit) => Emit;

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
export type Trust = "finite" | "normal";

/** A fast path is "sure", or leaves on the stack (i32) whether its result is to be trusted. */
export type Outcome = "sure" | "checked";

/**
 * `fast` computes, or branches to its argument; then `slow` computes instead, unless `isExact` leaves true
 * about what `fast` has computed.
 */
export function fastOrSlow(
  e: Emit,
  fast: (slow: Label) => Outcome,
  slow: () => void,
  isExact?: () => void,
): void {
  const done = e.block();
  const outside = e.block();
  if (fast(outside) === "checked") e.likely().br_if(done);
  else e.br(done);
  e.end();
  if (isExact) {
    isExact();
    e.br_if(done);
  }
  slow();
  e.end();
}

/**
 * `fast` for the instructions that round to nearest or by frm; `slow` for other modes.
 * `fast` must look at CTX_FPSLOW itself, which knows about frm. `isExact` is for compiled code, as it is long.
 */
export function nearestOrSlow(
  e: Emit,
  slow: () => void,
  fast: (slow: Label) => Outcome,
  isExact?: () => void,
): void {
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
    mode === undefined ? undefined : isExact,
  );
}

/**
 * Takes a native result from the stack and leaves whether it is to be trusted: one compare
 * of the bits, shifted left to lose the sign, or-ed with CTX_FPSLOW's all or nothing.
 */
export function isTrusted(e: Emit, f: Format, trust: Trust): Outcome {
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

/**
 * Leaves whether a fused multiply-add cannot have underflowed: its result `r` or its addend
 * is at least 2^-511 (single: 2^-63). Then digits of the product reach far below, but not below
 * the least subnormal. Unlike a look at the result alone this has nothing against zeroes,
 * which come at random where sums cancel. Or-ing keeps the two upper exponent bits apart.
 */
export function isFarFromUnderflow(e: Emit, f: Format, r: number): Outcome {
  if (f.op !== 0) {
    e.local_get(r).i64_reinterpret_f64();
    e.frs3bits().i64_or().i64_const(0x6000_0000_0000_0000n).i64_and().i64_eqz().i32_eqz();
  } else {
    e.local_get(r).i32_reinterpret_f32();
    e.frs3s().i32_reinterpret_f32().i32_or().i32_const(0x6000_0000).i32_and().i32_eqz().i32_eqz();
  }
  return "checked";
}

export function isNumber(e: Emit, f: Format, r: number): Outcome {
  f.ne(e.local_get(r).local_get(r)).i32_eqz();
  return "checked";
}

/** Calls fpSlow on the f sources; leaves the register's bits. `rm`: for what does not round. */
export function callSlow(e: Emit, op: number, rm?: number): Emit {
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
export function legalMode(e: Emit): void {
  refuseReservedMode(e);
  e.rm();
}

/** Even an exact instruction is illegal with a reserved rounding mode. */
export function refuseReservedMode(e: Emit): void {
  const mode = e.staticRm();
  if (mode !== undefined && mode <= RM_RMM) return;
  e.rm().i32_const(RM_RMM).i32_gt_u().trapIf(TRAP_ILLEGAL);
}

/** Rounds a double to an integer in a static mode; dynamic means to nearest. */
export function roundNatively(e: Emit, mode: number): Emit {
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

/**
 * Refuses (i32 on the stack) a source that is a NaN, or for feq a signaling one: a quiet NaN equals nothing,
 * and that is how programs ask for one.
 */
export function refuseNaN(
  e: Emit,
  f: Format,
  op: number,
  source: Push,
  refuseIf: () => void,
): void {
  f.ne(source(source(e)));
  if (op !== FOP_EQ) {
    refuseIf();
    return;
  }
  e.unlikely().if_();
  source(e);
  if (f.op !== 0)
    e.i64_reinterpret_f64()
      .i64_const(1n << 51n)
      .i64_and()
      .i64_eqz();
  else
    e.i32_reinterpret_f32()
      .i32_const(1 << 22)
      .i32_and()
      .i32_eqz();
  refuseIf();
  e.end();
}
