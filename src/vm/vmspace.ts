/**
 * Address spaces: what a process has mapped where. See mmap(2), brk(2), vmspace(9).
 *
 * The entries say what may be there, the page table what is there now; a page
 * table entry never allows more than its map entry. Private memory lives in
 * the page table alone, so that fork is one walk over it; shared and file
 * memory in objects. Every present entry of the page table holds its frame once.
 */
import { EFAULT, EINVAL, ENOMEM, EPERM, type Errno, failed } from "../abi/errno.ts";
import { PROT_WRITE } from "../abi/mman.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { WaitWords } from "../kern/waitwords.ts";
import { WIDE_ZERO } from "../lib/wide.ts";
import { type FrameSource, type PageTable, PTE_FLAGS, PTE_W } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { CopyIo } from "./copyio.ts";
import { EntryList, type MmapLayout, WHOLE_SPACE } from "./entrylist.ts";
import { faultIn } from "./fault.ts";
import { FAULT_MAPERR } from "./faultcode.ts";
import { forkVmspace } from "./fork.ts";
import { gather } from "./gather.ts";
import { growStack, moveBrk } from "./grow.ts";
import { adviseRange } from "./madvise.ts";
import {
  isCommitted,
  type MapEntry,
  type PageUnmapper,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_SHARED,
} from "./mapentry.ts";
import { type MmapRequest, mapMemory } from "./mmap.ts";
import { protectRange } from "./mprotect.ts";
import { remap } from "./mremap.ts";
import { isAnySealed } from "./mseal.ts";
import type { VmObject } from "./object.ts";
import type { PageAllocator } from "./page.ts";
import { PAGE_SIZE, pageCeil, USER_END } from "./param.ts";
import { findGap } from "./place.ts";
import { populate } from "./populate.ts";
import { PTE_ANON, PTE_SHMEM, PTE_ZERO } from "./pte.ts";

/** What a higher floor keeps for as long as an address space lives. */
export interface Tenant {
  /** The address space is about to go. */
  end(): void;
}

/** Where page tables come from: the machine. */
export interface PageTableSource {
  newPageTable(frames: FrameSource): PageTable;
}

/**
 * Resource limits that an address space obeys by itself, in bytes; Infinity for none.
 * RLIMIT_MEMLOCK is the system calls' to check, as CAP_IPC_LOCK lifts it. See getrlimit(2).
 */
export interface VmLimits {
  asBytes: number;
  dataBytes: number;
  stackBytes: number;
}

/** What a map entry takes, about; how many are paid for beyond need, and together. */
const ENTRY_BYTES = 256;
const ENTRY_SLACK = 4;
const ENTRY_BATCH = 32;

export class Vmspace extends CopyIo implements PageUnmapper {
  pageTable: PageTable;
  readonly source: PageTableSource;
  readonly entries: EntryList;
  readonly limits: VmLimits;
  /** Processes and threads groups that share it (vfork, CLONE_VM). */
  refs = 1;
  brkStart = WIDE_ZERO;
  brkEnd = WIDE_ZERO;
  /** Top of the first stack, where /proc/PID/maps says [stack]. */
  stackTop = 0;
  /** mlockall(MCL_FUTURE): flags of maps to come. */
  lockFuture = 0;
  /** prctl(2) PR_SET_THP_DISABLE, of no effect: there are no huge pages. */
  isThpDisabled = false;
  /** Its asynchronous requests; null while there never were any. */
  aio: Tenant | null = null;
  /** The copies that were forked of it, null if there never were any; and what it was forked from, while both are there. */
  forks: Set<Vmspace> | null = null;
  forkedFrom: Vmspace | null = null;
  /** Some entry is sealed: vm/mseal.ts. */
  hasSeals = false;
  /** Pages present, by kind; see RssAnon, RssFile, RssShmem in proc(5). */
  rssAnon = 0;
  rssFile = 0;
  rssShmem = 0;
  /** Bytes mapped: all, private writable, stack, locked; and the highest marks. */
  totalBytes = 0;
  dataBytes = 0;
  committedBytes = 0;
  stackBytes = 0;
  lockedBytes = 0;
  peakTotalBytes = 0;
  #peakRssPages = 0;
  /** Faults resolved from memory, and with I/O. */
  minorFaults = 0;
  majorFaults = 0;
  /** Map entries paid for. */
  paidEntries = 0;
  /** Who sleeps on words of it, by address: private futexes. Null while nobody ever did. */
  waitWords: WaitWords | null = null;

