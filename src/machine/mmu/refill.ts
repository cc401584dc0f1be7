/**
 * TLB refill: walks a page table and caches what it finds, all inside WebAssembly.
 *
 * An entry is a window {last, delta, length}: the `length` addresses up to `last` map to what is `delta` from them
 * (modulo 2^32), and so do 7 bytes more, so one unsigned compare of `last - va` with the length checks mapping,
 * permission, bounds and page crossing of accesses up to 8 bytes. All-zero entries match nothing. A window is a
 * 64 KiB block where the page table says so, else the run of alike contiguous pages
 * inside the 64 KiB granule. No write window covers a page that translations were made
 * from: a store to such a page first drops them (host call `codeWrite`).
 *
 * A page that is absent or protected is the kernel's first: it may make it accessible in place
 * (host call `resolve`), and then the walk is made again.
 *
 * Where a granule is several windows (the end of a library's text and its data, say), they would
 * evict each other for ever; a second level, indexed by page, has them at hand, and the kernel is
 * told of a granule that is missed often, so that it can make one window of it.
 */

import {
  BANK_FAULT,
  BANK_GRANULE_MISSES,
  BANK_MISSES,
  BANK_READ,
  BANK_READ_PAGES,
  BANK_ROOT,
  BANK_SCATTERED,
  BANK_WALKS,
  BANK_WRITE,
  BANK_WRITE_PAGES,
  PAGE_FLAGS,
  PAGE_HAS_CODE,
  PAGE_IN_WRITE_TLB,
  PAGE_TLB_ENTRIES,
  TLB_ENTRIES,
  VA_BITS,
} from "../layout.ts";
import type { Helper } from "../riscv/helper.ts";
import { type Asm, I32, I64 } from "../wasm/asm.ts";
import { showHome } from "./home.ts";
import { PTE_A, PTE_CONTIG, PTE_D, PTE_FLAGS, PTE_R, PTE_V, PTE_W } from "./pagetable.ts";

/** Mask that takes va >> 12 to the offset of its entry: granule index times 16. */
export const TLB_INDEX_MASK = (TLB_ENTRIES - 1) << 4;
/** Misses after which a granule is worth the kernel's attention: what they cost, gathering it costs too. */
const MANY_MISSES = 255;
const ALL_HAVE_CODE = 0x0101_0101_0101_0101n * BigInt(PAGE_HAS_CODE);
const ALL_IN_WRITE_TLB = 0x0101_0101_0101_0101n * BigInt(PAGE_IN_WRITE_TLB);

/** (page number): the kernel's side of a store to a page with translations. Provided by the host. */
export const codeWrite: Helper = { name: "codeWrite", params: [I32], results: [] };

/**
 * (bank, va) → address of the entry for va. Reads through absent tables end in the null
 * page, which is all zero, so they need no tests.
 */
export const walk: Helper = {
  name: "walk",
  params: [I32, I64],
  results: [I32],
  body: (a) => {
    const index = (shift: number, mask: number) =>
      a.local_get(1).i64_const(shift).i64_shr_u().i32_wrap_i64().i32_const(mask).i32_and();
    const table = () => a.i32_const(-4096).i32_and();
    a.local_get(1).i64_const(VA_BITS).i64_shr_u().i64_eqz().i32_eqz().unlikely().if_();
    a.i32_const(0).return_().end();
    a.local_get(0).i32_load(BANK_ROOT);
    index(30, 0xfc).i32_add().i32_load();
    table();
    index(20, 0xffc).i32_add().i32_load();
    table();
    index(10, 0xffc).i32_add();
  },
};

/** (bank, va) notes a refused access; 0. */
export const fault: Helper = {
  name: "fault",
  params: [I32, I64],
  results: [I32],
  body: (a) => a.local_get(0).local_get(1).i64_store(BANK_FAULT).i32_const(0),
};

/** (write): 1 if the kernel made the page of the noted fault accessible. Provided by the host. */
export const resolve: Helper = { name: "resolve", params: [I32], results: [I32] };

/** (pte address, bits) sets accessed and dirty bits that are missing; other CPUs may do so too. */
const mark: Helper = {
  name: "mark",
  params: [I32, I32],
  results: [],
  body: (a) => {
    a.local_get(0).i32_load().local_get(1).i32_and().local_get(1).i32_ne().if_();
    a.local_get(0).local_get(1).i32_atomic_rmw_or().drop();
    a.end();
  },
};

