/**
 * Loops in loops, as compilers rotate them: a region that starts at the inner one's header has both of them there,
 * and what only the outer one uses is not in locals while the inner one runs.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import type { Op } from "../../src/machine/riscv/jit/graph.ts";
import { splitLatches } from "../../src/machine/riscv/jit/latches.ts";
import { loopsOf } from "../../src/machine/riscv/jit/loops.ts";
import type { Vertex } from "../../src/machine/riscv/jit/unroll.ts";
import { traitsOf } from "../../src/machine/riscv/traits.ts";
import { TRAP_ECALL, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";

const CODE = 0x1_0000;
const DATA = 0x10_0000;
const DATA_PAGES = 16;

/** As gcc makes of a sieve: the first round of the inner loop enters it in the middle. */
const SIEVE = `
  add a1, zero, s1
clear:
  sb zero, 0(a1)
  addi a1, a1, 1
  blt a1, s2, clear
  addi a4, zero, 2
  addi a5, zero, 4
  fcvt.d.w fs0, a4
  add a3, s1, a5
  jal zero, middle
mark:
  add a3, s1, a5
  add a5, a5, a4
  sb s3, 0(a3)
  addi s4, s4, 1
  bge a5, s5, next
  add a3, s1, a5
middle:
  add a5, a5, a4
  sb s3, 0(a3)
  blt a5, s5, mark
  jal zero, next
next:
  addi a4, a4, 1
  addi s6, s6, 7
  fadd.d fs0, fs0, fs0
  mul a5, a4, a4
  bge a5, s5, done
  add a3, s1, a4
  lbu a3, 0(a3)
  bne a3, zero, next
  jal zero, mark
done:
  addi s7, s7, -1
  bne s7, zero, again
  ecall
again:
  addi a4, zero, 2
  add s8, s8, s6
  addi a5, zero, 4
  jal zero, mark`;

/** An inner loop that mostly ends at once, and whose exits need different registers. */
const SEARCH = `
outer:
  add a3, s1, a5
  addi a6, zero, 3
inner:
  lbu a2, 0(a3)
  addi a3, a3, 1
  bne a2, a6, differs
  addi a6, a6, -1
  bne a6, zero, inner
  add s4, s4, a5
  jal zero, step
differs:
  xor s6, s6, a2
  slli s7, s7, 1
  add s7, s7, a6
step:
  addi a5, a5, 1
  blt a5, s5, outer
  ecall`;

/**
 * As gcc makes of strstr: the small loop comes back to a test in front of its header, the ways around it, which need
 * more registers, to the header itself.
 */
const SHIFTS = `
  addi a5, zero, 0
  addi s6, zero, 0
  addi t2, zero, 200
  jal zero, body
test:
  bltu t2, a5, wrap
body:
  addi a5, a5, 3
  add a3, s1, a5
  lbu a2, 0(a3)
  lbu a4, 1(a3)
  slli a4, a4, 1
  sub a2, a2, a4
  andi a2, a2, 7
  addi a6, zero, 5
  bne a2, a6, test
  add s4, s4, a2
  sub a5, a5, a2
  slli s8, s8, 1
  xor s8, s8, a5
  addi a6, zero, 6
  bltu a2, a6, found
  addi a5, a5, 5
  bltu a5, t2, body
  jal zero, wrap
found:
  addi a5, a5, 6
  bltu a5, t2, body
wrap:
  andi a5, a5, 3
  addi s6, s6, 1
  addi a6, zero, 150
  bltu s6, a6, body
  ecall`;

/** Two ways of three end in the loop's latch, as gcc makes of a partition: the short one is an inner loop with a latch of its own. */
const PARTITION = `
  addi t0, zero, 0
again:
  add a3, s1, t0
  add a4, s1, s5
  addi a5, zero, 0
left:
  lbu a2, 0(a3)
  addi a6, zero, 2
  bltu a2, a6, next
right:
  addi a4, a4, -1
  lbu a7, 0(a4)
  bltu a6, a7, right
  bgeu a3, a4, crossed
  sb a7, 0(a3)
  sb a2, 0(a4)
  xor s6, s6, a4
next:
  addi a3, a3, 1
  addi a5, a5, 1
  jal zero, left
crossed:
  slli s7, s7, 1
  xor s7, s7, a5
  addi t0, t0, 7
  addi t1, zero, 30
  bltu t0, t1, again
  ecall`;

