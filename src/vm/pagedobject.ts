/**
 * Objects whose pages come from a pager: the page cache of a file.
 *
 * A miss reads a run of up to 64 KiB in one request, into contiguous frames
 * where the allocator has them. Clean pages are reclaimed under pressure;
 * dirty ones are written first. Dirty pages go to the pager in runs of
 * neighbours, so that what was written in order is allocated and written in
 * order; while a run is on its way its pages count as clean, and an error
 * makes them dirty again.
 */
import { EAGAIN, EFBIG, EROFS, type Errno, failed } from "../abi/errno.ts";
import type { Paddr } from "../machine/physmem.ts";
import { ErrSeq } from "./errseq.ts";
import { MAX_OBJECT_BYTES, VmObject } from "./object.ts";
import type { PageAllocator } from "./page.ts";
import type { PageOwner } from "./pagequeue.ts";
import type { Pager } from "./pager.ts";
import { CHUNK_PAGES, PAGE_MASK, PAGE_SIZE } from "./param.ts";
import { DirtyDomain, type DirtyObject } from "./writeback.ts";

/** Most pages of one pageOut: 1 MiB. */
const CLUSTER_PAGES = 256;

export class PagedObject extends VmObject implements PageOwner, DirtyObject {
  readonly isShmem = false;
  dirtySinceNs = 0;
  /** What went wrong when its pages were written. */
  override readonly errors = new ErrSeq();
  readonly #pager: Pager;
  readonly #domain: DirtyDomain;

  /** `domain`: that of the pager's file system; by default one of its own. */
  constructor(frames: PageAllocator, pager: Pager, sizeBytes: number, domain?: DirtyDomain) {
    super(frames, sizeBytes);
    this.#pager = pager;
    this.#domain = domain ?? new DirtyDomain(frames.writeback);
  }

  get dirtyPages(): number {
    return this.pages.dirtyPages;
  }

  /** The dirty pages of [first, end), ascending. */
  dirtyWithin(first: number, end: number): readonly number[] {
    return this.pages.dirtyWithin(first, end);
  }

  getPage(pindex: number, isWrite: boolean): Paddr | Errno {
    let pa: Paddr | Errno | 0 = this.pages.get(pindex);
    if (pa === 0) pa = this.#read(pindex);
    if (failed(pa)) return pa;
    this.frames.queue.touch(pa);
    return isWrite ? this.#dirty(pindex, pa) : pa;
  }

  grabPage(pindex: number): Paddr | Errno {
    let pa: Paddr | Errno | 0 = this.pages.get(pindex);
    if (pa === 0) {
      pa = this.allocFor(pindex);
      if (failed(pa)) return pa;
      this.#keep(pindex, pa);
      const r = this.#dirty(pindex, pa);
      if (failed(r)) this.dropPage(pindex);
      return r;
    }
    return this.#dirty(pindex, pa);
  }

  override fillRest(pindex: number, pa: Paddr, from: number): number {
    const rest = this.frames.mem.u8.subarray(pa + from, pa + PAGE_SIZE);
    if (pindex * PAGE_SIZE >= this.sizeBytes) {
      if (from === 0) this.dropPage(pindex);
      else rest.fill(0);
      return 0;
    }
    const whole = new Uint8Array(PAGE_SIZE);
    const r = this.#pager.pageIn(pindex, whole);
    if (failed(r)) this.dropPage(pindex);
    else rest.set(whole.subarray(from));
    return r;
  }

  override grow(sizeBytes: number): void {
    this.zeroTail();
    this.sizeBytes = sizeBytes;
    this.#pager.grown?.(sizeBytes);
  }

  evict(pindex: number, pa: Paddr): boolean {
    if (this.frames.refs(pa) > 1) {
      for (const m of this.mappings) m.unmapPages(pindex, pindex + 1, false);
      if (this.frames.refs(pa) > 1) return false;
    }
    if (this.frames.queue.isDirty(pa)) {
      this.#writeAround(pindex);
      // What it wrote meanwhile may have dropped the page, or used it.
      if (this.pages.get(pindex) !== pa) return false;
      if (this.frames.queue.isDirty(pa) || this.frames.refs(pa) > 1) return false;
    }
    this.dropPage(pindex);
    return true;
  }

