/**
 * Page tables: real tables of 32-bit entries in guest RAM, one set per address space.
 *
 * Three levels for 38 bits of address: a root of 64 entries, then two of 1024. An entry
 * is {20 bits of page number | 12 flag bits}; an inner entry has PTE_V alone. The table
 * is the truth, TLBs are copies: whoever makes a mapping less permissive, moves it or
 * removes it calls `invalidate` before relying on it; making one more permissive needs
 * nothing, since a refused access walks the table again.
 */
import { ENOMEM, type Errno, failed } from "../../abi/errno.ts";
import { VA_BITS } from "../layout.ts";
import { PAGE_SIZE, type Paddr, type PhysMem } from "../physmem.ts";

export const PTE_V = 1;
export const PTE_R = 2;
export const PTE_W = 4;
export const PTE_X = 8;
/** Set by the machine on access, and on a write. */
export const PTE_A = 64;
export const PTE_D = 128;
/** This entry is one of 16 that map an aligned 64 KiB block of contiguous frames alike. */
export const PTE_CONTIG = 256;
/** For the vm floor's own use; the machine ignores them. */
export const PTE_SW0 = 512;
export const PTE_SW1 = 1024;
export const PTE_SW2 = 2048;
export const PTE_FLAGS = 0xfff;

/** Pages of a 64 KiB block. */
export const BLOCK_PAGES = 16;
const BLOCK_SIZE = BLOCK_PAGES * PAGE_SIZE;
/** First address that no page table can map. */
export const VA_END = 2 ** VA_BITS;

const LEAF_SPAN = 2 ** 22;
const MID_SPAN = 2 ** 32;
const ROOT_ENTRIES = 64;

export interface FrameSource {
  /** A zeroed frame for a table. */
  allocTable(): Paddr | Errno;
  freeTable(pa: Paddr): void;
}

/** What must learn that copies of a page table's entries went stale. */
export interface TlbKeeper {
  /** Drops cached translations of [va, va+len) of `pt`; compiled code's entries too when `exec`. */
  shootdown(pt: PageTable, va: number, len: number, exec: boolean): void;
  /** Forgets an address space that is going away. */
  retire(pt: PageTable): void;
}

export class PageTable {
  readonly asid: number;
  /** Physical address of the root table, 0 until something is mapped. */
  root = 0 as Paddr;
  /** Table frames held, for resident-set accounting. */
  tablePages = 0;
  /** Where `takeRange` and `shareRange` go on. */
  cursor = 0;
  /**
   * A page of `va` is at home if its frame is at `va + home`, modulo 2^32, and `va` is below HOME_BYTES: accesses are
   * fastest there (home.ts). Where pages lie is never a matter of correctness. Set once, before anything runs in the address space.
   */
  home = 0;
  /** An executable mapping lost something since the last `invalidate`. */
  #execChanged = false;
  readonly #mem: PhysMem;
  readonly #u32: Uint32Array;
  readonly #frames: FrameSource;
  readonly #tlbs: TlbKeeper;

  constructor(mem: PhysMem, frames: FrameSource, tlbs: TlbKeeper, asid: number) {
    this.#mem = mem;
    this.#u32 = mem.u32;
    this.#frames = frames;
    this.#tlbs = tlbs;
    this.asid = asid;
  }

  /** The entry that maps `va`; 0 when there is none. */
  get(va: number): number {
    const i = this.#slot(va);
    return i < 0 ? 0 : this.#u32[i]!;
  }

  /**
   * Index into the machine's u32 of the 16 entries of the granule (64 KiB) around `va`, to be read; -1
   * when no table covers it.
   */
  granule(va: number): number {
    const i = this.#slot(va);
    return i < 0 ? -1 : i & ~(BLOCK_PAGES - 1);
  }

  /** Maps the page of `va` to the frame `pa` with `flags` (PTE_V implied): 0, or ENOMEM for want of a table. */
  enter(va: number, pa: Paddr, flags: number): number {
    const i = this.#slotFor(va);
    if (i < 0) return i;
    const old = this.#u32[i]!;
    if (old !== 0) this.#replacing(i, old);
    this.#u32[i] = pa | flags | PTE_V;
    return 0;
  }

