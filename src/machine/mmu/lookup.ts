/**
 * TLB lookups of compiled code, as functions of which every module has its own copy: small ones, so that
 * code that is seldom run stays small, and V8 puts them where they are called often when it optimises.
 *
 * Each takes (bank, address, …) and leaves a physical address, or 0 where the access must be done by other
 * means: it faults, or straddles what is contiguous.
 */
import { BANK_READ, BANK_WRITE } from "../layout.ts";
import type { Helper } from "../riscv/helper.ts";
import { type Asm, I32, I64 } from "../wasm/asm.ts";
import { loadSlow, spanSlow } from "./access.ts";
import { refill, TLB_INDEX_MASK } from "./refill.ts";

const [BANK, VA, SIZE, LEFT, ENTRY] = [0, 1, 2, 3, 4];

/** Takes an address (i64) to that of its TLB entry, less BANK_READ or BANK_WRITE. */
export function tlbEntry(a: Asm, bank: number): Asm {
  a.i32_wrap_i64().i32_const(12).i32_shr_u();
  return a.i32_const(TLB_INDEX_MASK).i32_and().local_get(bank).i32_add();
}

/**
 * Pushes how far an address is from the last one of its entry at which 8 bytes can be accessed. That is below the
 * entry's length exactly if it is in the window.
 *
 * V8 merges a load from memory into an instruction that has it on the right, and then makes it a second time, because
 * it might trap: here, and in `physical`, it is on the left.
 */
export const distance = (a: Asm, va: number, entry: number, part: number): Asm =>
  a.local_get(entry).i64_load(part).local_get(va).i64_sub();

/** Pushes the entry's length (i64). */
export const lengthOf = (a: Asm, entry: number, part: number): Asm =>
  a.local_get(entry).i64_load32_u(part + 12);

/** Pushes the physical address of one that is in the window. */
export const physical = (a: Asm, va: number, entry: number, part: number): Asm =>
  a
    .local_get(entry)
    .i32_load(part + 8)
    .local_get(va)
    .i32_wrap_i64()
    .i32_add();

/** Sets LEFT and ENTRY, and leaves whether the entry has not the 8 bytes at VA. */
function probe(a: Asm, part: number): Asm {
  a.local_get(VA);
  tlbEntry(a, BANK).local_set(ENTRY);
  distance(a, VA, ENTRY, part).local_tee(LEFT);
  return lengthOf(a, ENTRY, part).i64_ge_u();
}

const hit = (a: Asm, part: number): Asm => physical(a, VA, ENTRY, part);

/** (bank, address, bytes to load): 8 at most. */
export const readAt: Helper = {
  name: "readAt",
  params: [I32, I64, I32],
  results: [I32],
  locals: [I64, I32],
  uses: [loadSlow],
  isLocal: true,
  body: (a, call) => {
    probe(a, BANK_READ).unlikely().if_();
    a.local_get(BANK).local_get(VA).local_get(SIZE);
    call(loadSlow);
    a.return_().end();
    hit(a, BANK_READ);
  },
};

/** (bank, address, bytes to store): 8 at most. */
export const writeAt: Helper = {
  name: "writeAt",
  params: [I32, I64, I32],
  results: [I32],
  locals: [I64, I32],
  uses: [refill],
  isLocal: true,
  body: (a, call) => {
    probe(a, BANK_WRITE).unlikely().if_();
    a.local_get(VA).i32_wrap_i64().i32_const(4095).i32_and().local_get(SIZE).i32_add();
    a.i32_const(4096).i32_gt_u().if_();
    a.i32_const(0).return_().end();
    a.local_get(BANK).local_get(VA).i32_const(1);
    call(refill);
    a.return_().end();
    hit(a, BANK_WRITE);
  },
};

/** (bank, address, bytes): 8 at least, all of them contiguous. */
export const readSpan: Helper = spanOf("readSpan", BANK_READ, 0);
export const writeSpan: Helper = spanOf("writeSpan", BANK_WRITE, 1);

function spanOf(name: string, part: number, write: 0 | 1): Helper {
  return {
    name,
    params: [I32, I64, I32],
    results: [I32],
    locals: [I64, I32],
    uses: [spanSlow],
    isLocal: true,
    body: (a, call) => {
      probe(a, part).local_get(LEFT).local_get(SIZE).i64_extend_i32_u();
      a.i64_const(8).i64_sub().i64_lt_u().i32_or().unlikely().if_();
      a.local_get(BANK).local_get(VA).local_get(SIZE).i32_const(write);
      call(spanSlow);
      a.return_().end();
      hit(a, part);
    },
  };
}
