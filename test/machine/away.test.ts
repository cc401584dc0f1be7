/**
 * Accesses that hope for home in vain (jit/away.ts): their region is made again to look elsewhere, once, by whoever finds that out; what else
 * misses the TLB changes no region.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RW, RX } from "./board.ts";
import { Shelf } from "./shelf.ts";

const CODE = 0x1_0000;
const HOME = 0x4_0000;
const AWAY = 0x5_0000;
/** Further off than the TLB reaches, and found by the same place in it. */
const FAR = AWAY + 2 ** 30;
const THRESHOLD = 1000;
const A1 = 11;
const A3 = 13;
const A4 = 14;
const A5 = 15;

/** a1 rounds of loads from a3 and a5 in turns, and something more if a4 says so. */
const LOOP = `
loop: ld t0, 0(a3)
mv t1, a3
mv a3, a5
mv a5, t1
beqz a4, usual
addi a2, a2, 3
xor a2, a2, a1
usual: addi a1, a1, -1
bnez a1, loop
ecall`;

/** Runs `LOOP` over two addresses in one machine after the other. */
function machine(store: Shelf) {
  const board = new Board(THRESHOLD, 200, 150, store);
  const [code, home, away, far] = [board.frame(), board.frame(), board.frame(), board.frame()];
  board.space.home = home - HOME;
  board.map(CODE, code, RX);
  board.map(HOME, home, RW);
  board.map(AWAY, away as Paddr, RW);
  board.map(FAR, far as Paddr, RW);
  board.place(code, LOOP, CODE);
  const run = (rounds: number, one: number, another: number, isOther = 0): void => {
    board.ctx.setX(A1, rounds);
    board.ctx.setX(A3, one);
    board.ctx.setX(A5, another);
    board.ctx.setX(A4, isOther);
    assert.equal(board.run(CODE), TRAP_ECALL);
  };
  return { run, stats: board.machine.stats, finish: () => board.machine.finish() };
}

test("a region whose access is away after all is made again once, also if a later machine makes it again", () => {
  const shelf = new Shelf();
  const first = machine(shelf);
  first.run(2 * THRESHOLD, HOME, HOME);
  assert.equal(first.stats.misses, 0);
  first.run(2 * THRESHOLD, AWAY, AWAY);
  assert.equal(first.stats.regionsRemade, 1);
  const before = first.stats.misses;
  first.run(2 * THRESHOLD, AWAY, AWAY);
  assert.equal(first.stats.misses, before);
  first.finish();

  const second = machine(shelf);
  second.run(2 * THRESHOLD, HOME, HOME);
  second.run(2 * THRESHOLD, AWAY, AWAY);
  const { regionsRestored, modules, misses } = second.stats;
  assert.ok(regionsRestored > 0);
  assert.equal(modules, 0);
  // To go the other way, too; what was known of the access stays so.
  second.run(2 * THRESHOLD, HOME, HOME, 1);
  assert.equal(second.stats.regionsRemade, 1);
  second.run(2 * THRESHOLD, AWAY, AWAY, 1);
  assert.ok(second.stats.misses <= misses + 1);
  assert.equal(second.stats.regionsRemade, 1);
});

test("misses of the TLB alone make no region again", () => {
  const { run, stats } = machine(new Shelf());
  run(2 * THRESHOLD, AWAY, AWAY);
  const { regionsMade } = stats;
  assert.ok(regionsMade > 0);
  run(2 * THRESHOLD, AWAY, FAR);
  assert.ok(stats.misses > THRESHOLD);
  assert.deepEqual([stats.regionsRemade, stats.regionsMade], [0, regionsMade]);
});
