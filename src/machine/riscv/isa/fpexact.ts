/**
 * Proofs that a native result is exact: then there is no flag to raise, and no rounding for another
 * mode to do otherwise. For careful compiled code, which mostly runs in programs that compute with
 * whole numbers and never accrue NX.
 *
 * A sum r of a and b is exact if r - a is b and r - b is a, each rounded: an error would show in
 * the difference from the larger one (T. J. Dekker, "A floating-point technique for extending the available
 * precision", 1971). A product is if a fused multiply-add finds no rest; a bound keeps the rest from underflow.
 * Singles are multiplied in doubles, where their products are exact. Infinities and NaNs prove nothing.
 */
import { CTX_FRM } from "../../layout.ts";
import { F64 } from "../../wasm/asm.ts";
import { F64X2_EXTRACT_LANE, F64X2_RELAXED_MADD, F64X2_SPLAT } from "../../wasm/simd.ts";
import type { Emit } from "../emit.ts";
import { RM_RNE } from "../softfloat/format.ts";
import { HAS_FUSED_MADD } from "../softfloat/fusedmadd.ts";
import {
  FOP_ADD,
  FOP_CONVERT,
  FOP_DIV,
  FOP_MADD,
  FOP_MUL,
  FOP_NMADD,
  FOP_NMSUB,
  FOP_SQRT,
  FOP_SUB,
} from "../softfloat/softfloat.ts";
import type { Format } from "./fppath.ts";

/** A rest of a product above this is no less than 2^-612, and a normal number. */
const FAR = 2 ** -500;

/**
 * Leaves (i32) whether the result `r` of `op`, which rounds, is known to be exact and frm to be
 * round-to-nearest, or not to matter; false if there is no telling.
 */
export function isExact(e: Emit, f: Format, op: number, r: number): void {
  const isDouble = f.op !== 0;
  if (isDouble && !HAS_FUSED_MADD && op !== FOP_ADD && op !== FOP_SUB) {
    e.i32_const(0);
    return;
  }
  // A sum that is zero has the mode's sign.
  if (e.staticRm() === RM_RNE) e.i32_const(1);
  else e.ctx().i32_load(CTX_FRM).i32_eqz();
  const [a, b, c, result] = [e.temp(F64), e.temp(F64), e.temp(F64), e.temp(F64)];
  const promote = (): Emit => (isDouble ? e : e.f64_promote_f32());
  if (op === FOP_CONVERT) e.frs1();
  else {
    f.src1(e);
    promote();
  }
  e.local_set(a);
  if (op !== FOP_SQRT && op !== FOP_CONVERT) {
    f.src2(e);
    promote().local_set(b);
  }
  e.local_get(r);
  promote().local_set(result);
  switch (op) {
    case FOP_ADD:
      isSum(e, result, a, b);
      break;
    case FOP_SUB:
      e.local_get(b).f64_neg().local_set(b);
      isSum(e, result, a, b);
      break;
    case FOP_MUL:
      isProduct(e, isDouble, result, a, b);
      break;
    case FOP_DIV:
      isProduct(e, isDouble, a, result, b);
      break;
    case FOP_SQRT:
      isProduct(e, isDouble, a, result, result);
      break;
    case FOP_CONVERT:
      e.local_get(result).local_get(a).f64_eq();
      break;
    default: {
      if (op === FOP_NMSUB || op === FOP_NMADD) e.local_get(a).f64_neg().local_set(a);
      f.src3(e);
      promote();
      if (op !== FOP_MADD && op !== FOP_NMSUB) e.f64_neg();
      e.local_set(c);
      const product = e.temp(F64);
      e.local_get(result).local_get(c).f64_sub().local_set(product);
      isProduct(e, isDouble, product, a, b);
      e.local_get(result).local_get(product).f64_sub().local_get(c).f64_eq().i32_and();
    }
  }
  e.i32_and();
}

function isSum(e: Emit, r: number, a: number, b: number): void {
  e.local_get(r).local_get(a).f64_sub().local_get(b).f64_eq();
  e.local_get(r).local_get(b).f64_sub().local_get(a).f64_eq().i32_and();
}

/** Leaves whether `p` is a * b; for doubles only if that is far from underflow, or zero by a factor. */
function isProduct(e: Emit, isDouble: boolean, p: number, a: number, b: number): void {
  if (!isDouble) {
    e.local_get(a).local_get(b).f64_mul().local_get(p).f64_eq();
    return;
  }
  e.local_get(a).simd(F64X2_SPLAT).local_get(b).simd(F64X2_SPLAT);
  e.local_get(p).f64_neg().simd(F64X2_SPLAT);
  e.simd(F64X2_RELAXED_MADD).simdLane(F64X2_EXTRACT_LANE, 0).f64_const(0).f64_eq();
  e.local_get(p).f64_abs().f64_const(FAR).f64_ge();
  e.local_get(a).f64_const(0).f64_eq().i32_or();
  e.local_get(b).f64_const(0).f64_eq().i32_or().i32_and();
}
