/**
 * Short branches that compiled code makes straight (jit/hammock.ts): which are, and that each of them leaves the same as
 * when it is interpreted.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BRANCH_BYTES, BRANCH_MARKS } from "../../src/machine/layout.ts";
import { Decoder } from "../../src/machine/riscv/decode.ts";
import { RV64GC } from "../../src/machine/riscv/isa/rv64gc.ts";
import { type Block, Discovery } from "../../src/machine/riscv/jit/graph.ts";
import { Switches } from "../../src/machine/riscv/jit/switches.ts";
import { Ways } from "../../src/machine/riscv/jit/ways.ts";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";
import { Random } from "./random.ts";
import { CODE } from "./slices.ts";

const INTERPRETED = Number.POSITIVE_INFINITY;

/** The blocks that a region of the program is made of, all branches erratic. Those at `seldom` were not seen to go on. */
function blocksOf(text: string, seldom: readonly number[] = []): Block[] {
  const board = new Board(INTERPRETED);
  const code = board.frame();
  board.place(code, text, CODE);
  board.map(CODE, code, RX);
  const ways = new Ways(board.machine.mem, true);
  for (const at of seldom) {
    board.machine.mem.u8[BRANCH_MARKS + ((code + at) & (BRANCH_BYTES - 2)) + 1] = 1;
  }
  const hints = {
    switches: new Switches(),
    ways,
    isErratic: () => true,
    isAway: () => false,
  };
  const graph = new Discovery(board.space, new Decoder(RV64GC), hints, CODE).run();
  return [...graph!.blocks.values()];
}

/** What is done under which condition in the first block, a letter each: - without, t or o if the branch is taken or goes on, ? the test itself. */
const guardsOf = ([first]: readonly Block[]): string =>
  first!.ops.map(({ guard }) => (guard === "test" ? "?" : (guard?.[0] ?? "-"))).join("");

/** Programs that end in an ecall, with the shape that is made of them: guards of the first block, number of blocks. */
const SHAPES: Record<string, [text: string, guards: string, blocks: number]> = {
  "one instruction is skipped": [
    `beq a0, a1, out
     xor a2, a2, a3
     out: ecall`,
    "?o-",
    1,
  ],
  "three are": [
    `addi a4, a4, 1
     blt a0, a1, out
     xor a2, a2, a3
     addw a3, a2, a2
     sub a4, a3, a2
     out: ecall`,
    "-?ooo-",
    1,
  ],
  "four are: left alone": [
    `blt a0, a1, out
     xor a2, a2, a3
     addw a3, a2, a2
     sub a4, a3, a2
     sub a5, a3, a2
     out: ecall`,
    "-",
    3,
  ],
  "of several for one register the last selects": [
    `bltu a0, a1, out
     xor a2, a2, a3
     slli a2, a2, 48
     addiw a2, a2, 5
     out: ecall`,
    "?--o-",
    1,
  ],
  "what is skipped is elsewhere": [
    `bgeu a0, a1, far
     back: ebreak
     far: add a2, a2, a0
     jal zero, back`,
    "?tt-",
    1,
  ],
  "either way does something": [
    `bne a0, a1, else
     addi a2, a3, 1
     jal zero, out
     else: addi a3, a2, 2
     out: ecall`,
    "?oot-",
    1,
  ],
  "either way sets the same register": [
    `bne a0, a1, else
     addi a2, a3, 1
     jal zero, out
     else: addi a2, a4, 2
     out: ecall`,
    "?-ot-",
    1,
  ],
  "either way sets the same register, one after it reads it": [
    `bge a0, a1, else
     addi a2, a3, 1
     jal zero, out
     else: addi a2, a2, 2
     out: ecall`,
    "?oot-",
    1,
  ],
  "either way sets the same register, one in two steps": [
    `bge a0, a1, else
     addi a2, a3, 1
     jal zero, out
     else: addi a2, a4, 2
     slli a2, a2, 1
     out: ecall`,
    "?-o-t-",
    1,
  ],
  "one after the other": [
    `bge a0, a1, next
     addi a0, a0, 3
     next: blt a0, a2, out
     add a2, a2, a0
     out: ecall`,
    "?o?o-",
    1,
  ],
  "one inside another: the inner": [
    `beq a0, a1, out
     beq a0, a2, in
     addi a0, a0, 3
     in: add a2, a2, a0
     out: ecall`,
    "-",
    3,
  ],
  "x0 is written": [
    `bge a0, a1, out
     addi zero, a0, 3
     out: ecall`,
    "?o-",
    1,
  ],
  "a load is skipped: left alone": [
    `bge a0, a1, out
     lb a2, 0(a0)
     out: ecall`,
    "-",
    3,
  ],
  "a division is: left alone": [
    `bge a0, a1, out
     div a2, a2, a3
     out: ecall`,
    "-",
    3,
  ],
  "a call is: left alone": [
    `bge a0, a1, out
     jal ra, out
     out: ecall`,
    "-",
    3,
  ],
  "somebody else comes to what is skipped: left alone": [
    `blt a2, a3, in
     bge a0, a1, out
     in: addi a2, a2, 1
     out: ecall`,
    "-",
    4,
  ],
  "somebody else comes to the middle of what is skipped: left alone": [
    `blt a2, a3, in
     bge a0, a1, out
     addi a2, a2, 1
     in: addi a2, a2, 1
     out: ecall`,
    "-",
    5,
  ],
  "where the ways meet others come too": [
    `blt a2, a3, first
     jal zero, out
     first: bge a0, a1, out
     addi a2, a2, 1
     out: ecall`,
    "-",
    4,
  ],
  "the region begins in what is skipped: left alone": [
    `in: addi a2, a2, 1
     out: addi a3, a3, 1
     blt a0, a1, in
     jal zero, out`,
    "-",
    3,
  ],
};

