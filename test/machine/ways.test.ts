/**
 * Regions have only the ways that branches were seen to go. Where control goes another way after all, what is computed is the
 * same, a region that is left so often is made again, and that ends.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";
import { Random } from "./random.ts";

const CODE = 0x1_0000;
const THRESHOLD = 300;
const INTERPRETED = Number.POSITIVE_INFINITY;
/** Most times that a region is made again: see jit/ways.ts. */
const MAX_REMAKES = 6;

/** Where a program of `threshold` ends, beginning with a0 and a1. */
function run(board: Board, text: string, a0: number, a1 = 0): string {
  const code = board.frame();
  board.space = board.newSpace();
  board.place(code, text, CODE);
  board.map(CODE, code, RX);
  return again(board, a0, a1);
}

function again(board: Board, a0: number, a1 = 0): string {
  board.ctx.clear();
  board.ctx.setX(10, a0);
  board.ctx.setX(11, a1);
  assert.equal(board.run(CODE), TRAP_ECALL);
  return board.state();
}

/** Counts to a0; from a1 on, the way of a rare branch. */
const CHANGES_ITS_MIND = `
loop: addi a2, a2, 1
  blt a2, a1, usual
  addi a3, a3, 3
  xor a4, a4, a2
usual: add a5, a5, a2
  blt a2, a0, loop
  ecall`;

test("a loop whose branch goes another way once it is compiled computes the same", () => {
  for (const from of [1, 299, 301, 5000, 10_000]) {
    const [jit, interp] = [new Board(THRESHOLD), new Board(INTERPRETED)];
    const expected = run(interp, CHANGES_ITS_MIND, 10_000, from);
    assert.equal(run(jit, CHANGES_ITS_MIND, 10_000, from), expected, `from ${from}`);
  }
});

test("a region that is often left for what it left out is made again with it", () => {
  const board = new Board(THRESHOLD);
  const { stats } = board.machine;
  run(board, CHANGES_ITS_MIND, 4000, 5000);
  // The way out of the loop.
  assert.ok(stats.strays <= 1);
  assert.equal(stats.regionsRemade, 0);
  again(board, 4000, 1000);
  assert.ok(stats.regionsRemade >= 1);
  const { strays } = stats;
  assert.ok(strays < 1000, `${strays} strays`);
  again(board, 4000, 1000);
  assert.ok(stats.strays <= strays + 1);
});

/** Counts to a0; each 64th time, the other way of a branch. */
const RARELY = `
loop: addi a2, a2, 1
  andi a3, a2, 63
  bne a3, zero, usual
  addi a4, a4, 3
usual: blt a2, a0, loop
  ecall`;

test("what is known of a branch outlives loads 2 MiB behind it", () => {
  const DATA = 0x4_0000;
  const LOADS = 0x8_0000;
  const board = new Board(THRESHOLD);
  const code = board.frame(512);
  const loads = board.frame();
  assert.equal(loads - code, 2 << 20);
  const data = board.frame();
  board.space.home = data - DATA;
  board.place(code, RARELY, CODE);
  board.place(loads, `${"lw a5, 0(s0)\n".repeat(1000)}ecall`, LOADS);
  board.map(CODE, code, RX);
  board.map(LOADS, loads, RX);
  board.map(DATA, data, RX);
  again(board, THRESHOLD - 5);
  board.ctx.setX(8, DATA);
  assert.equal(board.run(LOADS), TRAP_ECALL);
  again(board, 4000);
  assert.equal(board.machine.stats.regionsMade, 1);
  assert.ok(board.machine.stats.strays <= 1, `${board.machine.stats.strays} strays`);
});

/** A branch for each bit of a2, which is made up anew from a1 on. */
const MANY_WAYS = `
  lui a6, 0x5851f
  addi a6, a6, 0x42d
loop: addi a7, a7, 1
  blt a7, a1, same
  mul a2, a2, a6
  addi a2, a2, 1013
same: srli a3, a2, 20
${Array.from({ length: 24 }, (_, i) => `  andi a4, a3, ${1 << (i % 11)}\n  beq a4, zero, s${i}\n  add a5, a5, a3\n  slli a5, a5, ${i % 5}\ns${i}: xor a5, a5, a7`).join("\n")}
  blt a7, a0, loop
  ecall`;

test("a program that goes all ways in the end has its regions made again a few times", () => {
  const [jit, interp] = [new Board(THRESHOLD), new Board(INTERPRETED)];
  const expected = run(interp, MANY_WAYS, 40_000, 2000);
  assert.equal(run(jit, MANY_WAYS, 40_000, 2000), expected);
  const { regionsRemade, regionsMade } = jit.machine.stats;
  assert.ok(
    regionsRemade <= MAX_REMAKES * (regionsMade - regionsRemade),
    `${regionsRemade} remade`,
  );
});

test("other code in the same page finds marks of what was there, and computes the same", () => {
  const random = new Random(7);
  const [jit, interp] = [new Board(THRESHOLD), new Board(INTERPRETED)];
  const code = [jit, interp].map((board) => {
    const pa = board.frame();
    board.map(CODE, pa, RX);
    return pa;
  });
  for (let round = 0; round < 30; round++) {
    const text = randomBranches(random);
    const [a0, a1] = [2000 + random.below(2000), random.below(4000)];
    const [got, expected] = [jit, interp].map((board, i) => {
      board.place(code[i]!, text, CODE);
      return again(board, a0, a1);
    });
    assert.equal(got, expected, text);
  }
});

/** A loop of a0 iterations through branches that depend on the iteration, some only from a1 on. */
function randomBranches(random: Random): string {
  const lines: string[] = ["loop: addi a2, a2, 1"];
  const blocks = 3 + random.below(10);
  for (let i = 0; i < blocks; i++) {
    const to = `b${i + 1 + random.below(blocks - i)}`;
    const op = random.pick(["beq", "bne", "blt", "bge"]);
    lines.push(`b${i}: andi a4, a2, ${1 + random.below(2047)}`);
    if (random.below(3) === 0) lines.push(`blt a2, a1, ${to}`);
    lines.push(`addi a3, a3, ${random.below(100)}`);
    lines.push(`${op} a4, ${random.pick(["zero", "a3", "a2"])}, ${to}`);
    lines.push(`xor a5, a5, a3`);
  }
  lines.push(`b${blocks}: blt a2, a0, loop`, "ecall");
  return lines.join("\n");
}
