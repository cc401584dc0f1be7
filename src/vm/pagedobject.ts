/**
 * Objects whose pages come from a pager: the page cache of a file.
 *
 * A miss reads a run of up to 64 KiB in one request, into contiguous frames
 * where the allocator has them. Clean pages are reclaimed under pressure;
 * dirty ones only if the pager can write them back.
 */
import { EFBIG, EROFS, type Errno, failed } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";
import { MAX_OBJECT_BYTES, VmObject } from "./object.ts";
import type { PageAllocator } from "./page.ts";
import type { PageOwner } from "./pagequeue.ts";
import { CHUNK_PAGES, PAGE_SIZE } from "./param.ts";

export interface Pager {
  /** Fills `into` (whole pages) from page `pindex` on, zeroes past the end of file: 0 or an error. */
  pageIn(pindex: number, into: Uint8Array): number;
  /** Writes one page back. Absent: dirty pages stay in memory. */
  pageOut?(pindex: number, from: Uint8Array): number;
}

export class PagedObject extends VmObject implements PageOwner {
  readonly isShmem = false;
  readonly #pager: Pager;

  constructor(frames: PageAllocator, pager: Pager, sizeBytes: number) {
    super(frames, sizeBytes);
    this.#pager = pager;
  }

  getPage(pindex: number, isWrite: boolean): Paddr | Errno {
    let pa: Paddr | Errno | 0 = this.pages.get(pindex);
    if (pa === 0) pa = this.#read(pindex);
    if (failed(pa)) return pa;
    if (isWrite) this.frames.queue.markDirty(pa);
    else this.frames.queue.touch(pa);
    return pa;
  }

  grabPage(pindex: number): Paddr | Errno {
    let pa: Paddr | Errno | 0 = this.pages.get(pindex);
    if (pa === 0) {
      pa = this.allocFor(pindex);
      if (failed(pa)) return pa;
      this.#keep(pindex, pa);
    }
    this.frames.queue.markDirty(pa);
    return pa;
  }

  evict(pindex: number, pa: Paddr): boolean {
    if (this.frames.refs(pa) > 1) {
      for (const m of this.mappings) m.unmapPages(pindex, pindex + 1, false);
      if (this.frames.refs(pa) > 1) return false;
    }
    if (this.frames.queue.isDirty(pa) && failed(this.#write(pindex, pa))) return false;
    this.dropPage(pindex);
    return true;
  }

  override sync(first: number, end: number): number {
    if (!this.#pager.pageOut) return 0;
    let result = 0;
    for (const pindex of this.pages.within(first, end)) {
      const pa = this.pages.get(pindex) as Paddr;
      if (!this.frames.queue.isDirty(pa)) continue;
      for (const m of this.mappings) m.writeProtect(pindex);
      const r = this.#write(pindex, pa);
      if (failed(r)) result = r;
    }
    return result;
  }

  protected override dropPage(pindex: number): void {
    const pa = this.pages.get(pindex);
    if (pa !== 0) this.frames.queue.remove(pa);
    super.dropPage(pindex);
  }

  /** 0, or why the page stays dirty. */
  #write(pindex: number, pa: Paddr): number {
    if (!this.#pager.pageOut) return EROFS;
    this.frames.hold(pa);
    const r = this.#pager.pageOut(pindex, this.frames.mem.u8.subarray(pa, pa + PAGE_SIZE));
    this.frames.release(pa);
    if (!failed(r)) this.frames.queue.markClean(pa);
    return r;
  }

  #keep(pindex: number, pa: Paddr): void {
    this.pages.set(pindex, pa);
    this.frames.queue.add(pa, this, pindex);
  }

  /** Brings in the page, and the absent ones beside it in its aligned run of 16. */
  #read(pindex: number): Paddr | Errno {
    if (pindex * PAGE_SIZE >= MAX_OBJECT_BYTES) return EFBIG;
    const wanted = this.allocFor(pindex);
    if (failed(wanted)) return wanted;
    const endPage = Math.ceil(this.sizeBytes / PAGE_SIZE);
    const runStart = pindex - (pindex % CHUNK_PAGES);
    let first = pindex;
    let end = pindex + 1;
    if (this.frames.isPlentiful) {
      while (
        first > runStart &&
        this.#extend(first - 1, wanted - (pindex - first + 1) * PAGE_SIZE)
      ) {
        first--;
      }
      const stop = Math.min(runStart + CHUNK_PAGES, endPage);
      while (end < stop && this.#extend(end, wanted + (end - pindex) * PAGE_SIZE)) end++;
    }
    const base = wanted - (pindex - first) * PAGE_SIZE;
    const into = this.frames.mem.u8.subarray(base, base + (end - first) * PAGE_SIZE);
    const r = this.#pager.pageIn(first, into);
    for (let i = first; i < end; i++) {
      const pa = (base + (i - first) * PAGE_SIZE) as Paddr;
      if (failed(r)) this.frames.release(pa);
      else this.#keep(i, pa);
    }
    return failed(r) ? r : wanted;
  }

  /** Takes the frame at exactly `pa` for an absent page: read-ahead only where it is contiguous. */
  #extend(pindex: number, pa: number): boolean {
    if (this.pages.get(pindex) !== 0) return false;
    const got = this.allocFor(pindex);
    if (got === pa) return true;
    if (!failed(got)) this.frames.release(got);
    return false;
  }
}
