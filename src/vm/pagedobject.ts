/**
 * Objects whose pages go to a pager, too: the page cache of a file.
 *
 * Clean pages are reclaimed under pressure, dirty ones are written first. Dirty
 * pages go to the pager in runs of neighbours, so that what was written in
 * order is allocated and written in order; while a run is on its way its pages
 * count as clean, and an error makes them dirty again.
 */
import { EAGAIN, EROFS, type Errno, failed } from "../abi/errno.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import type { Paddr } from "../machine/physmem.ts";
import { ErrSeq } from "./errseq.ts";
import { FilledObject } from "./filledobject.ts";
import type { PageAllocator } from "./page.ts";
import type { PageOwner } from "./pagequeue.ts";
import type { Pager } from "./pager.ts";
import { PAGE_SIZE } from "./param.ts";
import { DirtyDomain, type DirtyObject } from "./writeback.ts";

/** Most pages of one pageOut: 1 MiB. */
const CLUSTER_PAGES = 256;

export class PagedObject extends FilledObject implements PageOwner, DirtyObject {
  dirtySinceNs = WIDE_ZERO;
  /** What went wrong when its pages were written. */
  override readonly errors = new ErrSeq();
  readonly #domain: DirtyDomain;

  /** `domain`: that of the pager's file system; by default one of its own. */
  constructor(frames: PageAllocator, pager: Pager, sizeBytes: number, domain?: DirtyDomain) {
    super(frames, pager, sizeBytes);
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
    if (pa === 0) pa = this.readAround(pindex);
    if (failed(pa)) return pa;
    this.frames.queue.touch(pa);
    return isWrite ? this.#dirty(pindex, pa) : pa;
  }

  grabPage(pindex: number): Paddr | Errno {
    let pa: Paddr | Errno | 0 = this.pages.get(pindex);
    if (pa === 0) {
      pa = this.allocFor(pindex);
      if (failed(pa)) return pa;
      this.keep(pindex, pa);
      const r = this.#dirty(pindex, pa);
      if (failed(r)) this.dropPage(pindex);
      return r;
    }
    return this.#dirty(pindex, pa);
  }

  override markDirty(pindex: number): number {
    const pa = this.pages.get(pindex);
    return pa === 0 ? 0 : this.#dirty(pindex, pa);
  }

  override mayStore(pindex: number): number {
    const r = this.markDirty(pindex);
    return failed(r) ? r : (this.pager.mayStore?.(pindex) ?? 0);
  }

  override throttle(): number {
    return this.frames.writeback.throttle(this.#domain);
  }

  override readBytes(offset: number, into: Uint8Array): number {
    const { u8 } = this.frames.mem;
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const pindex = Math.floor(at / PAGE_SIZE);
      const inPage = at % PAGE_SIZE;
      const pa = this.pages.get(pindex);
      const end = pa === 0 ? this.#absentFrom(pindex, offset + into.length) : pindex + 1;
      const part = into.subarray(done, Math.min(into.length, end * PAGE_SIZE - offset));
      if (pa !== 0) part.set(u8.subarray(pa + inPage, pa + inPage + part.length));
      else {
        const r = this.#readPast(pindex, end, inPage, part);
        if (failed(r)) return r;
      }
      done += part.length;
    }
    return 0;
  }

