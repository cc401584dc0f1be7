/**
 * Translations that outlive their machine: found again for the same code, for no other, and never the cause of
 * anything but less work.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_F } from "../../src/machine/layout.ts";
import type { Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Random } from "./random.ts";
import { holding, Shelf } from "./shelf.ts";

/** fcsr with the inexact flag raised: arithmetic need not raise it. */
const INEXACT = 1;
const CODE = 0x1_0000;
const OTHER = 0x20_0000;
const A0 = 10;
const LOOPS = 12;
const ROUNDS = 2000;
const THRESHOLD = 1000;

/** From one loop to the next: further than a region reaches. */
const APART = 0x4000;

/** Maps and places loops, of which the n-th adds `add(n)` to a0 at each turn; they run one after the other. */
function placeProgram(
  board: Board,
  codes: readonly Paddr[],
  at: number,
  add: (n: number) => number,
  step = -1,
): void {
  codes.forEach((code, n) => {
    const loop = `li a1, ${ROUNDS}\nloop: addi a0, a0, ${add(n)}\naddi a1, a1, ${step}\nbnez a1, loop`;
    const end =
      n < LOOPS - 1 ? `lui a2, ${(at + (n + 1) * APART) / 4096}\njalr x0, 0(a2)` : "ecall";
    board.place(code, `${loop}\n${end}`, at + n * APART);
  });
}

function mapProgram(board: Board, at: number): Paddr[] {
  return Array.from({ length: LOOPS }, (_, n) => {
    const code = board.frame();
    board.map(at + n * APART, code, RX);
    return code;
  });
}

/** One more from loop to loop. */
const from =
  (add: number) =>
  (n: number): number =>
    add + n;

const expected = (add: number): number =>
  ROUNDS * Array.from({ length: LOOPS }, (_, n) => add + n).reduce((a, b) => a + b);

interface Ran {
  readonly a0: number;
  readonly made: number;
  readonly restored: number;
}

/** A machine with this store that runs the program at `at`, after `frames` others were taken, and ends. */
function runOnce(
  store: Shelf,
  {
    add = 1,
    at = CODE,
    frames = 0,
    depth = 150,
  }: {
    add?: number;
    at?: number;
    frames?: number;
    depth?: number;
  } = {},
): Ran {
  const board = new Board(THRESHOLD, 200, depth, store);
  for (let i = 0; i < frames; i++) board.frame();
  placeProgram(board, mapProgram(board, at), at, from(add));
  assert.equal(board.run(at), TRAP_ECALL);
  board.machine.finish();
  const { regionsMade, regionsRestored } = board.machine.stats;
  return { a0: board.ctx.getX(A0), made: regionsMade, restored: regionsRestored };
}

test("the next machine finds them, wherever in its memory the code lies", () => {
  const shelf = new Shelf();
  const first = runOnce(shelf);
  assert.deepEqual([first.a0, first.restored], [expected(1), 0]);
  assert.ok(first.made >= LOOPS - 1);
  const second = runOnce(shelf, { frames: 7 });
  assert.deepEqual(second, { a0: expected(1), made: first.made, restored: first.made });
  assert.equal(shelf.segments.length, 1, "who made nothing leaves nothing");
});

test("the next machine finds the interpreter too, unless it is damaged", () => {
  const shelf = new Shelf();
  runOnce(shelf);
  assert.equal(shelf.named.size, 1);
  const [name, whole] = [...shelf.named][0]!;
  for (const damage of [
    () => whole,
    () => whole.map((b, i) => (i % 997 === 500 ? b ^ 0x55 : b)),
    () => whole.subarray(0, 1000),
    () => whole.subarray(0, 2),
  ]) {
    shelf.named.set(name, damage());
    assert.equal(runOnce(shelf).a0, expected(1));
    assert.deepEqual(shelf.named.get(name), whole);
  }
});

