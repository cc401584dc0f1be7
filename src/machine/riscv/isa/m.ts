/**
 * M: integer multiplication and division. Division never traps: by zero it gives -1 or the
 * dividend, and the one overflow gives the dividend or 0.
 *
 * Source: The RISC-V Instruction Set Manual, Volume I, chapter "M" Extension.
 */
import { type Asm, I32, I64 } from "../../wasm/asm.ts";
import type { Emit } from "../emit.ts";
import type { Helper } from "../helper.ts";
import { type Insn, insn, R } from "./insn.ts";

/** High 64 bits of the unsigned product, from four 32-bit ones. */
const mulhu64: Helper = {
  name: "mulhu",
  params: [I64, I64],
  results: [I64],
  locals: [I64, I64],
  body: (a) => {
    const [x, y, mid, mid2] = [0, 1, 2, 3];
    const lo = (l: number) => a.local_get(l).i64_const(0xffff_ffff).i64_and();
    const hi = (l: number) => a.local_get(l).i64_const(32).i64_shr_u();
    lo(x);
    lo(y);
    a.i64_mul().i64_const(32).i64_shr_u();
    hi(x);
    lo(y);
    a.i64_mul().i64_add().local_set(mid);
    lo(x);
    hi(y);
    a.i64_mul();
    lo(mid);
    a.i64_add().local_set(mid2);
    hi(x);
    hi(y);
    a.i64_mul();
    hi(mid);
    a.i64_add();
    hi(mid2);
    a.i64_add();
  },
};

/** Subtracts `other` from the value on the stack if `l` is negative. */
const correct = (a: Asm, l: number, other: number): Asm =>
  a.local_get(l).i64_const(63).i64_shr_s().local_get(other).i64_and().i64_sub();

const mulh64: Helper = {
  name: "mulh",
  params: [I64, I64],
  results: [I64],
  uses: [mulhu64],
  body: (a, call) => {
    a.local_get(0).local_get(1);
    call(mulhu64);
    correct(correct(a, 0, 1), 1, 0);
  },
};

const mulhsu64: Helper = {
  name: "mulhsu",
  params: [I64, I64],
  results: [I64],
  uses: [mulhu64],
  body: (a, call) => {
    a.local_get(0).local_get(1);
    call(mulhu64);
    correct(a, 0, 1);
  },
};

const MUL = "rd, rs1, rs2";

export const M_INSNS: readonly Insn[] = [
  insn("mul", R(0x33, 0, 1), MUL, (e) => e.setRd(() => e.rs1().rs2().i64_mul())),
  insn("mulh", R(0x33, 1, 1), MUL, (e) => e.setRd(() => e.rs1().rs2().callHelper(mulh64))),
  insn("mulhsu", R(0x33, 2, 1), MUL, (e) => e.setRd(() => e.rs1().rs2().callHelper(mulhsu64))),
  insn("mulhu", R(0x33, 3, 1), MUL, (e) => e.setRd(() => e.rs1().rs2().callHelper(mulhu64))),
  insn("div", R(0x33, 4, 1), MUL, (e) => e.setRd(() => signedDivision(e, false))),
  insn("divu", R(0x33, 5, 1), MUL, (e) =>
    e.setRd(() => {
      e.rs2().i64_eqz().if_(I64);
      e.i64_const(-1).else_().rs1().rs2().i64_div_u().end();
    }),
  ),
  insn("rem", R(0x33, 6, 1), MUL, (e) => e.setRd(() => signedDivision(e, true))),
  insn("remu", R(0x33, 7, 1), MUL, (e) =>
    e.setRd(() => {
      e.rs2().i64_eqz().if_(I64);
      e.rs1().else_().rs1().rs2().i64_rem_u().end();
    }),
  ),
  insn("mulw", R(0x3b, 0, 1), MUL, (e) => e.setRdW(() => e.rs1w().rs2w().i32_mul())),
  insn("divw", R(0x3b, 4, 1), MUL, (e) => e.setRdW(() => signedDivisionW(e, false))),
  insn("divuw", R(0x3b, 5, 1), MUL, (e) =>
    e.setRdW(() => {
      e.rs2w().i32_eqz().if_(I32);
      e.i32_const(-1).else_().rs1w().rs2w().i32_div_u().end();
    }),
  ),
  insn("remw", R(0x3b, 6, 1), MUL, (e) => e.setRdW(() => signedDivisionW(e, true))),
  insn("remuw", R(0x3b, 7, 1), MUL, (e) =>
    e.setRdW(() => {
      e.rs2w().i32_eqz().if_(I32);
      e.rs1w().else_().rs1w().rs2w().i32_rem_u().end();
    }),
  ),
];

/** Dividing by -1 is negation, which wraps where the machine's division would trap. */
function signedDivision(e: Emit, remainder: boolean): void {
  e.rs2().i64_eqz().if_(I64);
  if (remainder) e.rs1();
  else e.i64_const(-1);
  e.else_();
  if (remainder) {
    e.rs1().rs2().i64_rem_s();
  } else {
    e.rs2().i64_const(-1).i64_eq().if_(I64);
    e.i64_const(0).rs1().i64_sub().else_().rs1().rs2().i64_div_s().end();
  }
  e.end();
}

function signedDivisionW(e: Emit, remainder: boolean): void {
  e.rs2w().i32_eqz().if_(I32);
  if (remainder) e.rs1w();
  else e.i32_const(-1);
  e.else_();
  if (remainder) {
    e.rs1w().rs2w().i32_rem_s();
  } else {
    e.rs2w().i32_const(-1).i32_eq().if_(I32);
    e.i32_const(0).rs1w().i32_sub().else_().rs1w().rs2w().i32_div_s().end();
  }
  e.end();
}
