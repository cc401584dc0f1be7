/**
 * Where things lie in the machine's own memory, and inside each record there.
 *
 * Generated WebAssembly and TypeScript both address these records, so every offset is
 * stated here once. Machine memory is `[0, ramBase)`: the null page, the decode tables,
 * one byte of flags per physical page, hart banks, contexts. Guest RAM follows.
 */

/** A word for each hart: nonzero asks it to come out of `run`. */
export const HART_ATTENTION = 0x1000;

/** Handler number by bits of the low half of an instruction (riscv/decode.ts): 65536 bytes, of which those bits choose 8192. */
export const DECODE_TABLE = 0x1_0000;
/** Further tables of handler numbers, by other bits: 128 bytes each. */
export const DECODE_TABLES = 0x2_0000;
export const DECODE_TABLES_END = 0x3_0000;
/** How often jump targets were interpreted: a u16 for all pcs that share a bucket, of all address spaces (riscv/heat.ts). */
export const HEAT_TABLE = 0x6_0000;
export const HEAT_BUCKETS = 65536;
/** As far behind a bucket, the u16 of those who share it with the entry of a region. */
export const HEAT_BESIDE = 0x2_0000;
/** One byte of flags per physical page, for all 4 GiB that there can be. */
export const PAGE_FLAGS = 0x10_0000;
/**
 * What ways branches went when they were interpreted, by the low bits of their physical address: a byte that is
 * not 0 if one did not jump, and behind it one if it did (riscv/jit/ways.ts).
 */
export const BRANCH_MARKS = 0x20_0000;
export const BRANCH_BYTES = 0x20_0000;
/**
 * How often loads and stores found their page away from home when they were interpreted (riscv/jit/away.ts), by the same bits. Not among
 * the marks of branches, where code that lies 2 MiB apart would wipe those out.
 */
export const AWAY_MARKS = 0x40_0000;
/** First byte of what is sized when the machine starts. */
export const DYNAMIC_BASE = 0x60_0000;

// Flags of a physical page, one byte each.
/** Some translation was made from this page: it must not enter a write TLB. */
export const PAGE_HAS_CODE = 1;
/** The page may be in some write TLB. */
export const PAGE_IN_WRITE_TLB = 2;

// A context: the registers of one thread.
export const CTX_X = 0;
export const CTX_F = 256;
export const CTX_PC = 512;
/** Accrued exception flags (u32), dynamic rounding mode (u32). */
export const CTX_FFLAGS = 520;
export const CTX_FRM = 524;
/** All ones (u64) while the native floating-point path may not be taken: frm is not RNE, or NX is clear. */
export const CTX_FPSLOW = 528;
/** Address and value an LR loaded; address -1 means no reservation. */
export const CTX_RES_ADDR = 536;
export const CTX_RES_VALUE = 544;
/** Operands and result of a software floating-point call (u64 each). */
export const CTX_FA = 552;
export const CTX_FB = 560;
export const CTX_FC = 568;
export const CTX_FR = 576;
/** Bytes a copy of a context must carry: everything before the scratch. */
export const CTX_STATE = 536;
export const CTX_SIZE = 640;

/** Only pages below this address can be at home: see mmu/home.ts. */
export const HOME_BYTES = 2 ** 30;
export const HOME_PAGES = HOME_BYTES / 4096;
/** Blocks of 4096 bytes in the home map. */
export const HOME_BLOCKS = HOME_PAGES / 4096;

// A bank: what a hart caches of one address space. Offsets of parts, each of 16-byte entries.
export const BANK_ROOT = 0;
/** Distance from virtual to physical addresses of what is at home (u32): see mmu/home.ts. */
export const BANK_HOME = 4;
/** Fault that ended a run: address (u64). */
export const BANK_FAULT = 8;
/** Fuel that was left when a run ended (i32). */
export const BANK_FUEL = 16;
/** Page number where granules were missed often, and it should be seen to: 0 if there is none. */
export const BANK_SCATTERED = 20;
/** Instructions' window the interpreter last fetched through: unused by compiled code. */
export const BANK_BOUNCE = 32;
/** The last indirect jump the interpreter made that was no call or return: its address, its target. */
export const BANK_SWITCH = 48;
/** Times that an access missed the first level of the TLBs, and that it walked the page table (u32), kept for `stats`. */
export const BANK_MISSES = 24;
export const BANK_WALKS = 28;
/** Read and write TLBs: entries {u64 last, u32 delta, u32 length}, indexed by va >> 16: see mmu/refill.ts. */
export const TLB_ENTRIES = 1024;
export const BANK_READ = 64;
export const BANK_WRITE = BANK_READ + TLB_ENTRIES * 16;
/** Second level of both, the same entries indexed by va >> 12: for granules that are not one window. */
export const PAGE_TLB_ENTRIES = 512;
export const BANK_READ_PAGES = BANK_WRITE + TLB_ENTRIES * 16;
export const BANK_WRITE_PAGES = BANK_READ_PAGES + PAGE_TLB_ENTRIES * 16;
/** Fetch TLB: entries {u64 page va, u32 page pa, u32 valid}, indexed by va >> 12. */
export const FETCH_ENTRIES = 256;
export const BANK_FETCH = BANK_WRITE_PAGES + PAGE_TLB_ENTRIES * 16;
/** How often each granule was missed, a byte for all that share an index of the TLBs; it stays at 255. */
export const BANK_GRANULE_MISSES = BANK_FETCH + FETCH_ENTRIES * 16;
/** Which of its blocks of 4096 bytes the home map uses: a byte each that is not 0. */
export const BANK_HOME_USED = BANK_GRANULE_MISSES + TLB_ENTRIES;
/** Jump cache: entries {u64 pc, u32 function, unused}, indexed by pc >> 1, folded. */
export const JUMP_ENTRIES = 16384;
export const BANK_JUMP = BANK_HOME_USED + HOME_BLOCKS;
export const BANK_JUMP_BYTES = JUMP_ENTRIES * 16;
/** Home map: a byte for each page below HOME_BYTES, with one more at either end that stays 0. */
export const BANK_HOME_MAP = BANK_JUMP + BANK_JUMP_BYTES + 64;
export const BANK_SIZE = BANK_HOME_MAP + HOME_PAGES + 64;

/** Banks of each hart: address spaces that keep their caches across a switch. */
export const BANKS_PER_HART = 16;

/** User addresses are below 2^38 (the user half of Sv39). */
export const VA_BITS = 38;
