/**
 * The page queue: pages of the page cache, in the order in which to reclaim them.
 *
 * Two lists. A page begins on the inactive one, and moves to the active one
 * when it is used a second time: a file that is read through once passes by
 * what is used again and again. Pages are taken from the head of the inactive
 * list; when that is the shorter one, what has not been used for longest on the
 * active list joins it, and so does, by and by, what lies there unused while
 * others come and go. Programs use mapped pages unseen, so one that comes to
 * the head mapped is unmapped and goes round once more; if it is mapped again
 * by then it is in use. So that there is time for that, it stays until some
 * more pages were added to the cache. Clean pages go before dirty ones.
 *
 * Each control group that pays for pages has two lists of its own, in the same
 * arrays: a group that reached its limit gives up its own pages, and when
 * memory is out altogether all give, each in proportion to what it has.
 *
 * A frame is on the queue exactly while a PagedObject holds it; `owner` and
 * `pindex` lead back to it. Compare Linux's mm/vmscan.c, and vm_pageout.c of the BSDs.
 */
import type { Paddr } from "../machine/physmem.ts";
import { KIND_BITS } from "./charges.ts";
import type { PageAllocator } from "./page.ts";

/** What a page on the queue belongs to. */
export interface PageOwner {
  /** Gives the page up, unmapping it wherever it is mapped and writing it if it is dirty; false if it must stay. */
  evict(pindex: number, pa: Paddr): boolean;
  /** Unmaps the page wherever it is mapped. */
  unmap(pindex: number): void;
}

const NONE = -1;
const REFERENCED = 1;
const DIRTY = 2;
const ACTIVE = 4;
/** Came to the head of the inactive list mapped. */
const WAS_MAPPED = 8;

const OWNERS_SHIFT = 10;
const OWNERS = 1 << OWNERS_SHIFT;

const INACTIVE_LIST = 0;
const ACTIVE_LIST = 1;

/** Rounds of a reclaim: what is clean, also what is dirty, what was unmapped for it; then even what is in use. */
const ROUNDS = 5;
const DESPERATE_ROUND = 3;
/** Pages looked at in the first round for each that is wanted. */
const EASY_SCAN = 8;
/** Of so many pages wanted, one on the active list is asked whether it was used since. */
const AGING = 8;

export class PageQueue {
  readonly #frames: PageAllocator;
  /** By frame, in blocks of OWNERS that are made when one of them is first owned. */
  readonly #owners: (PageOwner | null)[][];
  readonly #pindex: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  /** `#added` when the page was unmapped to see whether it is in use. */
  readonly #stamp: Uint32Array;
  /** How many pages must be added until it is thought not to be. */
  readonly #grace: number;
  /** Pages ever added, modulo 2^32. */
  #added = 0;
  /** Of the inactive and the active list of each group: group 0 is for all that pay for nothing. */
  readonly #head = [NONE, NONE];
  readonly #tail = [NONE, NONE];
  readonly #count = [0, 0];
  readonly #tags: Uint16Array;
  /** Pages wanted since an active page was looked at last. */
  #unaged = 0;
  /** Pages on all lists, and on all active ones. */
  #length = 0;
  #active = 0;
  /** Since boot: pages looked at, given up, and moved from one list to the other. */
  scanned = 0;
  evicted = 0;
  activated = 0;
  deactivated = 0;

  constructor(frames: PageAllocator) {
    this.#frames = frames;
    this.#tags = frames.charges.tags;
    const n = frames.framePages;
    this.#owners = new Array(Math.ceil(n / OWNERS));
    this.#pindex = new Uint32Array(n);
    this.#flags = new Uint8Array(n);
    this.#next = new Int32Array(n);
    this.#prev = new Int32Array(n);
    this.#stamp = new Uint32Array(n);
    this.#grace = frames.totalPages >>> 4;
  }

  /** Pages on the queue: "Cached" of /proc/meminfo, but for shared memory. */
  get length(): number {
    return this.#length;
  }

