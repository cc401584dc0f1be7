/**
 * C: 16-bit instructions, each an abbreviation of one 32-bit instruction.
 *
 * They have no meaning of their own here: `expand` gives the full form and everything
 * else (bodies, disassembly) works on that; only the length differs.
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "C" Extension.
 */
import { encodeImm, type ImmKind } from "./insn.ts";

const OP_LOAD = 0x03;
const OP_LOAD_FP = 0x07;
const OP_IMM = 0x13;
const OP_IMM32 = 0x1b;
const OP_STORE = 0x23;
const OP_STORE_FP = 0x27;
const OP_OP = 0x33;
const OP_LUI = 0x37;
const OP_OP32 = 0x3b;
const OP_BRANCH = 0x63;
const OP_JALR = 0x67;
const OP_JAL = 0x6f;
const EBREAK = 0x0010_0073;

/** Field of `h` at bit `at`, `n` bits wide, moved to bit `to`. */
const bits = (h: number, at: number, n: number, to: number): number =>
  ((h >>> at) & ((1 << n) - 1)) << to;
const signed = (v: number, width: number): number => (v << (32 - width)) >> (32 - width);

function word(
  kind: ImmKind,
  opcode: number,
  f3: number,
  regs: { rd?: number; rs1?: number; rs2?: number },
  imm: number,
): number {
  const { rd = 0, rs1 = 0, rs2 = 0 } = regs;
  const w = opcode | (f3 << 12) | (rd << 7) | (rs1 << 15) | (rs2 << 20);
  return (w | (encodeImm(kind, imm) ?? 0)) >>> 0;
}

/** The 32-bit instruction that `h` abbreviates; 0 (illegal) for what is reserved. */
export function expand(h: number): number {
  switch (h & 3) {
    case 0:
      return quadrant0(h);
    case 1:
      return quadrant1(h);
    case 2:
      return quadrant2(h);
    default:
      return 0;
  }
}

function quadrant0(h: number): number {
  const rd = 8 + bits(h, 2, 3, 0);
  const rs1 = 8 + bits(h, 7, 3, 0);
  const wordOffset = bits(h, 6, 1, 2) | bits(h, 10, 3, 3) | bits(h, 5, 1, 6);
  const doubleOffset = bits(h, 10, 3, 3) | bits(h, 5, 2, 6);
  switch (h >>> 13) {
    case 0: {
      const imm = bits(h, 6, 1, 2) | bits(h, 5, 1, 3) | bits(h, 11, 2, 4) | bits(h, 7, 4, 6);
      return imm === 0 ? 0 : word("I", OP_IMM, 0, { rd, rs1: 2 }, imm);
    }
    case 1:
      return word("I", OP_LOAD_FP, 3, { rd, rs1 }, doubleOffset);
    case 2:
      return word("I", OP_LOAD, 2, { rd, rs1 }, wordOffset);
    case 3:
      return word("I", OP_LOAD, 3, { rd, rs1 }, doubleOffset);
    case 5:
      return word("S", OP_STORE_FP, 3, { rs2: rd, rs1 }, doubleOffset);
    case 6:
      return word("S", OP_STORE, 2, { rs2: rd, rs1 }, wordOffset);
    case 7:
      return word("S", OP_STORE, 3, { rs2: rd, rs1 }, doubleOffset);
    default:
      return 0;
  }
}

