/**
 * Gathering: what makes an aligned 64 KiB of an address space (a granule) one contiguous run of frames
 * when it has come apart.
 *
 * A TLB holds one window of contiguous frames per granule, so one whose pages lie here and there makes
 * the program miss for ever: pages copied after a fork, untouched pages between touched
 * ones, file pages among copied ones. The machine tells where a program misses much;
 * here the private pages move to one chunk, each to its place, absent ones between them are
 * filled, and file pages that could be private are copied. It is the chunk where the granule is at home (homes.ts), if those of
 * its pages that are not there yet find their places free; pages that are there never leave. What is executable or shared
 * stays. Nothing that a program can see changes but its resident set.
 */

import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { ANON_PAGE } from "../kern/cgroup/memorygroup.ts";
import { HOME_BYTES } from "../machine/layout.ts";
import { PTE_D, PTE_FLAGS, PTE_R, PTE_W, PTE_X } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import type { MapEntry } from "./mapentry.ts";
import { CHUNK_PAGES, CHUNK_SIZE, PAGE_SIZE } from "./param.ts";
import { ownRights, PTE_ANON, PTE_SHMEM, PTE_ZERO } from "./pte.ts";
import { chunkOf } from "./reservation.ts";
import type { Vmspace } from "./vmspace.ts";

const NO_CHUNK = -1;
const TWO32 = 2 ** 32;

/** What shall happen to one page: nothing without an `entry`. */
interface Page {
  pte: number;
  /** The map whose page it becomes, private and at its place. */
  entry: MapEntry | null;
  /** Where the bytes come from: 0 for zeroes. */
  from: Paddr | 0;
}

/** Gathers the granule of `va`, at home or where that spares windows: true if it did. */
export function gather(vs: Vmspace, va: number): boolean {
  const base = va - (va % CHUNK_SIZE);
  const pages = plan(vs, base);
  if (!pages) return false;
  return bringHome(vs, base, pages) || unite(vs, base, pages);
}

/** Pages that are at home stay; if the others' places there are free, they come: private ones, and all if that spares windows. */
function bringHome(vs: Vmspace, base: number, pages: readonly Page[]): boolean {
  const { home } = vs.pageTable;
  if (home === 0 || base >= HOME_BYTES) return false;
  const place = (base + home) % TWO32;
  let wanted = 0;
  let present = 0;
  pages.forEach((p, i) => {
    if (chunkOf(p.pte, i) === place) p.entry = null;
    if (!p.entry) return;
    wanted |= 1 << i;
    if ((p.pte & PTE_ANON) !== 0) present++;
  });
  const { frames } = vs;
  const isBetter = present > 0 || windows(pages, place) < windows(pages, NO_CHUNK);
  if (!isBetter || !frames.couldHave(place, home, wanted)) return false;
  let chunk = frames.chunkNumber(place as Paddr);
  if (frames.tokenOf(chunk) !== home) chunk = frames.reserveAt(place, home);
  if (chunk < 0) return false;
  frames.meter.homecomings += present;
  move(vs, base, pages, chunk);
  return true;
}

/** Moves all to one chunk if they are fewer windows then. */
function unite(vs: Vmspace, base: number, pages: readonly Page[]): boolean {
  const { frames } = vs;
  const target = targetOf(vs, pages);
  const before = windows(pages, NO_CHUNK);
  // The address does not matter yet, only that all lie together.
  if (windows(pages, target === NO_CHUNK ? 0 : target) >= before) return false;
  const chunk = target === NO_CHUNK ? frames.reserve() : frames.chunkNumber(target as Paddr);
  if (chunk < 0) return false;
  pages.forEach((p, i) => {
    if (target !== NO_CHUNK && chunkOf(p.pte, i) === target) p.entry = null;
  });
  move(vs, base, pages, chunk);
  return true;
}

/** Moves the pages that have an entry to their places in a chunk, as far as those are free. */
function move(vs: Vmspace, base: number, pages: readonly Page[], chunk: number): void {
  const { frames, pageTable } = vs;
  for (let i = 0; i < CHUNK_PAGES; i++) {
    const { pte, entry, from } = pages[i]!;
    if (!entry) continue;
    const pa = frames.allocAt(frames.chunkAddress(chunk, i));
    if (pa === 0) continue;
    // It takes the place of one that is given back: not a case for limits.
    frames.charges.force();
    frames.charges.allocated(pa, ANON_PAGE);
    if (from === 0) frames.zero(pa);
    else frames.copy(from, pa);
    const at = base + i * PAGE_SIZE;
    // The table is there, so this cannot fail.
    pageTable.enter(at, pa, ownRights(entry.prot));
    vs.rssAnon++;
    if (pte !== 0) vs.drop(pte);
  }
  pageTable.promote(base);
  pageTable.invalidate(base, CHUNK_SIZE);
}

