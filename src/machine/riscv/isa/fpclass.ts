/**
 * fclass: ten classes of number as one bit each.
 *
 * Bits: 0 -inf, 1 -normal, 2 -subnormal, 3 -0, 4 +0, 5 +subnormal, 6 +normal, 7 +inf,
 * 8 signalling NaN, 9 quiet NaN.
 */
import { I32, I64, VOID } from "../../wasm/asm.ts";
import type { Helper } from "../helper.ts";

/** (bits: i64) -> i64; a single's bits lie in the upper half. */
export const FCLASS_S: Helper = classHelper("fclassS", 0xff00_0000_0000_0000n, 1n << 54n);
export const FCLASS_D: Helper = classHelper("fclassD", 0xffe0_0000_0000_0000n, 1n << 51n);

/** `infinity2` is the infinity's pattern shifted left by one, `quietBit` the unshifted quiet bit. */
function classHelper(name: string, infinity2: bigint, quietBit: bigint): Helper {
  const least2 = infinity2 & -infinity2;
  return {
    name,
    params: [I64],
    results: [I64],
    locals: [I64, I32],
    body: (a) => {
      const [BITS, TWICE, CLASS] = [0, 1, 2];
      a.local_get(BITS).i64_const(1).i64_shl().local_set(TWICE);
      a.local_get(TWICE).i64_const(infinity2).i64_gt_u();
      a.if_(VOID);
      a.i64_const(1 << 8).i64_const(1 << 9);
      a.local_get(BITS).i64_const(quietBit).i64_and().i64_eqz().select().return_();
      a.end();
      // The class of the magnitude, counted from zero: 0, 1 subnormal, 2 normal, 3 infinite.
      a.local_get(TWICE).i64_eqz().i32_eqz();
      a.local_get(TWICE).i64_const(least2).i64_ge_u().i32_add();
      a.local_get(TWICE).i64_const(infinity2).i64_eq().i32_add().local_set(CLASS);
      a.i64_const(1);
      a.i32_const(3).local_get(CLASS).i32_sub();
      a.i32_const(4).local_get(CLASS).i32_add();
      a.local_get(BITS).i64_const(0).i64_lt_s().select();
      a.i64_extend_i32_u().i64_shl();
    },
  };
}
