/**
 * Objects whose pages come from a pager.
 *
 * A miss reads an aligned 64 KiB in one request, into contiguous frames where
 * the allocator has them, and more when a program touches one after the other;
 * read(2) says itself how much to fill. Pages are on the page queue, in the
 * order in which to give them up.
 */
import { EFBIG, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";
import { MAX_OBJECT_BYTES, VmObject } from "./object.ts";
import type { PageAllocator } from "./page.ts";
import type { PageOwner } from "./pagequeue.ts";
import type { Pager } from "./pager.ts";
import { CHUNK_PAGES, PAGE_SIZE } from "./param.ts";

/** Most pages read around one that a program touched in a file that it goes through in order. */
const AROUND_MAX = 128;

export abstract class FilledObject extends VmObject implements PageOwner {
  readonly isShmem = false;
  protected readonly pager: Pager;
  /** Where the pages end that were read around the last one that a program touched, and how many they were. */
  #aroundNext = -1;
  #aroundPages = CHUNK_PAGES;

  constructor(frames: PageAllocator, pager: Pager, sizeBytes: number) {
    super(frames, sizeBytes);
    this.pager = pager;
  }

  abstract evict(pindex: number, pa: Paddr): boolean;

  unmap(pindex: number): void {
    for (const m of this.mappings) m.unmapPages(pindex, pindex + 1, false);
  }

  override touch(pa: Paddr): void {
    this.frames.queue.touch(pa);
  }

  protected keep(pindex: number, pa: Paddr): void {
    this.pages.set(pindex, pa);
    this.frames.queue.add(pa, this, pindex);
  }

  /** Brings in a page that a program touched, and the absent ones around it. */
  protected readAround(pindex: number): Paddr | Errno {
    if (pindex * PAGE_SIZE >= MAX_OBJECT_BYTES) return EFBIG;
    const endPage = Math.ceil(this.sizeBytes / PAGE_SIZE);
    if (pindex >= endPage) return this.#zeroFill(pindex);
    let first = pindex - (pindex % CHUNK_PAGES);
    if (first === this.#aroundNext) this.#aroundPages = Math.min(2 * this.#aroundPages, AROUND_MAX);
    else this.#aroundPages = CHUNK_PAGES;
    let end = Math.min(first + this.#aroundPages, endPage);
    this.#aroundNext = end;
    if (!this.frames.makeRoom(end - first)) {
      first = pindex;
      end = pindex + 1;
    }
    const r = this.#fillFrom(first, end, pindex);
    if (failed(r)) return r;
    return this.pages.get(pindex) as Paddr;
  }

  override fill(first: number, end: number): number {
    const stop = Math.min(end, Math.ceil(this.sizeBytes / PAGE_SIZE));
    if (first >= stop) return 0;
    this.frames.makeRoom(stop - first);
    return this.#fillFrom(first, stop, first);
  }

  /**
   * Reads the absent pages of [first, end), in as few reads as there are runs of absent pages in
   * contiguous frames. 0; an error only if the page `wanted` could not be had.
   */
  #fillFrom(first: number, end: number, wanted: number): number {
    const run: Paddr[] = [];
    let result = 0;
    let next = 0;
    for (let i = first; i <= end; i++) {
      const isAbsent = i < end && this.pages.get(i) === 0;
      const pa = isAbsent ? this.#frameFor(i, i === wanted) : 0;
      if (run.length > 0 && pa !== next) {
        const r = this.#readRun(i - run.length, run);
        if (failed(r)) result = r;
        run.length = 0;
      }
      next = pa + PAGE_SIZE;
      if (!failed(pa) && pa !== 0) run.push(pa);
      else if (failed(pa) && i === wanted) return pa;
      else if (failed(pa) && i > wanted) break;
    }
    return this.pages.get(wanted) === 0 ? result : 0;
  }

  /** A frame for an absent page; one that only may be wanted is not worth a reclaim. */
  #frameFor(pindex: number, isWanted: boolean): Paddr | Errno {
    return isWanted || this.frames.freePages > 0 ? this.allocFor(pindex) : ENOMEM;
  }

  /** Reads pages into contiguous frames; where that fails, page by page: 0, or the last error. */
  #readRun(first: number, run: readonly Paddr[]): number {
    const start = run[0]!;
    const { u8 } = this.frames.mem;
    const whole = this.pager.pageIn(first, u8.subarray(start, start + run.length * PAGE_SIZE));
    let result = 0;
    for (let i = 0; i < run.length; i++) {
      const pa = run[i]!;
      let r = whole;
      if (failed(r) && run.length > 1) {
        r = this.pager.pageIn(first + i, u8.subarray(pa, pa + PAGE_SIZE));
      }
      if (failed(r)) {
        result = r;
        this.frames.release(pa);
      } else {
        this.keep(first + i, pa);
      }
    }
    return result;
  }

  #zeroFill(pindex: number): Paddr | Errno {
    const pa = this.allocFor(pindex);
    if (failed(pa)) return pa;
    this.frames.zero(pa);
    this.keep(pindex, pa);
    return pa;
  }

  override deactivate(first: number, end: number): void {
    for (const pindex of this.pages.within(first, end)) {
      this.frames.queue.deactivate(this.pages.get(pindex) as Paddr);
    }
  }

  override dropClean(first: number, end: number): void {
    for (const pindex of this.pages.within(first, end)) {
      const pa = this.pages.get(pindex) as Paddr;
      if (this.frames.refs(pa) === 1 && !this.frames.queue.isDirty(pa)) this.dropPage(pindex);
    }
  }
}
