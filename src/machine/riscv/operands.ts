/**
 * The operands of assembly syntax: how each is written, where it lies in the word.
 *
 * Disassembler and assembler are the two directions of this one table. Spelling follows
 * GNU objdump with `-M no-aliases`.
 */
import { encodeImm, type Insn, immOf } from "./isa/insn.ts";

export const X_NAMES: readonly string[] =
  "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(
    " ",
  );
export const F_NAMES: readonly string[] =
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11".split(
    " ",
  );
const RM_NAMES: readonly string[] = ["rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown"];
const RM_DYN = 7;
const CSR_NAMES = new Map([
  [1, "fflags"],
  [2, "frm"],
  [3, "fcsr"],
  [0xc00, "cycle"],
  [0xc01, "time"],
  [0xc02, "instret"],
]);

export interface Operand {
  /** As text; undefined where it is left out. */
  print(w: number, insn: Insn, pc: number): string | undefined;
  /** As bits of the word; undefined if the text is not such an operand. */
  parse(text: string, insn: Insn, pc: number): number | undefined;
}

const register = (names: readonly string[], prefix: string, shift: number): Operand => ({
  print: (w) => names[(w >>> shift) & 31]!,
  parse: (text) => {
    let n = names.indexOf(text === "fp" ? "s0" : text);
    if (n < 0 && text.startsWith(prefix)) n = integer(text.slice(1)) ?? -1;
    return n >= 0 && n < 32 ? n << shift : undefined;
  },
});

const fixed = (shift: number, mask: number, hex: boolean): Operand => ({
  print: (w) => {
    const v = (w >>> shift) & mask;
    return hex ? `0x${v.toString(16)}` : `${v}`;
  },
  parse: (text) => {
    const v = integer(text);
    return v !== undefined && v >= 0 && v <= mask ? v << shift : undefined;
  },
});

const rs1 = register(X_NAMES, "x", 15);

const imm: Operand = {
  print: (w, insn) => (insn.imm === "U" ? `0x${(w >>> 12).toString(16)}` : `${immOf(insn.imm, w)}`),
  parse: (text, insn) => {
    const v = integer(text);
    if (v === undefined) return undefined;
    if (insn.imm !== "U") return encodeImm(insn.imm, v);
    return v >= 0 && v < 0x10_0000 ? v << 12 : undefined;
  },
};

/** Letters of a fence's operand: device input and output, memory reads and writes. */
const order = (shift: number): Operand => ({
  print: (w) => {
    const bits = (w >>> shift) & 15;
    const letters = [..."iorw"].filter((_, i) => bits & (8 >> i)).join("");
    return letters === "" ? "unknown" : letters;
  },
  parse: (text) => {
    if (!/^i?o?r?w?$/.test(text)) return undefined;
    return (
      [..."iorw"].reduce((bits, c, i) => (text.includes(c) ? bits | (8 >> i) : bits), 0) << shift
    );
  },
});

/** By the words that `Insn.syntax` uses. */
export const OPERANDS: Readonly<Record<string, Operand>> = {
  rd: register(X_NAMES, "x", 7),
  rs1,
  rs2: register(X_NAMES, "x", 20),
  frd: register(F_NAMES, "f", 7),
  frs1: register(F_NAMES, "f", 15),
  frs2: register(F_NAMES, "f", 20),
  frs3: register(F_NAMES, "f", 27),
  imm,
  shamt: {
    print: (w, insn) => `0x${immOf(insn.imm, w).toString(16)}`,
    parse: imm.parse,
  },
  target: {
    print: (w, insn, pc) => `0x${(pc + immOf(insn.imm, w)).toString(16)}`,
    parse: (text, insn, pc) => {
      const v = integer(text);
      return v === undefined ? undefined : encodeImm(insn.imm, v - pc);
    },
  },
  "imm(rs1)": {
    print: (w, insn, pc) => `${immOf(insn.imm, w)}(${rs1.print(w, insn, pc)})`,
    parse: (text, insn, pc) => {
      const m = /^([^()]*)\(([^()]*)\)$/.exec(text);
      const offset = m ? integer(m[1] === "" ? "0" : m[1]!) : undefined;
      const base = m ? rs1.parse(m[2]!, insn, pc) : undefined;
      if (offset === undefined || base === undefined) return undefined;
      const bits = encodeImm(insn.imm, offset);
      return bits === undefined ? undefined : bits | base;
    },
  },
  "(rs1)": {
    print: (w, insn, pc) => `(${rs1.print(w, insn, pc)})`,
    parse: (text, insn, pc) => {
      const m = /^\(([^()]*)\)$/.exec(text);
      return m ? rs1.parse(m[1]!, insn, pc) : undefined;
    },
  },
  rm: {
    print: (w) => RM_NAMES[(w >>> 12) & 7],
    parse: (text) => {
      if (text === "dyn") return RM_DYN << 12;
      const n = RM_NAMES.indexOf(text);
      return n >= 0 ? n << 12 : undefined;
    },
  },
  csr: {
    print: (w) => CSR_NAMES.get(w >>> 20) ?? `0x${(w >>> 20).toString(16)}`,
    parse: (text) => {
      for (const [n, name] of CSR_NAMES) if (name === text) return n << 20;
      return fixed(20, 0xfff, true).parse(text, undefined as never, 0);
    },
  },
  uimm: fixed(15, 31, false),
  pred: order(24),
  succ: order(20),
};

/** Operand words of an instruction, in order. */
export const operandsOf = (insn: Insn): string[] =>
  insn.syntax === "" ? [] : insn.syntax.split(", ");

/** A decimal or hexadecimal number. */
export function integer(text: string): number | undefined {
  return /^-?(0x[0-9a-f]+|\d+)$/i.test(text)
    ? Number(text.replace(/^-/, "")) * (text.startsWith("-") ? -1 : 1)
    : undefined;
}
