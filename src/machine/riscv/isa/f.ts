/**
 * F: single-precision floating point, NaN-boxed in 64-bit registers.
 *
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "F" Standard Extension.
 */
import { F32 } from "../../wasm/asm.ts";
import {
  FOP_ADD,
  FOP_DIV,
  FOP_EQ,
  FOP_FROM_L,
  FOP_FROM_LU,
  FOP_FROM_W,
  FOP_FROM_WU,
  FOP_LE,
  FOP_LT,
  FOP_MADD,
  FOP_MAX,
  FOP_MIN,
  FOP_MSUB,
  FOP_MUL,
  FOP_NMADD,
  FOP_NMSUB,
  FOP_SQRT,
  FOP_SUB,
  FOP_TO_L,
  FOP_TO_LU,
  FOP_TO_W,
  FOP_TO_WU,
} from "../softfloat/softfloat.ts";
import { compare, fused, injectSign, minMax, rounded } from "./fpbody.ts";
import { FCLASS_S } from "./fpclass.ts";
import { fromInteger, toInteger } from "./fpconvert.ts";
import { SINGLE } from "./fppath.ts";
import { FR, FR1, FR1F3, FRF3, I, type Insn, insn, R4, S } from "./insn.ts";

const TWO = "frd, frs1, frs2";
const TWO_RM = "frd, frs1, frs2, rm";
const THREE_RM = "frd, frs1, frs2, frs3, rm";

export const F_INSNS: readonly Insn[] = [
  insn("flw", I(0x07, 2), "frd, imm(rs1)", (e) =>
    e.setFrdS(() => e.load(4, (at) => e.f32_load(at), F32)),
  ),
  insn("fsw", S(0x27, 2), "frs2, imm(rs1)", (e) => e.storeFrs2(4)),

  insn("fmadd.s", R4(0x43, 0), THREE_RM, (e) => fused(e, SINGLE, FOP_MADD)),
  insn("fmsub.s", R4(0x47, 0), THREE_RM, (e) => fused(e, SINGLE, FOP_MSUB)),
  insn("fnmsub.s", R4(0x4b, 0), THREE_RM, (e) => fused(e, SINGLE, FOP_NMSUB)),
  insn("fnmadd.s", R4(0x4f, 0), THREE_RM, (e) => fused(e, SINGLE, FOP_NMADD)),

  // A sum that is subnormal is exact.
  insn("fadd.s", FR(0x00), TWO_RM, (e) =>
    rounded(e, SINGLE, FOP_ADD, "finite", () => e.frs1s().frs2s().f32_add()),
  ),
  insn("fsub.s", FR(0x04), TWO_RM, (e) =>
    rounded(e, SINGLE, FOP_SUB, "finite", () => e.frs1s().frs2s().f32_sub()),
  ),
  insn("fmul.s", FR(0x08), TWO_RM, (e) =>
    rounded(e, SINGLE, FOP_MUL, "normal", () => e.frs1s().frs2s().f32_mul()),
  ),
  insn("fdiv.s", FR(0x0c), TWO_RM, (e) =>
    rounded(e, SINGLE, FOP_DIV, "normal", () => e.frs1s().frs2s().f32_div()),
  ),
  insn("fsqrt.s", FR1(0x2c, 0), "frd, frs1, rm", (e) =>
    rounded(e, SINGLE, FOP_SQRT, "finite", () => e.frs1s().f32_sqrt()),
  ),

  insn("fsgnj.s", FRF3(0, 0x10), TWO, (e) => injectSign(e, SINGLE, "copy")),
  insn("fsgnjn.s", FRF3(1, 0x10), TWO, (e) => injectSign(e, SINGLE, "negate")),
  insn("fsgnjx.s", FRF3(2, 0x10), TWO, (e) => injectSign(e, SINGLE, "xor")),
  insn("fmin.s", FRF3(0, 0x14), TWO, (e) => minMax(e, SINGLE, FOP_MIN)),
  insn("fmax.s", FRF3(1, 0x14), TWO, (e) => minMax(e, SINGLE, FOP_MAX)),
  insn("fle.s", FRF3(0, 0x50), "rd, frs1, frs2", (e) => compare(e, SINGLE, FOP_LE)),
  insn("flt.s", FRF3(1, 0x50), "rd, frs1, frs2", (e) => compare(e, SINGLE, FOP_LT)),
  insn("feq.s", FRF3(2, 0x50), "rd, frs1, frs2", (e) => compare(e, SINGLE, FOP_EQ)),
  insn("fclass.s", FR1F3(1, 0x70, 0), "rd, frs1", (e) =>
    e.setRd(() => {
      e.frs1s().i32_reinterpret_f32().i64_extend_i32_u().i64_const(32).i64_shl();
      e.callHelper(FCLASS_S);
    }),
  ),

  insn("fcvt.w.s", FR1(0x60, 0), "rd, frs1, rm", (e) => toInteger(e, SINGLE, FOP_TO_W)),
  insn("fcvt.wu.s", FR1(0x60, 1), "rd, frs1, rm", (e) => toInteger(e, SINGLE, FOP_TO_WU)),
  insn("fcvt.l.s", FR1(0x60, 2), "rd, frs1, rm", (e) => toInteger(e, SINGLE, FOP_TO_L)),
  insn("fcvt.lu.s", FR1(0x60, 3), "rd, frs1, rm", (e) => toInteger(e, SINGLE, FOP_TO_LU)),
  insn("fcvt.s.w", FR1(0x68, 0), "frd, rs1, rm", (e) =>
    fromInteger(e, SINGLE, FOP_FROM_W, () => e.rs1w().f32_convert_i32_s()),
  ),
  insn("fcvt.s.wu", FR1(0x68, 1), "frd, rs1, rm", (e) =>
    fromInteger(e, SINGLE, FOP_FROM_WU, () => e.rs1w().f32_convert_i32_u()),
  ),
  insn("fcvt.s.l", FR1(0x68, 2), "frd, rs1, rm", (e) =>
    fromInteger(e, SINGLE, FOP_FROM_L, () => e.rs1().f32_convert_i64_s()),
  ),
  insn("fcvt.s.lu", FR1(0x68, 3), "frd, rs1, rm", (e) =>
    fromInteger(e, SINGLE, FOP_FROM_LU, () => e.rs1().f32_convert_i64_u()),
  ),
  insn("fmv.x.w", FR1F3(0, 0x70, 0), "rd, frs1", (e) =>
    e.setRd(() => e.frs1bits().i64_extend32_s()),
  ),
  insn("fmv.w.x", FR1F3(0, 0x78, 0), "frd, rs1", (e) =>
    e.setFrdS(() => e.rs1w().f32_reinterpret_i32()),
  ),
];
