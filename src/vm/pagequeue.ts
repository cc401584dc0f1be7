/**
 * The page queue: pages of the page cache, in the order in which to reclaim them.
 *
 * A queue with a second chance: a page used since it was last looked at goes
 * to the tail once more. A frame is on the queue exactly while a PagedObject
 * holds it; `owner` and `pindex` lead back to it.
 */
import type { Paddr } from "../machine/physmem.ts";
import type { PageAllocator } from "./page.ts";

/** What a page on the queue belongs to. */
export interface PageOwner {
  /** Gives the page up, unmapping it wherever it is mapped; false if it must stay. */
  evict(pindex: number, pa: Paddr): boolean;
}

const NONE = -1;
const REFERENCED = 1;
const DIRTY = 2;

export class PageQueue {
  readonly #frames: PageAllocator;
  readonly #owner: (PageOwner | null)[];
  readonly #pindex: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  #head = NONE;
  #tail = NONE;
  /** Pages on the queue: "Cached" of /proc/meminfo, but for shared memory. */
  length = 0;
  /** Pages given up under pressure since boot. */
  evicted = 0;

  constructor(frames: PageAllocator) {
    this.#frames = frames;
    const n = frames.totalPages;
    this.#owner = new Array<PageOwner | null>(n).fill(null);
    this.#pindex = new Uint32Array(n);
    this.#flags = new Uint8Array(n);
    this.#next = new Int32Array(n);
    this.#prev = new Int32Array(n);
  }

  add(pa: Paddr, owner: PageOwner, pindex: number): void {
    const i = this.#frames.indexOf(pa);
    this.#owner[i] = owner;
    this.#pindex[i] = pindex;
    this.#flags[i] = 0;
    this.#append(i);
    this.length++;
  }

  remove(pa: Paddr): void {
    const i = this.#frames.indexOf(pa);
    this.#owner[i] = null;
    this.#unlink(i);
    this.length--;
  }

  /** The page was used: it gets its second chance. */
  touch(pa: Paddr): void {
    const i = this.#frames.indexOf(pa);
    this.#flags[i] = this.#flags[i]! | REFERENCED;
  }

  setDirty(pa: Paddr, isDirty: boolean): void {
    const i = this.#frames.indexOf(pa);
    const flags = this.#flags[i]!;
    this.#flags[i] = isDirty ? flags | DIRTY : flags & ~DIRTY;
  }

  isDirty(pa: Paddr): boolean {
    return (this.#flags[this.#frames.indexOf(pa)]! & DIRTY) !== 0;
  }

  /** Tries to free `pages` frames, least recently used first; how many it freed. */
  reclaim(pages: number): number {
    let freed = 0;
    // Twice round: the first pass may only take second chances away.
    for (let left = 2 * this.length; left > 0 && freed < pages && this.#head !== NONE; left--) {
      const i = this.#head;
      this.#unlink(i);
      this.#append(i);
      if ((this.#flags[i]! & REFERENCED) !== 0) {
        this.#flags[i] = this.#flags[i]! & ~REFERENCED;
      } else if (this.#owner[i]!.evict(this.#pindex[i]!, this.#frames.addressOf(i))) {
        freed++;
      }
    }
    this.evicted += freed;
    return freed;
  }

  #append(i: number): void {
    this.#prev[i] = this.#tail;
    this.#next[i] = NONE;
    if (this.#tail === NONE) this.#head = i;
    else this.#next[this.#tail] = i;
    this.#tail = i;
  }

  #unlink(i: number): void {
    const prev = this.#prev[i]!;
    const next = this.#next[i]!;
    if (prev === NONE) this.#head = next;
    else this.#next[prev] = next;
    if (next === NONE) this.#tail = prev;
    else this.#prev[next] = prev;
  }
}
