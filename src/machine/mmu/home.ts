/**
 * Pages at home: those whose physical address is a fixed distance from the virtual one, the same for all of an address
 * space (`PageTable.home`).
 *
 * The home map has a byte for each page below HOME_BYTES: what may be done there by adding that distance. Where it says
 * yes, the address of an access waits for nothing, and the processor goes on while the byte is still looked at. It is a cache
 * like the TLBs, filled with their windows and emptied with them, but for its size nothing gives way in it. It says no
 * wherever a page lies elsewhere: that is then for the TLBs. Compare the shadow bytes of K. Serebryany et al.,
 * "AddressSanitizer: A Fast Address Sanity Checker", USENIX ATC 2012.
 *
 * Invariant: HOME_READ and HOME_WRITE are set only while the page table allows that and the frame is at home, and
 * HOME_WRITE only while the page has no code; the bits for two pages only while they are set for this page and the one before.
 */
import {
  BANK_HOME,
  BANK_HOME_MAP,
  BANK_HOME_USED,
  HOME_BLOCKS,
  HOME_BYTES,
  HOME_PAGES,
} from "../layout.ts";
import type { PhysMem } from "../physmem.ts";
import type { Helper } from "../riscv/helper.ts";
import { type Asm, I32, I64 } from "../wasm/asm.ts";

/** The page may be read, written. */
export const HOME_READ = 1;
export const HOME_WRITE = 2;
/** And so may the page before it: an access that ends here need not look where it began. */
const BOTH = 2;
export const HOME_READ_BOTH = HOME_READ << BOTH;
export const HOME_WRITE_BOTH = HOME_WRITE << BOTH;
const PAGES_PER_BLOCK = HOME_PAGES / HOME_BLOCKS;

/**
 * (bank, va, write, pte, first, last): notes the window of pages first..last (numbers within the granule) around va, whose
 * entry is `pte`, if it is at home.
 */
export const showHome: Helper = {
  name: "showHome",
  params: [I32, I64, I32, I32, I32, I32],
  results: [],
  locals: [I32, I32, I32, I32],
  body: (a) => {
    const [bank, va, write, pte, first, last] = [0, 1, 2, 3, 4, 5];
    const [granule, at, end, bits] = [6, 7, 8, 9];
    a.local_get(va).i64_const(HOME_BYTES).i64_ge_u().if_();
    a.return_().end();
    a.local_get(pte).i32_const(-4096).i32_and();
    a.local_get(va).i32_wrap_i64().i32_const(-4096).i32_and().i32_sub();
    a.local_get(bank).i32_load(BANK_HOME).i32_ne().if_();
    a.return_().end();
    a.local_get(bank).local_get(va).i32_wrap_i64().i32_const(24).i32_shr_u().i32_add();
    a.i32_const(1).i32_store8(BANK_HOME_USED);
    a.i32_const(HOME_WRITE).i32_const(HOME_READ).local_get(write).select().local_set(bits);
    // Addresses of bytes of the map, less BANK_HOME_MAP: of the granule's first page, the window's, and the one behind it.
    a.local_get(va).i32_wrap_i64().i32_const(16).i32_shr_u().i32_const(4).i32_shl();
    a.local_get(bank).i32_add().local_tee(granule).local_get(first).i32_add().local_set(at);
    a.local_get(granule).local_get(last).i32_add().i32_const(1).i32_add().local_set(end);
    const next = a.loop();
    a.local_get(at).local_get(at).i32_load8_u(BANK_HOME_MAP).local_get(bits).i32_or();
    a.local_get(at).i32_load8_u(BANK_HOME_MAP - 1);
    a.local_get(bits).i32_and().i32_const(BOTH).i32_shl().i32_or().i32_store8(BANK_HOME_MAP);
    a.local_get(at).i32_const(1).i32_add().local_tee(at).local_get(end).i32_lt_u().br_if(next);
    a.end();
    a.local_get(end);
    a.local_get(end).i32_load8_u(BANK_HOME_MAP);
    a.local_get(end).i32_load8_u(BANK_HOME_MAP);
    a.local_get(bits).i32_and().i32_const(BOTH).i32_shl().i32_or().i32_store8(BANK_HOME_MAP);
  },
};

/** Pushes the map's byte of an access that ends in `page` (i64, a number below HOME_PAGES). */
export const homeByte = (a: Asm, bank: number, page: number): Asm =>
  a.local_get(bank).local_get(page).i32_wrap_i64().i32_add().i32_load8_u(BANK_HOME_MAP);

/** Pushes the distance home: the same as long as the bank has this address space. */
export const homeDistance = (a: Asm, bank: number): Asm => a.local_get(bank).i32_load(BANK_HOME);

/** Pushes the physical address of what is at home; the distance is in the local `home`. */
export const homePhysical = (a: Asm, home: number, va: number): Asm =>
  a.local_get(home).local_get(va).i32_wrap_i64().i32_add();

/** Forgets `n` pages from page `first` on. */
export function forgetHome(mem: PhysMem, bank: number, first: number, n: number): void {
  const end = Math.min(first + n, HOME_PAGES);
  if (first >= end) return;
  const map = bank + BANK_HOME_MAP;
  for (let at = first; at < end; ) {
    const block = Math.floor(at / PAGES_PER_BLOCK);
    const to = Math.min((block + 1) * PAGES_PER_BLOCK, end);
    if (mem.u8[bank + BANK_HOME_USED + block] !== 0) mem.bulk.zero(map + at, to - at);
    at = to;
  }
  // Zero already if there is no such page.
  mem.u8[map + end]! &= HOME_READ | HOME_WRITE;
}

/** Forgets that the page at physical address `pa` may be written, if it is at home. */
export function protectHome(mem: PhysMem, bank: number, pa: number): void {
  const va = (pa - mem.u32[(bank + BANK_HOME) >>> 2]!) >>> 0;
  if (va >= HOME_BYTES) return;
  const at = bank + BANK_HOME_MAP + (va >>> 12);
  mem.u8[at]! &= ~(HOME_WRITE | HOME_WRITE_BOTH);
  mem.u8[at + 1]! &= ~HOME_WRITE_BOTH;
}
