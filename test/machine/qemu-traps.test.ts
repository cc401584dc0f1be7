import assert from "node:assert/strict";
import { test } from "node:test";
import { runBare } from "./qemu-guest.ts";
import { referenceSignal } from "./qemu-run.ts";

/** The trap that stands behind each signal. */
const TRAPS: Record<string, RegExp> = {
  SIGILL: /^illegal instruction/,
  SIGTRAP: /^break/,
  SIGSEGV: /^(read|write|fetch) fault/,
};

/** Programs that must not get past their last instruction. */
const FAULTY: readonly string[] = [
  ".half 0",
  ".word 0xffffffff",
  ".word 0x0000707f",
  "ebreak",
  "c.ebreak",
  "sret",
  "csrw cycle, x0",
  "csrr a0, 0x800",
  "csrr a0, mstatus",
  "ld a0, 16(x0)",
  "sd a0, 16(x0)",
  "li a1, 0x4000000000; lbu a0, 0(a1)",
  "li a1, -8; ld a0, 0(a1)",
  "li a1, -1; lw a0, 0(a1)",
  "li a1, 0x7fffffffffffffff; sd a0, 0(a1)",
  "li a1, -4096; jr a1",
  "li a1, 0x4000000000; jalr a1",
  "li a1, 64; jalr a1",
  "li a1, -8; amoadd.d a0, a0, (a1)",
  "li a1, -8; lr.d a0, (a1)",
  "fsrmi 5; fadd.d fa0, fa0, fa0",
  "fsrmi 7; fmadd.s fa0, fa0, fa0, fa0",
  "fsrmi 6; fcvt.w.d a0, fa0, dyn",
  "fsrmi 5; fcvt.s.l fa0, a0",
  "fsrmi 5; fsqrt.s fa0, fa0",
  "csrwi fflags, 1; fsrmi 5; fdiv.s fa0, fa0, fa0",
  "fsrmi 5; .word 0xd2050553 | 7 << 12", // fcvt.d.w, which is exact
  "fsrmi 5; .word 0x42050553 | 7 << 12", // fcvt.d.s
  ".word 0xd2150553 | 5 << 12", // fcvt.d.wu
  ".word 0x02b50553 | 5 << 12", // fadd.d with the reserved rm 5
  ".word 0xc2050553 | 6 << 12", // fcvt.w.d
];

for (const code of FAULTY) {
  test(`"${code}" ends as it does under qemu-riscv64`, () => {
    const source = `.option norelax
.globl _start
_start:
  ${code.replaceAll("; ", "\n  ")}
  li a0, 0
  li a7, 94
  ecall`;
    const { elf, signal } = referenceSignal(source);
    const expected = TRAPS[signal];
    assert.ok(expected !== undefined, `qemu-riscv64: ${signal}`);
    for (const jitThreshold of [Number.POSITIVE_INFINITY, 0]) {
      assert.throws(() => runBare(elf, { jitThreshold }), { message: expected });
    }
  });
}