function quadrant1(h: number): number {
  const rd = bits(h, 7, 5, 0);
  const imm6 = signed(bits(h, 12, 1, 5) | bits(h, 2, 5, 0), 6);
  switch (h >>> 13) {
    case 0:
      return word("I", OP_IMM, 0, { rd, rs1: rd }, imm6);
    case 1:
      return rd === 0 ? 0 : word("I", OP_IMM32, 0, { rd, rs1: rd }, imm6);
    case 2:
      return word("I", OP_IMM, 0, { rd }, imm6);
    case 3: {
      if (rd !== 2) return imm6 === 0 ? 0 : word("U", OP_LUI, 0, { rd }, imm6 << 12);
      const up =
        bits(h, 12, 1, 9) |
        bits(h, 6, 1, 4) |
        bits(h, 5, 1, 6) |
        bits(h, 3, 2, 7) |
        bits(h, 2, 1, 5);
      return up === 0 ? 0 : word("I", OP_IMM, 0, { rd: 2, rs1: 2 }, signed(up, 10));
    }
    case 4:
      return arithmetic(h, imm6);
    case 5: {
      const to =
        bits(h, 12, 1, 11) |
        bits(h, 11, 1, 4) |
        bits(h, 9, 2, 8) |
        bits(h, 8, 1, 10) |
        bits(h, 7, 1, 6) |
        bits(h, 6, 1, 7) |
        bits(h, 3, 3, 1) |
        bits(h, 2, 1, 5);
      return word("J", OP_JAL, 0, {}, signed(to, 12));
    }
    default: {
      const to =
        bits(h, 12, 1, 8) |
        bits(h, 10, 2, 3) |
        bits(h, 5, 2, 6) |
        bits(h, 3, 2, 1) |
        bits(h, 2, 1, 5);
      const rs1 = 8 + bits(h, 7, 3, 0);
      return word("B", OP_BRANCH, h >>> 13 === 6 ? 0 : 1, { rs1 }, signed(to, 9));
    }
  }
}

/** c.srli, c.srai, c.andi and the register-register group. */
function arithmetic(h: number, imm6: number): number {
  const rd = 8 + bits(h, 7, 3, 0);
  const rs2 = 8 + bits(h, 2, 3, 0);
  const kind = bits(h, 10, 2, 0);
  const regs = { rd, rs1: rd, rs2 };
  if (kind === 0) return word("SH6", OP_IMM, 5, { rd, rs1: rd }, imm6 & 63);
  if (kind === 1) return (word("SH6", OP_IMM, 5, { rd, rs1: rd }, imm6 & 63) | 0x4000_0000) >>> 0;
  if (kind === 2) return word("I", OP_IMM, 7, { rd, rs1: rd }, imm6);
  const op = bits(h, 5, 2, 0);
  if (bits(h, 12, 1, 0) === 0) {
    if (op === 0) return (word("none", OP_OP, 0, regs, 0) | 0x4000_0000) >>> 0;
    return word("none", OP_OP, [0, 4, 6, 7][op]!, regs, 0);
  }
  if (op === 0) return (word("none", OP_OP32, 0, regs, 0) | 0x4000_0000) >>> 0;
  return op === 1 ? word("none", OP_OP32, 0, regs, 0) : 0;
}

function quadrant2(h: number): number {
  const rd = bits(h, 7, 5, 0);
  const rs2 = bits(h, 2, 5, 0);
  const wordOffset = bits(h, 4, 3, 2) | bits(h, 12, 1, 5) | bits(h, 2, 2, 6);
  const doubleOffset = bits(h, 5, 2, 3) | bits(h, 12, 1, 5) | bits(h, 2, 3, 6);
  const doubleStore = bits(h, 10, 3, 3) | bits(h, 7, 3, 6);
  switch (h >>> 13) {
    case 0:
      return word("SH6", OP_IMM, 1, { rd, rs1: rd }, bits(h, 12, 1, 5) | rs2);
    case 1:
      return word("I", OP_LOAD_FP, 3, { rd, rs1: 2 }, doubleOffset);
    case 2:
      return rd === 0 ? 0 : word("I", OP_LOAD, 2, { rd, rs1: 2 }, wordOffset);
    case 3:
      return rd === 0 ? 0 : word("I", OP_LOAD, 3, { rd, rs1: 2 }, doubleOffset);
    case 4:
      return jumpOrMove(h, rd, rs2);
    case 5:
      return word("S", OP_STORE_FP, 3, { rs1: 2, rs2 }, doubleStore);
    case 6:
      return word("S", OP_STORE, 2, { rs1: 2, rs2 }, bits(h, 9, 4, 2) | bits(h, 7, 2, 6));
    default:
      return word("S", OP_STORE, 3, { rs1: 2, rs2 }, doubleStore);
  }
}

/** c.jr, c.mv, c.ebreak, c.jalr, c.add. */
function jumpOrMove(h: number, rd: number, rs2: number): number {
  const linked = bits(h, 12, 1, 0);
  if (rs2 !== 0) return word("none", OP_OP, 0, { rd, rs1: linked ? rd : 0, rs2 }, 0);
  if (rd === 0) return linked ? EBREAK : 0;
  return word("I", OP_JALR, 0, { rd: linked, rs1: rd }, 0);
}
