/**
 * Page frames: which are free, and how many hold each of the others.
 *
 * Frames come in aligned chunks of 16 (64 KiB). A chunk is FREE, PARTIAL (some
 * frames in use, the rest for anybody), RESERVED (some in use, the rest kept
 * for one aligned 64 KiB of somebody's memory, so that it becomes contiguous
 * page by page) or FULL. Reservations cost nothing: their free frames count as
 * free and are taken when nothing else is left.
 *
 * There are more frames than memory, so that address spaces can have theirs where they are
 * at home (homes.ts). What the host has given once it never gets back. So a VIRGIN
 * chunk, one that was never used, is taken only while fewer chunks were ever used
 * than memory has; after that, only what was used before. A chunk that was first taken as somebody's home
 * is kept for that when it is free again (HOME_FREE), while there is something else.
 *
 * Invariant: bit i of `#free[chunk]` is set exactly when frame i has no
 * reference; `freePages` is the number of those bits in chunks that were used, and of the frames of as many
 * virgin chunks as may still be.
 * Compare vm_reserv.c of FreeBSD.
 */
import { ENOMEM, type Errno } from "../abi/errno.ts";
import { TABLE_PAGE } from "../kern/cgroup/memorygroup.ts";
import { KernelMemory } from "../kern/kmem.ts";
import { MEMORY_PRESSURE } from "../kern/pressure.ts";
import type { StallMeter } from "../kern/stallmeter.ts";
import { Vmmeter } from "../kern/vmmeter.ts";
import type { Paddr, PhysMem } from "../machine/physmem.ts";
import { Charges } from "./charges.ts";
import {
  ChunkLists,
  FREE,
  FULL,
  HOME_FREE,
  NONE,
  PARTIAL,
  RESERVED,
  VIRGIN,
} from "./chunklists.ts";
import { Homes } from "./homes.ts";
import { Overcommit } from "./overcommit.ts";
import { PageQueue } from "./pagequeue.ts";
import { CHUNK_PAGES, MAX_MAP_COUNT, PAGE_SHIFT, PAGE_SIZE } from "./param.ts";
import { Writeback } from "./writeback.ts";

/** Who must hear that a frame's bytes changed or that it is free: the machine's translations. */
export interface CodeWatcher {
  codeWritten(pa: Paddr, length: number): void;
}

/** Decides what dies when nothing can be reclaimed. */
export interface OomHandler {
  /** True if memory was freed and the allocation is worth another try. */
  outOfMemory(): boolean;
}

/** Open files: one for every 10 KiB of memory, and not fewer than these. */
const FILE_SHARE = 10240;
const MIN_FILES = 8192;

/** Addresses below this are small integers to JavaScript engines. */
const HOMES_END = 2 ** 31;

const ALL_FREE = 0xffff;

/** 8 MiB, or a 32nd of a small machine. */
const MAX_KEPT_CACHE = 2048;
/** How many frames one reclaim tries to win, so that not every allocation pays for one. */
const RECLAIM_BATCH = 64;

export class PageAllocator {
  readonly mem: PhysMem;
  readonly totalPages: number;
  /** Frames there are, in use or never to be: what tables kept beside the allocator are sized by. */
  readonly framePages: number;
  freePages: number;
  /** Chunks that were ever in use: at most as many as memory has. */
  usedChunks = 0;
  /** A frame of zeroes that everybody may map, never written; always held. */
  readonly zeroPage: Paddr;
  /** The pages of the page cache, which is what can be reclaimed. */
  readonly queue: PageQueue;
  /** To which control groups frames are charged. */
  readonly charges: Charges;
  /** Those of them that their files do not have yet. */
  readonly writeback = new Writeback();
  oomHandler: OomHandler | null = null;
  /** Is told how long who allocates was held up by making room. */
  stalls: StallMeter | null = null;
  /** Pages are being written so that an allocation can go on. */
  isReclaiming = false;
  /** What the kernel may take of the host's memory for programs' objects. */
  readonly kmem: KernelMemory;
  readonly overcommit: Overcommit;
  /** vm.max_map_count. */
  maxMapCount = MAX_MAP_COUNT;
  /** Page table entries on their way to being dropped or held: room for those of one table. */
  readonly batch = new Uint32Array(1024);
  /** Where address spaces prefer to have their private pages. */
  readonly homes: Homes;
  /** Where faults are counted. */
  readonly meter = new Vmmeter();

