/**
 * What counts visits of jump targets, and what is reported of them. Addresses are chosen so that they share buckets.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { assemble } from "../../src/machine/riscv/assemble.ts";
import { Patience } from "../../src/machine/riscv/jit/patience.ts";
import { heatOffset } from "../../src/machine/riscv/pchash.ts";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";

const THRESHOLD = 100;
const HOT = 10 * THRESHOLD;
const TWO32 = 0x1_0000_0000;
const FIRST = 0x1_0010;

/** Other addresses in the bucket of FIRST. */
function companions(n: number): number[] {
  const found: number[] = [];
  for (let page = 0x2_0000; found.length < n; page += PAGE_SIZE) {
    for (let pc = page; pc < page + PAGE_SIZE - 16; pc += 2) {
      if (heatOffset(pc) !== heatOffset(FIRST)) continue;
      found.push(pc);
      break;
    }
  }
  return found;
}

/** A board whose programs are loops that count down from what is asked. */
class Loops {
  readonly board = new Board(THRESHOLD);

  place(pc: number): void {
    const inPage = pc % PAGE_SIZE;
    const frame = this.board.frame();
    const words = assemble("again: addi a0, a0, -1\naddi a1, a1, 2\nbne a0, zero, again\necall");
    const halves = new Uint16Array(words.buffer);
    this.board.machine.mem.u16.set(halves, (frame + inPage) >>> 1);
    this.board.machine.codeWritten(frame, PAGE_SIZE);
    this.board.map(pc - inPage, frame, RX);
  }

  /** Goes `n` times round the loop at `pc`, after a jump there: what that adds to the visits reported and the regions made. */
  run(pc: number, n: number): { visits: number; made: number } {
    const { board } = this;
    const { visits, regionsMade } = board.machine.stats;
    board.ctx.setX(10, n);
    board.ctx.setX(11, 0);
    assert.equal(board.run(pc), TRAP_ECALL);
    assert.equal(board.ctx.getX(11), 2 * n);
    const { stats } = board.machine;
    return { visits: stats.visits - visits, made: stats.regionsMade - regionsMade };
  }

  /** The mapping of the code at `pc` is made anew, so that no jump cache knows a region. */
  forgetJumps(pc: number): void {
    const page = pc - (pc % PAGE_SIZE);
    const pa = this.board.space.get(page) & ~(PAGE_SIZE - 1);
    this.board.space.remove(page);
    this.board.space.invalidate(page, PAGE_SIZE);
    this.board.map(page, pa as Paddr, RX);
  }
}

test("reports are of powers of two, until it is time", () => {
  const loops = new Loops();
  loops.place(FIRST);
  assert.deepEqual(loops.run(FIRST, 15), { visits: 0, made: 0 });
  assert.deepEqual(loops.run(FIRST, THRESHOLD - 20), { visits: 3, made: 0 });
  assert.equal(loops.run(FIRST, THRESHOLD).made, 1);
});

test("who shares the bucket of a region counts from zero, and is reported as often", () => {
  const loops = new Loops();
  const [other] = companions(1);
  for (const pc of [FIRST, other!]) loops.place(pc);
  assert.equal(loops.run(FIRST, HOT).made, 1);
  assert.deepEqual(loops.run(other!, THRESHOLD - 5), { visits: 3, made: 0 });
  assert.equal(loops.run(FIRST, HOT).visits, 0);
  assert.equal(loops.run(other!, HOT).made, 1);
});

test("regions of one bucket are found when the jump cache has forgotten them", () => {
  const loops = new Loops();
  const pcs = [FIRST, ...companions(2)];
  for (const pc of pcs) {
    loops.place(pc);
    assert.equal(loops.run(pc, HOT).made, 1);
    loops.forgetJumps(pc);
    assert.deepEqual(loops.run(pc, HOT), { visits: 1, made: 0 });
  }
  loops.forgetJumps(FIRST);
  for (const pc of pcs) assert.deepEqual(loops.run(pc, HOT), { visits: 1, made: 0 });
});

test("a bucket whose region is dropped counts again", () => {
  const loops = new Loops();
  loops.place(FIRST);
  assert.equal(loops.run(FIRST, HOT).made, 1);
  const pa = loops.board.space.get(FIRST) & ~(PAGE_SIZE - 1);
  loops.board.machine.codeWritten(pa as Paddr, 4);
  assert.deepEqual(loops.run(FIRST, THRESHOLD - 5), { visits: 3, made: 0 });
  assert.equal(loops.run(FIRST, HOT).made, 1);
});

test("what differs in its high bits alone is reported, counted elsewhere, and compiled in its turn", () => {
  const loops = new Loops();
  const high = FIRST + 3 * TWO32;
  for (const pc of [FIRST, high]) loops.place(pc);
  assert.equal(loops.run(FIRST, HOT).made, 1);
  assert.equal(loops.run(high, THRESHOLD / 4).made, 0);
  assert.equal(loops.run(high, HOT).made, 1);
  loops.forgetJumps(FIRST);
  for (const pc of [FIRST, high]) assert.deepEqual(loops.run(pc, HOT), { visits: 1, made: 0 });
});

test("an address whose tag looks like several regions' is as good as others", () => {
  const loops = new Loops();
  const last = 0xfff8_0016;
  loops.place(last);
  assert.equal(loops.run(last, HOT).made, 1);
  loops.forgetJumps(last);
  assert.deepEqual(loops.run(last, HOT), { visits: 1, made: 0 });
});

test("what could not be compiled waits, and however many there are, no more is remembered than there is room for", () => {
  const { machine, space } = new Board(1);
  const patience = new Patience(machine.mem, 1);
  const pcs = Array.from({ length: 20_000 }, (_, i) => FIRST + 2 * i);
  const isDue = (pc: number): boolean => patience.isDue(space, pc, false);
  for (const pc of pcs) {
    assert.ok(isDue(pc));
    patience.uncompilable(pc);
  }
  assert.ok(isDue(pcs[0]!), "forgotten");
  assert.ok(!isDue(pcs.at(-1)!));
});