/** Values handed on from register to register, as in SHA-256; the loop ends in any of its copies. */
const MIX = `
  addi t0, zero, 0
again:
  addi a5, zero, 0
  addi a6, t0, 61
round:
  add a3, s1, a5
  lbu a2, 0(a3)
  srliw t3, a1, 6
  slliw t4, a1, 26
  or t3, t3, t4
  addw a2, a2, t3
  addw a2, a2, s4
  xor t3, s6, s7
  addw a2, a2, t3
  addi s4, s7, 0
  addi s7, s6, 0
  addi s6, a1, 0
  addiw a1, a7, 0
  addw a1, a1, a2
  addi a7, s8, 0
  addi s8, s10, 0
  addw s10, a2, a5
  addi a5, a5, 1
  bltu a5, a6, round
  addi t0, t0, 1
  addi t1, zero, 40
  bltu t0, t1, again
  ecall`;

function boardWith(threshold: number, text: string): Board {
  const board = new Board(threshold);
  const code = board.frame();
  const data = board.frame(DATA_PAGES);
  board.map(CODE, code, RX);
  for (let i = 0; i < DATA_PAGES; i++) board.map(DATA + i * 4096, (data + i * 4096) as never, RW);
  for (let i = 0; i < DATA_PAGES * 4096; i++)
    board.machine.mem.u8[data + i] = (i * 7 + (i >> 3)) & 3;
  board.place(code, text, CODE);
  const { ctx } = board;
  ctx.setX(9, DATA + 5);
  ctx.setX(18, DATA + 5 + 3000);
  ctx.setX(19, 1);
  ctx.setX(21, 3000);
  ctx.setX(23, 3);
  ctx.pc = CODE;
  return board;
}

function finish(board: Board, fuel: number): string {
  for (let runs = 0; runs < 100_000; runs++) {
    const trap = board.hart.run(board.ctx, board.space, fuel);
    if (trap === TRAP_FUEL) continue;
    assert.equal(trap, TRAP_ECALL);
    return board.state();
  }
  return assert.fail("no end");
}

for (const [name, text] of Object.entries({ SIEVE, SEARCH, SHIFTS, PARTITION, MIX })) {
  const wanted = finish(boardWith(Number.POSITIVE_INFINITY, text), 1000);
  for (const threshold of [1, 2, 20, 300]) {
    for (const fuel of [1, 7, 1000]) {
      test(`${name.toLowerCase()} compiled after ${threshold} visits, fuel ${fuel}`, () => {
        const board = boardWith(threshold, text);
        assert.equal(finish(board, fuel), wanted);
        assert.ok(board.machine.stats.regionsMade > 0);
      });
    }
  }
}

/** Counts a5 to s5, and in an inner loop a4 to what a5 has in its lowest bits, but no less than once and no further than s6. */
const ROUNDS = `
outer:
  andi a4, a5, 15
  bge s6, a4, inner
  addi a4, s6, 0
inner:
  addi s4, s4, 1
  addi a4, a4, -1
  bge a4, zero, inner
  addi a5, a5, 1
  blt a5, s5, outer
  ecall`;

/** Runs ROUNDS with inner loops of up to `most` rounds: how many regions there are then. */
function regionsAfter(board: Board, rounds: number, most: number, fuel: number): number {
  board.ctx.pc = CODE;
  board.ctx.setX(15, 0);
  board.ctx.setX(21, rounds);
  board.ctx.setX(22, most);
  finish(board, fuel);
  return board.machine.stats.regionsMade;
}