  readonly #machine: CodeWatcher;
  /** First frame number: frames below it are the machine's own. */
  readonly #first: number;
  /** References per frame, indexed from `#first`. */
  readonly #refs: Int32Array;
  /** Per chunk: free frames as a bit mask, its state, and the token of its reservation. */
  readonly #free: Uint16Array;
  readonly #lists: ChunkLists;
  readonly #state: Uint8Array;
  readonly #token: Uint32Array;
  /** 1 for a chunk that was a home when it was first used. */
  readonly #isHome: Uint8Array;
  /** Chunks that were. */
  #homeChunks = 0;
  /** No chunk below this is virgin. */
  #nextVirgin = 0;
  readonly #tags: Uint16Array;
  #lastToken = 0;
  /** Cached pages that stay: without the code they run, programs would only read it in again. */
  readonly #keptCache: number;

  constructor(mem: PhysMem, machine: CodeWatcher) {
    this.mem = mem;
    this.#machine = machine;
    const first = Math.ceil(mem.ramBase / (PAGE_SIZE * CHUNK_PAGES)) * CHUNK_PAGES;
    const skipped = first - mem.ramBase / PAGE_SIZE;
    const chunks = Math.floor((mem.framePages - skipped) / CHUNK_PAGES);
    this.#first = first;
    this.kmem = KernelMemory.beside(mem.ramPages * PAGE_SIZE);
    this.totalPages = Math.floor((mem.ramPages - skipped) / CHUNK_PAGES) * CHUNK_PAGES;
    this.framePages = chunks * CHUNK_PAGES;
    this.homes = new Homes(Math.min((first + this.framePages) * PAGE_SIZE, HOMES_END));
    this.freePages = this.totalPages;
    this.overcommit = new Overcommit(this.totalPages);
    this.kmem.maxFiles = Math.max(
      MIN_FILES,
      Math.floor((this.totalPages * PAGE_SIZE) / FILE_SHARE),
    );
    this.#keptCache = Math.min(MAX_KEPT_CACHE, this.totalPages >>> 5);
    this.#refs = new Int32Array(this.framePages);
    this.#free = new Uint16Array(chunks).fill(ALL_FREE);
    this.#lists = new ChunkLists(chunks);
    this.#state = this.#lists.state;
    this.#token = new Uint32Array(chunks);
    this.#isHome = new Uint8Array(chunks);
    this.charges = new Charges(this);
    this.#tags = this.charges.tags;
    this.queue = new PageQueue(this);
    this.zeroPage = this.allocZeroed() as Paddr;
  }

  /** A frame with one reference and unknown contents, or ENOMEM. */
  alloc(): Paddr | Errno {
    const { head } = this.#lists;
    let chunk = head[PARTIAL]!;
    if (chunk === NONE) chunk = this.#freeChunk();
    if (chunk === NONE) chunk = head[RESERVED]!;
    if (chunk === NONE) return this.#allocHard();
    return this.#take(chunk, 31 - Math.clz32(this.#free[chunk]! & -this.#free[chunk]!));
  }

  allocZeroed(): Paddr | Errno {
    const pa = this.alloc();
    if (pa >= 0) this.zero(pa as Paddr);
    return pa;
  }

  /** The machine's FrameSource: frames of page tables. */
  allocTable(): Paddr | Errno {
    if (!this.charges.admit()) return ENOMEM;
    const pa = this.allocZeroed();
    this.charges.allocated(pa, TABLE_PAGE);
    return pa;
  }

  freeTable(pa: Paddr): void {
    this.release(pa);
  }

  /** Reserves a chunk whose frames `allocIn` then hands out one by one; NONE (-1) if none is free. */
  reserve(): number {
    const chunk = this.#freeChunk();
    if (chunk === NONE) return NONE;
    this.#reserveAs(chunk, ++this.#lastToken);
    return chunk;
  }