for (const [name, [text, guards, blocks]] of Object.entries(SHAPES)) {
  test(`shape: ${name}`, () => {
    const found = blocksOf(text);
    assert.equal(guardsOf(found), guards);
    assert.equal(found.length, blocks);
  });
}

/** What may come behind a short branch, and whether its last branch was only ever seen to be taken. */
const ENDS: Record<string, [text: string, seldom: boolean]> = {
  "a call": ["jal ra, far\necall\nfar: jal t0, far", false],
  "a call of a small function": ["jal ra, far\necall\nfar: jalr zero, 0(ra)", false],
  "a call by a register": [
    "auipc t1, 0\njalr ra, 16(t1)\necall\naddi a0, a0, 1\njalr zero, 0(ra)",
    false,
  ],
  "a system call": ["ecall\necall", false],
  "a branch that was seen to go one way": ["beq a4, a5, far\necall\nfar: ebreak", true],
};

for (const [name, [end, isSeldom]] of Object.entries(ENDS)) {
  test(`${name} behind a short branch is as without`, () => {
    const seldom = isSeldom ? [8] : [];
    const plain = `addi a0, a0, 1\naddi a1, a1, 1\n${end}`;
    const short = `bne a0, a1, next\naddi a0, a0, 1\nnext: ${end}`;
    const [expected, got] = [plain, short].map((text) => blocksOf(text, seldom));
    assert.equal(guardsOf(got!).slice(0, 2), "?o");
    // Copies of functions have other keys, as there were more blocks.
    const tell = ({ back, target, unseen, isInlined, end, succ }: Block) => ({
      ...{ back, target, unseen, isInlined: isInlined ?? false, end },
      succ: succ.map((key) => Math.max(key, -1)),
    });
    assert.equal(expected![0]!.unseen !== undefined, isSeldom);
    assert.deepEqual(got!.map(tell), expected!.map(tell));
  });
}

test("all instructions of straight code keep their addresses", () => {
  const [block] = blocksOf(SHAPES["either way sets the same register, one in two steps"]![0]);
  assert.deepEqual(
    block!.ops.map(({ pc, len }) => [pc - CODE, len]),
    [0, 4, 8, 12, 16, 20].map((at) => [at, 4]),
  );
});