  get activePages(): number {
    return this.#active;
  }

  /** A group of that number pays for pages from now on. */
  addGroup(id: number): void {
    for (const list of [listOf(id, INACTIVE_LIST), listOf(id, ACTIVE_LIST)]) {
      this.#head[list] = NONE;
      this.#tail[list] = NONE;
      this.#count[list] = 0;
    }
  }

  /** Group `id` does not any more: its frames have been marked as those of `to`. */
  endGroup(id: number, to: number): void {
    for (const list of [INACTIVE_LIST, ACTIVE_LIST]) {
      const from = listOf(id, list);
      for (let i = this.#head[from]!; i !== NONE; ) {
        const next = this.#next[i]!;
        this.#link(i, listOf(to, list));
        i = next;
      }
      this.#head[from] = NONE;
      this.#tail[from] = NONE;
      this.#count[from] = 0;
    }
  }

  /** Pages of a group on its lists: inactive or active. */
  pagesOf(id: number, isActive: boolean): number {
    return this.#count[listOf(id, isActive ? ACTIVE_LIST : INACTIVE_LIST)] ?? 0;
  }

  /** Pages of a group that are dirty, and those that are mapped. */
  survey(id: number): { dirty: number; mapped: number } {
    let dirty = 0;
    let mapped = 0;
    for (const list of [listOf(id, INACTIVE_LIST), listOf(id, ACTIVE_LIST)]) {
      for (let i = this.#head[list] ?? NONE; i !== NONE; i = this.#next[i]!) {
        if ((this.#flags[i]! & DIRTY) !== 0) dirty++;
        if (this.#frames.refs(this.#frames.addressOf(i)) > 1) mapped++;
      }
    }
    return { dirty, mapped };
  }

  add(pa: Paddr, owner: PageOwner, pindex: number): void {
    const i = this.#frames.indexOf(pa);
    this.#owners[i >>> OWNERS_SHIFT] ??= new Array<PageOwner | null>(OWNERS).fill(null);
    this.#owners[i >>> OWNERS_SHIFT]![i & (OWNERS - 1)] = owner;
    this.#pindex[i] = pindex;
    this.#flags[i] = 0;
    this.#added = (this.#added + 1) >>> 0;
    this.#append(i, INACTIVE_LIST);
  }

  remove(pa: Paddr): void {
    const i = this.#frames.indexOf(pa);
    this.#owners[i >>> OWNERS_SHIFT]![i & (OWNERS - 1)] = null;
    this.#unlink(i);
  }

  /** The page was used: the second time makes it active. */
  touch(pa: Paddr): void {
    const i = this.#frames.indexOf(pa);
    const flags = this.#flags[i]!;
    if ((flags & REFERENCED) === 0) this.#flags[i] = flags | REFERENCED;
    else if ((flags & ACTIVE) === 0) this.#activate(i);
  }

  /** The page will not be used again soon: it goes first. */
  deactivate(pa: Paddr): void {
    const i = this.#frames.indexOf(pa);
    this.#flags[i]! &= ~(REFERENCED | WAS_MAPPED);
    if ((this.#flags[i]! & ACTIVE) !== 0) this.#move(i, INACTIVE_LIST);
  }

  setDirty(pa: Paddr, isDirty: boolean): void {
    const i = this.#frames.indexOf(pa);
    const flags = this.#flags[i]!;
    this.#flags[i] = isDirty ? flags | DIRTY : flags & ~DIRTY;
  }

  isDirty(pa: Paddr): boolean {
    return (this.#flags[this.#frames.indexOf(pa)]! & DIRTY) !== 0;
  }

  /** Tries to free `pages` frames; how many it freed. */
  reclaim(pages: number): number {
    let freed = 0;
    for (let round = 0; round < ROUNDS && freed < pages; round++) {
      const isDesperate = round >= DESPERATE_ROUND;
      const total = Math.max(1, this.#length);
      for (let id = 0; 2 * id < this.#count.length && freed < pages; id++) {
        const own = this.pagesOf(id, false) + this.pagesOf(id, true);
        if (own === 0 || (id > 0 && this.#frames.charges.isSpared(id, isDesperate))) continue;
        const share = Math.ceil((pages * own) / total);
        freed += this.#reclaimRound(id, Math.min(share, pages - freed), round);
      }
    }
    this.evicted += freed;
    return freed;
  }

  /** Tries to free `pages` frames of the groups `ids`; how many it freed. */
  reclaimFrom(ids: readonly number[], pages: number): number {
    let freed = 0;
    for (let round = 0; round < ROUNDS && freed < pages; round++) {
      for (const id of ids) {
        if (freed >= pages) break;
        freed += this.#reclaimRound(id, pages - freed, round);
      }
    }
    this.evicted += freed;
    return freed;
  }

  #reclaimRound(id: number, pages: number, round: number): number {
    const inactive = this.pagesOf(id, false);
    const isDesperate = round >= DESPERATE_ROUND;
    this.#refill(id, isDesperate ? Number.POSITIVE_INFINITY : inactive);
    if (round === 0) this.#age(id, pages);
    const scan = round === 0 ? Math.min(inactive, EASY_SCAN * pages) : Number.POSITIVE_INFINITY;
    return this.#shrink(id, pages, scan, round > 0, isDesperate);
  }

  /** Frees clean pages that can be had for nothing, `pages` at most; how many. */
  reclaimEasily(pages: number): number {
    let freed = 0;
    const total = Math.max(1, this.#length);
    for (let id = 0; 2 * id < this.#count.length && freed < pages; id++) {
      const own = this.pagesOf(id, false) + this.pagesOf(id, true);
      if (own === 0 || (id > 0 && this.#frames.charges.isSpared(id, false))) continue;
      const share = Math.min(pages - freed, Math.ceil((pages * own) / total));
      this.#refill(id, this.pagesOf(id, false));
      this.#age(id, share);
      freed += this.#shrink(id, share, EASY_SCAN * pages, false, false);
    }
    this.evicted += freed;
    return freed;
  }

  /** Frees all pages that are neither dirty nor mapped. */
  dropClean(): void {
    for (let list = 0; list < this.#count.length; list++) {
      let i = this.#head[list]!;
      for (let left = this.#count[list]!; left > 0 && i !== NONE; left--) {
        const next = this.#next[i]!;
        const pa = this.#frames.addressOf(i);
        if ((this.#flags[i]! & DIRTY) === 0 && this.#frames.refs(pa) === 1) this.#evict(i, pa);
        i = next;
      }
    }
  }

  /** Takes pages from the inactive list's head until `pages` are free or `scan` were looked at. */
  #shrink(
    id: number,
    pages: number,
    scan: number,
    mayWrite: boolean,
    isDesperate: boolean,
  ): number {
    const list = listOf(id, INACTIVE_LIST);
    let freed = 0;
    for (let left = Math.min(scan, this.#count[list]!); left > 0 && freed < pages; left--) {
      const i = this.#head[list]!;
      if (i === NONE) break;
      this.scanned++;
      const flags = this.#flags[i]!;
      const pa = this.#frames.addressOf(i);
      if (this.#frames.refs(pa) > 1) {
        if ((flags & WAS_MAPPED) !== 0) {
          this.#activate(i);
          continue;
        }
        this.#flags[i] = (flags | WAS_MAPPED) & ~REFERENCED;
        this.#stamp[i] = this.#added;
        this.#ownerOf(i)!.unmap(this.#pindex[i]!);
      } else if (
        (isDesperate || !this.#isOnTrial(i, flags)) &&
        ((flags & DIRTY) === 0 || mayWrite) &&
        this.#evict(i, pa)
      ) {
        freed++;
        continue;
      }
      // Writing a page may have changed the lists.
      if (this.#ownerOf(i) !== null && (this.#flags[i]! & ACTIVE) === 0)
        this.#move(i, INACTIVE_LIST);
    }
    return freed;
  }

  #ownerOf(i: number): PageOwner | null {
    return this.#owners[i >>> OWNERS_SHIFT]![i & (OWNERS - 1)]!;
  }

  #isOnTrial(i: number, flags: number): boolean {
    return (flags & WAS_MAPPED) !== 0 && (this.#added - this.#stamp[i]!) >>> 0 < this.#grace;
  }

  #evict(i: number, pa: Paddr): boolean {
    return this.#ownerOf(i)!.evict(this.#pindex[i]!, pa);
  }

  /** Moves pages from the active list's head until it is no longer than `inactive` on the other. */
  #refill(id: number, inactive: number): void {
    const list = listOf(id, ACTIVE_LIST);
    let wanted = this.#count[list]! - inactive;
    if (inactive === Number.POSITIVE_INFINITY) wanted = this.#count[list]!;
    for (let left = this.#count[list]!; left > 0 && wanted > 0; left--) {
      const i = this.#head[list]!;
      if ((this.#flags[i]! & REFERENCED) !== 0 && inactive < Number.POSITIVE_INFINITY) {
        this.#flags[i]! &= ~REFERENCED;
        this.#move(i, ACTIVE_LIST);
        continue;
      }
      this.#flags[i]! &= ~(WAS_MAPPED | REFERENCED);
      this.#move(i, INACTIVE_LIST);
      this.deactivated++;
      wanted -= 2;
    }
  }

  /** `pages` are wanted: an eighth as many active ones go round, and leave if they were not used since they last did. */
  #age(id: number, pages: number): void {
    const list = listOf(id, ACTIVE_LIST);
    this.#unaged += Math.min(pages, AGING * this.#count[list]!);
    for (; this.#unaged >= AGING; this.#unaged -= AGING) {
      const i = this.#head[list]!;
      if (i === NONE) continue;
      const wasUsed = (this.#flags[i]! & REFERENCED) !== 0;
      this.#flags[i]! &= ~(WAS_MAPPED | REFERENCED);
      this.#move(i, wasUsed ? ACTIVE_LIST : INACTIVE_LIST);
      if (!wasUsed) this.deactivated++;
    }
  }

  #activate(i: number): void {
    this.#flags[i]! &= ~(REFERENCED | WAS_MAPPED);
    this.#move(i, ACTIVE_LIST);
    this.activated++;
  }

  #move(i: number, list: number): void {
    this.#unlink(i);
    this.#append(i, list);
  }

  #append(i: number, list: number): void {
    if (list === ACTIVE_LIST) {
      this.#flags[i]! |= ACTIVE;
      this.#active++;
    } else this.#flags[i]! &= ~ACTIVE;
    this.#length++;
    this.#link(i, listOf(this.#tags[i]! >>> KIND_BITS, list));
  }

  #link(i: number, list: number): void {
    const last = this.#tail[list]!;
    this.#prev[i] = last;
    this.#next[i] = NONE;
    if (last === NONE) this.#head[list] = i;
    else this.#next[last] = i;
    this.#tail[list] = i;
    this.#count[list]!++;
  }

  #unlink(i: number): void {
    const isActive = (this.#flags[i]! & ACTIVE) !== 0;
    if (isActive) this.#active--;
    this.#length--;
    const list = listOf(this.#tags[i]! >>> KIND_BITS, isActive ? ACTIVE_LIST : INACTIVE_LIST);
    const prev = this.#prev[i]!;
    const next = this.#next[i]!;
    if (prev === NONE) this.#head[list] = next;
    else this.#next[prev] = next;
    if (next === NONE) this.#tail[list] = prev;
    else this.#prev[next] = prev;
    this.#count[list]!--;
  }
}

/** A group's list in the arrays of all. */
function listOf(id: number, list: number): number {
  return 2 * id + list;
}
