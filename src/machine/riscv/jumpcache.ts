/**
 * The jump cache of a bank: by pc, the function of the region table that goes on there.
 *
 * An entry is found by the folded pc. One that has to give way moves to the entry beside it, where only `miss` looks
 * (runtime.ts). Invariants: no entry names a region that was dropped; an entry whose pc is that of a jump names a function. Empty
 * entries have the pc 0, so the one for that address has NOBODY's while it is empty: compiled code that calls a null pointer must not
 * take it for found.
 */
import { BANK_JUMP, BANK_JUMP_BYTES } from "../layout.ts";
import type { PhysMem } from "../physmem.ts";
import { jumpOffset } from "./pchash.ts";

const TWO32 = 0x1_0000_0000;
/** Either half of a pc that nothing has: pcs are even. */
const NOBODY = 0xffff_ffff;
/** Takes the offset of an entry to that of the entry beside it, where what had to give way goes. */
export const JUMP_BESIDE = 16;

/** Sets the entry of `pc`. What was there moves to the entry beside it. */
export function setJump({ u32 }: PhysMem, bank: number, pc: number, slot: number): void {
  const low = (pc % TWO32) | 0;
  const high = Math.floor(pc / TWO32);
  const offset = jumpOffset(low);
  const at = (bank + BANK_JUMP + offset) >>> 2;
  if (u32[at + 2] !== 0 && (u32[at] !== low >>> 0 || u32[at + 1] !== high)) {
    u32.copyWithin((bank + BANK_JUMP + (offset ^ JUMP_BESIDE)) >>> 2, at, at + 4);
  }
  u32[at] = low;
  u32[at + 1] = high;
  u32[at + 2] = slot;
}

/** None of these banks names the region any more. */
export function forgetJumps(
  mem: PhysMem,
  banks: Iterable<number>,
  { entry, slot }: { readonly entry: number; readonly slot: number },
): void {
  const { u32 } = mem;
  const offset = jumpOffset(entry | 0);
  for (const bank of banks) {
    for (const beside of [0, JUMP_BESIDE]) {
      const at = (bank + BANK_JUMP + (offset ^ beside)) >>> 2;
      if (u32[at + 2] === slot) u32.fill(0, at, at + 4);
    }
    occupyZero(mem, bank);
  }
}

/** Empties the jump cache of a bank. */
export function forgetAllJumps(mem: PhysMem, bank: number): void {
  mem.bulk.zero(bank + BANK_JUMP, BANK_JUMP_BYTES);
  occupyZero(mem, bank);
}

/** Sees to the entry of address 0, where entries were filled with zeros. */
export function occupyZero({ u32 }: PhysMem, bank: number): void {
  const at = (bank + BANK_JUMP + jumpOffset(0)) >>> 2;
  if (u32[at + 2] === 0) u32.fill(NOBODY, at, at + 2);
}
