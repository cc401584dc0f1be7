/**
 * Compiled calls are WebAssembly calls, which only predict the guest's: whatever the guest does
 * with its return addresses, it goes where they say.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TRAP_ECALL, TRAP_FAULT_FETCH, TRAP_FUEL } from "../../src/machine/traps.ts";
import { Board, RW, RWX, RX } from "./board.ts";

const CODE = 0x1_0000;
const STACK = 0x10_0000;
const STACK_PAGES = 64;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const A3 = 13;
const A4 = 14;

function boardWith(text: string): Board {
  const board = new Board(2);
  const code = board.frame();
  board.map(CODE, code, RX);
  for (let i = 0; i < STACK_PAGES; i++) board.map(STACK + i * 4096, board.frame(), RW);
  board.place(code, text, CODE);
  board.ctx.setX(2, STACK + STACK_PAGES * 4096);
  return board;
}

/** Runs to the ecall with little fuel at a time, so that calls are cut at every depth. */
function finish(board: Board, fuel: number): void {
  board.ctx.pc = CODE;
  for (let runs = 0; runs < 1_000_000; runs++) {
    const trap = board.hart.run(board.ctx, board.space, fuel);
    if (trap === TRAP_FUEL) continue;
    assert.equal(trap, TRAP_ECALL);
    return;
  }
  assert.fail("no end");
}

const RECURSIVE_SUM = `
  jal ra, sum
  ecall
sum:
  beq a0, zero, none
  addi sp, sp, -16
  sd ra, 8(sp)
  sd a0, 0(sp)
  addi a0, a0, -1
  jal ra, sum
  ld t0, 0(sp)
  add a0, a0, t0
  ld ra, 8(sp)
  addi sp, sp, 16
none:
  ret`;

for (const fuel of [1, 3, 50, 100_000]) {
  test(`recursion deeper than WebAssembly's comes back, fuel ${fuel}`, () => {
    const board = boardWith(RECURSIVE_SUM);
    for (const n of [1, 5, 20, 149, 150, 151, 400, 5000, 16000]) {
      board.ctx.setX(A0, n);
      finish(board, fuel);
      assert.equal(board.ctx.getX(A0), (n * (n + 1)) / 2);
    }
  });

  test(`a longjmp out of many calls goes on at its target, fuel ${fuel}`, () => {
    const board = boardWith(`
      addi s1, sp, 0
    again:
      li a0, 30
      jal ra, dive
      addi a2, a2, 1000
    landed:
      addi sp, s1, 0
      addi a1, a1, -1
      bnez a1, again
      ecall
    dive:
      addi sp, sp, -16
      sd ra, 8(sp)
      addi a0, a0, -1
      addi a2, a2, 1
      beqz a0, out
      jal ra, dive
      ret
    out:
      auipc t0, 0
      jalr zero, -44(t0)`);
    board.ctx.setX(A1, 50);
    board.ctx.setX(12, 0);
    finish(board, fuel);
    assert.equal(board.ctx.getX(12), 50 * 30);
  });

  test(`two stacks that switch to each other keep their own returns, fuel ${fuel}`, () => {
    const board = boardWith(`
      li s5, 200
      auipc s4, 0
      addi s4, s4, 40
      addi s3, sp, -1024
    main:
      jal ra, swap
      addi a0, a0, 1
      addi s5, s5, -1
      bnez s5, main
      ecall
      nop
      nop
    other:
      jal ra, swap
      addi a0, a0, 1000
      j other
    swap:
      mv t1, sp
      mv sp, s3
      mv s3, t1
      mv t1, ra
      mv ra, s4
      mv s4, t1
      ret`);
    board.ctx.setX(A0, 0);
    finish(board, fuel);
    assert.equal(board.ctx.getX(A0), 200 + 199 * 1000);
  });
}

test("a small function that is called by ra and leaves by t0 goes where t0 says", () => {
  const board = boardWith(`
  again:
    jal ra, hop
    addi a2, a2, 1
    addi a1, a1, -1
    bnez a1, again
    ecall
  hop:
    addi a0, a0, 1
    jalr zero, 0(t0)`);
  const [T0, A2] = [5, 12];
  board.ctx.setX(T0, CODE + 8);
  board.ctx.setX(A1, 5000);
  finish(board, 100_000);
  assert.equal(board.ctx.getX(A0), 5000);
  assert.equal(board.ctx.getX(A2), 0);
});

for (const [name, ra] of [
  ["all ones", -1],
  ["all ones but the lowest", -2],
  ["no page", 0x70_0000],
] as const) {
  test(`a compiled function that returns to where nothing can be (${name}) faults there`, () => {
    const board = boardWith(`
    again:
      jal ra, callee
      addi a1, a1, -1
      j again
    callee:
      bnez a1, done
      addi ra, a2, 0
    done:
      ret`);
    board.ctx.setX(A1, 200);
    board.ctx.setX(A2, ra);
    board.ctx.pc = CODE;
    let trap: number = TRAP_FUEL;
    for (let runs = 0; runs < 1000 && trap === TRAP_FUEL; runs++) {
      trap = board.hart.run(board.ctx, board.space, 7);
    }
    assert.equal(trap, TRAP_FAULT_FETCH);
    assert.ok(board.machine.stats.regions > 0);
    assert.equal(BigInt(board.ctx.pc), BigInt(Number(BigInt.asUintN(64, BigInt(ra) & -2n))));
    assert.equal(board.ctx.getX(A1), 0);
  });
}

test("a function that calls itself and rewrites itself on the way goes on as it is then", () => {
  // All that wait when the last instruction is written anew come back to the new one.
  const text = `
    jal ra, dive
    ecall
  dive:
    addi sp, sp, -16
    sd ra, 8(sp)
    bne a0, a2, deeper
    sw a3, 0(a4)
    fence.i
  deeper:
    beqz a0, up
    addi a0, a0, -1
    jal ra, dive
  up:
    addi a1, a1, 1
    ld ra, 8(sp)
    addi sp, sp, 16
    ret`;
  const patched = CODE + 4 * 10;
  for (const threshold of [2, Number.POSITIVE_INFINITY]) {
    const board = new Board(threshold);
    const [code, spare] = [board.frame(), board.frame()];
    board.map(CODE, code, RWX);
    for (let i = 0; i < STACK_PAGES; i++) board.map(STACK + i * 4096, board.frame(), RW);
    board.place(code, text, CODE);
    board.place(spare, "addi a1, a1, 100\naddi a1, a1, 1", CODE);
    const wordAt = (pa: number): number => board.machine.mem.u32[pa >>> 2]!;
    const [hundred, one] = [wordAt(spare), wordAt(spare + 4)];
    assert.equal(wordAt(code + patched - CODE), one);
    for (const at of [0, 40, 60, 150, 299]) {
      for (const word of [hundred, one]) {
        board.ctx.setX(2, STACK + STACK_PAGES * 4096);
        board.ctx.setX(A0, 300);
        board.ctx.setX(A1, 0);
        board.ctx.setX(A2, at);
        board.ctx.setX(A3, word);
        board.ctx.setX(A4, patched);
        finish(board, 100_000);
        assert.equal(board.ctx.getX(A1), 301 * (word === hundred ? 100 : 1));
      }
    }
  }
});