  /** Pays for its entries: the purse of who made it. */
  readonly kmem: KernelMemory;

  /** `home` is one of `frames.homes`, held for it; 0 for none. */
  constructor(
    source: PageTableSource,
    frames: PageAllocator,
    limits: VmLimits,
    layout: MmapLayout = WHOLE_SPACE,
    home = 0,
  ) {
    super(frames);
    this.kmem = frames.kmem.ofCurrent;
    this.source = source;
    this.pageTable = source.newPageTable(frames);
    this.pageTable.home = home;
    this.entries = new EntryList(layout);
    this.limits = limits;
  }

  /** Faults resolved, of either kind. */
  get faults(): number {
    return this.minorFaults + this.majorFaults;
  }

  get rssPages(): number {
    return this.rssAnon + this.rssFile + this.rssShmem;
  }

  get peakRssPages(): number {
    this.noteRss();
    return this.#peakRssPages;
  }

  /** To be called before the resident set shrinks. */
  noteRss(): void {
    const rss = this.rssAnon + this.rssFile + this.rssShmem;
    if (rss > this.#peakRssPages) this.#peakRssPages = rss;
  }

  /** The peak is what is there now. */
  resetPeakRss(): void {
    this.#peakRssPages = this.rssPages;
  }

  /** mmap(2): the address, or an error. */
  mmap(request: MmapRequest): number {
    return mapMemory(this, request);
  }

  /** munmap(2). */
  munmap(addr: number, length: number): number {
    if (addr % PAGE_SIZE !== 0 || !(addr <= USER_END) || !(length <= USER_END - addr))
      return EINVAL;
    if (!(length > 0)) return EINVAL;
    return this.unmapRange(addr, addr + pageCeil(length));
  }

  mprotect(addr: number, length: number, prot: number): number {
    return protectRange(this, addr, length, prot);
  }

  mremap(addr: number, oldSize: number, newSize: number, flags: number, newAddr: number): number {
    return remap(this, addr, oldSize, newSize, flags, newAddr);
  }

  madvise(addr: number, length: number, advice: number): number {
    return adviseRange(this, addr, length, advice);
  }

  /** Where the heap begins: after the program, set by exec. */
  setBrkStart(addr: number): void {
    this.brkStart = pageCeil(addr);
    this.brkEnd = this.brkStart;
  }

  /** brk(2) as the system call: the new end of the heap, or the old one if it could not move. */
  brk(addr: number): number {
    return moveBrk(this, addr);
  }

  /** Resolves an access by the program (PROT_READ, PROT_WRITE or PROT_EXEC): FAULT_OK, or what to signal. */
  fault(addr: number, access: number): number {
    const isUser = addr >= 0 && addr < USER_END;
    const e = isUser ? (this.entries.find(addr) ?? growStack(this, addr)) : null;
    if (e === null) {
      this.frames.meter.wildFaults++;
      return FAULT_MAPERR;
    }
    this.minorFaults++;
    this.frames.meter.faults++;
    const { payer } = this.frames.charges;
    if (payer !== null) payer.faults++;
    return faultIn(this, e, addr, access);
  }

  /**
   * What names a futex word in shared memory: the object and the byte in it. Frames
   * come and go. Null if the memory is private, EFAULT if it cannot be read.
   */
  sharedWord(addr: number): { object: VmObject; offset: number } | null | Errno {
    const e = addr >= 0 && addr < USER_END ? this.entries.find(addr) : null;
    if (!e) return EFAULT;
    if (!e.isShared || !e.object) return null;
    const { object } = e;
    const offset = e.offset + (addr - e.start);
    return this.readable(addr) < 0 ? EFAULT : { object, offset };
  }

  /** The program misses the TLB often around `va`: makes that contiguous if it can. */
  gather(va: number): boolean {
    this.noteRss();
    return gather(this, va);
  }

  /** A copy that shares every page until one of the two writes. */
  fork(): Vmspace | Errno {
    return forkVmspace(this);
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs === 0) this.destroy();
  }