test("other code at the address, or the code at another address, is translated anew", () => {
  const shelf = new Shelf();
  runOnce(shelf);
  assert.deepEqual(
    [runOnce(shelf, { add: 2 }).a0, runOnce(shelf, { add: 2 }).a0],
    [expected(2), expected(2)],
  );
  const elsewhere = runOnce(shelf, { at: OTHER });
  assert.deepEqual([elsewhere.a0, elsewhere.restored], [expected(1), 0]);
});

test("code that differs behind the entry is not taken for it", () => {
  const shelf = new Shelf();
  runOnce(shelf);
  const board = new Board(THRESHOLD, 200, 150, shelf);
  placeProgram(board, mapProgram(board, CODE), CODE, from(1), -2);
  assert.equal(board.run(CODE), TRAP_ECALL);
  assert.equal(board.ctx.getX(A0), expected(1) / 2);
  assert.equal(board.machine.stats.regionsRestored, 0);
});

test("a restored region goes when its page is written, and comes back with its code", () => {
  const shelf = new Shelf();
  const { made } = runOnce(shelf);
  const board = new Board(THRESHOLD, 200, 150, shelf);
  const codes = mapProgram(board, CODE);
  for (const add of [1, 5, 1]) {
    placeProgram(board, codes, CODE, from(add));
    board.ctx.setX(A0, 0);
    assert.equal(board.run(CODE), TRAP_ECALL);
    assert.equal(board.ctx.getX(A0), expected(add));
  }
  assert.ok(board.machine.stats.regionsRestored > made);
});

/** Runs a program whose sums of fa0 and fa1 are infinite, and so in doubt each time; the machine forgives so many. */
function runInDoubt(
  store: Shelf,
  maxDoubts: number,
  ...pages: readonly string[]
): Board["machine"]["stats"] {
  const board = new Board(THRESHOLD, maxDoubts, 150, store);
  pages.forEach((text, n) => {
    const code = board.frame();
    board.map(CODE + n * APART, code, RX);
    board.place(code, text, CODE + n * APART);
  });
  board.ctx.fcsr = INEXACT;
  const f = new Float64Array(board.machine.mem.u8.buffer, board.ctx.addr + CTX_F, 32);
  f[10] = f[11] = Number.MAX_VALUE;
  assert.equal(board.run(CODE), TRAP_ECALL);
  assert.equal(f[12], Number.POSITIVE_INFINITY);
  board.machine.finish();
  return board.machine.stats;
}

const SUM = "loop: fadd.d fa2, fa0, fa1\naddi a1, a1, -1\nbnez a1, loop";
const LONG_SUM = `lui a1, 2\n${SUM}\necall`;

test("a region that was compiled again with care is found so at once", () => {
  const shelf = new Shelf();
  const first = runInDoubt(shelf, 3, LONG_SUM);
  assert.ok(first.regionsCareful > 0 && first.modules >= 2);
  const { regionsMade, modules, regionsCareful } = runInDoubt(shelf, 3, LONG_SUM);
  assert.deepEqual([regionsMade, modules, regionsCareful], [1, 0, 0]);
});

test("a region that hopes in vain is not found a second time", () => {
  const shelf = new Shelf();
  assert.equal(runInDoubt(shelf, Number.POSITIVE_INFINITY, LONG_SUM).regionsCareful, 0);
  const { regionsMade, modules, regionsCareful } = runInDoubt(shelf, 3, LONG_SUM);
  assert.deepEqual([regionsMade, modules, regionsCareful], [2, 1, 1]);
});

/** Rounds of an outer loop, of which every eighth goes back `a2` times in an inner one. */
const NEST = `
outer: andi a3, a1, 7
addi a3, a3, -1
srai a3, a3, 63
and a3, a3, a2
inner: addi a0, a0, 1
addi a3, a3, -1
bge a3, zero, inner
addi a1, a1, -1
bnez a1, outer
ecall`;

