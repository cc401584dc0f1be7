/**
 * Traps that are served under the running code leave what they would leave if the hart had come out for
 * each of them: in both tiers, in loops and at the bottom of calls, whatever the kernel changes.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Paddr } from "../../src/machine/physmem.ts";
import {
  TRAP_ECALL,
  TRAP_FAULT_READ,
  TRAP_FAULT_WRITE,
  TRAP_FUEL,
  TRAP_SERVED,
} from "../../src/machine/traps.ts";
import { Board, PLENTY, RW, RWX, RX } from "./board.ts";

const CODE = 0x1_0000;
const DATA = 0x20_0000;
const STACK = 0x30_0000;
const SP = 2;
const A0 = 10;
const A1 = 11;
const A7 = 17;
/** In a7 of the ecall that ends a program. */
const END = 93;

const programOf = (text: string): string => `${text}\nend: li a7, ${END}\necall`;

/** A board with `text` at CODE and a stack; `ecall` serves what is not the end. */
function boardWith(
  threshold: number,
  text: string,
  ecall: (board: Board) => boolean = () => true,
  fault: (board: Board, va: number, isWrite: boolean) => boolean = () => false,
): { board: Board; code: Paddr } {
  const board = new Board(threshold);
  const code = board.frame();
  board.map(CODE, code, RWX);
  const stack = board.frame(16);
  board.space.home = stack - STACK;
  for (let i = 0; i < 16; i++) board.map(STACK + i * 4096, (stack + i * 4096) as Paddr, RW);
  board.place(code, programOf(text), CODE);
  board.hart.service = {
    ecall: (fuel) => {
      const { pc } = board.ctx;
      if (board.ctx.getX(A7) === END) return -1;
      const goesOn = ecall(board);
      if (board.ctx.pc === pc) board.ctx.pc = pc + 4;
      return goesOn ? fuel : -1;
    },
    fault: (va, isWrite) => fault(board, va, isWrite),
  };
  board.ctx.setX(SP, STACK + 16 * 4096);
  return { board, code };
}

/** Runs to the end: how often the hart came out for what the kernel had served. */
function finish(board: Board, fuel = PLENTY): number {
  board.ctx.pc = CODE;
  for (let served = 0; ; ) {
    const trap = board.hart.run(board.ctx, board.space, fuel);
    if (trap === TRAP_FUEL) continue;
    assert.equal(trap, TRAP_SERVED);
    if (board.ctx.getX(A7) === END) return served;
    served++;
  }
}

const LOOP = `
  li s0, 0
  li s1, 1000
  li a7, 1
loop:
  mv a0, s1
  ecall
  add s0, s0, a0
  add s0, s0, t3
  addi s1, s1, -1
  bnez s1, loop`;

const DEEP = `
  li s1, 300
again:
  li a0, 60
  li a7, 1
  jal ra, dive
  add s0, s0, a0
  addi s1, s1, -1
  bnez s1, again
  j end
dive:
  addi sp, sp, -16
  sd ra, 8(sp)
  sd s2, 0(sp)
  addi s2, a0, 5
  addi a0, a0, -1
  beqz a0, bottom
  jal ra, dive
bottom:
  ecall
  add a0, a0, s2
  ld s2, 0(sp)
  ld ra, 8(sp)
  addi sp, sp, 16
  ret`;