  /** Maps an aligned 64 KiB block to 16 contiguous frames at `pa` (also aligned): 0 or ENOMEM. */
  enterBlock(va: number, pa: Paddr, flags: number): number {
    const i = this.#slotFor(va);
    if (i < 0) return i;
    const contig = va % BLOCK_SIZE === 0 && pa % BLOCK_SIZE === 0 ? PTE_CONTIG : 0;
    for (let k = 0; k < BLOCK_PAGES; k++) {
      if (this.#u32[i + k]! & PTE_X) this.#execChanged = true;
      this.#u32[i + k] = ((pa + k * PAGE_SIZE) | flags | PTE_V | contig) >>> 0;
    }
    return 0;
  }

  /**
   * Marks the 16 pages around `va` as a block if they map an aligned 64 KiB run of frames
   * with equal flags (PTE_A aside): true when they now are one.
   */
  promote(va: number): boolean {
    const at = this.#slot(va);
    if (at < 0) return false;
    const i = at & ~(BLOCK_PAGES - 1);
    const first = this.#u32[i]!;
    if (first & PTE_CONTIG) return true;
    const want = (first & ~PTE_A) >>> 0;
    if (!(first & PTE_V) || first & 0xf000) return false;
    for (let k = 1; k < BLOCK_PAGES; k++) {
      if ((this.#u32[i + k]! & ~PTE_A) >>> 0 !== want + k * PAGE_SIZE) return false;
    }
    for (let k = 0; k < BLOCK_PAGES; k++) this.#u32[i + k] = this.#u32[i + k]! | PTE_CONTIG;
    return true;
  }

  /** Unmaps the page of `va`: the old entry, 0 if there was none. Follow with `invalidate`. */
  remove(va: number): number {
    const i = this.#slot(va);
    if (i < 0) return 0;
    const old = this.#u32[i]!;
    if (old === 0) return 0;
    this.#replacing(i, old);
    const last = this.#u32[i]!;
    this.#u32[i] = 0;
    return (last & ~PTE_CONTIG) >>> 0;
  }

  /**
   * Replaces the flags of an existing mapping (PTE_V implied); nothing happens where there is none.
   * The page leaves its block, even if `flags` are of one that is in it.
   * Follow with `invalidate` if a permission went away.
   */
  setFlags(va: number, flags: number): void {
    const i = this.#slot(va);
    if (i < 0 || this.#u32[i] === 0) return;
    const old = this.#u32[i]!;
    if (old & PTE_X && !(flags & PTE_X)) this.#execChanged = true;
    if (old & PTE_CONTIG) this.#splitBlock(i);
    this.#u32[i] = ((this.#u32[i]! & ~PTE_FLAGS) | (flags & ~PTE_CONTIG) | PTE_V) >>> 0;
  }

  /**
   * Clears flag bits (PTE_A for ageing, PTE_D for cleaning, PTE_W for COW) of one page; the entry
   * before. Follow with `invalidate`. Clearing anything but PTE_A ends a block: a write
   * to one page of a block marks all 16 dirty, so a block is dirty as a whole or not at all.
   */
  clearFlags(va: number, flags: number): number {
    const i = this.#slot(va);
    if (i < 0) return 0;
    const old = this.#u32[i]!;
    if (old === 0) return 0;
    if (flags & PTE_X) this.#execChanged = true;
    if (old & PTE_CONTIG && flags & ~PTE_A) this.#splitBlock(i);
    this.#u32[i] = this.#u32[i]! & ~flags;
    return old;
  }

  /** First mapped page at or after `va` and before `end`; -1 if none. Skips absent tables whole. */
  nextPresent(va: number, end: number): number {
    const stop = Math.min(end, VA_END);
    let at = va - (va % PAGE_SIZE);
    if (this.root === 0) return -1;
    while (at < stop) {
      const mid = this.#u32[(this.root >>> 2) + Math.floor(at / MID_SPAN)]!;
      if (mid === 0) {
        at = (Math.floor(at / MID_SPAN) + 1) * MID_SPAN;
        continue;
      }
      const leaf = this.#u32[((mid & ~PTE_FLAGS) >>> 2) + ((at >>> 22) & 1023)]!;
      if (leaf === 0) {
        at = (Math.floor(at / LEAF_SPAN) + 1) * LEAF_SPAN;
        continue;
      }
      const base = (leaf & ~PTE_FLAGS) >>> 2;
      const leafVa = Math.floor(at / LEAF_SPAN) * LEAF_SPAN;
      for (let k = (at >>> 12) & 1023; k < 1024; k++) {
        if (this.#u32[base + k] !== 0) {
          const found = leafVa + k * PAGE_SIZE;
          return found < stop ? found : -1;
        }
      }
      at = leafVa + LEAF_SPAN;
    }
    return -1;
  }

  /**
   * Unmaps pages from `va` on, within one table's reach and before `end`. The old entries go to
   * `taken` (room for 1024); `cursor` is where to go on. How many were taken. A table that the
   * range covers whole is freed. Follow with `invalidate`.
   */
  takeRange(va: number, end: number, taken: Uint32Array): number {
    const i = this.#slot(va);
    const leafVa = va - (va % LEAF_SPAN);
    if (i < 0) {
      this.cursor = this.#nextLeaf(va);
      return 0;
    }
    const u32 = this.#u32;
    const stop = Math.min(end, leafVa + LEAF_SPAN);
    const last = i + Math.ceil((stop - va) / PAGE_SIZE);
    this.cursor = stop;
    let n = 0;
    let seen = 0;
    for (let k = i; k < last; k++) {
      const pte = u32[k]!;
      if (pte === 0) continue;
      seen |= pte;
      u32[k] = 0;
      taken[n++] = pte;
    }
    if (seen & PTE_X) this.#execChanged = true;
    // Only the blocks at the two ends can be cut.
    if (seen & PTE_CONTIG) {
      if (i & (BLOCK_PAGES - 1)) this.#splitBlock(i);
      if (last & (BLOCK_PAGES - 1)) this.#splitBlock(last);
    }
    if (va === leafVa && stop === leafVa + LEAF_SPAN) this.#dropLeaf(va, i);
    return n;
  }

  /**
   * Maps what this table maps from `va` on, within one table's reach and before `end`, in `child`
   * too, with the flags `clear` taken from both. The entries go to `shared` (room for 1024);
   * `cursor` is where to go on. How many were shared, or ENOMEM. Follow with `invalidate`.
   */
  shareRange(
    child: PageTable,
    va: number,
    end: number,
    clear: number,
    shared: Uint32Array,
  ): number {
    const i = this.#slot(va);
    const leafVa = va - (va % LEAF_SPAN);
    if (i < 0) {
      this.cursor = this.#nextLeaf(va);
      return 0;
    }
    const u32 = this.#u32;
    const stop = Math.min(end, leafVa + LEAF_SPAN);
    const last = i + Math.ceil((stop - va) / PAGE_SIZE);
    this.cursor = stop;
    const keep = ~clear;
    let to = 0;
    let n = 0;
    for (let k = i; k < last; k++) {
      if (u32[k] === 0) continue;
      if (to === 0) {
        // A frame for the child's table may be won by taking pages out of this very range.
        const slot = child.#slotFor(leafVa + (k & 1023) * PAGE_SIZE);
        if (slot < 0) return ENOMEM;
        to = slot - k;
      }
      const pte = u32[k]! & keep;
      if (pte === 0) continue;
      u32[k] = pte;
      u32[to + k] = pte;
      shared[n++] = pte;
    }
    if (n > 0 && (i & (BLOCK_PAGES - 1)) !== 0) this.#splitBoth(child, i, to);
    if (n > 0 && (last & (BLOCK_PAGES - 1)) !== 0) this.#splitBoth(child, last, to);
    return n;
  }

  /** Makes sure that `enter` at `va` needs no table: 0, or ENOMEM. */
  prepare(va: number): number {
    return Math.min(this.#slotFor(va), 0);
  }

  /** Drops what any hart remembers of [va, va+len). */
  invalidate(va: number, len: number): void {
    const exec = this.#execChanged;
    this.#execChanged = false;
    this.#tlbs.shootdown(this, va, len, exec);
  }

  /** Frees the tables (not what they map) and forgets the address space. */
  destroy(): void {
    this.#tlbs.retire(this);
    if (this.root === 0) return;
    for (let r = 0; r < ROOT_ENTRIES; r++) {
      const mid = this.#u32[(this.root >>> 2) + r]!;
      if (mid === 0) continue;
      const base = (mid & ~PTE_FLAGS) >>> 0;
      for (let k = 0; k < 1024; k++) {
        const leaf = this.#u32[(base >>> 2) + k]!;
        if (leaf !== 0) this.#frames.freeTable(((leaf & ~PTE_FLAGS) >>> 0) as Paddr);
      }
      this.#frames.freeTable(base as Paddr);
    }
    this.#frames.freeTable(this.root);
    this.root = 0 as Paddr;
    this.tablePages = 0;
  }

  /** Index into u32 of the entry for `va`, or -1 when no table covers it. */
  #slot(va: number): number {
    if (this.root === 0 || !(va >= 0 && va < VA_END)) return -1;
    const mid = this.#u32[(this.root >>> 2) + Math.floor(va / MID_SPAN)]!;
    if (mid === 0) return -1;
    const leaf = this.#u32[((mid & ~PTE_FLAGS) >>> 2) + ((va >>> 22) & 1023)]!;
    if (leaf === 0) return -1;
    return ((leaf & ~PTE_FLAGS) >>> 2) + ((va >>> 12) & 1023);
  }

  /** Like `#slot`, building tables on the way; ENOMEM when a frame is lacking. */
  #slotFor(va: number): number {
    const i = this.#slot(va);
    if (i >= 0) return i;
    if (!(va >= 0 && va < VA_END)) return ENOMEM;
    if (this.root === 0) {
      const root = this.#newTable();
      if (failed(root)) return root;
      this.root = root as Paddr;
    }
    const mid = this.#childOf((this.root >>> 2) + Math.floor(va / MID_SPAN));
    if (failed(mid)) return mid;
    const leaf = this.#childOf((mid >>> 2) + ((va >>> 22) & 1023));
    if (failed(leaf)) return leaf;
    return (leaf >>> 2) + ((va >>> 12) & 1023);
  }

  #childOf(i: number): number {
    const entry = this.#u32[i]!;
    if (entry !== 0) return (entry & ~PTE_FLAGS) >>> 0;
    const table = this.#newTable();
    if (failed(table)) return table;
    this.#u32[i] = table | PTE_V;
    return table;
  }

  #newTable(): number {
    const pa = this.#frames.allocTable();
    if (!failed(pa)) this.tablePages++;
    return pa;
  }

  /** Before the entry at `i` changes its frame: what the change means for its neighbours and for code. */
  #replacing(i: number, old: number): void {
    if (old & PTE_X) this.#execChanged = true;
    if (old & PTE_CONTIG) this.#splitBlock(i);
  }

