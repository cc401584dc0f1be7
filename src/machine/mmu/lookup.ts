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

const [BANK, VA, SIZE, OFF, ENTRY, LEN] = [0, 1, 2, 3, 4, 5];

/** Takes an address (i64) to that of its TLB entry, less BANK_READ or BANK_WRITE. */
export function tlbEntry(a: Asm, bank: number): Asm {
  a.i32_wrap_i64().i32_const(12).i32_shr_u();
  return a.i32_const(TLB_INDEX_MASK).i32_and().local_get(bank).i32_add();
}

/** Sets OFF and ENTRY, and leaves whether the entry has not the 8 bytes at VA. */
function probe(a: Asm, part: number): Asm {
  a.local_get(VA);
  tlbEntry(a, BANK).local_set(ENTRY);
  a.local_get(VA).local_get(ENTRY).i64_load(part).i64_sub().local_tee(OFF);
  return a
    .local_get(ENTRY)
    .i64_load32_u(part + 12)
    .local_tee(LEN)
    .i64_ge_u();
}

const hit = (a: Asm, part: number): Asm =>
  a
    .local_get(OFF)
    .i32_wrap_i64()
    .local_get(ENTRY)
    .i32_load(part + 8)
    .i32_add();

/** (bank, address, bytes to load): 8 at most. */
export const readAt: Helper = {
  name: "readAt",
  params: [I32, I64, I32],
  results: [I32],
  locals: [I64, I32, I64],
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
  locals: [I64, I32, I64],
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
    locals: [I64, I32, I64],
    uses: [spanSlow],
    isLocal: true,
    body: (a, call) => {
      // Both ends, for the sum alone may wrap around.
      probe(a, part).local_get(OFF).local_get(SIZE).i64_extend_i32_u().i64_add();
      a.i64_const(8).i64_sub().local_get(LEN).i64_ge_u().i32_or().unlikely().if_();
      a.local_get(BANK).local_get(VA).local_get(SIZE).i32_const(write);
      call(spanSlow);
      a.return_().end();
      hit(a, part);
    },
  };
}
