/**
 * Where a register always held the same small function, compiled code has a copy of it: and calls whatever the
 * register says all the same.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import { Discovery } from "../../src/machine/riscv/jit/graph.ts";
import { Switches } from "../../src/machine/riscv/jit/switches.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";

const CODE = 0x1_0000;
const CALLEES = 0x2_0000;
const CALLEE_BYTES = 64;
const STACK = 0x10_0000;
const ROUNDS = 3000;
const [A1, S2, S4, S5] = [11, 18, 20, 21];

/** Calls s2 ROUNDS times, from round s4 on s5 instead. */
const LOOP = `
again:
  jalr ra, 0(s2)
  add s3, s3, a0
  xor s3, s3, ra
  addi a1, a1, -1
  bne a1, s4, same
  addi s2, s5, 0
same:
  bne a1, zero, again
  ecall`;

/** Functions with branches, with memory, with a call of their own, and one that never returns to where it should. */
const FUNCTIONS = [
  "mul a0, a1, a1\nxor a0, a0, s3\nret",
  "andi a0, a1, 3\nbne a0, zero, odd\naddi a0, a1, 7\nret\nodd: sub a0, zero, a1\nret",
  "sd a1, 0(sp)\nld a0, 0(sp)\nslli a0, a0, 3\nret",
  "addi a0, a0, 5\naddi ra, ra, 4\nret",
];

function boardWith(threshold: number): { board: Board; callees: number } {
  const board = new Board(threshold);
  const [code, callees] = [board.frame(), board.frame()];
  board.map(CODE, code, RX);
  board.map(CALLEES, callees, RX);
  board.map(STACK, board.frame(), RW);
  board.place(code, LOOP, CODE);
  FUNCTIONS.forEach((text, i) => {
    const at = i * CALLEE_BYTES;
    board.place((callees + at) as never, text, CALLEES + at);
  });
  return { board, callees };
}

const addressOf = (i: number): number => CALLEES + i * CALLEE_BYTES;

/** Calls the function at `first`, and from the middle on that at `then`: what is in the registers afterwards. */
function run(board: Board, first: number, then: number, fuel: number): string {
  const { ctx, hart, space } = board;
  for (let r = 1; r < 32; r++) ctx.setX(r, r);
  ctx.setX(2, STACK + 2048);
  ctx.setX(A1, ROUNDS);
  ctx.setX(S2, first);
  ctx.setX(S4, ROUNDS / 2);
  ctx.setX(S5, then);
  ctx.pc = CODE;
  for (let runs = 0; runs < 100_000; runs++) {
    const trap = hart.run(ctx, space, fuel);
    if (trap === TRAP_FUEL) continue;
    assert.equal(trap, TRAP_ECALL);
    return board.state();
  }
  return assert.fail("no end");
}

test("a region has a copy of what a register was seen to call, if that was always the same", () => {
  const { board } = boardWith(Number.POSITIVE_INFINITY);
  const copies = (...seen: number[]) => {
    const switches = new Switches();
    for (const to of seen) switches.note(CODE, to);
    const hints = { switches, ways: undefined, isErratic: () => false, isAway: () => false };
    const graph = new Discovery(board.space, new Decoder(RV64GC), hints, CODE).run()!;
    return [...graph.blocks.values()].filter(({ pc }) => pc >= CALLEES && pc < CALLEES + 4096);
  };
  assert.equal(copies().length, 0);
  assert.ok(copies(addressOf(0)).length > 0);
  assert.ok(copies(addressOf(1)).length > 0);
  assert.equal(copies(addressOf(0), addressOf(1)).length, 0);
});

for (const threshold of [1, 30, 700]) {
  for (const fuel of [1, 13, 100_000]) {
    test(`callbacks, compiled after ${threshold} visits, fuel ${fuel}`, () => {
      const { board } = boardWith(threshold);
      const oracle = boardWith(Number.POSITIVE_INFINITY).board;
      for (const first of FUNCTIONS.keys()) {
        for (const [then, odd] of [
          [first, 0],
          [first, 1],
          [(first + 1) % FUNCTIONS.length, 0],
        ] as const) {
          const [from, to] = [addressOf(first), addressOf(then) + odd];
          assert.equal(run(board, from, to, fuel), run(oracle, from, to, 100_000));
        }
      }
      assert.ok(board.machine.stats.regionsMade > 0);
    });
  }
}

test("a function that has changed is called as it is", () => {
  const results = [30, Number.POSITIVE_INFINITY].map((threshold) => {
    const { board, callees } = boardWith(threshold);
    const at = addressOf(0);
    const before = run(board, at, at, 1000);
    board.place(callees as never, "sub a0, a1, s3\nret", at);
    return [before, run(board, at, at, 1000), run(board, at, at, 1000)];
  });
  assert.deepEqual(results[0], results[1]);
  assert.notEqual(results[0]![0], results[0]![1]);
});
