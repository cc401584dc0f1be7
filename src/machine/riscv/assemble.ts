/**
 * A small assembler: for tests, and for the code the kernel itself puts before a program.
 *
 * One instruction or `label:` a line, `#` starts a comment; operands as the disassembler writes
 * them, `target` also as a label, the rounding mode left out for dynamic. Makes 32-bit
 * instructions only. A few everyday aliases: nop, mv, li (12 bits), j, ret, beqz, bnez.
 */

import type { Insn } from "./isa/insn.ts";
import { RV64GC } from "./isa/rv64gc.ts";
import { OPERANDS, operandsOf } from "./operands.ts";

const RM_DYN = 7;
const ORDERINGS: Readonly<Record<string, number>> = { ".rl": 1, ".aq": 2, ".aqrl": 3 };

/** Thrown for text that is no program: the author is us, never the guest. */
export class AssemblyError extends Error {}

/** Words of the program `text`, placed at `pc`. */
export function assemble(text: string, pc = 0): Uint32Array {
  const labels = new Map<string, number>();
  const lines: { text: string; at: number }[] = [];
  let at = pc;
  for (const raw of text.split("\n")) {
    let line = raw.replace(/#.*/, "").trim();
    for (let m = /^(\w+):\s*/.exec(line); m; m = /^(\w+):\s*/.exec(line)) {
      labels.set(m[1]!, at);
      line = line.slice(m[0].length);
    }
    if (line === "") continue;
    lines.push({ text: line, at });
    at += 4;
  }
  return Uint32Array.from(lines, (l) => encode(l.text, l.at, labels));
}

function encode(line: string, pc: number, labels: Map<string, number>): number {
  const [head, rest] = unalias(line);
  const fields = rest === "" ? [] : rest.split(",").map((s) => s.trim());
  const ordering = /(\.aqrl|\.aq|\.rl)$/.exec(head)?.[1] ?? "";
  const insn =
    RV64GC.find((i) => i.name === head) ??
    RV64GC.find((i) => i.name + ordering === head && ordering !== "");
  if (!insn) throw new AssemblyError(`unknown instruction: ${line}`);
  let w = insn.match | ((ORDERINGS[ordering] ?? 0) << 25);
  operandsOf(insn).forEach((name, i) => {
    w |= operand(insn, name, fields[i], pc, labels, line);
  });
  return w >>> 0;
}

function operand(
  insn: Insn,
  name: string,
  given: string | undefined,
  pc: number,
  labels: Map<string, number>,
  line: string,
): number {
  if (given === undefined && name === "rm") return RM_DYN << 12;
  const address = name === "target" ? labels.get(given ?? "") : undefined;
  const text = address === undefined ? given : `${address}`;
  const bits = text === undefined ? undefined : OPERANDS[name]!.parse(text, insn, pc);
  if (bits === undefined) throw new AssemblyError(`bad operand ${name} in: ${line}`);
  return bits;
}

/** Name and operands, aliases spelled out. */
function unalias(line: string): [string, string] {
  const space = line.search(/\s/);
  const head = space < 0 ? line : line.slice(0, space);
  const rest = space < 0 ? "" : line.slice(space).trim();
  const [a, b] = rest.split(",").map((s) => s.trim());
  switch (head) {
    case "nop":
      return ["addi", "zero,zero,0"];
    case "mv":
      return ["addi", `${a},${b},0`];
    case "li":
      return ["addi", `${a},zero,${b}`];
    case "j":
      return ["jal", `zero,${a}`];
    case "ret":
      return ["jalr", "zero,0(ra)"];
    case "beqz":
      return ["beq", `${a},zero,${b}`];
    case "bnez":
      return ["bne", `${a},zero,${b}`];
    default:
      return [head, rest];
  }
}
