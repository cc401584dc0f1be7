/**
 * Registers and pc on their way between a region's locals and the context.
 */
import { CTX_F, CTX_PC, CTX_X } from "../../layout.ts";
import type { JitEmit } from "./jitemit.ts";
import type { RegSet } from "./regs.ts";

export function storeRegs(e: JitEmit, { x, f }: RegSet): void {
  for (let r = 1; r < 32; r++) {
    if (x & (1 << r))
      e.ctx()
        .x(r)
        .i64_store(CTX_X + r * 8);
  }
  for (let r = 0; r < 32; r++) {
    if (f & (1 << r))
      e.ctx()
        .local_get(e.fLocal(r))
        .v128_store64_lane(CTX_F + r * 8);
  }
}

export function loadRegs(e: JitEmit, { x, f }: RegSet): void {
  for (let r = 1; r < 32; r++) {
    if (x & (1 << r))
      e.ctx()
        .i64_load(CTX_X + r * 8)
        .local_set(e.xLocal(r));
  }
  for (let r = 0; r < 32; r++) {
    if (f & (1 << r))
      e.ctx()
        .v128_load64_zero(CTX_F + r * 8)
        .local_set(e.fLocal(r));
  }
}

export function setPc(e: JitEmit, pc: number): void {
  storePc(e, () => e.i64_const(pc));
}

/** Sets pc to what `pc` pushes. */
export function storePc(e: JitEmit, pc: () => void): void {
  e.ctx();
  pc();
  e.i64_store(CTX_PC);
}
