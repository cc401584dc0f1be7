/**
 * What generated code calls when an access misses its TLB: memory accesses in full.
 *
 * An access that straddles two pages goes through the bank's bounce buffer. Both pages are
 * looked up before either is touched, so a fault leaves nothing half done.
 */
import { BANK_BOUNCE, BANK_FETCH, BANK_READ, BANK_WRITE, FETCH_ENTRIES } from "../layout.ts";
import type { Helper } from "../riscv/helper.ts";
import { type Asm, I32, I64 } from "../wasm/asm.ts";
import { PTE_A, PTE_V, PTE_X } from "./pagetable.ts";
import { fault, refill, refillQuietly, TLB_INDEX_MASK, walk } from "./refill.ts";

export const FETCH_INDEX_MASK = FETCH_ENTRIES - 1;

/** Pushes how many bytes of the access at `va` lie in its first page. */
const roomInPage = (a: Asm, va: number): Asm =>
  a.i32_const(4096).local_get(va).i32_wrap_i64().i32_const(4095).i32_and().i32_sub();

/** Looks up both pages of a straddling access into `pa1` and `pa2`; returns 0 on a fault. */
function lookupBoth(
  a: Asm,
  call: (h: Helper) => void,
  l: { bank: number; va: number; pa1: number; pa2: number; room: number },
  write: 0 | 1,
): void {
  a.local_get(l.bank).local_get(l.va).i32_const(write);
  call(refill);
  a.local_tee(l.pa1).i32_eqz().if_();
  a.i32_const(0).return_().end();
  a.local_get(l.bank).local_get(l.va).local_get(l.room).i64_extend_i32_u().i64_add();
  a.i32_const(write);
  call(refill);
  a.local_tee(l.pa2).i32_eqz().if_();
  a.i32_const(0).return_().end();
}

/** (bank, va, size) → address to load from, 0 on a fault. */
export const loadSlow: Helper = {
  name: "loadSlow",
  params: [I32, I64, I32],
  results: [I32],
  locals: [I32, I32, I32],
  uses: [refill],
  body: (a, call) => {
    const l = { bank: 0, va: 1, size: 2, room: 3, pa1: 4, pa2: 5 };
    roomInPage(a, l.va).local_tee(l.room).local_get(l.size).i32_ge_u().if_();
    a.local_get(l.bank).local_get(l.va).i32_const(0);
    call(refill);
    a.return_().end();
    lookupBoth(a, call, l, 0);
    a.local_get(l.bank).i32_const(BANK_BOUNCE).i32_add();
    a.local_get(l.pa1).local_get(l.room).memory_copy();
    a.local_get(l.bank).i32_const(BANK_BOUNCE).i32_add().local_get(l.room).i32_add();
    a.local_get(l.pa2).local_get(l.size).local_get(l.room).i32_sub().memory_copy();
    a.local_get(l.bank).i32_const(BANK_BOUNCE).i32_add();
  },
};

/** (bank, va, value, size) → 1 when stored, 0 on a fault. */
export const storeSlow: Helper = {
  name: "storeSlow",
  params: [I32, I64, I64, I32],
  results: [I32],
  locals: [I32, I32, I32],
  uses: [refill],
  body: (a, call) => {
    const l = { bank: 0, va: 1, value: 2, size: 3, room: 4, pa1: 5, pa2: 6 };
    roomInPage(a, l.va).local_tee(l.room).local_get(l.size).i32_ge_u().if_();
    a.local_get(l.bank).local_get(l.va).i32_const(1);
    call(refill);
    a.local_tee(l.pa1).i32_eqz().if_();
    a.i32_const(0).return_().end();
    for (const bytes of [8, 4, 2, 1] as const) {
      a.local_get(l.size).i32_const(bytes).i32_eq().if_();
      a.local_get(l.pa1).local_get(l.value);
      storeOf(a, bytes);
      a.end();
    }
    a.i32_const(1).return_().end();
    lookupBoth(a, call, l, 1);
    a.local_get(l.bank).local_get(l.value).i64_store(BANK_BOUNCE);
    a.local_get(l.pa1).local_get(l.bank).i32_const(BANK_BOUNCE).i32_add();
    a.local_get(l.room).memory_copy();
    a.local_get(l.pa2).local_get(l.bank).i32_const(BANK_BOUNCE).i32_add();
    a.local_get(l.room).i32_add().local_get(l.size).local_get(l.room).i32_sub().memory_copy();
    a.i32_const(1);
  },
};

