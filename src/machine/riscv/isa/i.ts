/**
 * RV64I: the base integer instructions.
 *
 * Source: The RISC-V Instruction Set Manual, Volume I, chapters 2 and 4.
 */
import { TRAP_BREAK } from "../../traps.ts";
import { B, BARE, I, type Insn, insn, J, R, S, SH5, SH6, U, WORD } from "./insn.ts";

/** Shift amounts of the 32-bit forms need no mask: WebAssembly takes them modulo the width too. */
export const I_INSNS: readonly Insn[] = [
  insn("lui", U(0x37), "rd, imm", (e) => e.setRd(() => e.imm())),
  insn("auipc", U(0x17), "rd, imm", (e) => e.setRd(() => e.pc().imm().i64_add())),
  insn("jal", J(0x6f), "rd, target", (e) => e.setRd(() => e.nextPc()).jump()),
  insn("jalr", I(0x67, 0), "rd, imm(rs1)", (e) =>
    e.jumpTo(() => e.rs1().imm().i64_add().i64_const(-2).i64_and(), true),
  ),

  insn("beq", B(0x63, 0), "rs1, rs2, target", (e) => e.branch(() => e.rs1().rs2().i64_eq())),
  insn("bne", B(0x63, 1), "rs1, rs2, target", (e) => e.branch(() => e.rs1().rs2().i64_ne())),
  insn("blt", B(0x63, 4), "rs1, rs2, target", (e) => e.branch(() => e.rs1().rs2().i64_lt_s())),
  insn("bge", B(0x63, 5), "rs1, rs2, target", (e) => e.branch(() => e.rs1().rs2().i64_ge_s())),
  insn("bltu", B(0x63, 6), "rs1, rs2, target", (e) => e.branch(() => e.rs1().rs2().i64_lt_u())),
  insn("bgeu", B(0x63, 7), "rs1, rs2, target", (e) => e.branch(() => e.rs1().rs2().i64_ge_u())),

  insn("lb", I(3, 0), "rd, imm(rs1)", (e) => e.setRd(() => e.load(1, (at) => e.i64_load8_s(at)))),
  insn("lh", I(3, 1), "rd, imm(rs1)", (e) => e.setRd(() => e.load(2, (at) => e.i64_load16_s(at)))),
  insn("lw", I(3, 2), "rd, imm(rs1)", (e) => e.setRd(() => e.load(4, (at) => e.i64_load32_s(at)))),
  insn("ld", I(3, 3), "rd, imm(rs1)", (e) => e.setRd(() => e.load(8, (at) => e.i64_load(at)))),
  insn("lbu", I(3, 4), "rd, imm(rs1)", (e) => e.setRd(() => e.load(1, (at) => e.i64_load8_u(at)))),
  insn("lhu", I(3, 5), "rd, imm(rs1)", (e) => e.setRd(() => e.load(2, (at) => e.i64_load16_u(at)))),
  insn("lwu", I(3, 6), "rd, imm(rs1)", (e) => e.setRd(() => e.load(4, (at) => e.i64_load32_u(at)))),

  insn("sb", S(0x23, 0), "rs2, imm(rs1)", (e) => e.store(1, () => e.rs2())),
  insn("sh", S(0x23, 1), "rs2, imm(rs1)", (e) => e.store(2, () => e.rs2())),
  insn("sw", S(0x23, 2), "rs2, imm(rs1)", (e) => e.store(4, () => e.rs2())),
  insn("sd", S(0x23, 3), "rs2, imm(rs1)", (e) => e.store(8, () => e.rs2())),

  insn("addi", I(0x13, 0), "rd, rs1, imm", (e) => e.setRd(() => e.rs1().imm().i64_add())),
  insn("slti", I(0x13, 2), "rd, rs1, imm", (e) =>
    e.setRd(() => e.rs1().imm().i64_lt_s().i64_extend_i32_u()),
  ),
  insn("sltiu", I(0x13, 3), "rd, rs1, imm", (e) =>
    e.setRd(() => e.rs1().imm().i64_lt_u().i64_extend_i32_u()),
  ),
  insn("xori", I(0x13, 4), "rd, rs1, imm", (e) => e.setRd(() => e.rs1().imm().i64_xor())),
  insn("ori", I(0x13, 6), "rd, rs1, imm", (e) => e.setRd(() => e.rs1().imm().i64_or())),
  insn("andi", I(0x13, 7), "rd, rs1, imm", (e) => e.setRd(() => e.rs1().imm().i64_and())),
  insn("slli", SH6(0x13, 1, 0), "rd, rs1, shamt", (e) => e.setRd(() => e.rs1().imm().i64_shl())),
  insn("srli", SH6(0x13, 5, 0), "rd, rs1, shamt", (e) => e.setRd(() => e.rs1().imm().i64_shr_u())),
  insn("srai", SH6(0x13, 5, 0x10), "rd, rs1, shamt", (e) =>
    e.setRd(() => e.rs1().imm().i64_shr_s()),
  ),
  insn("addiw", I(0x1b, 0), "rd, rs1, imm", (e) => e.setRdW(() => e.rs1w().immw().i32_add())),
  insn("slliw", SH5(0x1b, 1, 0), "rd, rs1, shamt", (e) =>
    e.setRdW(() => e.rs1w().immw().i32_shl()),
  ),
  insn("srliw", SH5(0x1b, 5, 0), "rd, rs1, shamt", (e) =>
    e.setRdW(() => e.rs1w().immw().i32_shr_u()),
  ),
  insn("sraiw", SH5(0x1b, 5, 0x20), "rd, rs1, shamt", (e) =>
    e.setRdW(() => e.rs1w().immw().i32_shr_s()),
  ),

  insn("add", R(0x33, 0, 0), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_add())),
  insn("sub", R(0x33, 0, 0x20), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_sub())),
  insn("sll", R(0x33, 1, 0), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_shl())),
  insn("slt", R(0x33, 2, 0), "rd, rs1, rs2", (e) =>
    e.setRd(() => e.rs1().rs2().i64_lt_s().i64_extend_i32_u()),
  ),
  insn("sltu", R(0x33, 3, 0), "rd, rs1, rs2", (e) =>
    e.setRd(() => e.rs1().rs2().i64_lt_u().i64_extend_i32_u()),
  ),
  insn("xor", R(0x33, 4, 0), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_xor())),
  insn("srl", R(0x33, 5, 0), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_shr_u())),
  insn("sra", R(0x33, 5, 0x20), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_shr_s())),
  insn("or", R(0x33, 6, 0), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_or())),
  insn("and", R(0x33, 7, 0), "rd, rs1, rs2", (e) => e.setRd(() => e.rs1().rs2().i64_and())),
  insn("addw", R(0x3b, 0, 0), "rd, rs1, rs2", (e) => e.setRdW(() => e.rs1w().rs2w().i32_add())),
  insn("subw", R(0x3b, 0, 0x20), "rd, rs1, rs2", (e) => e.setRdW(() => e.rs1w().rs2w().i32_sub())),
  insn("sllw", R(0x3b, 1, 0), "rd, rs1, rs2", (e) => e.setRdW(() => e.rs1w().rs2w().i32_shl())),
  insn("srlw", R(0x3b, 5, 0), "rd, rs1, rs2", (e) => e.setRdW(() => e.rs1w().rs2w().i32_shr_u())),
  insn("sraw", R(0x3b, 5, 0x20), "rd, rs1, rs2", (e) =>
    e.setRdW(() => e.rs1w().rs2w().i32_shr_s()),
  ),

  // A thread sees its own accesses in order, and harts have but one: see a.ts.
  insn("fence", BARE(0x0f, 0), "pred, succ", (e) => e),
  insn("ecall", WORD(0x73), "", (e) => e.ecall()),
  insn("ebreak", WORD(0x0010_0073), "", (e) => e.trap(TRAP_BREAK)),
];
