/**
 * Loops over 32-bit values, which compiled code keeps in i32 locals: whatever registers hold where a loop is
 * entered, wherever it is left, it leaves what the interpreter leaves.
 */
import { test } from "node:test";
import type { Context } from "../../src/machine/context.ts";
import { PAGE_SIZE } from "../../src/machine/physmem.ts";
import type { Random } from "./random.ts";
import { assertAlike, DATA, setValues } from "./slices.ts";

const REGS = "a0 a1 a2 a3 a4 a5 t0 t1 s2 zero".split(" ");
const WORD_OPS = "addw subw sllw srlw sraw mulw divw remw divuw remuw".split(" ");
const BIT_OPS = "and or xor add sub slt sltu mul sll srl".split(" ");
const IMM_OPS = "addiw andi ori xori addi slti sltiu".split(" ");
const SHIFTS = "slliw srliw sraiw".split(" ");
const BRANCHES = "beq bne blt bge bltu bgeu".split(" ");

/** A loop in a loop: the outer one may put anything where the inner one has words. */
function randomProgram(random: Random): string {
  const inner = randomBody(random, "i", 4 + random.below(20));
  const outer = randomBody(random, "o", random.below(10));
  return `loop:
${inner}
addi t6, t6, -1
bne t6, zero, loop
addi t6, zero, ${1 + random.below(9)}
${outer}
addi t5, t5, -1
bne t5, zero, loop
ecall`;
}

function randomBody(random: Random, label: string, length: number): string {
  const lines: string[] = [];
  for (let i = 0; i < length; i++) {
    lines.push(`${label}${i}: ${randomInsn(random, label, i, length)}`);
  }
  return [...lines, `${label}${length}: addi zero, zero, 0`].join("\n");
}

function randomInsn(random: Random, label: string, at: number, length: number): string {
  const r = () => random.pick(REGS);
  const kind = random.below(100);
  if (kind < 25) return `${random.pick(WORD_OPS)} ${r()}, ${r()}, ${r()}`;
  if (kind < 38) return `${random.pick(BIT_OPS)} ${r()}, ${r()}, ${r()}`;
  if (kind < 48) {
    const imm = random.below(3) ? random.below(4096) - 2048 : 0;
    return `${random.pick(IMM_OPS)} ${r()}, ${r()}, ${imm}`;
  }
  if (kind < 58) return `${random.pick(SHIFTS)} ${r()}, ${r()}, ${random.below(32)}`;
  if (kind < 62) return `lui ${r()}, ${random.below(0x100000)}`;
  if (kind < 64) return `add ${r()}, ${r()}, zero`;
  if (kind < 76) return shiftPair(random, r);
  if (kind < 82)
    return `${random.pick(["lb", "lbu", "lh", "lhu", "lw", "lwu", "ld"])} ${r()}, ${random.below(64)}(s0)`;
  if (kind < 88) return `${random.pick(["sb", "sh", "sw", "sd"])} ${r()}, ${random.below(64)}(s0)`;
  if (kind < 90) return `lw ${r()}, ${random.below(8)}(s1)`;
  if (kind < 94)
    return `${random.pick(["srai", "srli", "slli"])} ${r()}, ${r()}, ${random.below(64)}`;
  return `${random.pick(BRANCHES)} ${r()}, ${r()}, ${label}${at + 1 + random.below(length - at)}`;
}

/** As compilers take a part of a register, with or without something between. */
function shiftPair(random: Random, r: () => string): string {
  const [from, to] = [r(), r()];
  const up = random.pick([32, 32, 32, 48, 56, 33, 63, 31, random.below(64)]);
  const down = random.pick([up, 32, 29, 30, 48, 56, random.below(64)]);
  const between = random.below(3) ? [] : [randomInsn(random, "none", 0, 0)];
  const second = random.pick(["srli", "srai"]);
  const result = random.below(4) ? to : r();
  const isBranch = between.some((text) => BRANCHES.includes(text.split(" ")[0]!));
  return [
    `slli ${to}, ${from}, ${up}`,
    ...(isBranch ? [] : between),
    `${second} ${result}, ${to}, ${down}`,
  ].join("\n");
}

function setUp(ctx: Context, random: Random): void {
  ctx.setX(8, DATA + 64 * random.below(32));
  // The last word of the page: some accesses fault.
  ctx.setX(9, DATA + PAGE_SIZE - 4);
  ctx.setX(30, 4 + random.below(20));
  ctx.setX(31, 1 + random.below(9));
  setValues(ctx, random, [5, 6, 10, 11, 12, 13, 14, 15, 18]);
}

test("loops over 32-bit values leave the same, interpreted and compiled", () => {
  // With a threshold above 1, ways that no branch has gone are not in the region.
  assertAlike({ count: 300, text: randomProgram, setUp }, [1, 3]);
});