test("a kept region that begins at an inner loop is left alone where there is one with the outer loop", () => {
  const run = (store: Shelf, rounds: number, inner: number, fuel: number): number => {
    const board = new Board(THRESHOLD, 200, 150, store);
    const code = board.frame();
    board.map(CODE, code, RX);
    board.place(code, NEST, CODE);
    board.ctx.setX(11, rounds);
    board.ctx.setX(12, inner);
    board.ctx.pc = CODE;
    while (board.hart.run(board.ctx, board.space, fuel) !== TRAP_ECALL);
    assert.equal(board.ctx.getX(A0), rounds + (rounds / 8) * inner);
    board.machine.finish();
    return board.machine.stats.regionsMade;
  };
  const [innerFirst, outerFirst] = [new Shelf(), new Shelf()];
  assert.equal(run(innerFirst, 8, 4 * THRESHOLD, 1_000_000), 1);
  assert.equal(run(outerFirst, 4 * THRESHOLD, 1, 1_000_000), 1);
  const both = Object.assign(new Shelf(), {
    segments: [...innerFirst.segments, ...outerFirst.segments],
  });
  assert.equal(run(both, 8, 4 * THRESHOLD, 1_000_000), 1);
  assert.equal(run(both, 4 * THRESHOLD, 1, 1_000_000), 1);
  assert.equal(run(both, 4 * THRESHOLD, 3, 7), 1);
});

/**
 * The program with short loops, of which the n-th adds `add(n)`: `times` times, and so far on that the first has come round
 * often enough to be looked for.
 */
function runShort(store: Shelf, times: number, add: (n: number) => number): Ran {
  const board = new Board(THRESHOLD, 200, 150, store);
  placeProgram(board, mapProgram(board, CODE), CODE, add, -ROUNDS / 100);
  for (let i = 0; i < times; i++) assert.equal(board.run(CODE), TRAP_ECALL);
  board.ctx.pc = CODE;
  board.hart.run(board.ctx, board.space, 60);
  board.machine.finish();
  const { regionsMade, regionsRestored } = board.machine.stats;
  return { a0: board.ctx.getX(A0), made: regionsMade, restored: regionsRestored };
}

test("with the first come those that followed it, where they are warm and the same", () => {
  const shelf = new Shelf();
  const { made } = runShort(shelf, 25, from(1));
  assert.ok(made >= LOOPS);
  const restored = (times: number, add: (n: number) => number): number =>
    runShort(shelf, times, add).restored;
  assert.equal(restored(4, from(1)), 0);
  assert.equal(restored(5, from(1)), made);
  const isOther = (n: number): number => (n === 5 ? 50 : 1 + n);
  assert.equal(restored(5, isOther), made - 1);
  const isFirst = (n: number): number => (n === 0 ? 1 : 50);
  assert.equal(restored(5, isFirst), made - (LOOPS - 1));
});

test("what is cold stays where it is", () => {
  const shelf = new Shelf();
  runOnce(shelf);
  const board = new Board(THRESHOLD, 200, 150, shelf);
  placeProgram(board, mapProgram(board, CODE), CODE, from(1));
  board.ctx.pc = CODE;
  board.hart.run(board.ctx, board.space, THRESHOLD);
  assert.equal(board.machine.stats.regionsRestored, 1);
});

/** A loop, and from there a function that calls itself. */
const RECURSIVE = `
li a1, ${ROUNDS}
loop: addi a1, a1, -1
bnez a1, loop
li a0, 14
jal ra, fib
ecall
fib: li a5, 2
blt a0, a5, done
addi sp, sp, -24
sd ra, 16(sp)
sd s0, 8(sp)
addi s0, a0, -2
addi a0, a0, -1
jal ra, fib
sd a0, 0(sp)
addi a0, s0, 0
jal ra, fib
ld a1, 0(sp)
add a0, a0, a1
ld s0, 8(sp)
ld ra, 16(sp)
addi sp, sp, 24
done: jalr x0, 0(ra)`;

test("a function that calls itself does so wherever it stands in its module", () => {
  const shelf = new Shelf();
  const run = () => {
    const board = new Board(THRESHOLD, 200, 150, shelf);
    const [code, stack] = [board.frame(), board.frame()];
    board.map(CODE, code, RX);
    board.map(OTHER, stack, RW);
    board.place(code, RECURSIVE, CODE);
    board.ctx.setX(2, OTHER + 4096);
    assert.equal(board.run(CODE), TRAP_ECALL);
    assert.equal(board.ctx.getX(A0), 377);
    board.machine.finish();
    const { regionsMade, regionsRestored, modules } = board.machine.stats;
    return { made: regionsMade, restored: regionsRestored, modules };
  };
  const { made } = run();
  assert.ok(made > 1);
  assert.deepEqual(run(), { made, restored: made, modules: 0 });
});