  /** Reserves the chunk at `pa` under `token` if there is one, nothing of it is in use and it may be used; else NONE. */
  reserveAt(pa: number, token: number): number {
    const chunk = this.indexOf(pa as Paddr) >> 4;
    if (chunk < 0 || chunk >= this.#state.length || !this.#mayReserve(chunk)) return NONE;
    if (this.#state[chunk] === VIRGIN) {
      this.#isHome[chunk] = 1;
      this.#homeChunks++;
      this.usedChunks++;
    }
    this.#reserveAs(chunk, token);
    return chunk;
  }

  /** Whether all of the chunk at `pa` could be had by `reserveAt`, or that and the frames of `mask` are free under `token`. */
  couldHave(pa: number, token: number, mask: number): boolean {
    const chunk = this.indexOf(pa as Paddr) >> 4;
    if (chunk < 0 || chunk >= this.#state.length) return false;
    if (this.#token[chunk] === token) return (this.#free[chunk]! & mask) === mask;
    return this.#mayReserve(chunk);
  }

  /** Proof of a reservation: changes when the chunk is reserved by another. */
  tokenOf(chunk: number): number {
    return this.#token[chunk]!;
  }

  /** Frame `index` of the chunk if it is still reserved under `token` and free; else 0. */
  allocIn(chunk: number, token: number, index: number): Paddr | 0 {
    if (this.#token[chunk] !== token || (this.#free[chunk]! & (1 << index)) === 0) return 0;
    return this.#take(chunk, index);
  }

  /** The frame at `pa` if it is free, whoever it is kept for; else 0. */
  allocAt(pa: Paddr): Paddr | 0 {
    return this.isFree(pa) ? this.#take(this.chunkNumber(pa), this.indexOf(pa) & 15) : 0;
  }

  isFree(pa: Paddr): boolean {
    if (this.#state[this.chunkNumber(pa)] === VIRGIN) return false;
    return (this.#free[this.chunkNumber(pa)]! & (1 << (this.indexOf(pa) & 15))) !== 0;
  }

  chunkNumber(pa: Paddr): number {
    return this.indexOf(pa) >>> 4;
  }

  /** Address of frame `index` of a chunk. */
  chunkAddress(chunk: number, index: number): Paddr {
    return this.addressOf(chunk * CHUNK_PAGES + index);
  }

  /** Ends a reservation: its free frames are anybody's now. */
  unreserve(chunk: number, token: number): void {
    if (this.#token[chunk] !== token) return;
    this.#token[chunk] = 0;
    if (this.#state[chunk] === RESERVED) {
      const free = this.#isHome[chunk] === 0 ? FREE : HOME_FREE;
      this.#lists.move(chunk, this.#free[chunk] === ALL_FREE ? free : PARTIAL);
    }
  }

  hold(pa: Paddr): void {
    this.#refs[(pa >>> PAGE_SHIFT) - this.#first]!++;
  }

  refs(pa: Paddr): number {
    return this.#refs[(pa >>> PAGE_SHIFT) - this.#first]!;
  }

  /** Gives one reference back; the last one frees the frame. */
  release(pa: Paddr): void {
    const frame = (pa >>> PAGE_SHIFT) - this.#first;
    const left = this.#refs[frame]! - 1;
    this.#refs[frame] = left;
    if (left === 0) this.#freed(pa, frame);
  }

  zero(pa: Paddr): void {
    this.mem.bulk.zero(pa, PAGE_SIZE);
  }

  copy(from: Paddr, to: Paddr): void {
    this.mem.bulk.copy(to, from, PAGE_SIZE);
  }

  /** To be called after the kernel wrote into a frame that a program may execute. */
  codeWritten(pa: Paddr, length: number): void {
    this.#machine.codeWritten(pa, length);
  }

  /** Index of a frame, 0 … framePages - 1, for tables kept beside the allocator. */
  indexOf(pa: Paddr): number {
    return (pa >>> PAGE_SHIFT) - this.#first;
  }

  addressOf(index: number): Paddr {
    return ((index + this.#first) * PAGE_SIZE) as Paddr;
  }

  /** True while speculative work (prefaulting, read-ahead) may take frames. */
  get isPlentiful(): boolean {
    return this.freePages > this.totalPages >>> 4;
  }

  /** Chunks without any frame in use. */
  get freeChunks(): number {
    let n = this.totalPages / CHUNK_PAGES - this.usedChunks;
    for (const state of this.#state) if (state === FREE || state === HOME_FREE) n++;
    return n;
  }

  /**
   * True when so little can be had, page cache included, that a further
   * address space would soon be paid for with some process's life.
   */
  get isScarce(): boolean {
    const cached = Math.max(0, this.queue.length - this.#keptCache);
    return this.freePages + cached < this.totalPages >>> 6;
  }

  /**
   * To be called before `pages` frames go to the page cache: what is there makes room, as far as that is
   * easy, so that free memory does not run out just because files are read. False if there is little.
   */
  makeRoom(pages: number): boolean {
    const wanted = (this.totalPages >>> 4) + this.#openHomes + pages;
    if (this.freePages <= wanted && this.queue.length > this.#keptCache) {
      this.queue.reclaimEasily(Math.max(RECLAIM_BATCH, pages));
    }
    return this.freePages > pages + RECLAIM_BATCH;
  }

  /** A chunk of which nothing is in use, in the order in which they should be: NONE if there is none. */
  #freeChunk(): number {
    const chunk = this.#lists.head[FREE]!;
    if (chunk !== NONE) return chunk;
    if (this.usedChunks * CHUNK_PAGES >= this.totalPages) return this.#lists.head[HOME_FREE]!;
    while (this.#state[this.#nextVirgin] !== VIRGIN) this.#nextVirgin++;
    this.usedChunks++;
    return this.#nextVirgin;
  }

  #mayReserve(chunk: number): boolean {
    const state = this.#state[chunk]!;
    if (state === VIRGIN) return this.usedChunks * CHUNK_PAGES < this.totalPages;
    return state === FREE || state === HOME_FREE;
  }

  #reserveAs(chunk: number, token: number): void {
    this.#lists.move(chunk, RESERVED);
    this.#token[chunk] = token;
  }

  /**
   * Frames that the page cache leaves to homes: three sixteenths of memory, less what is used as such. Without, there were no
   * virgin chunks left once many files were read, and new programs were away from home ever after.
   */
  get #openHomes(): number {
    if (this.framePages === this.totalPages) return 0;
    const used = (this.#homeChunks - this.#lists.homeFree) * CHUNK_PAGES;
    return Math.max(0, 3 * (this.totalPages >>> 4) - used);
  }

  #take(chunk: number, index: number): Paddr {
    const free = this.#free[chunk]! & ~(1 << index);
    this.#free[chunk] = free;
    if (free === 0) this.#lists.move(chunk, FULL);
    else if (this.#state[chunk]! < PARTIAL) this.#lists.move(chunk, PARTIAL);
    this.freePages--;
    const frame = chunk * CHUNK_PAGES + index;
    this.#refs[frame] = 1;
    return ((frame + this.#first) * PAGE_SIZE) as Paddr;
  }

  #freed(pa: Paddr, frame: number): void {
    this.#machine.codeWritten(pa, PAGE_SIZE);
    if (this.#tags[frame] !== 0) this.charges.freed(frame);
    const chunk = frame >>> 4;
    const free = this.#free[chunk]! | (1 << (frame & 15));
    this.#free[chunk] = free;
    this.freePages++;
    if (free === ALL_FREE) {
      this.#token[chunk] = 0;
      if (this.#isHome[chunk] === 0) this.#lists.putBack(chunk);
      else this.#lists.moveToFront(chunk, HOME_FREE);
    } else if (this.#state[chunk] === FULL) {
      this.#lists.move(chunk, this.#token[chunk] === 0 ? PARTIAL : RESERVED);
    }
  }

  #allocHard(): Paddr | Errno {
    // What is written to make room may itself ask for more.
    if (this.isReclaiming) return ENOMEM;
    for (;;) {
      if (this.queue.length > this.#keptCache && this.#reclaim() > 0) break;
      if (!this.oomHandler?.outOfMemory() || this.freePages > 0) break;
    }
    return this.freePages > 0 ? this.alloc() : ENOMEM;
  }

  #reclaim(): number {
    this.isReclaiming = true;
    const since = this.stalls?.nowNs ?? 0;
    const freed = this.queue.reclaim(RECLAIM_BATCH);
    this.stalls?.held(MEMORY_PRESSURE, since);
    this.isReclaiming = false;
    return freed;
  }
}