  override sync(first: number, end: number, maxPages = Number.POSITIVE_INFINITY): number {
    if (!this.#pager.pageOut || this.pages.dirtyPages === 0) return 0;
    const dirty = this.pages.dirtyWithin(first, end, maxPages);
    let result = 0;
    for (let i = 0; i < dirty.length; ) {
      let n = 1;
      while (n < CLUSTER_PAGES && dirty[i + n] === dirty[i]! + n) n++;
      const r = this.#write(dirty[i]!, n);
      if (failed(r) && result === 0) result = r;
      if (r === EAGAIN) break;
      i += n;
    }
    return result;
  }

  protected override dropPage(pindex: number): void {
    const pa = this.pages.get(pindex);
    if (pa === 0) return;
    const wasDirty = this.#clean(pindex, pa);
    this.frames.queue.remove(pa);
    super.dropPage(pindex);
    if (!wasDirty) return;
    this.#pager.undirtied?.(pindex);
    this.#noteClean();
  }

  /** Marks a page dirty, if the pager lets it: `pa`, or why not. */
  #dirty(pindex: number, pa: Paddr): Paddr | Errno {
    if (this.frames.queue.isDirty(pa)) return pa;
    if (!this.#pager.pageOut) return EROFS;
    const r = this.#pager.mayDirty?.(pindex) ?? 0;
    if (failed(r)) return r;
    this.#markDirty(pindex, pa);
    return pa;
  }

  #markDirty(pindex: number, pa: Paddr): void {
    this.frames.queue.setDirty(pa, true);
    this.pages.setDirty(pindex);
    this.frames.writeback.pageDirtied();
    if (this.pages.dirtyPages > 1 || this.#domain.objects.has(this)) return;
    this.dirtySinceNs = this.frames.writeback.nowNs;
    this.#domain.add(this);
    this.#pager.dirtyChanged?.(true);
  }

  /** True if it was dirty; `#noteClean` must follow. */
  #clean(pindex: number, pa: Paddr): boolean {
    if (!this.pages.setClean(pindex)) return false;
    this.frames.queue.setDirty(pa, false);
    this.frames.writeback.dirtyPages--;
    return true;
  }

  #noteClean(): void {
    if (this.pages.dirtyPages > 0 || !this.#domain.objects.has(this)) return;
    this.#domain.remove(this);
    this.#pager.dirtyChanged?.(false);
  }

  /** Writes the run of dirty pages that `pindex` is in, as far as it is one cluster. */
  #writeAround(pindex: number): void {
    const start = pindex - (pindex % CLUSTER_PAGES);
    let first = pindex;
    while (first > start && this.pages.isDirty(first - 1)) first--;
    let end = pindex + 1;
    while (end < start + CLUSTER_PAGES && this.pages.isDirty(end)) end++;
    this.#write(first, end - first);
  }

  /** Writes `count` dirty neighbours: 0, or why they, or some of them, stay dirty. */
  #write(first: number, count: number): number {
    let r = this.#writeRun(first, count);
    if (!failed(r)) return 0;
    if (r !== EAGAIN && count > 1) {
      r = 0;
      for (let i = first; i < first + count; i++) {
        if (!this.pages.isDirty(i)) continue;
        const one = this.#writeRun(i, 1);
        if (failed(one)) r = one;
        if (one === EAGAIN) break;
      }
    }
    if (failed(r) && r !== EAGAIN) {
      this.errors.set(r);
      this.#domain.errors.set(r);
    }
    return r;
  }

  #writeRun(first: number, count: number): number {
    const { frames, pages } = this;
    const pas: Paddr[] = [];
    for (let i = 0; i < count; i++) {
      const pa = pages.get(first + i) as Paddr;
      pas.push(pa);
      for (const m of this.mappings) m.writeProtect(first + i);
      frames.hold(pa);
      this.#clean(first + i, pa);
    }
    this.zeroTail();
    const r = this.#pager.pageOut!(first, this.#bytesOf(pas));
    for (let i = 0; i < count; i++) {
      const pa = pas[i]!;
      frames.release(pa);
      // Not if it was dropped, or dirtied again, meanwhile.
      if (failed(r) && pages.get(first + i) === pa && !pages.isDirty(first + i)) {
        this.#markDirty(first + i, pa);
      }
    }
    if (failed(r)) frames.writeback.failedPages += count;
    else frames.writeback.written += count;
    this.#noteClean();
    return r;
  }

  /** The frames as one run of bytes: themselves if they are contiguous, else a copy. */
  #bytesOf(pas: readonly Paddr[]): Uint8Array {
    const { u8 } = this.frames.mem;
    const start = pas[0]!;
    const length = pas.length * PAGE_SIZE;
    if (pas.every((pa, i) => pa === start + i * PAGE_SIZE))
      return u8.subarray(start, start + length);
    const copy = new Uint8Array(length);
    for (const [i, pa] of pas.entries()) copy.set(u8.subarray(pa, pa + PAGE_SIZE), i * PAGE_SIZE);
    return copy;
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
    if (pindex >= endPage) {
      this.frames.zero(wanted);
      this.#keep(pindex, wanted);
      return wanted;
    }
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

  /** Clears what a shared map may have stored past the end of the file in its last page. */
  zeroTail(): void {
    const rest = this.sizeBytes & PAGE_MASK;
    const pa =
      rest === 0 || this.mappings.size === 0
        ? 0
        : this.lookup(Math.floor(this.sizeBytes / PAGE_SIZE));
    if (pa !== 0) this.frames.mem.bulk.zero(pa + rest, PAGE_SIZE - rest);
  }
}