for (const [tier, threshold] of [
  ["interpreted", Number.POSITIVE_INFINITY],
  ["compiled", 2],
  ["half of each", 40],
] as const) {
  describe(tier, () => {
    for (const fuel of [7, PLENTY]) {
      test(`what a system call in a loop returns and changes is seen, fuel ${fuel}`, () => {
        const { board } = boardWith(threshold, LOOP, ({ ctx }) => {
          ctx.setX(28, 3);
          ctx.setX(A0, ctx.getX(A0) * 2);
          return true;
        });
        const served = finish(board, fuel);
        assert.equal(served, 0);
        assert.equal(board.ctx.getX(8), 1000 * 1001 + 3000);
      });

      test(`calls at every depth come back, coming out at some of them, fuel ${fuel}`, () => {
        let n = 0;
        const { board } = boardWith(threshold, DEEP, ({ ctx }) => {
          ctx.setX(A0, ctx.getX(A0) + 1);
          return ++n % 97 !== 0;
        });
        const served = finish(board, fuel);
        assert.equal(n, 300 * 60);
        assert.equal(served, Math.floor(n / 97));
        // Each level adds its argument and 5, and the call 1.
        assert.equal(board.ctx.getX(8), 300 * ((60 * 61) / 2 + 60 * 6));
      });
    }

    test("without a service each call comes out at the ecall", () => {
      const { board } = boardWith(threshold, LOOP);
      board.hart.service = null;
      board.ctx.pc = CODE;
      let calls = 0;
      for (;;) {
        assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_ECALL);
        if (board.ctx.getX(A7) === END) break;
        calls++;
        board.ctx.pc += 4;
      }
      assert.equal(calls, 1000);
    });

    test("fuel is the service's to take away", () => {
      const { board } = boardWith(threshold, LOOP);
      const { ecall } = board.hart.service!;
      let calls = 0;
      board.hart.service!.ecall = (left) => {
        const fuel = ecall(left);
        return ++calls === 10 ? 0 : fuel;
      };
      board.ctx.pc = CODE;
      assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_FUEL);
      assert.equal(calls, 10);
      assert.equal(board.hart.fuelLeft, 0);
    });

    test("somebody who wants the hart out gets it out at the next call", () => {
      const { board } = boardWith(threshold, LOOP);
      let calls = 0;
      const { ecall } = board.hart.service!;
      board.hart.service!.ecall = (left) => {
        if (++calls === 10) board.machine.mem.u32[board.hart.attentionAddr >>> 2] = 1;
        return ecall(left);
      };
      board.ctx.pc = CODE;
      assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_SERVED);
      assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_FUEL);
      assert.equal(calls, 10);
    });

    test("a caller that the kernel rewrote meanwhile is returned to as it is now", () => {
      const caller = (n: number) => `
        li s1, 50
      again:
        li a7, 1
        jal ra, ask
        addi s0, s0, ${n}
        addi s1, s1, -1
        bnez s1, again
        j end
      ask:
        addi a0, s1, -25
        ecall
        ret`;
      const { board, code } = boardWith(threshold, caller(1), () => {
        if (board.ctx.getX(A0) === 0) board.place(code, programOf(caller(100)), CODE);
        return true;
      });
      finish(board);
      assert.equal(board.ctx.getX(8), 25 + 25 * 100);
    });

    test("a caller in a page that was replaced meanwhile is returned to as it is now", () => {
      const other = CODE + 4096;
      const { board } = boardWith(
        threshold,
        `li s1, 50
         li a7, 1
         lui t2, ${other >>> 12}
         jalr zero, 0(t2)
         addi a0, s1, -25
         ecall
         ret`,
      );
      // The caller is all of the other page; it calls the last three instructions above.
      const page = (n: number): Paddr => {
        const pa = board.frame();
        board.place(
          pa,
          `again: jal ra, ${CODE + 16}
           addi s0, s0, ${n}
           addi s1, s1, -1
           bnez s1, again
           j ${CODE + 28}`,
          other,
        );
        return pa;
      };
      board.map(other, page(1), RX);
      const { ecall } = board.hart.service!;
      board.hart.service!.ecall = (left) => {
        if (board.ctx.getX(A0) === 0 && board.ctx.getX(A7) === 1) {
          board.map(other, page(100), RX);
          board.space.invalidate(other, 4096);
        }
        return ecall(left);
      };
      finish(board);
      assert.equal(board.ctx.getX(8), 25 + 25 * 100);
    });

    test("a function that rewrites its caller returns to the new code after fence.i", () => {
      const { board } = boardWith(
        threshold,
        `li s1, 50
         auipc s2, 0
         la: j again
         nop
       again:
         jal ra, patch
         addi s0, s0, 1
         addi s1, s1, -1
         bnez s1, again
         j end
       patch:
         li t0, 25
         bne s1, t0, done
         lw t1, 12(s3)
         sw t1, 0(ra)
       done:
         fence.i
         ret`,
      );
      // The instruction that takes the place of the one behind the call.
      const spare = board.frame();
      board.map(DATA, spare, RW);
      board.place(spare, "nop\nnop\nnop\naddi s0, s0, 100", DATA);
      board.ctx.setX(19, DATA);
      finish(board);
      assert.equal(board.ctx.getX(8), 25 + 25 * 100);
    });

    describe("page faults", () => {
      /** Touches a new page of DATA in each of 64 rounds. */
      const sweep = (access: string) => `
        li s1, 64
        mv s2, a1
      round:
        ${access}
        add s0, s0, a0
        lui t0, 1
        add s2, s2, t0
        addi s1, s1, -1
        bnez s1, round`;

      const kinds = [
        ["reading", "ld a0, 0(s2)", false, 64],
        ["writing", "sd s1, 0(s2)\nld a0, 0(s2)", true, 64],
        ["reading over a page's end", "ld a0, -4(s2)", false, 65],
        ["writing over a page's end", "sd s1, -4(s2)\nld a0, -4(s2)", true, 65],
        ["an atomic", "amoadd.d a0, s1, (s2)\nld a0, 0(s2)", true, 64],
        ["several at once", "sd s1, 8(s2)\nld a0, 8(s2)\nsd a0, 0(s2)\nld a0, 0(s2)", true, 64],
      ] as const;
      for (const [name, access, isWriting, pages] of kinds) {
        test(`${name}: each page is asked for once, and the hart stays in`, () => {
          let asked = 0;
          const { board } = boardWith(
            threshold,
            sweep(access),
            () => true,
            (b, va, isWrite) => {
              asked++;
              assert.equal(isWrite, isWriting);
              b.map(va - (va % 4096), b.frame(), RW);
              return true;
            },
          );
          board.ctx.setX(A1, DATA + 4096);
          const served = finish(board);
          assert.equal(asked, pages);
          assert.equal(served, 0);
          assert.equal(board.ctx.getX(8), isWriting ? (64 * 65) / 2 : 0);
        });
      }

      test("one that is not resolved traps with registers and pc exact, and can be run again", () => {
        let isWilling = false;
        const { board } = boardWith(
          threshold,
          sweep("sd s1, 0(s2)\nld a0, 0(s2)"),
          () => true,
          (b, va) => {
            const wasWilling = isWilling;
            if (wasWilling) b.map(va, b.frame(), RW);
            isWilling = false;
            return wasWilling;
          },
        );
        board.ctx.setX(A1, DATA);
        board.ctx.pc = CODE;
        for (let k = 0; k < 64; k++) {
          const va = DATA + k * 4096;
          assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_FAULT_WRITE);
          assert.equal(board.hart.faultAddr, va);
          assert.equal(board.ctx.getX(18), va);
          assert.equal(board.ctx.getX(9), 64 - k);
          assert.equal(board.machine.mem.u32[codeWord(board)]! & 0x7f, 0x23);
          isWilling = k % 2 === 0;
          if (!isWilling) board.map(va, board.frame(), RW);
        }
        assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_SERVED);
        assert.equal(board.ctx.getX(8), (64 * 65) / 2);
      });

      test("one that takes another page away leaves compiled code, for its address may be in use there", () => {
        const { board } = boardWith(
          threshold,
          `li s1, 64
           mv s2, a1
         round:
           ld a0, 0(a2)
           sd s1, 0(s2)
           ld t1, 8(a2)
           add s0, s0, t1
           lui t0, 1
           add s2, s2, t0
           addi s1, s1, -1
           bnez s1, round`,
          () => true,
          (b, va) => {
            b.map(va, b.frame(), RW);
            // What a2 points to is moved: as copy-on-write moves a page.
            const moved = b.frame();
            b.machine.mem.u32[(moved + 8) >>> 2] = 7;
            b.map(DATA - 4096, moved, RW);
            b.space.invalidate(DATA - 4096, 4096);
            return true;
          },
        );
        board.map(DATA - 4096, board.frame(), RW);
        board.ctx.setX(A1, DATA);
        board.ctx.setX(12, DATA - 4096);
        board.ctx.pc = CODE;
        for (;;) {
          const trap = board.hart.run(board.ctx, board.space, PLENTY);
          if (trap === TRAP_SERVED) break;
          assert.equal(trap, TRAP_FAULT_WRITE);
        }
        assert.equal(board.ctx.getX(8), 64 * 7);
      });

      test("one that the service only pretends to resolve traps", () => {
        let asked = 0;
        const { board } = boardWith(
          threshold,
          "ld a0, 0(a1)",
          () => true,
          () => {
            asked++;
            return true;
          },
        );
        board.ctx.setX(A1, DATA);
        board.ctx.pc = CODE;
        for (let k = 1; k < 20; k++) {
          assert.equal(board.hart.run(board.ctx, board.space, PLENTY), TRAP_FAULT_READ);
          assert.equal(board.ctx.pc, CODE);
          // Compiled code asks, and leaves the instruction to the interpreter, which asks again.
          assert.ok(asked >= k && asked <= 2 * k);
        }
      });
    });
  });
}

/** Index into u32 of the instruction at the pc, in CODE's page. */
function codeWord(board: Board): number {
  return ((board.space.get(CODE) & ~0xfff) + (board.ctx.pc - CODE)) >>> 2;
}