  /** Unmaps everything and gives the tables back. */
  destroy(): void {
    this.aio?.end();
    this.aio = null;
    this.forkedFrom?.forks?.delete(this);
    if (this.forks) for (const fork of this.forks) fork.forkedFrom = null;
    this.forks = null;
    this.#empty();
    this.pageTable.destroy();
    this.frames.homes.release(this.pageTable.home);
    this.kmem.give(this.paidEntries * ENTRY_BYTES);
    this.paidEntries = 0;
  }

  /** Unmaps everything. */
  clear(): void {
    this.#empty();
    this.pageTable.invalidate(0, USER_END);
  }

  /** Unmaps everything, but tells nobody who may remember it. */
  #empty(): void {
    this.noteRss();
    for (const e of this.entries.take(0, this.entries.length)) {
      this.#takePages(e.start, e.end);
      e.dispose();
    }
    this.frames.overcommit.committedBytes -= this.committedBytes;
    this.committedBytes = 0;
    this.totalBytes = this.dataBytes = this.stackBytes = this.lockedBytes = 0;
  }

  /** Touches [start, end) as far as it is mapped and memory lasts: 0, or the first FAULT_*. */
  populate(start: number, end: number): number {
    return populate(this, start, end);
  }

  /** Adds an entry to a free place, accounts for it and joins it with its neighbours. */
  add(e: MapEntry): void {
    this.account(e, 1);
    this.entries.insert(e);
    this.entries.merge(this.entries.indexAfter(e.start));
  }

  /** Unmaps the page-aligned [start, end). */
  unmapRange(start: number, end: number): number {
    if (this.hasSeals && isAnySealed(this, start, end)) return EPERM;
    const cuts = this.entries.cutsFor(start, end);
    if (cuts === 2 && !this.mayAddEntries(1)) return ENOMEM;
    if (this.entries.isFree(start, end)) return 0;
    const from = this.entries.splitAt(start);
    const to = this.entries.splitAt(end);
    this.noteRss();
    for (const e of this.entries.take(from, to)) {
      this.dropPages(e.start, e.end, true);
      this.account(e, -1);
      e.dispose();
    }
    return 0;
  }

  /** Adds an entry's size to the sums, or takes it off (`sign` -1). */
  account(e: MapEntry, sign: number): void {
    const size = sign * (e.end - e.start);
    this.totalBytes += size;
    if (e.isData) this.dataBytes += size;
    if (e.isCommitted) {
      this.committedBytes += size;
      this.frames.overcommit.committedBytes += size;
    }
    if ((e.flags & VM_GROWSDOWN) !== 0) this.stackBytes += size;
    if ((e.flags & VM_LOCKED) !== 0) this.lockedBytes += size;
    if (this.totalBytes > this.peakTotalBytes) this.peakTotalBytes = this.totalBytes;
  }

  /** Whether there may be `count` more map entries; pays for them ahead, some at a time. */
  mayAddEntries(count: number): boolean {
    const wanted = this.entries.length + count;
    if (wanted > this.frames.maxMapCount) return false;
    // An operation on a range makes a few more at its ends.
    if (wanted + ENTRY_SLACK <= this.paidEntries) return true;
    return this.payEntries(wanted + ENTRY_SLACK + ENTRY_BATCH);
  }

  /** Pays for `count` entries in all. */
  payEntries(count: number): boolean {
    if (!this.kmem.take((count - this.paidEntries) * ENTRY_BYTES)) return false;
    this.paidEntries = count;
    return true;
  }

  /** Whether limits and the overcommit heuristic let `length` more bytes be mapped: 0 or ENOMEM. */
  mayGrow(length: number, prot: number, vmFlags: number): number {
    if (this.totalBytes + length > this.limits.asBytes) return ENOMEM;
    const isData = (vmFlags & (VM_SHARED | VM_GROWSDOWN)) === 0 && (prot & PROT_WRITE) !== 0;
    if (isData && this.dataBytes + length > this.limits.dataBytes) return ENOMEM;
    if (!isCommitted(prot, vmFlags)) return 0;
    const { overcommit, kmem } = this.frames;
    return overcommit.allows(length, this.totalBytes, kmem.isAdmin) ? 0 : ENOMEM;
  }

  /** PageUnmapper: an object takes pages away. */
  unmapPages(start: number, end: number, evenCopies: boolean): void {
    this.noteRss();
    this.dropPages(start, end, evenCopies);
  }

  writeProtect(va: number): void {
    if ((this.pageTable.clearFlags(va, PTE_W) & PTE_W) !== 0) {
      this.pageTable.invalidate(va, PAGE_SIZE);
    }
  }

  /** Takes the pages of [start, end) out of the page table; private copies stay unless `evenCopies`. */
  dropPages(start: number, end: number, evenCopies: boolean): void {
    const pt = this.pageTable;
    if (!evenCopies) {
      for (let at = pt.nextPresent(start, end); at >= 0; at = pt.nextPresent(at + PAGE_SIZE, end)) {
        if ((pt.get(at) & PTE_ANON) === 0) this.drop(pt.remove(at));
      }
    } else {
      this.#takePages(start, end);
    }
    pt.invalidate(start, end - start);
  }

  #takePages(start: number, end: number): void {
    const pt = this.pageTable;
    const batch = this.frames.batch;
    for (let at = start; at < end; at = pt.cursor) {
      const n = pt.takeRange(at, end, batch);
      for (let i = 0; i < n; i++) this.drop(batch[i]!);
    }
  }

  /** Gives back what a page table entry held. */
  drop(pte: number): void {
    if ((pte & PTE_ANON) !== 0) this.rssAnon--;
    else if ((pte & PTE_SHMEM) !== 0) this.rssShmem--;
    else if ((pte & PTE_ZERO) === 0) this.rssFile--;
    this.frames.release(((pte & ~PTE_FLAGS) >>> 0) as Paddr);
  }

  /** Where mmap would put `length` bytes of its own choice: see place.ts. */
  findGap(length: number, prot = -1): number {
    return findGap(this.entries, length, prot);
  }

  /** As `mayGrow`, where what a fixed map at `at` replaces does not count twice. */
  admit(length: number, prot: number, vmFlags: number, at: number): number {
    const r = this.mayGrow(length, prot, vmFlags);
    if (!failed(r)) return 0;
    return this.mayGrow(length - this.mappedBytes(at, at + length), prot, vmFlags);
  }

  /**
   * Cuts entries so that [start, end) consists of whole ones; the index of the first.
   * ENOMEM if there would be too many.
   */
  clip(start: number, end: number): number {
    const cuts = this.entries.cutsFor(start, end);
    if (cuts > 0 && !this.mayAddEntries(cuts)) return ENOMEM;
    const from = this.entries.splitAt(start);
    this.entries.splitAt(end);
    return from;
  }

  /** Joins what can be joined in and around [start, end), after entries changed. */
  mergeRange(start: number, end: number): void {
    let i = this.entries.indexAfter(end);
    for (; i >= 0; i--) {
      const e = this.entries.at(i);
      this.entries.merge(i);
      if (e && e.end <= start) return;
    }
  }

  /** Bytes of [start, end) that are mapped. */
  mappedBytes(start: number, end: number): number {
    let sum = 0;
    for (let i = this.entries.indexAfter(start); ; i++) {
      const e = this.entries.at(i);
      if (!e || e.start >= end) return sum;
      sum += Math.min(e.end, end) - Math.max(e.start, start);
    }
  }
}
