/**
 * One definition per instruction: encoding, assembly syntax, meaning.
 *
 * From it come the decoder, the disassembler, the assembler, the interpreter's handler
 * and the JIT's code. `syntax` names the operands as assembly lists them:
 *   rd rs1 rs2 rs3, frd frs1 frs2 frs3, imm, shamt, target (pc-relative), csr, uimm,
 *   imm(rs1), (rs1), rm (printed only when not dynamic), pred, succ.
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "RV32/64G Instruction Set Listings".
 */
import type { Emit } from "../emit.ts";

/** How the immediate lies in the word. */
export type ImmKind = "none" | "I" | "S" | "B" | "U" | "J" | "SH6" | "SH5";

export interface Encoding {
  /** The word has these bits where `mask` is set. */
  readonly match: number;
  readonly mask: number;
  readonly imm: ImmKind;
}

export interface Insn extends Encoding {
  readonly name: string;
  readonly syntax: string;
  readonly body: (e: Emit) => void;
}

export function insn(
  name: string,
  encoding: Encoding,
  syntax: string,
  body: (e: Emit) => void,
): Insn {
  return { name, ...encoding, syntax, body };
}

const OPCODE = 0x7f;
const FUNCT3 = 0x7000;
const FUNCT7 = 0xfe00_0000;
const RS2 = 0x01f0_0000;

const enc = (match: number, mask: number, imm: ImmKind): Encoding => ({
  match: match >>> 0,
  mask: mask >>> 0,
  imm,
});

/** Register-register. */
export const R = (opcode: number, f3: number, f7: number): Encoding =>
  enc(opcode | (f3 << 12) | (f7 << 25), OPCODE | FUNCT3 | FUNCT7, "none");
/** Register-immediate, loads, jalr. */
export const I = (opcode: number, f3: number): Encoding =>
  enc(opcode | (f3 << 12), OPCODE | FUNCT3, "I");
export const S = (opcode: number, f3: number): Encoding =>
  enc(opcode | (f3 << 12), OPCODE | FUNCT3, "S");
export const B = (opcode: number, f3: number): Encoding =>
  enc(opcode | (f3 << 12), OPCODE | FUNCT3, "B");
export const U = (opcode: number): Encoding => enc(opcode, OPCODE, "U");
export const J = (opcode: number): Encoding => enc(opcode, OPCODE, "J");
/** Shift by a 6-bit or 5-bit amount; `f6` and `f7` are the bits above it. */
export const SH6 = (opcode: number, f3: number, f6: number): Encoding =>
  enc(opcode | (f3 << 12) | (f6 << 26), OPCODE | FUNCT3 | 0xfc00_0000, "SH6");
export const SH5 = (opcode: number, f3: number, f7: number): Encoding =>
  enc(opcode | (f3 << 12) | (f7 << 25), OPCODE | FUNCT3 | FUNCT7, "SH5");
/** Atomic: aq and rl (bits 26 and 25) are free. */
export const AMO = (f3: number, f5: number): Encoding =>
  enc(0x2f | (f3 << 12) | (f5 << 27), OPCODE | FUNCT3 | 0xf800_0000, "none");
/** Atomic without rs2: lr. */
export const AMO1 = (f3: number, f5: number): Encoding =>
  enc(0x2f | (f3 << 12) | (f5 << 27), OPCODE | FUNCT3 | 0xf800_0000 | RS2, "none");
/** Two register sources and a rounding mode. */
export const FR = (f7: number): Encoding => enc(0x53 | (f7 << 25), OPCODE | FUNCT7, "none");
/** One register source and a rounding mode; the rs2 field selects the operation. */
export const FR1 = (f7: number, rs2: number): Encoding =>
  enc(0x53 | (rs2 << 20) | (f7 << 25), OPCODE | FUNCT7 | RS2, "none");
/** Two register sources, funct3 fixed: fsgnj, fmin, feq. */
export const FRF3 = (f3: number, f7: number): Encoding =>
  enc(0x53 | (f3 << 12) | (f7 << 25), OPCODE | FUNCT3 | FUNCT7, "none");
/** One register source, funct3 and rs2 fixed: fmv, fclass. */
export const FR1F3 = (f3: number, f7: number, rs2: number): Encoding =>
  enc(0x53 | (f3 << 12) | (rs2 << 20) | (f7 << 25), OPCODE | FUNCT3 | FUNCT7 | RS2, "none");
/** Three register sources and a rounding mode; `fmt` is 0 for S, 1 for D. */
export const R4 = (opcode: number, fmt: number): Encoding =>
  enc(opcode | (fmt << 25), OPCODE | 0x0600_0000, "none");
/** A word with no operands. */
export const WORD = (word: number): Encoding => enc(word, 0xffff_ffff, "none");
/** Opcode and funct3 alone; other fields are read with `e.field`. */
export const BARE = (opcode: number, f3: number): Encoding =>
  enc(opcode | (f3 << 12), OPCODE | FUNCT3, "none");

/** The immediate of `word` as a number (sign-extended). */
export function immOf(kind: ImmKind, w: number): number {
  switch (kind) {
    case "none":
      return 0;
    case "I":
      return w >> 20;
    case "S":
      return ((w >> 25) << 5) | ((w >>> 7) & 31);
    case "B":
      return ((w >> 31) << 12) | ((w & 0x80) << 4) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);
    case "U":
      return w & 0xffff_f000;
    case "J":
      return ((w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);
    case "SH6":
      return (w >>> 20) & 63;
    case "SH5":
      return (w >>> 20) & 31;
  }
}

/** The bits that hold `imm` in a word; undefined if it does not fit. */
export function encodeImm(kind: ImmKind, imm: number): number | undefined {
  const fits = (bits: number) => imm >= -(2 ** (bits - 1)) && imm < 2 ** (bits - 1);
  switch (kind) {
    case "none":
      return 0;
    case "I":
      return fits(12) ? imm << 20 : undefined;
    case "S":
      return fits(12) ? ((imm >> 5) << 25) | ((imm & 31) << 7) : undefined;
    case "B":
      if (!fits(13) || imm & 1) return undefined;
      return (
        ((imm >> 12) << 31) |
        (((imm >> 5) & 63) << 25) |
        (((imm >> 1) & 15) << 8) |
        (((imm >> 11) & 1) << 7)
      );
    case "U":
      return imm & 0xfff ? undefined : imm;
    case "J":
      if (!fits(21) || imm & 1) return undefined;
      return (
        ((imm >> 20) << 31) |
        (((imm >> 1) & 0x3ff) << 21) |
        (((imm >> 11) & 1) << 20) |
        (imm & 0xff000)
      );
    case "SH6":
      return imm >= 0 && imm < 64 ? imm << 20 : undefined;
    case "SH5":
      return imm >= 0 && imm < 32 ? imm << 20 : undefined;
  }
}
