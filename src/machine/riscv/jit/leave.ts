/**
 * How control leaves compiled code, for good or to come back: once all that is dirty is stored, so that the context has all
 * but the pc.
 */
import { BANK_FUEL } from "../../layout.ts";
import { I64 } from "../../wasm/asm.ts";
import { serve } from "../helper.ts";
import { interpret, missed, NOWHERE, proceed } from "../hostcalls.ts";
import { DEPTH, FUEL, type JitEmit } from "./jitemit.ts";
import { knownFunction } from "./jumptarget.ts";
import { setPc, storePc } from "./transfer.ts";

/** Number of the type of a region's function, in each module of regions. */
export const REGION_TYPE = 0;

/** Goes on in the function that `func` pushes. */
export function tailCall(e: JitEmit, func: () => void): void {
  pushParams(e);
  func();
  e.return_call_indirect(REGION_TYPE);
}

/** Goes on at a known address outside. */
export function chain(e: JitEmit, pc: number): void {
  tailCall(e, () => knownFunction(e, pc));
}

/** Goes on where `pc` says as `chain` does, but small instead of fast; a trap is passed on. */
export function proceedAt(e: JitEmit, pc: () => void): void {
  pushParams(e);
  pc();
  e.tailCallHelper(proceed);
}

/** The interpreter's turn, at the instruction that was left. */
export function interpretFromExit(e: JitEmit): void {
  storePc(e, () => {
    e.i64_const(e.entry).local_get(e.exitOffset).i64_extend_i32_s().i64_add();
  });
  if (e.hopesForHits) {
    e.bank().f64_const(e.entry).local_get(e.exitOffset).local_get(e.missOffset).i32_add();
    e.callHelper(missed);
  }
  pushParams(e);
  e.tailCallHelper(interpret);
}

/** Ends the run with a trap, at the pc in the context. */
export function endWith(e: JitEmit, trap: number): void {
  e.bank().local_get(FUEL).i32_store(BANK_FUEL);
  e.i32_const(~trap).i64_const(NOWHERE).return_();
}

/** Takes one from the fuel; `out` leaves if there was none. */
export function burnFuel(e: JitEmit, out: () => void): void {
  e.local_get(FUEL).i32_const(1).i32_sub().local_tee(FUEL);
  e.i32_const(0).i32_lt_s().unlikely().if_();
  out();
  e.end();
}

/** Returns from a guest function to where `pc` says. */
export function returnTo(e: JitEmit, pc: () => void): void {
  e.local_get(FUEL);
  pc();
  e.return_();
}

/**
 * Calls a guest function: `call` does, with its parameters pushed. Too deep, it is a tail call to `target`. The result is an i64 local that
 * has where control came back to: NOWHERE for a trap.
 */
export function callGuest(
  e: JitEmit,
  maxDepth: number,
  call: () => void,
  target: () => void,
): number {
  e.local_get(DEPTH).i32_const(maxDepth).i32_ge_u().unlikely().if_();
  proceedAt(e, target);
  e.end();
  pushParams(e);
  e.i32_const(1).i32_add();
  call();
  const pc = e.temp(I64);
  e.local_set(pc).local_set(FUEL);
  return pc;
}

/** Has the kernel serve the call at `pc`. Where that answers with fuel, it is behind the ecall that things go on. */
export function callKernel(e: JitEmit, pc: number): void {
  setPc(e, pc);
  e.ctx().bank().local_get(FUEL).callHelper(serve);
  e.local_tee(FUEL).i32_const(0).i32_lt_s().unlikely().if_();
  returnTo(e, () => e.i64_const(NOWHERE));
  e.end();
}

function pushParams(e: JitEmit): void {
  e.ctx().bank().local_get(FUEL).local_get(DEPTH);
}
