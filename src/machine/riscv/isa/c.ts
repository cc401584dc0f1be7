/**
 * C: 16-bit instructions, each an abbreviation of one 32-bit instruction.
 *
 * They have no meaning of their own: a definition says which instruction it abbreviates and where its operands are.
 * `expand` puts those where the long form has them, for whoever works on long forms; the interpreter has a handler for
 * each, with the long form's body over the short one's operands.
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "C" Extension.
 */
import { D_INSNS } from "./d.ts";
import { I_INSNS } from "./i.ts";
import { encodeImm, type Insn } from "./insn.ts";
import { drawn, type Operands, type Reg, readImm, readReg } from "./operandbits.ts";

/** A 16-bit instruction. */
export interface HalfInsn {
  readonly match: number;
  readonly mask: number;
  /** Reserved if all of these bits are 0; no such rule if there are none. */
  readonly nonzero: number;
  readonly full: Insn;
  readonly operands: Operands;
}

/** x8 to x15. */
const SHORT_RD: Reg = { at: 2, width: 3 };
const SHORT_RS1: Reg = { at: 7, width: 3 };
const RD: Reg = { at: 7, width: 5 };
const RS2: Reg = { at: 2, width: 5 };
const SP = 2;

const FUNCT3 = 0xe003;
const FUNCT4 = 0xf003;
const SHIFT = 0xec03;
const ARITHMETIC = 0xfc63;
const RD_BITS = 0xf80;
const RS2_BITS = 0x7c;
const IMM6_BITS = 0x107c;

interface Rest extends Partial<Omit<Operands, "imm">> {
  readonly imm?: string;
  readonly nonzero?: number;
}

function half(mask: number, match: number, name: string, rest: Rest): HalfInsn {
  const full = [...I_INSNS, ...D_INSNS].find((insn) => insn.name === name);
  if (!full) throw new RangeError(`nothing to abbreviate: ${name}`);
  const { nonzero = 0, rd = 0, rs1 = 0, rs2 = 0, isSigned = false } = rest;
  const imm = rest.imm === undefined ? [] : drawn(rest.imm);
  return { match, mask, nonzero, full, operands: { rd, rs1, rs2, imm, isSigned } };
}

/** funct3 and quadrant. */
const at = (quadrant: number, funct3: number): number => (funct3 << 13) | quadrant;

const loadShort = { rd: SHORT_RD, rs1: SHORT_RS1 };
const storeShort = { rs1: SHORT_RS1, rs2: SHORT_RD };
const update = { rd: RD, rs1: RD };
const updateShort = { rd: SHORT_RS1, rs1: SHORT_RS1 };
const both = { ...updateShort, rs2: SHORT_RD };
const imm6 = { imm: "12:5 6:4-0", isSigned: true };
const shamt = { imm: "12:5 6:4-0" };
const WORD_OFFSET = "12:5-3 6:2 5:6";
const DOUBLE_OFFSET = "12:5-3 6:7-6";

