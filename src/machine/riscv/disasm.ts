/**
 * The disassembler: an instruction as GNU objdump -M no-aliases writes it.
 *
 * 16-bit instructions are shown as the 32-bit ones they stand for.
 */
import type { Decoder } from "./decode.ts";
import { expand } from "./isa/c.ts";
import { OPERANDS, operandsOf } from "./operands.ts";

const OPCODE_AMO = 0x2f;
const ORDERINGS = ["", ".rl", ".aq", ".aqrl"];

export interface Disassembled {
  readonly text: string;
  readonly len: 2 | 4;
}

/** The instruction whose first 32 bits are `word`, at address `pc`. */
export function disassemble(decoder: Decoder, word: number, pc: number): Disassembled {
  const isLong = (word & 3) === 3;
  const len = isLong ? 4 : 2;
  const w = isLong ? word >>> 0 : expand(word & 0xffff);
  const insn = decoder.decode(w);
  if (!insn) {
    return isLong
      ? { text: `.4byte 0x${w.toString(16)}`, len }
      : { text: `.2byte 0x${(word & 0xffff).toString(16)}`, len };
  }
  const ordering = (w & 0x7f) === OPCODE_AMO ? ORDERINGS[(w >>> 25) & 3]! : "";
  const operands = operandsOf(insn)
    .map((name) => OPERANDS[name]!.print(w, insn, pc))
    .filter((text) => text !== undefined);
  const name = insn.name + ordering;
  return { text: operands.length > 0 ? `${name} ${operands.join(",")}` : name, len };
}
