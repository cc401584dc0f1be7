/**
 * What is dirty: objects with pages that their files do not have yet, by file
 * system, each since when.
 *
 * An object is in its domain's `objects` exactly while it has a dirty page; the
 * set's order is that of their first dirty page, so the oldest come first.
 * Who writes them and when is the syncer's affair (vfs/syncer.ts), which is
 * told when there begins to be something to do. See Linux's mm/page-writeback.c.
 */
import { failed } from "../abi/errno.ts";
import { ErrSeq } from "./errseq.ts";

/** An object with a dirty page. */
export interface DirtyObject {
  /** When its first dirty page became so, in monotonic nanoseconds. */
  readonly dirtySinceNs: number;
  readonly dirtyPages: number;
  /** Writes the dirty pages of [first, end), `maxPages` of them at most: 0 or the first error. */
  sync(first: number, end: number, maxPages?: number): number;
}

/** A file system with metadata to bring to disk some seconds after it changed. */
export interface Committer {
  commit(): number;
}

export interface WritebackClock {
  monotonicNs(): number;
}

/** Who writes back by and by. */
export interface WritebackKeeper {
  /** An object has become dirty. */
  dirtied(): void;
  /** Metadata has changed that is to be on disk at `dueNs`. */
  commitDue(dueNs: number): void;
  /** A page becomes dirty, and `limitPages` are. */
  overLimit(): void;
  /**
   * Who dirties pages of `domain` has to help, as there are more than `hardLimitPages`: 0, or the error
   * for which nothing of the domain can be written.
   */
  throttle(domain: DirtyDomain): number;
}

const COMMIT_NS = 5e9;
const REST_PAGES = 64;

/** All that is dirty in a machine. */
export class Writeback {
  readonly domains = new Set<DirtyDomain>();
  dirtyPages = 0;
  /** Of these, pages that could not be written. */
  stuckPages = 0;
  /** Pages handed to pagers, and of those failed, since boot. */
  written = 0;
  failedPages = 0;
  /** Pages that ever became dirty. */
  dirtied = 0;
  /** How often pages were made clean to be written. */
  passes = 0;
  /** More dirty pages than this and the keeper is told. */
  limitPages = Number.POSITIVE_INFINITY;
  /** More, and those who dirty them write them. */
  hardLimitPages = Number.POSITIVE_INFINITY;
  clock: WritebackClock | null = null;
  keeper: WritebackKeeper | null = null;

  /** Where pages that are apart in memory are put side by side to be written; null while it is in use. */
  #buffer: Uint8Array | null = new Uint8Array(0);

  /** Room for `length` bytes, until `returnBuffer`: one that was used before, if it is not in use. */
  borrowBuffer(length: number): Uint8Array {
    const buffer = this.#buffer;
    this.#buffer = null;
    return buffer && buffer.length >= length ? buffer : new Uint8Array(length);
  }

  returnBuffer(buffer: Uint8Array): void {
    if (!this.#buffer || this.#buffer.length < buffer.length) this.#buffer = buffer;
  }

  get nowNs(): number {
    return this.clock?.monotonicNs() ?? 0;
  }

  /** A page is about to become dirty. */
  pageDirtied(): void {
    this.dirtied++;
    if (this.dirtyPages - this.stuckPages >= this.limitPages) this.keeper?.overLimit();
  }

  throttle(domain: DirtyDomain): number {
    const dirty = this.dirtyPages - (domain.trouble === 0 ? this.stuckPages : 0);
    return dirty <= this.hardLimitPages || !this.keeper ? 0 : this.keeper.throttle(domain);
  }
}

/** What is dirty in one mounted file system. */
export class DirtyDomain {
  readonly objects = new Set<DirtyObject>();
  /** Errors of all its files, for syncfs(2). */
  readonly errors = new ErrSeq();
  /** When its metadata is to be on disk; Infinity while it is. */
  commitDueNs = Number.POSITIVE_INFINITY;
  commitIntervalNs = COMMIT_NS;
  /** Why its pages could not be written when the keeper tried last; 0 if they could. */
  trouble = 0;
  /** When the keeper tries again. */
  retryNs = 0;
  /** How many pages were dirty then. */
  #stuckPages = 0;
  readonly writeback: Writeback;
  readonly committer: Committer | null;

  /** How many more pages reclaim passes over before it tries to write one again. */
  #restLeft = 0;

  constructor(writeback: Writeback, committer: Committer | null = null) {
    this.writeback = writeback;
    this.committer = committer;
  }

  /** The keeper could not write its pages. They do not count against the limits of others. */
  stuck(error: number, retryNs: number): void {
    this.trouble = error;
    this.retryNs = retryNs;
    let pages = 0;
    for (const object of this.objects) pages += object.dirtyPages;
    this.writeback.stuckPages += pages - this.#stuckPages;
    this.#stuckPages = pages;
  }

  /** They can be written, or there are none. */
  unstuck(): void {
    this.trouble = 0;
    this.writeback.stuckPages -= this.#stuckPages;
    this.#stuckPages = 0;
  }

  /** Reclaim could not write a page: it is not to try with each of thousands. */
  rest(): void {
    this.#restLeft = REST_PAGES;
  }

  /** True if reclaim should pass over a dirty page. */
  isResting(): boolean {
    if (this.#restLeft === 0) return false;
    this.#restLeft--;
    return true;
  }

  get isDirty(): boolean {
    return this.objects.size > 0 || this.commitDueNs < Number.POSITIVE_INFINITY;
  }

  /** Metadata changed in memory: `committer.commit` is called within `commitIntervalNs`. */
  changed(): void {
    if (this.commitDueNs < Number.POSITIVE_INFINITY) return;
    this.commitDueNs = this.writeback.nowNs + this.commitIntervalNs;
    this.writeback.domains.add(this);
    this.writeback.keeper?.commitDue(this.commitDueNs);
  }

  /** Calls the committer if it is time: 0, or its error, and then it is called again later. */
  commitIfDue(nowNs: number): number {
    if (this.commitDueNs > nowNs) return 0;
    this.committed();
    const r = this.committer?.commit() ?? 0;
    if (failed(r)) this.changed();
    return r;
  }

  /** All of its metadata is on disk. */
  committed(): void {
    this.commitDueNs = Number.POSITIVE_INFINITY;
    this.#retire();
  }

  add(object: DirtyObject): void {
    this.objects.add(object);
    this.writeback.domains.add(this);
    this.writeback.keeper?.dirtied();
  }

  remove(object: DirtyObject): void {
    this.objects.delete(object);
    if (this.objects.size === 0) this.unstuck();
    this.#retire();
  }

  /** Writes all dirty pages: 0, or the first error. */
  sync(): number {
    let result = 0;
    for (const object of [...this.objects]) {
      const r = object.sync(0, Number.POSITIVE_INFINITY);
      if (failed(r) && result === 0) result = r;
    }
    return result;
  }

  #retire(): void {
    if (!this.isDirty) this.writeback.domains.delete(this);
  }
}