/** What could be one run; null if there is no private page, about which all this is. */
function plan(vs: Vmspace, base: number): Page[] | null {
  const first = vs.pageTable.granule(base);
  if (first < 0) return null;
  const pages: Page[] = [];
  let hasPrivate = false;
  for (let i = 0; i < CHUNK_PAGES; i++) {
    const pte = vs.frames.mem.u32[first + i]!;
    pages.push({ pte, entry: null, from: 0 });
    if ((pte & PTE_ANON) !== 0) hasPrivate = true;
  }
  if (!hasPrivate) return null;
  for (let k = vs.entries.indexAfter(base); ; k++) {
    const e = vs.entries.at(k);
    if (!e || e.start >= base + CHUNK_SIZE) break;
    if (e.isShared || (e.prot & PROT_EXEC) !== 0 || (e.prot & (PROT_READ | PROT_WRITE)) === 0) {
      continue;
    }
    const end = Math.min(e.end, base + CHUNK_SIZE);
    for (let at = Math.max(e.start, base); at < end; at += PAGE_SIZE) {
      planPage(vs, e, at, pages[(at - base) / PAGE_SIZE]!);
    }
  }
  trim(pages);
  return pages;
}

function planPage(vs: Vmspace, e: MapEntry, at: number, page: Page): void {
  const { pte } = page;
  if ((pte & (PTE_X | PTE_SHMEM)) !== 0) return;
  if (pte !== 0 && (pte & PTE_ZERO) === 0) {
    page.from = ((pte & ~PTE_FLAGS) >>> 0) as Paddr;
  } else if (e.object) {
    const pindex = e.pindexOf(at);
    if (e.object.isShmem || pindex * PAGE_SIZE >= e.object.sizeBytes) return;
    page.from = e.object.lookup(pindex);
    if (page.from === 0) return;
  } else if ((e.prot & PROT_WRITE) === 0 || !vs.frames.isPlentiful) {
    return;
  }
  page.entry = e;
}

/** Absent pages are brought in only between others. */
function trim(pages: readonly Page[]): void {
  const isPresent = (p: Page) => p.pte !== 0;
  const first = pages.findIndex(isPresent);
  const last = pages.findLastIndex(isPresent);
  pages.forEach((p, i) => {
    if (i < first || i > last) p.entry = null;
  });
}

/** The chunk where most of the private pages are at their place, if the others' places in it are free. */
function targetOf(vs: Vmspace, pages: readonly Page[]): number {
  let target = NO_CHUNK;
  let most = 0;
  for (let i = 0; i < CHUNK_PAGES; i++) {
    const chunk = chunkOf(pages[i]!.pte, i);
    if (chunk === 0) continue;
    const n = pages.filter((p, k) => chunkOf(p.pte, k) === chunk).length;
    if (n <= most) continue;
    const isOpen = pages.every(
      (p, k) =>
        !p.entry ||
        chunkOf(p.pte, k) === chunk ||
        vs.frames.isFree((chunk + k * PAGE_SIZE) as Paddr),
    );
    if (!isOpen) continue;
    target = chunk;
    most = n;
  }
  return target;
}

/** How many windows the granule is for reading, plus those for writing; with what is planned gathered at `target`. */
function windows(pages: readonly Page[], target: number): number {
  let count = 0;
  for (const right of [PTE_R, PTE_W]) {
    // A frame less its place in the granule is the same throughout a window.
    let run = NO_CHUNK;
    pages.forEach(({ pte, entry }, i) => {
      const isGathered = entry !== null && target !== NO_CHUNK;
      const flags = isGathered ? ownRights(entry.prot) : pte;
      const frame = isGathered ? target : (pte & ~PTE_FLAGS) - i * PAGE_SIZE;
      const isIn = (flags & right) !== 0 && (right === PTE_R || (flags & PTE_D) !== 0);
      const here = isIn ? frame >>> 0 : NO_CHUNK;
      if (here !== NO_CHUNK && here !== run) count++;
      run = here;
    });
  }
  return count;
}
