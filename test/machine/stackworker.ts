/**
 * A thread with the stack that the kernel's has: runs a recursion whose frames are as large as they get, to
 * a depth past all limits, and at its bottom an ecall that needs much stack itself.
 */
import { parentPort } from "node:worker_threads";
import { CALL_DEPTH } from "../../src/hosts/node/stack.ts";
import { PTE_R, PTE_W, PTE_X } from "../../src/machine/mmu/pagetable.ts";
import { FLAG_NX } from "../../src/machine/riscv/softfloat/format.ts";
import { Board, PLENTY } from "./board.ts";

const CODE = 0x1_0000;
/** The ecall behind the outermost call. */
const LAST = CODE + 4;
const STACK = 0x1000_0000;
const STACK_PAGES = 2048;
const A0 = 10;
const DEEP = 12_000;
/** Frames of JavaScript that a system call may stand on: far more than any does. */
const KERNEL_FRAMES = 5_000;

/** Every register is written on both sides of the call, and many places are accessed. */
function fatRecursion(): string {
  const lines = ["jal ra, dive", "ecall", "dive:", "addi sp, sp, -512", "sd ra, 8(sp)"];
  for (let r = 5; r < 32; r++) if (r !== A0) lines.push(`addi x${r}, sp, ${r * 8}`);
  for (let r = 5; r < 32; r++) {
    if (r !== A0) lines.push(`sb zero, 0(x${r})`, `lbu zero, 1(x${r})`);
  }
  lines.push(...floats());
  lines.push("addi a0, a0, -1", "bnez a0, deeper", "ecall", "j up");
  lines.push("deeper:", "jal ra, dive", "up:");
  for (let r = 5; r < 32; r++) if (r !== A0) lines.push(`addi x${r}, x${r}, 1`);
  lines.push(...floats());
  lines.push("ld ra, 8(sp)", "addi sp, sp, 512", "ret");
  return lines.join("\n");
}

/** Optimistic code keeps results to where they are looked at. */
function floats(): string[] {
  return Array.from({ length: 420 }, (_, i) => `fadd.d f${i % 32}, f${i % 32}, f${(i + 1) % 32}`);
}

const descend = (n: number): number => (n === 0 ? 0 : 1 + descend(n - 1));

function main(): number {
  const board = new Board(2, 200, CALL_DEPTH);
  const code = board.frame();
  board.map(CODE, code, PTE_R | PTE_X);
  for (let i = 0; i < STACK_PAGES; i++) {
    board.map(STACK + i * 4096, board.frame(), PTE_R | PTE_W);
  }
  board.place(code, fatRecursion(), CODE);
  let calls = 0;
  board.ctx.fcsr = FLAG_NX;
  board.hart.service = {
    ecall: (fuel) => {
      calls++;
      descend(KERNEL_FRAMES);
      const isLast = board.ctx.pc === LAST;
      if (!isLast) board.ctx.pc += 4;
      return isLast ? -1 : fuel;
    },
    fault: () => false,
  };
  for (let k = 0; k < 20; k++) {
    board.ctx.pc = CODE;
    board.ctx.setX(2, STACK + STACK_PAGES * 4096);
    board.ctx.setX(A0, k < 19 ? 20 : DEEP);
    do board.hart.run(board.ctx, board.space, PLENTY);
    while (board.ctx.pc !== LAST);
  }
  return calls;
}

parentPort!.postMessage(main());