test("an inner loop that is hot after the one around it has no region of its own, unless it goes round long", () => {
  const THRESHOLD = 200;
  const board = boardWith(THRESHOLD, ROUNDS);
  const made = regionsAfter(board, 20 * THRESHOLD, 0, 1_000_000);
  assert.ok(made > 0);
  // Leaving compiled code each few rounds, mostly to the inner loop: some thousand visits there.
  assert.equal(regionsAfter(board, 4 * THRESHOLD, 15, 7), made);
  regionsAfter(board, 100 * THRESHOLD, 15, 7);
  assert.equal(board.machine.stats.regionsMade, made + 1);
});

/** Nodes with these successors, of which `usual` has those that control mostly goes to. */
function linked(succ: number[][], usual: ReadonlyMap<number, number>) {
  const preds = succ.map((_, i) => succ.flatMap((to, from) => (to.includes(i) ? [from] : [])));
  return succ.map((to, i) => ({ succ: to, preds: preds[i]!, usual: usual.get(i) }));
}

test("of loops with one header that none lies in all others, the inner one is that which control mostly takes", () => {
  const bodies = (usual: Record<number, number>) => {
    const known = new Map(Object.entries(usual).map(([i, to]) => [Number(i), to]));
    const nodes = linked([[1, 2], [0, 4], [3, 0], [0], []], known);
    return loopsOf(nodes).map(({ body }) => [...body].sort());
  };
  const [short, whole] = [
    [0, 1],
    [0, 1, 2, 3],
  ];
  assert.deepEqual(bodies({ 1: 0 }), [whole]);
  assert.deepEqual(bodies({ 0: 1, 1: 0 }), [short, whole]);
  assert.deepEqual(bodies({ 0: 2 }), [whole], "what 2 mostly does is not known");
});

test("control that comes back to a header from a loop around it takes none of that header's loops", () => {
  // 1 has two loops, with 2 and 5 and with 3; mostly it goes to 4, and from there to 0 and 1 again.
  const succ = [[1], [2, 3, 4], [5], [1], [0], [1]];
  const usual = new Map([[1, 4]]);
  const loops = loopsOf(linked(succ, usual)).map(({ header, body }) => [header, [...body].sort()]);
  assert.deepEqual(loops, [
    [1, [1, 2, 3, 5]],
    [0, [0, 1, 2, 3, 4, 5]],
  ]);
});

const NOP = 0x13;

/** Blocks of one instruction each, with these successors. */
function placed(succ: number[][]) {
  const insn = new Decoder(RV64GC).decode(NOP)!;
  const op: Op = { pc: 0, len: 4, word: NOP, insn, traits: traitsOf(insn), imm: 0, isAway: false };
  const vertices: Vertex[] = succ.map((_, pc) => ({
    block: { pc, ops: [op], end: pc + 1, succ: [] },
    succ: [],
  }));
  succ.forEach((to, i) => {
    vertices[i]!.succ.push(...to.map((s) => vertices[s]!));
  });
  return linked(succ, new Map()).map((n, i) => ({ ...n, vertex: vertices[i]! }));
}

test("the short one of several ways to a latch gets a latch of its own", () => {
  // 0 goes to the latch, 4, at once, or by way of 1, 2 or 3; 5 is behind the loop.
  const nodes = placed([[1, 4], [2, 5], [4, 3], [4], [0], []]);
  assert.ok(splitLatches(nodes));
  const [header, , second, third, latch] = nodes.map(({ vertex }) => vertex);
  const copy = header!.succ[1]!;
  assert.notEqual(copy, latch);
  assert.equal(copy.block, latch!.block);
  assert.deepEqual(copy.succ, [header]);
  assert.equal(second!.succ[0], latch);
  assert.equal(third!.succ[0], latch);
});

test("a latch that ways meet before, or that leads out of its loop, is left alone", () => {
  // The ways by 1 and 2 meet in 3.
  assert.ok(!splitLatches(placed([[1, 2], [3], [3], [0, 4], []])));
  assert.ok(!splitLatches(placed([[1, 2], [3], [3], [4], [0]])));
});
