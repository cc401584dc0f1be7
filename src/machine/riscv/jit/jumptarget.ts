/**
 * How compiled code asks the jump cache for a function: function 0, `miss`, if it has none, which finds the address
 * as pc in the context.
 */
import { BANK_JUMP } from "../../layout.ts";
import { I32 } from "../../wasm/asm.ts";
import { emitJumpOffset, jumpOffset } from "../pchash.ts";
import type { JitEmit } from "./jitemit.ts";
import { setPc, storePc } from "./transfer.ts";

/** Pushes the function for a known address. */
export function knownFunction(e: JitEmit, pc: number): void {
  const slot = BANK_JUMP + jumpOffset(pc | 0);
  // V8 would merge the load into a comparison, and make it twice.
  e.bank().i64_load(slot).i64_const(pc).i64_sub().i64_eqz();
  e.likely().if_(I32);
  e.bank().i32_load(slot + 8);
  e.else_();
  setPc(e, pc);
  e.i32_const(0).end();
}

/** Pushes the function for the address that `pc` pushes. */
export function functionAt(e: JitEmit, pc: () => void): void {
  const slot = e.temp(I32);
  e.bank();
  pc();
  e.i32_wrap_i64();
  emitJumpOffset(e, slot).i32_add().local_tee(slot);
  e.i64_load(BANK_JUMP);
  pc();
  e.i64_sub().i64_eqz().likely().if_(I32);
  e.local_get(slot).i32_load(BANK_JUMP + 8);
  e.else_();
  storePc(e, pc);
  e.i32_const(0).end();
}
