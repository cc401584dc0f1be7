/**
 * What is compiled for a region and refused by WebAssembly, which would be a fault of ours, is interpreted.
 */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { TRAP_ECALL } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";
import { Shelf } from "./shelf.ts";

const CODE = 0x1_0000;
const A0 = 10;
const A1 = 11;
const FUNCTIONS = 40;
const ROUNDS = 3000;
const THRESHOLD = 1000;
const names = Array.from({ length: FUNCTIONS }, (_, i) => `f${i}`);
/** A loop that calls them all, so that all get hot in one round. */
const PROGRAM = `loop: ${names.map((f) => `jal ra, ${f}`).join("\n")}
  addi a1, a1, -1
  bnez a1, loop
  ecall
  ${names.map((f) => `${f}: addi a0, a0, 1\nret`).join("\n")}`;

const { Module } = WebAssembly;
afterEach(() => {
  WebAssembly.Module = Module;
});

/** Has modules of so many regions refused. Returns their number. */
function refuse(isRefused: (regions: number) => boolean): { count: number } {
  const refusals = { count: 0 };
  WebAssembly.Module = class extends Module {
    constructor(bytes: Uint8Array<ArrayBuffer>) {
      super(bytes);
      const regions = Module.exports(this).filter(({ name }) => /^r\d+$/.test(name)).length;
      if (regions === 0 || !isRefused(regions)) return;
      refusals.count++;
      throw new WebAssembly.CompileError("refused by the test");
    }
  };
  return refusals;
}

function boardWith(threshold: number, store: Shelf): Board {
  const board = new Board(threshold, undefined, undefined, store);
  const code = board.frame();
  board.map(CODE, code, RX);
  board.place(code, PROGRAM, CODE);
  board.expectsRefusals = true;
  return board;
}

function run(board: Board): void {
  board.ctx.setX(A0, 0);
  board.ctx.setX(A1, ROUNDS);
  assert.equal(board.run(CODE), TRAP_ECALL);
  assert.equal(board.ctx.getX(A0), FUNCTIONS * ROUNDS);
}

test("code whose region is refused is interpreted, not tried again at once, and not kept", () => {
  const refusals = refuse(() => true);
  const shelf = new Shelf();
  const board = boardWith(1, shelf);
  run(board);
  const { count } = refusals;
  assert.ok(count >= FUNCTIONS);
  run(board);
  assert.equal(refusals.count, count);
  const { regionsRefused, regionsMade } = board.machine.stats;
  assert.deepEqual([regionsRefused, regionsMade], [count, 0]);
  board.machine.finish();
  assert.equal(shelf.segments.length, 0);
});

test("what was compiled together and refused is compiled alone", () => {
  const refusals = refuse((regions) => regions > 1);
  const shelf = new Shelf();
  const board = boardWith(THRESHOLD, shelf);
  run(board);
  assert.ok(refusals.count > 0);
  const { regionsRefused, regionsMade, modules } = board.machine.stats;
  assert.equal(regionsRefused, 0);
  assert.ok(regionsMade > FUNCTIONS / 2);
  assert.equal(modules, regionsMade);
  board.machine.finish();
  assert.equal(shelf.segments.length, 1);
});

test("another error than a refusal is none", () => {
  refuse(() => {
    throw new TypeError("from elsewhere");
  });
  assert.throws(() => run(boardWith(1, new Shelf())), /from elsewhere/);
});
