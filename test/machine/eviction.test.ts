/** More code than there is room for: what gives way, and that the rest goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type PageTable, PTE_V, PTE_X } from "../../src/machine/mmu/pagetable.ts";
import { RegionClock } from "../../src/machine/riscv/jit/clock.ts";
import { type Region, Regions } from "../../src/machine/riscv/jit/regions.ts";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";

const CODE = 0x1_0000;
const ROUNDS = 60;
const FUNCTIONS = 80;
/** Room for more than are compiled at once. */
const MAX_REGIONS = 40;

/** Calls each of many functions, too long to be copied, a0 times, and now and then one of them more often. */
const MANY_FUNCTIONS = `
again: ${Array.from({ length: FUNCTIONS }, (_, i) => `jal ra, f${i}\njal ra, f7`).join("\n")}
  addi a0, a0, -1
  bne a0, zero, again
  ecall
${Array.from(
  { length: FUNCTIONS },
  (_, i) => `f${i}: addi a1, a1, ${i}
${Array.from({ length: 12 }, (_, k) => `  xor a2, a2, a1\n  addi a1, a1, ${i * k}`).join("\n")}
  ret`,
).join("\n")}`;

function run(board: Board, rounds: number): string {
  const code = board.frame(3);
  board.place(code, MANY_FUNCTIONS, CODE);
  for (const page of [0, 4096, 8192]) board.map(CODE + page, (code + page) as typeof code, RX);
  board.ctx.setX(10, rounds);
  assert.equal(board.run(CODE), TRAP_ECALL);
  return board.state();
}

test("a program with more regions than there is room for computes the same", () => {
  const expected = run(new Board(Number.POSITIVE_INFINITY), ROUNDS);
  for (const threshold of [1, 3, 20]) {
    const board = new Board(threshold, 200, 150, null, MAX_REGIONS);
    assert.equal(run(board, ROUNDS), expected);
    const { stats } = board.machine;
    assert.ok(stats.regionsEvicted > FUNCTIONS - MAX_REGIONS);
    assert.ok(stats.regions <= MAX_REGIONS);
  }
});

test("regions that nobody came to since room is scarce give way, the eldest first", () => {
  // Regions ask of an address space only what is where.
  const space = { get: (va: number) => va | PTE_V | PTE_X } as unknown as PageTable;
  const regions = new Regions();
  const clock = new RegionClock(16);
  const all: Region[] = [];
  const add = (): void => {
    const entry = 0x1000 * (all.length + 1);
    const pages = new Map([[entry, entry]]);
    all.push({ entry, slot: all.length + 1, pages, innerLoops: [], aways: [], isIdle: false });
    regions.add(all.at(-1)!);
  };
  while (all.length < 12) {
    assert.equal(clock.isScarce(regions, 1), false);
    add();
  }
  assert.equal(clock.isScarce(regions, 1), true);
  assert.equal(clock.isScarce(regions, 1), false);
  assert.ok(regions.find(space, all[0]!.entry));
  assert.ok(regions.find(space, all[2]!.entry));
  while (all.length < 16) add();
  assert.deepEqual(
    clock.inTheWay(regions, 1).map(({ slot }) => slot),
    [2, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(clock.isScarce(regions, 1), true);
  for (const { entry } of all) regions.find(space, entry);
  assert.deepEqual(
    clock.inTheWay(regions, 1).map(({ slot }) => slot),
    [1, 2],
  );
});