/**
 * (pte, bits) → 1 if the whole block of `pte` may be one write window, having noted that it is.
 */
const claimBlock: Helper = {
  name: "claimBlock",
  params: [I32],
  results: [I32],
  body: (a) => {
    // Blocks of frames are aligned, so their 16 flag bytes are two words.
    const flags = () => a.local_get(0).i32_const(16).i32_shr_u().i32_const(4).i32_shl();
    flags().i64_load(PAGE_FLAGS);
    flags().i64_load(PAGE_FLAGS + 8);
    a.i64_or().i64_const(ALL_HAVE_CODE).i64_and().i64_eqz().i32_eqz().if_();
    a.i32_const(0).return_().end();
    for (const half of [PAGE_FLAGS, PAGE_FLAGS + 8]) {
      flags();
      flags().i64_load(half).i64_const(ALL_IN_WRITE_TLB).i64_or().i64_store(half);
    }
    a.i32_const(1);
  },
};

/**
 * (bank, va, write, pte, first, last): caches the window of pages first..last (numbers
 * within the granule) around va, whose entry is `pte`.
 */
const cacheWindow: Helper = {
  name: "cacheWindow",
  params: [I32, I64, I32, I32, I32, I32],
  results: [],
  locals: [I32, I32, I32, I32],
  uses: [showHome],
  body: (a, call) => {
    const [bank, va, write, pte, first, last] = [0, 1, 2, 3, 4, 5];
    const [slot, before, page, length] = [6, 7, 8, 9];
    a.local_get(bank).i32_const(BANK_WRITE).i32_const(BANK_READ).local_get(write).select();
    a.i32_add().local_get(va).i64_const(12).i64_shr_u().i32_wrap_i64();
    a.i32_const(TLB_INDEX_MASK).i32_and().i32_add().local_set(slot);
    a.local_get(va).i32_wrap_i64().i32_const(12).i32_shr_u().i32_const(15).i32_and();
    a.local_get(first).i32_sub().i32_const(12).i32_shl().local_set(before);
    a.local_get(last).local_get(first).i32_sub().i32_const(1).i32_add();
    a.i32_const(12).i32_shl().i32_const(7).i32_sub().local_set(length);
    // From the window's first byte to its last.
    a.local_get(length).i32_const(1).i32_sub().local_get(before).i32_sub().local_set(before);
    a.local_get(slot).local_get(va).i64_const(-4096).i64_and();
    a.local_get(before).i64_extend_i32_s().i64_add().i64_store(0);
    a.local_get(slot).local_get(pte).i32_const(-4096).i32_and();
    a.local_get(va).i32_wrap_i64().i32_const(-4096).i32_and().i32_sub().i32_store(8);
    a.local_get(slot).local_get(length).i32_store(12);
    pageSlot(a, { bank, va, write }).local_set(page);
    copyEntry(a, slot, page);
    for (const parameter of [bank, va, write, pte, first, last]) a.local_get(parameter);
    call(showHome);
  },
};

/** Pushes the address of the second level's entry for va. */
function pageSlot(a: Asm, l: { bank: number; va: number; write: number }): Asm {
  a.local_get(l.bank).i32_const(BANK_WRITE_PAGES).i32_const(BANK_READ_PAGES);
  a.local_get(l.write).select().i32_add();
  a.local_get(l.va).i64_const(8).i64_shr_u().i32_wrap_i64();
  return a
    .i32_const((PAGE_TLB_ENTRIES - 1) << 4)
    .i32_and()
    .i32_add();
}

function copyEntry(a: Asm, from: number, to: number): void {
  a.local_get(to).local_get(from).i64_load(0).i64_store(0);
  a.local_get(to).local_get(from).i64_load(8).i64_store(8);
}

/** (bank, va, write) → physical address if the second level knows va, which moves up; else 0. */
const refillFromPages: Helper = {
  name: "refillFromPages",
  params: [I32, I64, I32],
  results: [I32],
  locals: [I32, I32],
  body: (a) => {
    const [bank, va, write, page, slot] = [0, 1, 2, 3, 4];
    pageSlot(a, { bank, va, write }).local_set(page);
    a.local_get(page).i64_load(0).local_get(va).i64_sub();
    a.local_get(page).i64_load32_u(12).i64_ge_u().if_();
    a.i32_const(0).return_().end();
    a.local_get(bank).i32_const(BANK_WRITE).i32_const(BANK_READ).local_get(write).select();
    a.i32_add().local_get(va).i64_const(12).i64_shr_u().i32_wrap_i64();
    a.i32_const(TLB_INDEX_MASK).i32_and().i32_add().local_set(slot);
    copyEntry(a, page, slot);
    a.local_get(page).i32_load(8).local_get(va).i32_wrap_i64().i32_add();
  },
};