/** Where two match, the one before counts. Immediates are as the manual draws them: see operandbits.ts. */
export const C_INSNS: readonly HalfInsn[] = [
  half(FUNCT3, at(0, 0), "addi", {
    rd: SHORT_RD,
    rs1: SP,
    imm: "12:5-4 10:9-6 6:2 5:3",
    nonzero: 0x1fe0,
  }),
  half(FUNCT3, at(0, 1), "fld", { ...loadShort, imm: DOUBLE_OFFSET }),
  half(FUNCT3, at(0, 2), "lw", { ...loadShort, imm: WORD_OFFSET }),
  half(FUNCT3, at(0, 3), "ld", { ...loadShort, imm: DOUBLE_OFFSET }),
  half(FUNCT3, at(0, 5), "fsd", { ...storeShort, imm: DOUBLE_OFFSET }),
  half(FUNCT3, at(0, 6), "sw", { ...storeShort, imm: WORD_OFFSET }),
  half(FUNCT3, at(0, 7), "sd", { ...storeShort, imm: DOUBLE_OFFSET }),

  half(FUNCT3, at(1, 0), "addi", { ...update, ...imm6 }),
  half(FUNCT3, at(1, 1), "addiw", { ...update, ...imm6, nonzero: RD_BITS }),
  half(FUNCT3, at(1, 2), "addi", { rd: RD, ...imm6 }),
  half(FUNCT3 | RD_BITS, at(1, 3) | (SP << 7), "addi", {
    rd: SP,
    rs1: SP,
    imm: "12:9 6:4 5:6 4:8-7 2:5",
    isSigned: true,
    nonzero: IMM6_BITS,
  }),
  half(FUNCT3, at(1, 3), "lui", {
    rd: RD,
    imm: "12:17 6:16-12",
    isSigned: true,
    nonzero: IMM6_BITS,
  }),
  half(SHIFT, 0x8001, "srli", { ...updateShort, ...shamt }),
  half(SHIFT, 0x8401, "srai", { ...updateShort, ...shamt }),
  half(SHIFT, 0x8801, "andi", { ...updateShort, ...imm6 }),
  half(ARITHMETIC, 0x8c01, "sub", both),
  half(ARITHMETIC, 0x8c21, "xor", both),
  half(ARITHMETIC, 0x8c41, "or", both),
  half(ARITHMETIC, 0x8c61, "and", both),
  half(ARITHMETIC, 0x9c01, "subw", both),
  half(ARITHMETIC, 0x9c21, "addw", both),
  half(FUNCT3, at(1, 5), "jal", {
    imm: "12:11 11:4 10:9-8 8:10 7:6 6:7 5:3-1 2:5",
    isSigned: true,
  }),
  half(FUNCT3, at(1, 6), "beq", {
    rs1: SHORT_RS1,
    imm: "12:8 11:4-3 6:7-6 4:2-1 2:5",
    isSigned: true,
  }),
  half(FUNCT3, at(1, 7), "bne", {
    rs1: SHORT_RS1,
    imm: "12:8 11:4-3 6:7-6 4:2-1 2:5",
    isSigned: true,
  }),

  half(FUNCT3, at(2, 0), "slli", { ...update, ...shamt }),
  half(FUNCT3, at(2, 1), "fld", { rd: RD, rs1: SP, imm: "12:5 6:4-3 4:8-6" }),
  half(FUNCT3, at(2, 2), "lw", { rd: RD, rs1: SP, imm: "12:5 6:4-2 3:7-6", nonzero: RD_BITS }),
  half(FUNCT3, at(2, 3), "ld", { rd: RD, rs1: SP, imm: "12:5 6:4-3 4:8-6", nonzero: RD_BITS }),
  half(FUNCT4 | RS2_BITS, 0x8002, "jalr", { rs1: RD, nonzero: RD_BITS }),
  half(FUNCT4, 0x8002, "add", { rd: RD, rs2: RS2 }),
  half(0xffff, 0x9002, "ebreak", {}),
  half(FUNCT4 | RS2_BITS, 0x9002, "jalr", { rd: 1, rs1: RD }),
  half(FUNCT4, 0x9002, "add", { ...update, rs2: RS2 }),
  half(FUNCT3, at(2, 5), "fsd", { rs1: SP, rs2: RS2, imm: "12:5-3 9:8-6" }),
  half(FUNCT3, at(2, 6), "sw", { rs1: SP, rs2: RS2, imm: "12:5-2 8:7-6" }),
  half(FUNCT3, at(2, 7), "sd", { rs1: SP, rs2: RS2, imm: "12:5-3 9:8-6" }),
];

/** By quadrant and funct3, as most have no more. */
const families = Array.from({ length: 32 }, (_, n) =>
  C_INSNS.filter(({ match }) => ((match >>> 13) << 2) + (match & 3) === n),
);

/** The 32-bit instruction that `h` abbreviates; 0 (illegal) for what is reserved. */
export function expand(h: number): number {
  const found = families[((h >>> 13) << 2) + (h & 3)]!.find((c) => (h & c.mask) === c.match);
  if (!found || (found.nonzero !== 0 && (h & found.nonzero) === 0)) return 0;
  const { full, operands } = found;
  const { rd, rs1, rs2 } = operands;
  const regs = (readReg(rd, h) << 7) | (readReg(rs1, h) << 15) | (readReg(rs2, h) << 20);
  return (full.match | regs | encodeImm(full.imm, readImm(operands, h))!) >>> 0;
}