test("programs of these shapes that run once leave the same", () => {
  const random = new Random(1);
  const boards = [INTERPRETED, 1].map((threshold) => {
    const board = new Board(threshold);
    return { board, code: board.frame() };
  });
  const programs = Object.entries(SHAPES).filter(([, [text]]) => !text.startsWith("in:"));
  for (const [name, [text]] of programs) {
    for (let i = 0; i < 20; i++) {
      const values = Array.from({ length: 6 }, () => random.below(3) * 2 ** (random.below(5) * 10));
      const [expected, got] = boards.map(({ board, code }) => {
        board.space = board.newSpace();
        board.place(code, text, CODE);
        board.map(CODE, code, RX);
        board.ctx.clear();
        values.forEach((value, k) => {
          board.ctx.setX(10 + k, value);
        });
        return `${board.run(CODE)} ${board.state()}`;
      });
      assert.equal(got, expected, `${name} ${values}`);
    }
  }
  assert.ok(boards[1]!.board.machine.stats.regionsMade >= programs.length);
});

/** Numbers made up one after the other; a branch on a bit that is set in one of a1 + 1, of those that a2 lets through. */
const RANDOM_BITS = `
  lui a6, 0x5851f
  addi a6, a6, 0x42d
  addi a7, zero, 1
loop: mul a7, a7, a6
  addi a7, a7, 1013
  srli a3, a7, 20
  and a3, a3, a1
branch: bne a3, zero, next
  addi a4, a4, 3
next: addi a0, a0, -1
  bne a0, zero, loop
  ecall`;
const BRANCH_AT = 7 * 4;

for (const [mask, isErratic] of [
  [0, false],
  [1, true],
  [3, true],
  [255, false],
] as const) {
  test(`a branch that goes on one time in ${mask + 1} is ${isErratic ? "" : "not "}erratic`, () => {
    const board = new Board(INTERPRETED);
    const code = board.frame();
    board.place(code, RANDOM_BITS, CODE);
    board.map(CODE, code, RX);
    board.ctx.setX(10, 1500);
    board.ctx.setX(11, mask);
    assert.equal(board.run(CODE), TRAP_ECALL);
    const ways = new Ways(board.machine.mem, true);
    assert.equal(ways.isErratic(code + BRANCH_AT), isErratic);
    for (const taken of [true, false]) {
      assert.equal(ways.isUnseen(code + BRANCH_AT, taken), taken && mask === 0);
    }
    // What an earlier machine had of the code tells nothing about that.
    const span = { va: CODE, code: board.machine.mem.u8.slice(code, code + 64) };
    ways.learn(new Map([[CODE, code]]), [span]);
    assert.equal(ways.isErratic(code + BRANCH_AT), isErratic);
  });
}

test("ways that were seen stay so however often a branch changes its mind", () => {
  const board = new Board(INTERPRETED);
  const code = board.frame();
  board.place(code, RANDOM_BITS, CODE);
  board.map(CODE, code, RX);
  const ways = new Ways(board.machine.mem, true);
  for (let i = 0; i < 600; i++) {
    board.ctx.setX(10, 1 + (i % 7));
    board.ctx.setX(11, 1);
    assert.equal(board.run(CODE), TRAP_ECALL);
    if (i < 4) continue;
    for (const taken of [true, false]) {
      assert.equal(ways.isUnseen(code + BRANCH_AT, taken), false, `${i}`);
    }
  }
});

test("a loop whose branch goes either way as it comes computes the same when it is compiled", () => {
  const [jit, interp] = [300, INTERPRETED].map((threshold) => {
    const board = new Board(threshold);
    const code = board.frame();
    board.place(code, RANDOM_BITS, CODE);
    board.map(CODE, code, RX);
    board.ctx.setX(10, 5000);
    board.ctx.setX(11, 1);
    assert.equal(board.run(CODE), TRAP_ECALL);
    return board;
  });
  assert.equal(jit!.state(), interp!.state());
  assert.ok(jit!.machine.stats.regionsMade > 0);
});
