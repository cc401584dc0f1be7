/**
 * Random programs with short branches of all kinds leave the same, interpreted and made straight (jit/hammock.ts), wherever they are
 * left, whatever registers and widths they work on.
 */
import { test } from "node:test";
import type { Context } from "../../src/machine/context.ts";
import { PAGE_SIZE } from "../../src/machine/physmem.ts";
import type { Random } from "./random.ts";
import { assertAlike, DATA, setValues } from "./slices.ts";

const REGS = "a0 a1 a2 a3 a4 t0 s2 zero".split(" ");
const ALU = "add sub xor or and sll srl sra slt sltu mul addw subw sllw srlw sraw mulw".split(" ");
const IMMEDIATE = "addi xori ori andi slti sltiu addiw".split(" ");
const SHIFTS = "slli srli srai".split(" ");
const WORD_SHIFTS = "slliw srliw sraiw".split(" ");
const DEAR = "mulhu divw rem".split(" ");
const BRANCHES = "beq bne blt bge bltu bgeu".split(" ");

/** A loop full of short branches; what lies elsewhere is behind its end. */
function randomProgram(random: Random): string {
  const lines: string[] = [];
  const elsewhere: string[] = [];
  const n = 3 + random.below(8);
  for (let i = 0; i < n; i++) lines.push(...randomPart(random, `p${i}`, elsewhere));
  return `loop:
${lines.join("\n")}
addi t6, t6, -1
bne t6, zero, loop
ecall
${elsewhere.join("\n")}`;
}

function randomPart(random: Random, label: string, elsewhere: string[]): string[] {
  const r = () => random.pick(REGS);
  const branch = (to: string) => `${random.pick(BRANCHES)} ${r()}, ${r()}, ${label}${to}`;
  // Few registers, so that what is skipped depends on itself.
  const few = [r(), r()];
  const insns = (max = 3) =>
    Array.from({ length: 1 + random.below(max) }, () => randomInsn(random, few));
  const end = `${label}end: addi zero, zero, 0`;
  switch (random.below(11)) {
    case 0:
      return [branch("end"), ...insns(4), end];
    case 1:
    case 2:
      return [branch("end"), ...insns(), end];
    case 3:
      elsewhere.push(`${label}far:`, ...insns(), `jal zero, ${label}end`);
      return [branch("far"), end];
    case 4:
    case 5:
      return [
        branch("else"),
        ...insns(),
        `jal zero, ${label}end`,
        `${label}else:`,
        ...insns(),
        end,
      ];
    case 6:
      return [
        branch("in"),
        ...insns(),
        branch("end"),
        ...insns(2),
        `${label}in:`,
        ...insns(2),
        end,
      ];
    case 7:
      elsewhere.push(`${label}f:`, ...insns(), "jalr zero, 0(ra)");
      return [branch("end"), ...insns(), end, `jal ra, ${label}f`];
    case 8:
      // An address that is another if the branch goes on.
      return [
        `${random.pick(["lw", "sw"])} ${r()}, 8(s0)`,
        branch("end"),
        `addi s0, s0, ${random.pick([8, -8])}`,
        end,
        `${random.pick(["lw", "sw"])} ${r()}, 8(s0)`,
      ];
    case 9:
      return [`${random.pick(["lb", "lw", "ld"])} ${r()}, ${random.below(16)}(s1)`];
    default:
      return [
        `${random.pick(["sb", "sw", "sd"])} ${r()}, ${random.below(64)}(s0)`,
        `${random.pick(["lhu", "lw", "ld"])} ${r()}, ${random.below(64)}(s0)`,
      ];
  }
}

function randomInsn(random: Random, few: readonly string[]): string {
  const r = () => random.pick(random.below(3) ? few : REGS);
  const kind = random.below(100);
  if (kind < 40) return `${random.pick(ALU)} ${r()}, ${r()}, ${r()}`;
  if (kind < 65) {
    const imm = random.below(3) ? random.below(4096) - 2048 : 0;
    return `${random.pick(IMMEDIATE)} ${r()}, ${r()}, ${imm}`;
  }
  if (kind < 72) return `${random.pick(WORD_SHIFTS)} ${r()}, ${r()}, ${random.below(32)}`;
  if (kind < 80) return `${random.pick(SHIFTS)} ${r()}, ${r()}, ${random.below(64)}`;
  if (kind < 86) return `lui ${r()}, ${random.below(0x100000)}`;
  if (kind < 90) return `auipc ${r()}, ${random.below(0x100000)}`;
  if (kind < 95) {
    const to = r();
    return `slli ${to}, ${r()}, 48\n${random.pick(["srli", "srai"])} ${to}, ${to}, 48`;
  }
  if (kind < 98) return `${random.pick(DEAR)} ${r()}, ${r()}, ${r()}`;
  return `lw ${r()}, ${random.below(64)}(s0)`;
}

function setUp(ctx: Context, random: Random): void {
  ctx.setX(8, DATA + 64 * random.below(32));
  // The last bytes of the page: some accesses fault.
  ctx.setX(9, DATA + PAGE_SIZE - 12);
  ctx.setX(31, 5 + random.below(20));
  setValues(ctx, random, [5, 10, 11, 12, 13, 14, 18]);
}

test("short branches of all kinds leave the same, interpreted and made straight", () => {
  // With a threshold of 1 all branches count as erratic.
  assertAlike({ count: 250, text: randomProgram, setUp }, [1]);
});
