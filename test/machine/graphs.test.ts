/**
 * Regions of any shape do what the interpreter does: blocks with branches to random others, each with a bias of its own, so that
 * there are loops in loops, with several ways back, that are entered and left wherever it happens.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";
import { Random } from "./random.ts";

const CODE = 0x1_0000;
const ROUNDS = 2000;
const [S0, S1] = [8, 9];
/** Blocks of a program: each ends in a branch, and goes on to the next. */
const MAX_BLOCKS = 24;

/** s0 counts blocks to go, s1 is a random number of which each block looks at some bits. */
function programOf(random: Random): string {
  const blocks = 3 + random.below(MAX_BLOCKS - 2);
  const lines: string[] = [];
  for (let i = 0; i < blocks; i++) {
    const [a, b, c] = [10, 11, 12].map(() => `a${random.below(6)}`);
    lines.push(
      `b${i}: addi s0, s0, -1`,
      "beq s0, zero, end",
      "mul s1, s1, s2",
      "addi s1, s1, 12",
      `add ${a}, ${b}, s1`,
      ...(random.below(3) > 0 ? [`xor ${c}, ${a}, ${b}`] : []),
      `srli t0, s1, ${20 + random.below(20)}`,
      `andi t0, t0, ${2 ** random.below(7) - 1}`,
      `${random.below(2) === 0 ? "beq" : "bne"} t0, zero, b${random.below(blocks)}`,
    );
    if (random.below(5) === 0) lines.push(`jal zero, b${random.below(blocks)}`);
  }
  lines.push("jal zero, b0", "end: ecall");
  return lines.join("\n");
}

function run(text: string, threshold: number): { state: string; made: number } {
  const board = new Board(threshold);
  const code = board.frame();
  board.map(CODE, code, RX);
  board.place(code, text, CODE);
  const { ctx, hart, space } = board;
  ctx.setX(S0, ROUNDS);
  ctx.setX(S1, 0x1234_5678);
  ctx.setX(S0 + 10, 0x5deece6d);
  ctx.pc = CODE;
  for (let runs = 0; runs < 2 * ROUNDS; runs++) {
    const trap = hart.run(ctx, space, 1000);
    if (trap === TRAP_FUEL) continue;
    assert.equal(trap, TRAP_ECALL);
    return { state: board.state(), made: board.machine.stats.regionsMade };
  }
  return assert.fail("no end");
}

const SEEDS = 250;

test(`${SEEDS} programs of random shape`, () => {
  let made = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const text = programOf(new Random(seed));
    const wanted = run(text, Number.POSITIVE_INFINITY).state;
    for (const threshold of [8, 60]) {
      const compiled = run(text, threshold);
      assert.equal(compiled.state, wanted, `seed ${seed}, compiled after ${threshold} visits`);
      made += compiled.made;
    }
  }
  assert.ok(made > SEEDS);
});