  override writeBytes(offset: number, from: Uint8Array): number {
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const pindex = Math.floor(at / PAGE_SIZE);
      const inPage = at % PAGE_SIZE;
      const pa = this.pages.get(pindex);
      const end = pa === 0 ? this.#absentFrom(pindex, offset + from.length) : pindex + 1;
      const part = from.subarray(done, Math.min(from.length, end * PAGE_SIZE - offset));
      const r = pa === 0 ? this.#writePast(pindex, end, inPage, part) : this.mayStore(pindex);
      if (failed(r)) return r;
      if (pa !== 0) this.putBytes(pa as Paddr, inPage, part);
      done += part.length;
    }
    return 0;
  }

  /** Where the run of absent pages ends that begins with `pindex`, no further than byte `limit`. */
  #absentFrom(pindex: number, limit: number): number {
    const stop = Math.min(pindex + CLUSTER_PAGES, Math.ceil(limit / PAGE_SIZE));
    let end = pindex + 1;
    while (end < stop && this.pages.get(end) === 0) end++;
    return end;
  }

  /** Reads a part of the absent pages [first, end), from byte `at` on. */
  #readPast(first: number, end: number, at: number, part: Uint8Array): number {
    const length = (end - first) * PAGE_SIZE;
    if (part.length === length) return this.pager.pageIn(first, part);
    const whole = new Uint8Array(length);
    const r = this.pager.pageIn(first, whole);
    if (!failed(r)) part.set(whole.subarray(at, at + part.length));
    return r;
  }

  /** Writes a part of the absent pages [first, end), from byte `at` on; what is around it stays. */
  #writePast(first: number, end: number, at: number, part: Uint8Array): number {
    const pager = this.pager;
    if (!pager.pageOut) return EROFS;
    const length = (end - first) * PAGE_SIZE;
    let bytes = part;
    if (part.length !== length) {
      bytes = new Uint8Array(length);
      const lastStart = length - PAGE_SIZE;
      let r = at === 0 ? 0 : pager.pageIn(first, bytes.subarray(0, PAGE_SIZE));
      const isLastRead = at + part.length < length && (lastStart > 0 || at === 0);
      if (!failed(r) && isLastRead) r = pager.pageIn(end - 1, bytes.subarray(lastStart));
      if (failed(r)) return r;
      bytes.set(part, at);
    }
    let r = 0;
    let asked = first;
    while (asked < end && !failed(r)) {
      r = pager.mayDirty?.(asked) ?? 0;
      if (!failed(r)) asked++;
    }
    if (!failed(r)) r = pager.pageOut(first, bytes);
    if (failed(r)) for (let i = first; i < asked; i++) pager.undirtied?.(i);
    return r;
  }

  override grow(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
    this.pager.grown?.(sizeBytes);
  }

  evict(pindex: number, pa: Paddr): boolean {
    if (this.frames.refs(pa) > 1) return false;
    if (this.frames.queue.isDirty(pa)) {
      if (this.#domain.isResting()) return false;
      this.#writeAround(pindex);
      // What it wrote meanwhile may have dropped the page, or used it.
      if (this.pages.get(pindex) !== pa) return false;
      if (this.frames.queue.isDirty(pa) || this.frames.refs(pa) > 1) return false;
    }
    this.dropPage(pindex);
    return true;
  }

  override sync(first: number, end: number, maxPages = Number.POSITIVE_INFINITY): number {
    if (!this.pager.pageOut || this.pages.dirtyPages === 0) return 0;
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
    this.pager.undirtied?.(pindex);
    this.#noteClean();
  }

  /** Marks a page dirty, if the pager lets it: `pa`, or why not. */
  #dirty(pindex: number, pa: Paddr): Paddr | Errno {
    if (this.frames.queue.isDirty(pa)) return pa;
    if (!this.pager.pageOut) return EROFS;
    const r = this.pager.mayDirty?.(pindex) ?? 0;
    if (failed(r)) return r;
    this.frames.writeback.pageDirtied();
    this.#markDirty(pindex, pa);
    return pa;
  }

  #markDirty(pindex: number, pa: Paddr): void {
    this.frames.queue.setDirty(pa, true);
    this.pages.setDirty(pindex);
    this.frames.writeback.dirtyPages++;
    if (this.pages.dirtyPages > 1 || this.#domain.objects.has(this)) return;
    this.dirtySinceNs = this.frames.writeback.nowNs;
    this.#domain.add(this);
    this.pager.dirtyChanged?.(true);
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
    this.pager.dirtyChanged?.(false);
  }

  /** Writes the run of dirty pages that `pindex` is in, as far as it is one cluster. */
  #writeAround(pindex: number): void {
    const start = pindex - (pindex % CLUSTER_PAGES);
    let first = pindex;
    while (first > start && this.pages.isDirty(first - 1)) first--;
    let end = pindex + 1;
    while (end < start + CLUSTER_PAGES && this.pages.isDirty(end)) end++;
    const r = this.#writeRun(first, end - first);
    if (!failed(r) || r === EAGAIN) return;
    this.#note(r);
    this.#domain.rest();
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
    if (failed(r) && r !== EAGAIN) this.#note(r);
    return r;
  }

  #note(error: number): void {
    this.errors.set(error);
    this.#domain.errors.set(error);
  }

  #writeRun(first: number, count: number): number {
    const { frames, pages } = this;
    const { writeback } = frames;
    writeback.passes++;
    const isMapped = this.mappings.size > 0;
    const pas: Paddr[] = [];
    let isContiguous = true;
    for (let i = 0; i < count; i++) {
      const pa = pages.get(first + i) as Paddr;
      if (i > 0 && pa !== pas[i - 1]! + PAGE_SIZE) isContiguous = false;
      pas.push(pa);
      if (isMapped) for (const m of this.mappings) m.writeProtect(first + i);
      frames.hold(pa);
      this.#clean(first + i, pa);
    }
    this.zeroTail();
    const { u8 } = frames.mem;
    const length = count * PAGE_SIZE;
    let r: number;
    if (isContiguous) {
      r = this.pager.pageOut!(first, u8.subarray(pas[0]!, pas[0]! + length));
    } else {
      const copy = writeback.borrowBuffer(length);
      for (let i = 0; i < count; i++) {
        copy.set(u8.subarray(pas[i]!, pas[i]! + PAGE_SIZE), i * PAGE_SIZE);
      }
      r = this.pager.pageOut!(first, copy.subarray(0, length));
      writeback.returnBuffer(copy);
    }
    for (let i = 0; i < count; i++) {
      const pa = pas[i]!;
      frames.release(pa);
      // Not if it was dropped, or dirtied again, meanwhile.
      if (failed(r) && pages.get(first + i) === pa && !pages.isDirty(first + i)) {
        this.#markDirty(first + i, pa);
      }
    }
    if (failed(r)) writeback.failedPages += count;
    else writeback.written += count;
    this.#noteClean();
    return r;
  }
}
