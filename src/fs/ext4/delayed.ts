/**
 * Delayed blocks of a file: written in memory, and holes on the disk still.
 *
 * For each, and for what mapping them may add to the block map, the allocator
 * keeps a promise. The estimate for block maps is generous; when space is
 * short, writing out shows what is really needed.
 */
import { failed } from "../../abi/errno.ts";
import { RangeSet } from "../../lib/rangeset.ts";
import type { DirtyDomain } from "../../vm/writeback.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { mapBlocksFor } from "./filemap.ts";
import type { Inode } from "./inode.ts";

export class Delayed {
  readonly #ip: Inode;
  readonly #domain: DirtyDomain;
  readonly blocks = new RangeSet();
  /** Blocks of the volume promised for them. */
  #promised = 0;
  readonly #run = new BlockRun();

  /** `domain`: what is dirty in the file system, to be written out when space is short. */
  constructor(ip: Inode, domain: DirtyDomain) {
    this.#ip = ip;
    this.#domain = domain;
  }

  /**
   * Makes the holes of [from, end) delayed, and notes in `added` which were not before (pairs of
   * first and end): up to which block there was space, or EIO, EUCLEAN.
   */
  add(from: number, end: number, isPrivileged: boolean, added: number[] | null): number {
    const run = this.#run;
    run.count = 0;
    for (let lblk = from; lblk < end; ) {
      lblk = this.blocks.nextGap(lblk);
      if (lblk >= end) return end;
      if (!run.covers(lblk)) {
        const r = mapBlock(this.#ip, lblk, run);
        if (failed(r)) return r;
      }
      const stop = Math.min(end, run.lblk + run.count, this.blocks.next(lblk));
      if (run.pblk === HOLE && run.unwritten === HOLE) {
        const got = this.#promiseRange(lblk, stop, isPrivileged);
        this.#ip.delayedBlocks = this.blocks.size;
        if (got > lblk) added?.push(lblk, got);
        if (got < stop) return got;
        run.count = 0;
      }
      lblk = stop;
    }
    return end;
  }

  /** None of [from, end) is delayed any more. */
  remove(from: number, end: number): void {
    if (this.blocks.remove(from, end) === 0) return;
    this.#ip.delayedBlocks = this.blocks.size;
    const needed = this.#neededFor(this.blocks.size, this.blocks.rangeCount);
    if (needed >= this.#promised) return;
    this.#ip.volume.alloc.unreserve(this.#promised - needed);
    this.#promised = needed;
  }

  /** Promises space for [from, end) as far as there is some: up to which block. */
  #promiseRange(from: number, end: number, isPrivileged: boolean): number {
    const { volume } = this.#ip;
    if (this.#promise(end - from, isPrivileged)) {
      this.blocks.add(from, end);
      return end;
    }
    if (!volume.cache.isBusy) {
      this.#domain.sync();
      if (volume.alloc.waitingForCommit > 0) volume.tx.commit();
    }
    for (let n = end - from; n > 0; n = n > 1 ? n >> 1 : 0) {
      if (!this.#promise(n, isPrivileged)) continue;
      this.blocks.add(from, from + n);
      return from + n;
    }
    return from;
  }

  #promise(count: number, isPrivileged: boolean): boolean {
    const needed = this.#neededFor(this.blocks.size + count, this.blocks.rangeCount + 1);
    const more = Math.max(0, needed - this.#promised);
    if (failed(this.#ip.volume.alloc.reserve(more, isPrivileged))) return false;
    this.#promised += more;
    return true;
  }

  #neededFor(blocks: number, ranges: number): number {
    return blocks + mapBlocksFor(this.#ip, blocks, ranges);
  }
}