/** (bank, va, write) → physical address by the page table, 0 if refused; caches the window around va. */
const lookup: Helper = {
  name: "lookup",
  params: [I32, I64, I32],
  results: [I32],
  locals: [I32, I32, I32, I32, I32, I32],
  uses: [walk, fault, codeWrite, mark, claimBlock, cacheWindow],
  body: (a, call) => {
    const [bank, va, write, at, pte, first, last, k, bits] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    a.local_get(bank).local_get(va);
    call(walk);
    a.local_tee(at).i32_load().local_set(pte);
    a.i32_const(PTE_V | PTE_W)
      .i32_const(PTE_V | PTE_R)
      .local_get(write)
      .select()
      .local_tee(bits);
    a.local_get(pte).i32_and().local_get(bits).i32_ne().if_();
    a.local_get(bank).local_get(va);
    call(fault);
    a.return_().end();

    a.local_get(write).if_();
    a.local_get(pte).i32_const(12).i32_shr_u().i32_load8_u(PAGE_FLAGS);
    a.i32_const(PAGE_HAS_CODE).i32_and().unlikely().if_();
    a.local_get(pte).i32_const(12).i32_shr_u();
    call(codeWrite);
    a.end().end();

    a.i32_const(PTE_A | PTE_D)
      .i32_const(PTE_A)
      .local_get(write)
      .select()
      .local_set(bits);
    a.local_get(va).i32_wrap_i64().i32_const(12).i32_shr_u().i32_const(15).i32_and();
    a.local_tee(k).local_tee(first).local_set(last);
    const found = a.block();
    const scan = a.block();
    a.local_get(pte).i32_const(PTE_CONTIG).i32_and().i32_eqz().br_if(scan);
    a.local_get(write).if_();
    a.local_get(pte);
    call(claimBlock);
    a.i32_eqz().br_if(scan).end();
    a.i32_const(0).local_set(first);
    a.i32_const(15).local_set(last);
    // A block is dirty as a whole, so that this page's bits speak for all.
    a.local_get(pte).local_get(bits).i32_and().local_get(bits).i32_eq().br_if(found);
    const next = a.loop();
    a.local_get(at).i32_const(-64).i32_and().local_get(first).i32_const(2).i32_shl().i32_add();
    a.local_get(bits);
    call(mark);
    a.local_get(first).i32_const(1).i32_add().local_tee(first).i32_const(16).i32_lt_u();
    a.br_if(next).end();
    a.i32_const(0).local_set(first);
    a.br(found);
    a.end();

    a.local_get(at).local_get(bits);
    call(mark);
    const run = { write, at, pte, k };
    extendRun(a, call, { ...run, edge: first }, -1);
    extendRun(a, call, { ...run, edge: last }, 1);
    a.local_get(write).if_();
    claimPage(a, () => a.local_get(pte).i32_const(12).i32_shr_u());
    a.end();
    a.end();

    a.local_get(bank).local_get(va).local_get(write).local_get(pte);
    a.local_get(first).local_get(last);
    call(cacheWindow);
    a.local_get(pte).i32_const(-4096).i32_and();
    a.local_get(va).i32_wrap_i64().i32_const(4095).i32_and().i32_or();
  },
};

