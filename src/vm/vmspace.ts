/**
 * Address spaces: what a process has mapped where. See mmap(2), brk(2), vmspace(9).
 *
 * The entries say what may be there, the page table what is there now; a page
 * table entry never allows more than its map entry. Private memory lives in
 * the page table alone, so that fork is one walk over it; shared and file
 * memory in objects. Every present entry of the page table holds its frame once.
 */
import {
  EEXIST,
  EFAULT,
  EINVAL,
  ENOMEM,
  EOVERFLOW,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../abi/mman.ts";
import { type FrameSource, type PageTable, PTE_FLAGS, PTE_W } from "../machine/mmu/pagetable.ts";
import type { Paddr } from "../machine/physmem.ts";
import { CopyIo } from "./copyio.ts";
import { EntryList } from "./entrylist.ts";
import { faultIn } from "./fault.ts";
import { FAULT_MAPERR, FAULT_OK } from "./faultcode.ts";
import { forkVmspace } from "./fork.ts";
import { gather } from "./gather.ts";
import { adviseRange } from "./madvise.ts";
import {
  isCommitted,
  MapEntry,
  type MappedFile,
  type PageUnmapper,
  PROT_ALL,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SHARED,
} from "./mapentry.ts";
import { protectRange } from "./mprotect.ts";
import { remap } from "./mremap.ts";
import { isAnySealed } from "./mseal.ts";
import { AnonObject, type VmObject } from "./object.ts";
import { OVERCOMMIT_NEVER } from "./overcommit.ts";
import type { PageAllocator } from "./page.ts";
import {
  CHUNK_SIZE,
  MMAP_MIN_ADDR,
  PAGE_SIZE,
  pageCeil,
  pageFloor,
  STACK_GUARD_GAP,
  USER_END,
} from "./param.ts";
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

export interface MmapRequest {
  readonly addr: number;
  readonly length: number;
  readonly prot: number;
  /** MAP_*, a valid combination. */
  readonly flags: number;
  /** What is mapped; absent for anonymous memory. The map takes references of its own. */
  readonly object?: VmObject | null;
  readonly offset?: number;
  readonly file?: MappedFile | null;
  /** Most that mprotect may allow; all by default. */
  readonly maxProt?: number;
  readonly name?: string;
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
  brkStart = 0;
  brkEnd = 0;
  /** Top of the first stack, where /proc/PID/maps says [stack]. */
  stackTop = 0;
  /** mlockall(MCL_FUTURE): flags of maps to come. */
  lockFuture = 0;
  /** prctl(2) PR_SET_THP_DISABLE, of no effect: there are no huge pages. */
  isThpDisabled = false;
  /** Its asynchronous requests; null while there never were any. */
  aio: Tenant | null = null;
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

  constructor(
    source: PageTableSource,
    frames: PageAllocator,
    limits: VmLimits,
    ceiling = USER_END,
  ) {
    super(frames);
    this.source = source;
    this.pageTable = source.newPageTable(frames);
    this.entries = new EntryList(ceiling);
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
    const { flags } = request;
    if (request.length === 0) return EINVAL;
    const length = pageCeil(request.length);
    if (!(length > 0 && length <= USER_END)) return ENOMEM;
    const offset = request.offset ?? 0;
    if (!(offset + length <= Number.MAX_SAFE_INTEGER)) return EOVERFLOW;
    if (!this.mayAddEntries(1)) return ENOMEM;
    const addr = this.#place(request, length);
    if (failed(addr)) return addr;
    let vmFlags = this.lockFuture;
    if ((flags & MAP_SHARED) !== 0) vmFlags |= VM_SHARED;
    if ((flags & MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN;
    const isStrict = this.frames.overcommit.mode === OVERCOMMIT_NEVER;
    if ((flags & MAP_NORESERVE) !== 0 && !isStrict) vmFlags |= VM_NORESERVE;
    if ((flags & MAP_LOCKED) !== 0) vmFlags |= VM_LOCKED;
    const refused = this.#admit(length, request.prot, vmFlags, addr);
    if (failed(refused)) return refused;
    const isFixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
    if (isFixed) {
      const r = this.unmapRange(addr, addr + length);
      if (failed(r)) return r;
    }
    let object = request.object ?? null;
    const isSharedAnon = object === null && (vmFlags & VM_SHARED) !== 0;
    if (isSharedAnon) object = new AnonObject(this.frames, length);
    this.add(
      new MapEntry(
        this,
        addr,
        addr + length,
        request.prot,
        request.maxProt ?? PROT_ALL,
        vmFlags,
        object,
        isSharedAnon ? 0 : offset,
        request.file ?? null,
        request.name ?? "",
      ),
    );
    if (isSharedAnon) object?.release();
    const wantsPages = (flags & MAP_POPULATE) !== 0 && (flags & MAP_NONBLOCK) === 0;
    if (wantsPages || (vmFlags & VM_LOCKED) !== 0) this.populate(addr, addr + length);
    return addr;
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
    if (!(addr >= this.brkStart && addr < USER_END)) return this.brkEnd;
    const oldEnd = pageCeil(this.brkEnd);
    const newEnd = pageCeil(addr);
    if (addr - this.brkStart > this.limits.dataBytes) return this.brkEnd;
    if (newEnd < oldEnd) {
      if (failed(this.unmapRange(newEnd, oldEnd))) return this.brkEnd;
    } else if (newEnd > oldEnd) {
      const above = this.entries.at(this.entries.indexAfter(oldEnd));
      const limit = above ? gapLimit(above) : USER_END;
      if (newEnd > limit) return this.brkEnd;
      if (failed(this.#admit(newEnd - oldEnd, PROT_READ | PROT_WRITE, 0, oldEnd))) {
        return this.brkEnd;
      }
      this.add(
        new MapEntry(
          this,
          oldEnd,
          newEnd,
          PROT_READ | PROT_WRITE,
          PROT_ALL,
          this.lockFuture,
          null,
          0,
          null,
          "",
        ),
      );
      if ((this.lockFuture & VM_LOCKED) !== 0) this.populate(oldEnd, newEnd);
    }
    this.brkEnd = addr;
    return addr;
  }

  /** Resolves an access by the program (PROT_READ, PROT_WRITE or PROT_EXEC): FAULT_OK, or what to signal. */
  fault(addr: number, access: number): number {
    const isUser = addr >= 0 && addr < USER_END;
    const e = isUser ? (this.entries.find(addr) ?? this.#growStack(addr)) : null;
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
    this.#empty();
    this.pageTable.destroy();
    this.frames.kmem.give(this.paidEntries * ENTRY_BYTES);
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
    for (let at = start; at < end; ) {
      const e = this.entries.find(at);
      if (!e) return FAULT_MAPERR;
      const isWrite = !e.isShared && (e.prot & PROT_WRITE) !== 0;
      const stop = Math.min(end, e.end);
      for (; at < stop; at += PAGE_SIZE) {
        const pte = this.pageTable.get(at);
        if (pte !== 0 && (!isWrite || (pte & PTE_W) !== 0)) continue;
        const r = faultIn(this, e, at, isWrite ? PROT_WRITE : PROT_READ);
        if (r !== FAULT_OK) return r;
      }
    }
    return FAULT_OK;
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
    if (!this.frames.kmem.take((count - this.paidEntries) * ENTRY_BYTES)) return false;
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

  #place({ addr: hint, prot, flags, object = null }: MmapRequest, length: number): number {
    if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
      if (hint % PAGE_SIZE !== 0) return EINVAL;
      if (!(hint <= USER_END - length)) return ENOMEM;
      if (hint < MMAP_MIN_ADDR) return EPERM;
      if ((flags & MAP_FIXED_NOREPLACE) !== 0 && !this.entries.isFree(hint, hint + length)) {
        return EEXIST;
      }
      return hint;
    }
    if (hint > 0 && hint <= USER_END - length) {
      const at = Math.max(pageFloor(hint), MMAP_MIN_ADDR);
      if (this.#isGap(at, length)) return at;
    }
    const mayJoin = object === null && (flags & MAP_SHARED) === 0;
    return this.findGap(length, mayJoin ? prot : -1);
  }

  /**
   * Where mmap would put `length` bytes of its own choice: an address, or ENOMEM. A map gets granules
   * (64 KiB) of its own, as a TLB holds one window of each; a short one may follow below private
   * anonymous memory of the same `prot` (-1: it is something else). Long ones begin where a granule does.
   */
  findGap(length: number, prot = -1): number {
    const room = length + 2 * CHUNK_SIZE;
    const gap = this.entries.findGap(room, MMAP_MIN_ADDR);
    if (gap < 0) {
      const at = this.entries.findGap(length, MMAP_MIN_ADDR);
      return at < 0 ? ENOMEM : at;
    }
    const top = gap + room;
    const isLong = length >= CHUNK_SIZE;
    if (!isLong && this.entries.find(top)?.mayContinueAnon(prot)) return top - length;
    const at = top - (top % CHUNK_SIZE) - length;
    return isLong ? at - (at % CHUNK_SIZE) : at;
  }

  #isGap(start: number, length: number): boolean {
    const e = this.entries.at(this.entries.indexAfter(start));
    return e === undefined || start + length <= gapLimit(e);
  }

  #admit(length: number, prot: number, vmFlags: number, at: number): number {
    const r = this.mayGrow(length, prot, vmFlags);
    if (!failed(r)) return 0;
    // What a fixed map replaces does not count twice.
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

  /** Extends a MAP_GROWSDOWN entry down to `addr`, if it may: the entry, or null. */
  #growStack(addr: number): MapEntry | null {
    const i = this.entries.indexAfter(addr);
    const e = this.entries.at(i);
    if (!e || (e.flags & VM_GROWSDOWN) === 0) return null;
    const start = pageFloor(addr);
    const grown = e.start - start;
    if (start < MMAP_MIN_ADDR || e.end - start > this.limits.stackBytes) return null;
    if (this.totalBytes + grown > this.limits.asBytes) return null;
    if (failed(this.mayGrow(grown, e.prot, e.flags))) return null;
    const below = this.entries.at(i - 1);
    const isGuarded = below && below.prot !== 0 && (below.flags & VM_GROWSDOWN) === 0;
    if (isGuarded && start - below.end < STACK_GUARD_GAP) return null;
    this.account(e, -1);
    e.setStart(start);
    this.account(e, 1);
    return e;
  }
}

/** How far up a gap below `e` reaches for those who look for one. */
function gapLimit(e: MapEntry): number {
  return (e.flags & VM_GROWSDOWN) !== 0 ? e.start - STACK_GUARD_GAP : e.start;
}