  /**
   * Ends the block that entry `i` belongs to. Windows that TLBs made of the block stay
   * until `invalidate`, whose granule is the block, so they go with the page that changed.
   */
  #splitBlock(i: number): void {
    const base = i & ~(BLOCK_PAGES - 1);
    for (let k = 0; k < BLOCK_PAGES; k++) this.#u32[base + k] = this.#u32[base + k]! & ~PTE_CONTIG;
  }

  #splitBoth(child: PageTable, i: number, to: number): void {
    this.#splitBlock(i);
    child.#splitBlock(to + i);
  }

  /** Where the next table after that of `va`, which has none, begins; at most one middle table on. */
  #nextLeaf(va: number): number {
    const midVa = va - (va % MID_SPAN);
    const mid = this.root === 0 ? 0 : this.#u32[(this.root >>> 2) + Math.floor(va / MID_SPAN)]!;
    if (mid === 0) return midVa + MID_SPAN;
    const base = (mid & ~PTE_FLAGS) >>> 2;
    let k = ((va >>> 22) & 1023) + 1;
    while (k < 1024 && this.#u32[base + k] === 0) k++;
    return midVa + k * LEAF_SPAN;
  }

  /** Frees the leaf table whose first entry is `i`, all of it being empty. */
  #dropLeaf(va: number, i: number): void {
    const mid = this.#u32[(this.root >>> 2) + Math.floor(va / MID_SPAN)]!;
    this.#u32[((mid & ~PTE_FLAGS) >>> 2) + ((va >>> 22) & 1023)] = 0;
    this.tablePages--;
    this.#frames.freeTable((i * 4) as Paddr);
  }

  /** The machine memory this table lives in. */
  get mem(): PhysMem {
    return this.#mem;
  }
}
