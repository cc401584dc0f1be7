/**
 * VM objects: memory that has a name of its own, mapped by many and read or
 * written as a file through the very same pages.
 *
 * An object holds one reference to each of its pages; every page table entry
 * that maps one holds another. `mappings` are all the map entries on it, so a
 * page can be taken out of every address space before it goes (truncate,
 * reclaim). A frame that `getPage` returned stays valid until the next
 * allocation: who keeps it longer, or copies to or from user memory meanwhile,
 * holds it (`frames.hold`, `frames.release`).
 */
import { EAGAIN, EFBIG, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import { FILE_PAGE, SHMEM_PAGE } from "../kern/cgroup/memorygroup.ts";
import type { WaitWords } from "../kern/waitwords.ts";
import type { Paddr } from "../machine/physmem.ts";
import type { ErrSeq } from "./errseq.ts";
import type { PageAllocator } from "./page.ts";
import { PageMap } from "./pagemap.ts";
import { CHUNK_PAGES, CHUNK_SIZE, PAGE_MASK, PAGE_SIZE } from "./param.ts";

/** Largest object: page numbers fit 32 bits. */
export const MAX_OBJECT_BYTES = 2 ** 44 - PAGE_SIZE;

/** One place where an object is mapped. */
export interface Mapping {
  /** Stores through it reach the object, now or after an mprotect(2). */
  readonly isSharedWritable: boolean;
  /** Unmaps the object's pages [first, end); private copies of them too if `evenCopies`. */
  unmapPages(first: number, end: number, evenCopies: boolean): void;
  /** Makes the next write to a page fault again, so that it is noticed. */
  writeProtect(pindex: number): void;
}

export abstract class VmObject {
  readonly frames: PageAllocator;
  readonly mappings = new Set<Mapping>();
  /** Stores through a map may have reached the last page's bytes past the end. */
  mayHaveTail = false;
  /** Who sleeps on words of this object, by byte offset: shared futexes. Null while nobody ever did. */
  waitWords: WaitWords | null = null;
  refs = 1;
  sizeBytes: number;
  /** mremap(2) makes no map of it longer. */
  readonly isOfFixedSize: boolean = false;
  /** A write under way makes it longer than a page. */
  willOutgrowPage = false;
  protected readonly pages = new PageMap();
  /** The chunk being filled: its number, token, and the aligned run of pages it is for. */
  #chunk = -1;
  #token = 0;
  #run = -1;

  constructor(frames: PageAllocator, sizeBytes: number) {
    this.frames = frames;
    this.sizeBytes = sizeBytes;
  }

  /** Counted as shared memory (RssShmem), not as file pages. */
  abstract readonly isShmem: boolean;

  /** The frame of a page, filled; the page becomes dirty if `isWrite`. ENOMEM, EIO, EFBIG. */
  abstract getPage(pindex: number, isWrite: boolean): Paddr | Errno;

  /**
   * As getPage for writing, for a caller that fills all of the page at once, or discards it: an absent
   * page comes with what its frame held before.
   */
  abstract grabPage(pindex: number): Paddr | Errno;

  /** What went wrong when pages were written back; null where they never are. */
  readonly errors: ErrSeq | null = null;

  /** A page that is present was written, or is about to be: 0, or why it must not be. */
  markDirty(_pindex: number): number {
    return 0;
  }

  /** As `markDirty`, for who may store anywhere in the page from now on. */
  mayStore(pindex: number): number {
    return this.markDirty(pindex);
  }

  /** A program used the page. */
  touch(_pa: Paddr): void {}

  /** To be called by who dirtied pages: writes some back if there are too many. An error if that is of no use. */
  throttle(): number {
    return 0;
  }

  /** Brings absent pages of [first, end) in ahead of use, as far as that goes well; an error if not even the first. */
  fill(_first: number, _end: number): number {
    return 0;
  }

  /** The pages of [first, end) will not be used soon. */
  deactivate(_first: number, _end: number): void {}

  /** Forgets the pages of [first, end) that are neither dirty nor in use. */
  dropClean(_first: number, _end: number): void {}

  /**
   * Fills `into` with what is at `offset`, zeroes past the end, for the kernel itself: what is in memory
   * as it is there, the rest past the page cache, so that no frame is needed. 0, or EIO.
   */
  readBytes(offset: number, into: Uint8Array): number {
    const { u8 } = this.frames.mem;
    for (let done = 0; done < into.length; ) {
      const inPage = (offset + done) % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - inPage, into.length - done);
      const pa = this.lookup(Math.floor((offset + done) / PAGE_SIZE));
      if (pa === 0) into.fill(0, done, done + n);
      else into.set(u8.subarray(pa + inPage, pa + inPage + n), done);
      done += n;
    }
    return 0;
  }

  /**
   * The same way back, within the size. 0, ENOSPC, EIO, …; EAGAIN while memory is being reclaimed and
   * some is needed for it.
   */
  writeBytes(offset: number, from: Uint8Array): number {
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const n = Math.min(PAGE_SIZE - (at % PAGE_SIZE), from.length - done);
      const pa = this.getPage(Math.floor(at / PAGE_SIZE), true);
      if (failed(pa)) return pa === ENOMEM && this.frames.isReclaiming ? EAGAIN : pa;
      this.putBytes(pa, at % PAGE_SIZE, from.subarray(done, done + n));
      done += n;
    }
    return 0;
  }

  /** Changes bytes of a frame that may hold code, too. */
  protected putBytes(pa: Paddr, at: number, bytes: Uint8Array): void {
    this.frames.mem.u8.set(bytes, pa + at);
    this.frames.codeWritten((pa + at) as Paddr, bytes.length);
  }

  /** Before it becomes larger, or is written back: clears what a shared map may have stored past the end of the last page. */
  zeroTail(): void {
    if (!this.mayHaveTail) return;
    this.mayHaveTail = this.mappings.size > 0;
    const rest = this.sizeBytes & PAGE_MASK;
    const pa = rest === 0 ? 0 : this.lookup(Math.floor(this.sizeBytes / PAGE_SIZE));
    if (pa === 0) return;
    this.frames.mem.bulk.zero(pa + rest, PAGE_SIZE - rest);
    this.frames.codeWritten((pa + rest) as Paddr, PAGE_SIZE - rest);
  }

  /** A write made it larger. */
  grow(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
  }

  /** The frame of a page that is present, else 0. */
  lookup(pindex: number): Paddr | 0 {
    return this.pages.get(pindex);
  }

  get residentPages(): number {
    return this.pages.size;
  }

  /** The pages present in [first, end), ascending: for SEEK_DATA and the like. */
  resident(first: number, end: number): Generator<number> {
    return this.pages.within(first, end);
  }

  /** Changes the size. What lies beyond the end is gone, also for those who mapped it. */
  truncate(sizeBytes: number): void {
    const isShorter = sizeBytes < this.sizeBytes;
    if (!isShorter) this.zeroTail();
    this.sizeBytes = sizeBytes;
    if (!isShorter) return;
    this.discard(Math.ceil(sizeBytes / PAGE_SIZE), Number.POSITIVE_INFINITY);
    const rest = sizeBytes & PAGE_MASK;
    const last = rest === 0 ? 0 : this.lookup(Math.floor(sizeBytes / PAGE_SIZE));
    if (last !== 0) {
      this.frames.mem.bulk.zero(last + rest, PAGE_SIZE - rest);
      this.frames.codeWritten((last + rest) as Paddr, PAGE_SIZE - rest);
    }
  }

  /** Drops the pages [first, end), as a punched hole: they read as the backing store has them. */
  discard(first: number, end: number): void {
    for (const m of this.mappings) m.unmapPages(first, end, true);
    for (const pindex of this.pages.within(first, end)) this.dropPage(pindex);
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    this.unreserve();
    for (const pindex of this.pages.within(0, Number.POSITIVE_INFINITY)) this.dropPage(pindex);
  }

  /** Writes dirty pages of [first, end) to the backing store: 0, or the first error. */
  sync(_first: number, _end: number, _maxPages?: number): number {
    return 0;
  }

  protected dropPage(pindex: number): void {
    const pa = this.pages.remove(pindex);
    if (pa !== 0) this.frames.release(pa);
  }

  /** A frame for a page, contiguous with its neighbours if that can be. */
  protected allocFor(pindex: number): Paddr | Errno {
    if (pindex * PAGE_SIZE >= MAX_OBJECT_BYTES) return EFBIG;
    const { charges } = this.frames;
    if (charges.payer === null) return this.#placeFor(pindex);
    if (!charges.admit()) return ENOMEM;
    const pa = this.#placeFor(pindex);
    charges.allocated(pa, this.isShmem ? SHMEM_PAGE : FILE_PAGE);
    return pa;
  }

  #placeFor(pindex: number): Paddr | Errno {
    const run = pindex >>> 4;
    if (run !== this.#run) {
      const beside = this.#allocBeside(pindex);
      if (beside !== 0) return beside;
      this.unreserve();
      // A lone page of a short file is not worth a chunk.
      if (this.sizeBytes <= PAGE_SIZE && !this.willOutgrowPage) return this.frames.alloc();
      const chunk = this.frames.reserve();
      if (chunk >= 0) {
        this.#chunk = chunk;
        this.#token = this.frames.tokenOf(chunk);
        this.#run = run;
      }
    }
    if (this.#run === run) {
      const pa = this.frames.allocIn(this.#chunk, this.#token, pindex & (CHUNK_PAGES - 1));
      if (pa !== 0) return pa;
    }
    return this.frames.alloc();
  }

  /** The place of a page whose run was begun earlier, beside the pages of it, if that is still free; else 0. */
  #allocBeside(pindex: number): Paddr | 0 {
    const place = pindex & (CHUNK_PAGES - 1);
    for (let i = 0; i < CHUNK_PAGES; i++) {
      const near = this.pages.get(pindex - place + i);
      if (near === 0 || (near & (CHUNK_SIZE - 1)) !== i * PAGE_SIZE) continue;
      return this.frames.allocAt((near + (place - i) * PAGE_SIZE) as Paddr);
    }
    return 0;
  }

  protected unreserve(): void {
    if (this.#run >= 0) this.frames.unreserve(this.#chunk, this.#token);
    this.#run = -1;
  }
}

/** Zero-filled memory without a backing store: shared anonymous maps, tmpfs files, memfd. */
export class AnonObject extends VmObject {
  readonly isShmem = true;

  getPage(pindex: number, _isWrite: boolean): Paddr | Errno {
    const present = this.pages.get(pindex);
    if (present !== 0) return present;
    const pa = this.grabPage(pindex);
    if (!failed(pa)) this.frames.zero(pa);
    return pa;
  }

  grabPage(pindex: number): Paddr | Errno {
    const present = this.pages.get(pindex);
    if (present !== 0) return present;
    const pa = this.allocFor(pindex);
    if (!failed(pa)) this.pages.set(pindex, pa);
    return pa;
  }
}