/**
 * (bank, va, span, write) → physical address of va if one window covers va .. va+span, else 0.
 * Refuses quietly: the accesses themselves will fault, at their own addresses.
 */
export const spanSlow: Helper = {
  name: "spanSlow",
  params: [I32, I64, I32, I32],
  results: [I32],
  locals: [I32, I32],
  uses: [refillQuietly],
  body: (a, call) => {
    const [bank, va, span, write, pa, entry] = [0, 1, 2, 3, 4, 5];
    a.local_get(bank).local_get(va).local_get(write);
    call(refillQuietly);
    a.local_tee(pa).i32_eqz().if_();
    a.i32_const(0).return_().end();
    a.local_get(bank).i32_const(BANK_WRITE).i32_const(BANK_READ).local_get(write).select();
    a.i32_add().local_get(va).i64_const(12).i64_shr_u().i32_wrap_i64();
    a.i32_const(TLB_INDEX_MASK).i32_and().i32_add().local_set(entry);
    // The refilled entry's window ends 8 bytes after its last address.
    a.local_get(pa).i32_const(0);
    a.local_get(entry).i64_load(0).local_get(va).i64_sub().i32_wrap_i64();
    a.i32_const(8).i32_add().local_get(span).i32_ge_u().select();
  },
};

/** Stores the low `bytes` of the i64 on the stack. */
export function storeOf(a: Asm, bytes: number, offset = 0): void {
  if (bytes === 8) a.i64_store(offset);
  else if (bytes === 4) a.i64_store32(offset);
  else if (bytes === 2) a.i64_store16(offset);
  else a.i64_store8(offset);
}

/** Stores the low `bytes`, fewer than 8, of the i32 on the stack at the address below it. */
export function storeWordOf(a: Asm, bytes: number, offset: number): void {
  if (bytes === 4) a.i32_store(offset);
  else if (bytes === 2) a.i32_store16(offset);
  else a.i32_store8(offset);
}

/** (bank, va) → physical address of va's page if it is executable, cached; 0 on a fault. */
export const fetchSlow: Helper = {
  name: "fetchSlow",
  params: [I32, I64],
  results: [I32],
  locals: [I32, I32, I32],
  uses: [walk, fault],
  body: (a, call) => {
    const [bank, va, at, pte, slot] = [0, 1, 2, 3, 4];
    a.local_get(bank).local_get(va);
    call(walk);
    a.local_tee(at).i32_load().local_tee(pte);
    a.i32_const(PTE_V | PTE_X)
      .i32_and()
      .i32_const(PTE_V | PTE_X)
      .i32_ne()
      .if_();
    a.local_get(bank).local_get(va);
    call(fault);
    a.return_().end();
    a.local_get(pte).i32_const(PTE_A).i32_and().i32_eqz().if_();
    a.local_get(at).i32_const(PTE_A).i32_atomic_rmw_or().drop().end();
    fetchSlot(a, bank, va);
    a.local_tee(slot).local_get(va).i64_const(-4096).i64_and().i64_const(1).i64_or();
    a.i64_store(BANK_FETCH);
    a.local_get(slot).local_get(pte).i32_const(-4096).i32_and().local_tee(pte);
    a.i32_store(BANK_FETCH + 8);
    a.local_get(pte);
  },
};

/** (bank, page va) → the first 16 bits of an instruction page, -1 on a fault. */
export const fetchHigh: Helper = {
  name: "fetchHigh",
  params: [I32, I64],
  results: [I32],
  locals: [I32],
  uses: [fetchSlow],
  body: (a, call) => {
    a.local_get(0).local_get(1);
    call(fetchSlow);
    a.local_tee(2).i32_eqz().if_();
    a.i32_const(-1).return_().end();
    a.local_get(2).i32_load16_u();
  },
};

/** Pushes bank + offset of the fetch entry of va, BANK_FETCH not yet added. */
export function fetchSlot(a: Asm, bank: number, va: number): Asm {
  a.local_get(bank).local_get(va).i64_const(12).i64_shr_u().i32_wrap_i64();
  return a.i32_const(FETCH_INDEX_MASK).i32_and().i32_const(4).i32_shl().i32_add();
}
