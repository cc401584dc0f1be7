/**
 * D: double-precision floating point.
 *
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "D" Standard Extension.
 */
import {
  FOP_ADD,
  FOP_DIV,
  FOP_EQ,
  FOP_FROM_L,
  FOP_FROM_LU,
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
import { FCLASS_D } from "./fpclass.ts";
import { fromInteger, fromWord, narrow, toInteger, widen } from "./fpconvert.ts";
import { DOUBLE } from "./fppath.ts";
import { FR, FR1, FR1F3, FRF3, I, type Insn, insn, R4, S } from "./insn.ts";

const TWO = "frd, frs1, frs2";
const TWO_RM = "frd, frs1, frs2, rm";
const THREE_RM = "frd, frs1, frs2, frs3, rm";

export const D_INSNS: readonly Insn[] = [
  insn("fld", I(0x07, 3), "frd, imm(rs1)", (e) => e.loadFrd()),
  insn("fsd", S(0x27, 3), "frs2, imm(rs1)", (e) => e.storeFrs2(8)),

  insn("fmadd.d", R4(0x43, 1), THREE_RM, (e) => fused(e, DOUBLE, FOP_MADD)),
  insn("fmsub.d", R4(0x47, 1), THREE_RM, (e) => fused(e, DOUBLE, FOP_MSUB)),
  insn("fnmsub.d", R4(0x4b, 1), THREE_RM, (e) => fused(e, DOUBLE, FOP_NMSUB)),
  insn("fnmadd.d", R4(0x4f, 1), THREE_RM, (e) => fused(e, DOUBLE, FOP_NMADD)),

  // A sum that is subnormal is exact.
  insn("fadd.d", FR(0x01), TWO_RM, (e) =>
    rounded(e, DOUBLE, FOP_ADD, "finite", () => e.frs1().frs2().f64_add()),
  ),
  insn("fsub.d", FR(0x05), TWO_RM, (e) =>
    rounded(e, DOUBLE, FOP_SUB, "finite", () => e.frs1().frs2().f64_sub()),
  ),
  insn("fmul.d", FR(0x09), TWO_RM, (e) =>
    rounded(e, DOUBLE, FOP_MUL, "normal", () => e.frs1().frs2().f64_mul()),
  ),
  insn("fdiv.d", FR(0x0d), TWO_RM, (e) =>
    rounded(e, DOUBLE, FOP_DIV, "normal", () => e.frs1().frs2().f64_div()),
  ),
  insn("fsqrt.d", FR1(0x2d, 0), "frd, frs1, rm", (e) =>
    rounded(e, DOUBLE, FOP_SQRT, "finite", () => e.frs1().f64_sqrt()),
  ),

  insn("fsgnj.d", FRF3(0, 0x11), TWO, (e) => injectSign(e, DOUBLE, "copy")),
  insn("fsgnjn.d", FRF3(1, 0x11), TWO, (e) => injectSign(e, DOUBLE, "negate")),
  insn("fsgnjx.d", FRF3(2, 0x11), TWO, (e) => injectSign(e, DOUBLE, "xor")),
  insn("fmin.d", FRF3(0, 0x15), TWO, (e) => minMax(e, DOUBLE, FOP_MIN)),
  insn("fmax.d", FRF3(1, 0x15), TWO, (e) => minMax(e, DOUBLE, FOP_MAX)),
  insn("fle.d", FRF3(0, 0x51), "rd, frs1, frs2", (e) => compare(e, DOUBLE, FOP_LE)),
  insn("flt.d", FRF3(1, 0x51), "rd, frs1, frs2", (e) => compare(e, DOUBLE, FOP_LT)),
  insn("feq.d", FRF3(2, 0x51), "rd, frs1, frs2", (e) => compare(e, DOUBLE, FOP_EQ)),
  insn("fclass.d", FR1F3(1, 0x71, 0), "rd, frs1", (e) =>
    e.setRd(() => e.frs1bits().callHelper(FCLASS_D)),
  ),

  insn("fcvt.s.d", FR1(0x20, 1), "frd, frs1, rm", narrow),
  insn("fcvt.d.s", FR1(0x21, 0), "frd, frs1", widen),
  insn("fcvt.w.d", FR1(0x61, 0), "rd, frs1, rm", (e) => toInteger(e, DOUBLE, FOP_TO_W)),
  insn("fcvt.wu.d", FR1(0x61, 1), "rd, frs1, rm", (e) => toInteger(e, DOUBLE, FOP_TO_WU)),
  insn("fcvt.l.d", FR1(0x61, 2), "rd, frs1, rm", (e) => toInteger(e, DOUBLE, FOP_TO_L)),
  insn("fcvt.lu.d", FR1(0x61, 3), "rd, frs1, rm", (e) => toInteger(e, DOUBLE, FOP_TO_LU)),
  insn("fcvt.d.w", FR1(0x69, 0), "frd, rs1", (e) =>
    fromWord(e, () => e.rs1w().f64_convert_i32_s()),
  ),
  insn("fcvt.d.wu", FR1(0x69, 1), "frd, rs1", (e) =>
    fromWord(e, () => e.rs1w().f64_convert_i32_u()),
  ),
  insn("fcvt.d.l", FR1(0x69, 2), "frd, rs1, rm", (e) =>
    fromInteger(e, DOUBLE, FOP_FROM_L, () => e.rs1().f64_convert_i64_s()),
  ),
  insn("fcvt.d.lu", FR1(0x69, 3), "frd, rs1, rm", (e) =>
    fromInteger(e, DOUBLE, FOP_FROM_LU, () => e.rs1().f64_convert_i64_u()),
  ),
  insn("fmv.x.d", FR1F3(0, 0x71, 0), "rd, frs1", (e) => e.setRd(() => e.frs1bits())),
  insn("fmv.d.x", FR1F3(0, 0x79, 0), "frd, rs1", (e) => e.setFrdBits(() => e.rs1())),
];
