/**
 * Where the operands of an instruction lie in its word.
 *
 * Immediates are written as the manual draws them, from the left: "12:5 6:4-0" says that bit 12 of the word is bit 5
 * of the immediate, and that bits 4 to 0 follow from bit 6 down. A signed immediate's sign is the word's topmost of these.
 * Source: The RISC-V Instruction Set Manual, Volume I, chapters "RV32/64G Instruction Set Listings" and "C" Extension.
 */
import type { ImmKind } from "./insn.ts";

/** A register: always the same, or a field of the word; one of 3 bits names x8 to x15. */
export type Reg = number | { readonly at: number; readonly width: 3 | 5 };

/** `width` bits of the word from bit `at` up are those of the immediate from `to` up. */
export interface Bits {
  readonly at: number;
  readonly to: number;
  readonly width: number;
}

export interface Operands {
  readonly rd: Reg;
  readonly rs1: Reg;
  readonly rs2: Reg;
  /** From the sign down. */
  readonly imm: readonly Bits[];
  readonly isSigned: boolean;
}

/** The parts of an immediate that is drawn so. */
export function drawn(imm: string): readonly Bits[] {
  return imm.split(" ").map((part) => {
    const [top, range] = part.split(":") as [string, string];
    const [high, low = high] = range.split("-") as [string, string?];
    const width = Number(high) - Number(low) + 1;
    return { at: Number(top) - width + 1, to: Number(low), width };
  });
}

const IMMEDIATES: Readonly<Record<ImmKind, readonly Bits[]>> = {
  none: [],
  I: drawn("31:11-0"),
  S: drawn("31:11-5 11:4-0"),
  B: drawn("31:12 30:10-5 11:4-1 7:11"),
  U: drawn("31:31-12"),
  J: drawn("31:20 30:10-1 20:11 19:19-12"),
  SH6: drawn("25:5-0"),
  SH5: drawn("24:4-0"),
};

/** Of 32-bit instructions with an immediate of this kind. */
export const longOperands = (kind: ImmKind): Operands => ({
  rd: { at: 7, width: 5 },
  rs1: { at: 15, width: 5 },
  rs2: { at: 20, width: 5 },
  imm: IMMEDIATES[kind],
  isSigned: !kind.startsWith("SH"),
});

/** The immediate in word `w`. */
export function readImm({ imm, isSigned }: Operands, w: number): number {
  let value = 0;
  for (const { at, to, width } of imm) value |= ((w >>> at) & (2 ** width - 1)) << to;
  const sign = imm[0];
  const unused = isSigned && sign ? 32 - sign.to - sign.width : 0;
  return (value << unused) >> unused;
}

/** The register that word `w` names. */
export function readReg(reg: Reg, w: number): number {
  if (typeof reg === "number") return reg;
  const field = (w >>> reg.at) & (2 ** reg.width - 1);
  return reg.width === 3 ? field + 8 : field;
}