/** (bank, va): counts a miss, and notes a granule that has had many if none is noted yet. */
const noteMiss: Helper = {
  name: "noteMiss",
  params: [I32, I64],
  results: [],
  locals: [I32, I32],
  body: (a) => {
    const [bank, va, at, misses] = [0, 1, 2, 3];
    count(a, bank, BANK_MISSES);
    a.local_get(va).i64_const(16).i64_shr_u().i32_wrap_i64();
    a.i32_const(TLB_ENTRIES - 1)
      .i32_and()
      .local_get(bank)
      .i32_add()
      .local_tee(at);
    a.i32_load8_u(BANK_GRANULE_MISSES).local_tee(misses);
    a.i32_const(MANY_MISSES).i32_eq().if_();
    a.return_().end();
    a.local_get(misses)
      .i32_const(MANY_MISSES - 1)
      .i32_eq()
      .if_();
    a.local_get(bank).i32_load(BANK_SCATTERED).if_();
    a.return_().end();
    a.local_get(bank).local_get(va).i64_const(12).i64_shr_u().i32_wrap_i64();
    a.i32_store(BANK_SCATTERED).end();
    a.local_get(at).local_get(misses).i32_const(1).i32_add().i32_store8(BANK_GRANULE_MISSES);
  },
};

/** (bank, va, write) → physical address, 0 if refused: for an access that the first level did not know. */
export const refill: Helper = refillAs("refill", true);

/** The same, but the kernel is not asked: it is not certain that the access will be made. */
export const refillQuietly: Helper = refillAs("refillQuietly", false);

function refillAs(name: string, asksKernel: boolean): Helper {
  return {
    name,
    params: [I32, I64, I32],
    results: [I32],
    locals: [I32],
    uses: [noteMiss, refillFromPages, lookup, resolve],
    body: (a, call) => {
      const [bank, va, write, pa] = [0, 1, 2, 3];
      const args = () => a.local_get(bank).local_get(va).local_get(write);
      a.local_get(bank).local_get(va);
      call(noteMiss);
      args();
      call(refillFromPages);
      a.local_tee(pa).if_();
      a.local_get(pa).return_().end();
      count(a, bank, BANK_WALKS);
      args();
      call(lookup);
      if (!asksKernel) return;
      a.local_tee(pa).i32_eqz().unlikely().if_();
      a.local_get(write);
      call(resolve);
      a.if_();
      args();
      call(lookup);
      a.return_().end();
      a.end().local_get(pa);
    },
  };
}

/** One more in a bank's word at `offset`. */
function count(a: Asm, bank: number, offset: number): void {
  a.local_get(bank).local_get(bank).i32_load(offset).i32_const(1).i32_add().i32_store(offset);
}

interface Run {
  readonly write: number;
  readonly at: number;
  readonly pte: number;
  readonly k: number;
  readonly edge: number;
}

/**
 * Moves `edge` outwards while the next page continues the run. A neighbour joins a read window
 * if it may be read (it is marked accessed), a write window only if it may be written and
 * is already dirty, lest a page be written back that nobody wrote.
 */
function extendRun(a: Asm, call: (h: Helper) => void, l: Run, step: 1 | -1): void {
  const offset = () => a.local_get(l.edge).i32_const(step).i32_add().local_get(l.k).i32_sub();
  const neighbour = () => {
    a.local_get(l.at);
    offset().i32_const(2).i32_shl().i32_add();
  };
  const done = a.block();
  const more = a.loop();
  a.local_get(l.edge);
  a.i32_const(step > 0 ? 15 : 0)
    .i32_eq()
    .br_if(done);
  neighbour();
  a.i32_load().local_get(l.pte);
  offset().i32_const(12).i32_shl().i32_add().i32_xor();
  a.i32_const(~PTE_FLAGS | PTE_V | PTE_R | PTE_W)
    .i32_const(~PTE_FLAGS | PTE_V | PTE_R)
    .local_get(l.write)
    .select();
  a.i32_and().br_if(done);
  a.local_get(l.write).if_();
  neighbour();
  a.i32_load().i32_const(PTE_D).i32_and().i32_eqz().br_if(done);
  const page = () => {
    a.local_get(l.pte).i32_const(12).i32_shr_u();
    offset().i32_add();
  };
  page();
  a.i32_load8_u(PAGE_FLAGS).i32_const(PAGE_HAS_CODE).i32_and().br_if(done);
  claimPage(a, page);
  a.end();
  neighbour();
  a.i32_const(PTE_A);
  call(mark);
  a.local_get(l.edge).i32_const(step).i32_add().local_set(l.edge);
  a.br(more);
  a.end();
  a.end();
}

/** Notes that a page (number) is in a write TLB. */
function claimPage(a: Asm, page: () => void): void {
  page();
  page();
  a.i32_load8_u(PAGE_FLAGS).i32_const(PAGE_IN_WRITE_TLB).i32_or().i32_store8(PAGE_FLAGS);
}
