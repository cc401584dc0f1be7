/**
 * Code and mappings that change: nothing stale is ever run or read, in either tier.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PTE_R, PTE_W } from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { assemble } from "../../src/machine/riscv/assemble.ts";
import {
  TRAP_ECALL,
  TRAP_FAULT_FETCH,
  TRAP_FAULT_READ,
  TRAP_FAULT_WRITE,
  TRAP_FUEL,
  TRAP_ILLEGAL,
  TRAP_MISALIGNED,
} from "../../src/machine/traps.ts";
import { Board, RW, RWX, RX } from "./board.ts";

const CODE = 0x1_0000;
const DATA = 0x8_0000;
const A0 = 10;
const A1 = 11;

const COUNT = "loop: addi a0, a0, 1\naddi a1, a1, -1\nbnez a1, loop\necall";

for (const [tier, threshold] of [
  ["interpreted", Number.POSITIVE_INFINITY],
  ["compiled", 1],
] as const) {
  describe(tier, () => {
    /** Runs COUNT's loop `n` times; what it added to a0. */
    const count = (board: Board, n: number): number => {
      board.ctx.setX(A0, 0);
      board.ctx.setX(A1, n);
      assert.equal(board.run(CODE), TRAP_ECALL);
      return board.ctx.getX(A0);
    };

    test("a program the kernel rewrote runs anew", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RX);
      board.place(code, COUNT, CODE);
      assert.equal(count(board, 100), 100);
      board.place(code, COUNT.replace("a0, 1", "a0, 7"), CODE);
      assert.equal(count(board, 100), 700);
    });

    test("pages that take turns in one granule lose their second-level entries too", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RX);
      // Neighbours in addresses but not in frames, so that each is a window of its own.
      const [first, gap, second, other] = [0, 1, 2, 3].map(() => board.frame()) as [
        Paddr,
        Paddr,
        Paddr,
        Paddr,
      ];
      assert.notEqual(gap, second);
      board.map(DATA, first, RW);
      board.map(DATA + PAGE_SIZE, second, RW);
      board.place(
        code,
        `loop: ld a2, 0(s0)
         ld a3, 0(s1)
         sd a3, 8(s0)
         sd a2, 8(s1)
         addi a1, a1, -1
         bnez a1, loop
         ecall`,
        CODE,
      );
      const { mem } = board.machine;
      mem.u32[first >>> 2] = 11;
      mem.u32[second >>> 2] = 22;
      mem.u32[other >>> 2] = 33;
      const turns = (): number => {
        board.ctx.setX(8, DATA);
        board.ctx.setX(9, DATA + PAGE_SIZE);
        board.ctx.setX(A1, 20);
        return board.run(CODE);
      };
      assert.equal(turns(), TRAP_ECALL);
      assert.deepEqual(
        [12, 13].map((r) => board.ctx.getX(r)),
        [11, 22],
      );
      board.map(DATA, other, RW);
      board.space.invalidate(DATA, PAGE_SIZE);
      assert.equal(turns(), TRAP_ECALL);
      assert.deepEqual(
        [12, 13].map((r) => board.ctx.getX(r)),
        [33, 22],
      );
      assert.equal(mem.u32[(first + 8) >>> 2], 22, "the old frame keeps what it had");
      mem.u32[(other + 8) >>> 2] = 0;
      board.map(DATA, other, PTE_R);
      board.space.invalidate(DATA, PAGE_SIZE);
      assert.equal(turns(), TRAP_FAULT_WRITE);
      assert.equal(mem.u32[(other + 8) >>> 2], 0);
      board.space.remove(DATA + PAGE_SIZE);
      board.space.invalidate(DATA + PAGE_SIZE, PAGE_SIZE);
      assert.equal(turns(), TRAP_FAULT_READ);
      assert.equal(board.hart.faultAddr, DATA + PAGE_SIZE);
    });

    test("a program that rewrites itself while it runs sees its own stores after fence.i", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RWX);
      const [patch] = assemble("addi a0, a0, 100");
      board.place(
        code,
        `loop: addi a0, a0, 1
         addi a1, a1, -1
         bnez a1, loop
         sw s1, 0(s0)
         fence.i
         addi a1, zero, 10
         addi s2, s2, -1
         bnez s2, loop
         ecall`,
        CODE,
      );
      board.ctx.setX(8, CODE);
      board.ctx.setX(9, patch! | 0);
      board.ctx.setX(18, 3);
      board.ctx.setX(A1, 50);
      assert.equal(board.run(CODE), TRAP_ECALL);
      assert.equal(board.ctx.getX(A0), 50 + 20 * 100);
    });

    test("a store through another mapping of the same frame drops the code", () => {
      const board = new Board(threshold);
      const [code, other] = [board.frame(), board.frame()];
      board.map(CODE, code, RX);
      board.map(DATA, code, RW);
      board.map(CODE + PAGE_SIZE, other, RX);
      board.place(code, COUNT, CODE);
      board.place(other, "sw s1, 0(s0)\necall", CODE + PAGE_SIZE);
      // The write TLB knows the page before there is code, and the code is there before the store.
      board.ctx.setX(8, DATA + 2048);
      assert.equal(board.run(CODE + PAGE_SIZE), TRAP_ECALL);
      // That the kernel wrote too must not make the machine forget that the guest may.
      board.machine.codeWritten(code, PAGE_SIZE);
      assert.equal(count(board, 40), 40);
      board.ctx.setX(8, DATA);
      board.ctx.setX(9, assemble("addi a0, a0, 3")[0]! | 0);
      assert.equal(board.run(CODE + PAGE_SIZE), TRAP_ECALL);
      assert.equal(count(board, 40), 120);
    });

    test("unmapped and protected code is not entered, remapped code is the new one", () => {
      const board = new Board(threshold);
      const [code, other] = [board.frame(), board.frame()];
      board.map(CODE, code, RX);
      board.place(code, COUNT, CODE);
      board.place(other, COUNT.replace("a0, 1", "a0, 2"), CODE);
      assert.equal(count(board, 30), 30);
      board.space.setFlags(CODE, PTE_R);
      board.space.invalidate(CODE, PAGE_SIZE);
      assert.equal(board.run(CODE), TRAP_FAULT_FETCH);
      assert.equal(board.hart.faultAddr, CODE);
      board.space.remove(CODE);
      board.map(CODE, other, RX);
      board.space.invalidate(CODE, PAGE_SIZE);
      assert.equal(count(board, 30), 60);
      board.space.remove(CODE);
      board.map(CODE, code, RX);
      board.space.invalidate(CODE, PAGE_SIZE);
      assert.equal(count(board, 30), 30);
    });

    test("code is not entered any more wherever the jump cache had it", () => {
      const board = new Board(threshold);
      // Eight pages' addresses go all over the cache.
      const pages = Array.from({ length: 8 }, (_, i) => CODE + i * PAGE_SIZE);
      for (const page of pages) {
        const code = board.frame();
        board.map(page, code, RX);
        board.place(code, COUNT, page);
      }
      const run = (page: number): number => {
        board.ctx.setX(A1, 30);
        return board.run(page);
      };
      for (const page of pages) assert.equal(run(page), TRAP_ECALL);
      for (const page of pages) board.space.setFlags(page, PTE_R);
      board.space.invalidate(CODE, pages.length * PAGE_SIZE);
      for (const page of pages) {
        assert.equal(run(page), TRAP_FAULT_FETCH);
        assert.equal(board.hart.faultAddr, page);
      }
    });

    test("address spaces with other code at the same address do not mix", () => {
      const board = new Board(threshold);
      const [first, one, two] = [board.space, board.frame(), board.frame()];
      board.map(CODE, one, RX);
      board.place(one, COUNT, CODE);
      const spaces = Array.from({ length: 20 }, () => board.newSpace());
      for (const s of spaces) assert.equal(s.enter(CODE, two, RX), 0);
      board.place(two, COUNT.replace("a0, 1", "a0, 2"), CODE);
      for (let round = 0; round < 3; round++) {
        board.space = first;
        assert.equal(count(board, 10), 10);
        for (const s of spaces) {
          board.space = s;
          assert.equal(count(board, 10), 20);
        }
      }
    });

    test("a write-protected page faults on the next store, with the pc at it", () => {
      const board = new Board(threshold);
      const [code, data] = [board.frame(), board.frame()];
      board.map(CODE, code, RX);
      board.map(DATA, data, RW);
      board.place(code, "loop: sd a1, 0(s0)\naddi a1, a1, -1\nbnez a1, loop\necall", CODE);
      board.ctx.setX(8, DATA);
      board.ctx.setX(A1, 100);
      assert.equal(board.run(CODE, 20), TRAP_FUEL);
      const left = board.ctx.getX(A1);
      board.space.clearFlags(DATA, PTE_W);
      board.space.invalidate(DATA, PAGE_SIZE);
      assert.equal(board.run(board.ctx.pc), TRAP_FAULT_WRITE);
      assert.equal(board.ctx.pc, CODE);
      assert.equal(board.hart.faultAddr, DATA);
      assert.equal(board.ctx.getX(A1), left);
      board.map(DATA, data, RW);
      assert.equal(board.run(board.ctx.pc), TRAP_ECALL);
      assert.equal(board.machine.mem.u32[data >>> 2], 1);
    });

    test("an access across two pages reads and writes both, or neither", () => {
      const board = new Board(threshold);
      const [code, low, high] = [board.frame(), board.frame(), board.frame()];
      board.map(CODE, code, RX);
      // The higher page lies before the lower one in memory.
      board.map(DATA, high, RW);
      board.map(DATA + PAGE_SIZE, low, RW);
      board.place(code, "sd a1, 0(s0)\nld a0, 0(s0)\necall", CODE);
      for (let k = 1; k < 8; k++) {
        board.ctx.setX(8, DATA + PAGE_SIZE - k);
        board.ctx.setXParts(A1, 0x55667788 + k, 0x11223344);
        assert.equal(board.run(CODE), TRAP_ECALL);
        assert.equal(board.ctx.xlo(A0), 0x55667788 + k);
        assert.equal(board.ctx.xhi(A0), 0x11223344);
      }
      board.space.setFlags(DATA + PAGE_SIZE, PTE_R);
      board.space.invalidate(DATA + PAGE_SIZE, PAGE_SIZE);
      board.ctx.setX(8, DATA + PAGE_SIZE - 4);
      board.ctx.setX(A1, 0);
      const before = board.machine.mem.u32[(high + PAGE_SIZE - 4) >>> 2];
      assert.equal(board.run(CODE), TRAP_FAULT_WRITE);
      assert.equal(board.hart.faultAddr, DATA + PAGE_SIZE);
      assert.equal(board.machine.mem.u32[(high + PAGE_SIZE - 4) >>> 2], before);
    });

    test("an instruction may lie across two pages that are not neighbours in memory", () => {
      const board = new Board(threshold);
      const [low, , high] = [board.frame(), board.frame(), board.frame()];
      board.map(CODE, high, RX);
      board.map(CODE + PAGE_SIZE, low, RX);
      const [word] = assemble("addi a0, a0, 5");
      const u16 = board.machine.mem.u16;
      u16[(high + PAGE_SIZE - 2) >>> 1] = word! & 0xffff;
      u16[low >>> 1] = word! >>> 16;
      u16.set(new Uint16Array(assemble("ecall").buffer), (low + 2) >>> 1);
      board.ctx.setX(A0, 1);
      assert.equal(board.run(CODE + PAGE_SIZE - 2), TRAP_ECALL);
      assert.equal(board.ctx.getX(A0), 6);
      board.space.remove(CODE + PAGE_SIZE);
      board.space.invalidate(CODE + PAGE_SIZE, PAGE_SIZE);
      assert.equal(board.run(CODE + PAGE_SIZE - 2), TRAP_FAULT_FETCH);
      assert.equal(board.hart.faultAddr, CODE + PAGE_SIZE);
      assert.equal(board.ctx.pc, CODE + PAGE_SIZE - 2);
    });

    test("store-conditional succeeds once after load-reserved, and not after a change", () => {
      const board = new Board(threshold);
      const [code, data] = [board.frame(), board.frame()];
      board.map(CODE, code, RX);
      board.map(DATA, data, RW);
      board.place(
        code,
        `lr.d t0, (s0)
         sc.d a0, a1, (s0)
         sc.d a2, a1, (s0)
         lr.d t0, (s0)
         sd zero, 0(s0)
         sc.d a3, a1, (s0)
         ecall`,
        CODE,
      );
      board.ctx.setX(8, DATA);
      board.ctx.setX(A1, 77);
      assert.equal(board.run(CODE), TRAP_ECALL);
      assert.deepEqual(
        [10, 12, 13].map((r) => board.ctx.getX(r)),
        [0, 1, 1],
      );
      board.place(code, "lr.w t0, (s0)\necall", CODE);
      board.ctx.setX(8, DATA + 2);
      assert.equal(board.run(CODE), TRAP_MISALIGNED);
    });

    test("wild addresses are faults that name them", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RX);
      board.place(code, "ld a0, 0(s0)\njalr zero, 0(s0)\necall", CODE);
      for (const wild of [-8, 2 ** 38, 2 ** 47, 8, 0x3f_ffff_fff8]) {
        board.ctx.setX(8, wild);
        assert.equal(board.run(CODE), TRAP_FAULT_READ);
        assert.equal(board.hart.faultAddr, wild < 0 ? wild + 2 ** 64 : wild);
        assert.equal(board.run(CODE + 4), TRAP_FAULT_FETCH);
        assert.equal(board.hart.faultAddr, wild < 0 ? wild + 2 ** 64 : wild);
      }
    });

    test("illegal words trap and say where", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RX);
      for (const word of [0, 0xffff_ffff, 0x0000_2063, 0x9002_0000, 0xc020_1073]) {
        board.machine.mem.u32[code >>> 2] = word;
        board.machine.codeWritten(code, 4);
        assert.equal(board.run(CODE), TRAP_ILLEGAL);
        assert.equal(board.ctx.pc, CODE);
      }
    });

    test("one step runs one instruction", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RX);
      board.place(code, COUNT, CODE);
      board.ctx.setX(A1, 2);
      board.ctx.pc = CODE;
      const at: number[] = [];
      while (board.hart.step(board.ctx, board.space) === TRAP_FUEL) at.push(board.ctx.pc - CODE);
      assert.deepEqual(at, [4, 8, 0, 4, 8, 12]);
    });

    test("the attention word brings the hart out", () => {
      const board = new Board(threshold);
      const code = board.frame();
      board.map(CODE, code, RX);
      board.place(code, "loop: j loop", CODE);
      board.machine.mem.u32[board.hart.attentionAddr >>> 2] = 1;
      assert.equal(board.run(CODE, Number.MAX_SAFE_INTEGER), TRAP_FUEL);
      assert.equal(board.machine.mem.u32[board.hart.attentionAddr >>> 2], 0);
      assert.equal(board.run(CODE, 1_200_000), TRAP_FUEL);
      assert.equal(board.hart.fuelLeft, 0);
    });

    test("a 64 KiB block that loses a page is no block any more", () => {
      const board = new Board(threshold);
      const [code, data] = [board.frame(), board.frame(16)];
      board.map(CODE, code, RX);
      assert.equal(board.space.enterBlock(DATA, data, RW), 0);
      board.place(code, "sd a1, 0(s0)\nld a0, 0(s1)\necall", CODE);
      board.ctx.setX(8, DATA + 3 * PAGE_SIZE);
      board.ctx.setX(9, DATA + 5 * PAGE_SIZE);
      assert.equal(board.run(CODE), TRAP_ECALL);
      assert.equal(board.space.remove(DATA + 3 * PAGE_SIZE) !== 0, true);
      board.space.invalidate(DATA + 3 * PAGE_SIZE, PAGE_SIZE);
      assert.equal(board.run(CODE), TRAP_FAULT_WRITE);
      assert.equal(board.run(CODE + 4), TRAP_ECALL);
      board.map(DATA + 3 * PAGE_SIZE, (data + 3 * PAGE_SIZE) as Paddr, RW);
      assert.equal(board.run(CODE), TRAP_ECALL);
    });
  });
}
