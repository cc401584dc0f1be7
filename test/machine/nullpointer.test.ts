/**
 * Control that goes to address 0, which is what empty entries of the jump cache have: it faults there, or runs what is there.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PAGE_SIZE } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FAULT_FETCH } from "../../src/machine/traps.ts";
import { Board, RX } from "./board.ts";

const CODE = 0x1_0000;
const [A0, A1, A2] = [10, 11, 12];
const ROUNDS = 50;

/** Goes to where a2 says, which is `next`, and in the last round 0. */
const program = (go: string): string =>
  `loop: addi a0, a0, 1
   addi a1, a1, -1
   bnez a1, on
   li a2, 0
   on: ${go}
   nop
   next: j loop`;

for (const [tier, threshold] of [
  ["interpreted", Number.POSITIVE_INFINITY],
  ["compiled", 1],
] as const) {
  describe(tier, () => {
    for (const [what, go] of [
      ["a call of", "jalr ra, 0(a2)"],
      ["a jump to", "jalr zero, 0(a2)"],
      ["a return to", "mv ra, a2\nret"],
      ["a known call of", "bnez a1, next\njalr ra, 0(zero)"],
    ] as const) {
      const text = program(go);
      const lines = text.split("\n").length;

      const start = (board: Board): number => {
        board.ctx.setX(A0, 0);
        board.ctx.setX(A1, ROUNDS);
        board.ctx.setX(A2, CODE + 4 * (lines - 1));
        return board.run(CODE);
      };
      const boardWithProgram = (): Board => {
        const board = new Board(threshold);
        const code = board.frame();
        board.map(CODE, code, RX);
        board.place(code, text, CODE);
        return board;
      };

      test(`${what} a null pointer faults there`, () => {
        const board = boardWithProgram();
        for (let i = 0; i < 3; i++) {
          assert.equal(start(board), TRAP_FAULT_FETCH);
          assert.deepEqual([board.hart.faultAddr, board.ctx.getX(A0)], [0, ROUNDS]);
        }
      });

      test(`${what} address 0 runs what is there, while it is there`, () => {
        const board = boardWithProgram();
        const zero = board.frame();
        board.map(0, zero, RX);
        board.place(zero, "again: addi a0, a0, -1\nbnez a0, again\nli a2, 7\necall", 0);
        for (let i = 0; i < 3; i++) {
          assert.equal(start(board), TRAP_ECALL);
          assert.deepEqual([board.ctx.getX(A0), board.ctx.getX(A2)], [0, 7]);
        }
        board.space.remove(0);
        board.space.invalidate(0, PAGE_SIZE);
        assert.equal(start(board), TRAP_FAULT_FETCH);
        assert.deepEqual([board.hart.faultAddr, board.ctx.getX(A0)], [0, ROUNDS]);
        board.map(0, zero, RX);
        board.place(zero, "li a2, 9\necall", 0);
        assert.equal(start(board), TRAP_ECALL);
        assert.equal(board.ctx.getX(A2), 9);
        board.place(zero, "li a2, 11\necall", 0);
        board.space.remove(0);
        board.space.invalidate(0, PAGE_SIZE);
        assert.equal(start(board), TRAP_FAULT_FETCH);
      });
    }
  });
}
