/**
 * The syncer: what is dirty reaches the disk by and by, without anybody asking.
 *
 * It wakes every `writebackNs` while something is dirty, and not at all while
 * nothing is: files whose oldest dirty page is older than `expireNs` are
 * written, and file systems commit their metadata when that is due. Past the
 * background limit it writes at once, oldest first; past the hard limit whoever
 * dirties pages has to help. It does a few megabytes at a time, so that
 * programs run in between. See Linux's mm/page-writeback.c, proc_sys_vm(5).
 */
import { EAGAIN, failed } from "../abi/errno.ts";
import { Callout } from "../kern/callout.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { PageAllocator } from "../vm/page.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import type { DirtyDomain, WritebackKeeper } from "../vm/writeback.ts";

/** Pages written in one go: 4 MiB. */
const BATCH_PAGES = 1024;

/** How long a disk is left alone that did not take what it was given. */
const REST_NS = 5e9;

export class Syncer extends Callout implements WritebackKeeper {
  /** Limits in percent of what could be dirty; the one in bytes counts if it is not 0. */
  ratio = 20;
  backgroundRatio = 10;
  bytes = 0;
  backgroundBytes = 0;
  expireNs = 30e9;
  /** 0: only the limits make it write. */
  writebackNs = 5e9;
  /** How often vm.drop_caches was used. */
  cacheDrops = 0;
  readonly #cpu: Cpu;
  readonly #pages: PageAllocator;

  constructor(cpu: Cpu, pages: PageAllocator) {
    super();
    this.#cpu = cpu;
    this.#pages = pages;
    pages.writeback.clock = cpu.clock;
    pages.writeback.keeper = this;
    this.setLimits();
  }

  /** Works the limits out anew: ratios are of free memory and page cache. */
  setLimits(): void {
    const { writeback, queue, freePages } = this.#pages;
    const available = freePages + queue.length;
    const hard =
      this.bytes > 0
        ? Math.floor(this.bytes / PAGE_SIZE)
        : Math.floor((available * this.ratio) / 100);
    let soft =
      this.backgroundBytes > 0
        ? Math.floor(this.backgroundBytes / PAGE_SIZE)
        : Math.floor((available * this.backgroundRatio) / 100);
    if (soft >= hard) soft = Math.floor(hard / 2);
    writeback.hardLimitPages = hard;
    writeback.limitPages = soft;
  }

  /** `expireNs` or `writebackNs` was changed. */
  retime(): void {
    this.#cpu.callouts.disarm(this);
    this.#rearm(this.#now, false);
  }

  dirtied(): void {
    if (this.writebackNs > 0) this.#wakeAt(this.#now + this.writebackNs);
  }

  commitDue(dueNs: number): void {
    this.#wakeAt(dueNs);
  }

  overLimit(): void {
    const { writeback } = this.#pages;
    this.setLimits();
    if (writeback.dirtyPages - writeback.stuckPages >= writeback.limitPages)
      this.#wakeAt(this.#now);
  }

  throttle(domain: DirtyDomain): number {
    const { writeback } = this.#pages;
    this.setLimits();
    const goal = Math.floor((writeback.limitPages + writeback.hardLimitPages) / 2);
    for (;;) {
      const before = writeback.dirtyPages;
      const excess = before - writeback.stuckPages - goal;
      if (excess <= 0 || before - writeback.stuckPages <= writeback.hardLimitPages) break;
      this.#writeOldest(Math.min(BATCH_PAGES, excess), Number.POSITIVE_INFINITY, this.#now);
      if (writeback.dirtyPages >= before) break;
    }
    // One disk that takes nothing is no reason to refuse what is for another.
    return writeback.dirtyPages > writeback.hardLimitPages ? domain.trouble : 0;
  }

  fire(nowNs: number): void {
    const { writeback } = this.#pages;
    let isFailing = false;
    for (const domain of [...writeback.domains]) {
      if (failed(domain.commitIfDue(nowNs))) isFailing = true;
    }
    this.setLimits();
    const excess = writeback.dirtyPages - writeback.stuckPages - writeback.limitPages;
    const sinceNs = excess > 0 ? nowNs : nowNs - this.expireNs;
    const wanted = excess > 0 ? Math.min(excess, BATCH_PAGES) : BATCH_PAGES;
    const before = writeback.dirtyPages;
    if (failed(this.#writeOldest(wanted, sinceNs, nowNs))) isFailing = true;
    const hasMore = before - writeback.dirtyPages >= wanted;
    this.#rearm(nowNs, hasMore && !isFailing);
  }

  /** Writes about `pages` pages of files that are dirty since `sinceNs` or longer: 0, or an error met. */
  #writeOldest(pages: number, sinceNs: number, nowNs: number): number {
    const { writeback } = this.#pages;
    let result = 0;
    let left = pages;
    for (const domain of [...writeback.domains]) {
      if (domain.trouble !== 0 && nowNs < domain.retryNs) continue;
      domain.unstuck();
      for (const object of [...domain.objects]) {
        if (left <= 0) return result;
        if (object.dirtySinceNs > sinceNs) break;
        const before = writeback.dirtyPages;
        const r = object.sync(0, Number.POSITIVE_INFINITY, left);
        if (failed(r)) {
          result = r;
          if (r !== EAGAIN) domain.stuck(r, nowNs + REST_NS);
        }
        left -= Math.max(0, before - writeback.dirtyPages);
      }
    }
    return result;
  }

  #rearm(nowNs: number, isBusy: boolean): void {
    const { domains } = this.#pages.writeback;
    let dueNs = isBusy ? nowNs : Number.POSITIVE_INFINITY;
    for (const domain of domains) {
      dueNs = Math.min(dueNs, domain.commitDueNs);
      if (domain.objects.size > 0 && this.writebackNs > 0) {
        dueNs = Math.min(dueNs, nowNs + this.writebackNs);
      }
    }
    if (dueNs < Number.POSITIVE_INFINITY) this.#wakeAt(dueNs);
  }

  #wakeAt(dueNs: number): void {
    if (this.index < 0 || dueNs < this.deadlineNs) this.#cpu.callouts.arm(this, dueNs);
  }

  get #now(): number {
    return this.#cpu.clock.monotonicNs();
  }
}