test("of regions made again the last one comes along", () => {
  const shelf = new Shelf();
  // Two loops in turns: when the first is looked for, the second is warm.
  const first = `li a3, 100\nagain: li a1, 30\nloop: addi a1, a1, -1\nbnez a1, loop
lui a2, ${(CODE + APART) / 4096}\njalr x0, 0(a2)`;
  const second = `li a1, 20\n${SUM}\naddi a3, a3, -1\nbeqz a3, done
lui a2, ${CODE / 4096}\njalr x0, 4(a2)\ndone: ecall`;
  const made = runInDoubt(shelf, 3, first, second);
  assert.ok(made.doubts > 0 && made.regionsCareful > 0);
  const { doubts, regionsRestored, modules } = runInDoubt(shelf, 3, first, second);
  assert.ok(regionsRestored >= 2);
  assert.deepEqual([doubts, modules], [0, 0]);
});

test("a machine that compiles early finds them before it does", () => {
  const shelf = new Shelf();
  const { made } = runOnce(shelf);
  const board = new Board(100, 200, 150, shelf);
  placeProgram(board, mapProgram(board, CODE), CODE, from(1));
  assert.equal(board.run(CODE), TRAP_ECALL);
  const { regionsRestored, modules } = board.machine.stats;
  assert.deepEqual([regionsRestored, modules], [made, 0]);
});

test("machines whose calls nest otherwise do not share them", () => {
  const shelf = new Shelf();
  runOnce(shelf);
  assert.equal(runOnce(shelf, { depth: 20 }).restored, 0);
});

test("damaged segments cost their translations, and nothing else", () => {
  const shelf = new Shelf();
  runOnce(shelf);
  const sound = shelf.bytes;
  const random = new Random(1);
  for (let i = 0; i < 60; i++) {
    const bytes = sound.slice();
    // The index and the footer are small; they get their share.
    const from = i % 2 === 0 ? 0 : bytes.length - 400;
    for (let n = random.below(4); n >= 0; n--) {
      bytes[from + random.below(bytes.length - from)]! ^= 1 << random.below(8);
    }
    const cut = i % 5 === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    assert.equal(runOnce(holding(cut)).a0, expected(1));
  }
  assert.equal(runOnce(holding(new Uint8Array(0))).a0, expected(1));
  assert.equal(runOnce(holding(new Uint8Array(4096))).a0, expected(1));
});

test("records that say they are short or long cost their translations, and nothing else", () => {
  const shelf = new Shelf();
  const { made } = runShort(shelf, 25, from(1));
  const sound = shelf.bytes;
  const view = new DataView(sound.buffer);
  const end = sound.length - 16 * (1 + view.getUint32(sound.length - 8, true));
  const starts = [0];
  for (let at = 0; at < end; starts.push(at)) at += 8 + view.getUint32(at, true);
  assert.equal(starts.pop(), end);
  const last = starts.at(-1)!;
  for (const at of [0, starts[1]!, last]) {
    // The latter leaves a head for one more at the end, that says it is empty.
    for (const length of [0, 1, 23, 24, 1 << 20, 0xffffffff, end - 16 - at]) {
      const bytes = sound.slice();
      bytes.fill(0, end - 8, end);
      new DataView(bytes.buffer).setUint32(at, length, true);
      assert.ok(runShort(holding(bytes), 5, from(1)).restored < made);
    }
  }
});

test("a store that takes nothing is asked once", () => {
  let asked = 0;
  const full = Object.assign(new Shelf(), {
    append: () => {
      asked++;
      return -28;
    },
  });
  assert.equal(runOnce(full).a0, expected(1));
  assert.deepEqual([asked, full.segments.length], [1, 0]);
});
