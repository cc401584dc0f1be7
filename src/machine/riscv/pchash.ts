/**
 * Where a pc has its entry in the jump cache and its bucket in the heat table: in TypeScript, and as generated code.
 */
import { HEAT_BUCKETS, JUMP_ENTRIES } from "../layout.ts";
import type { Asm } from "../wasm/asm.ts";

const JUMP_INDEX_MASK = (JUMP_ENTRIES - 1) << 4;
/** Higher bits of a pc are folded into those that choose its entry: functions like round addresses. */
const JUMP_FOLD = 11;

/** Offset of the jump cache entry of a pc, whose low 32 bits are `low`. */
export const jumpOffset = (low: number): number =>
  ((low ^ (low >>> JUMP_FOLD)) << 3) & JUMP_INDEX_MASK;

const HEAT_MASK = (HEAT_BUCKETS - 1) << 1;
/** A bucket is for 8 bytes of code: the table is to be small, as who interprets what is cold waits for it. */
const HEAT_SHIFT = 2;
/** Byte offset in the heat table of the bucket of a pc, whose low 32 bits are `low`. */
export const heatOffset = (low: number): number =>
  ((low ^ (low >>> JUMP_FOLD)) >>> HEAT_SHIFT) & HEAT_MASK;

/** `jumpOffset` at run time: from the pc (i32) on the stack, by way of a scratch local. */
export function emitJumpOffset(a: Asm, scratch: number): Asm {
  return emitFold(a, scratch).i32_const(3).i32_shl().i32_const(JUMP_INDEX_MASK).i32_and();
}

/** `heatOffset` at run time, likewise; the scratch local has the pc then. */
export function emitHeatOffset(a: Asm, scratch: number): Asm {
  return emitFold(a, scratch).i32_const(HEAT_SHIFT).i32_shr_u().i32_const(HEAT_MASK).i32_and();
}

/** Folds the pc (i32) on the stack, by way of a scratch local. */
function emitFold(a: Asm, scratch: number): Asm {
  a.local_tee(scratch).local_get(scratch).i32_const(JUMP_FOLD).i32_shr_u();
  return a.i32_xor();
}
