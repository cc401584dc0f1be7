/**
 * The running transaction: the blocks that operations changed since the last commit.
 *
 * Where they go is up to the subclass: straight to their places
 * (directtransaction.ts), or into the log first (journaltransaction.ts). Room is looked after between operations only:
 * a commit in the middle of one would show half of it.
 */
import { EAGAIN, EIO, EROFS, failed } from "../../abi/errno.ts";
import { KASSERT } from "../../kern/panic.ts";
import type { Buf } from "../../vfs/bio.ts";
import type { Committed, OrderedData, Transaction } from "./transaction.ts";
import type { Volume } from "./volume.ts";

export abstract class RunningTransaction implements Transaction {
  sequence = 1;
  protected readonly volume: Volume;
  /** Blocks changed since the last commit. */
  protected readonly blocks = new Map<number, Buf>();
  #depth = 0;
  /** The operation under way has changed something. */
  #hasChanged = false;
  #isAborted = false;
  #isCommitting = false;
  #ordered = new Set<OrderedData>();
  #waiting: Committed[] = [];
  /** `counts.writes` of the device at its last flush: it need not flush twice. */
  #flushedWrites = -1;

  readonly #hasBarriers: boolean;

  constructor(volume: Volume, hasBarriers: boolean) {
    this.volume = volume;
    this.#hasBarriers = hasBarriers;
  }

  /** Room for `credits` more blocks without a commit; with one under way or inside an operation, at the limit. */
  protected abstract hasRoom(credits: number, isLastResort: boolean): boolean;

  /** Makes `blocks` permanent, with barriers, and empties it. 0 or an error. */
  protected abstract write(): number;

  /** A freed block: something of it may be left where `write` put it. */
  protected abstract forgotten(blkno: number): void;

  abstract checkpoint(): number;

  /** There is something to commit. */
  protected get hasNews(): boolean {
    return this.blocks.size > 0;
  }

  get isReadOnly(): boolean {
    return this.#isAborted;
  }

  start(credits: number): number {
    if (this.#isAborted) return EROFS;
    if (this.#depth > 0 || this.#isCommitting) {
      if (!this.hasRoom(credits, true)) return EAGAIN;
    } else if (!this.hasRoom(credits, false)) {
      const r = this.commit();
      if (failed(r)) return r;
    }
    if (this.#depth++ === 0) {
      this.#hasChanged = false;
      this.volume.cache.trim();
      this.volume.cache.isBusy = true;
    }
    return 0;
  }

  stop(): void {
    KASSERT(this.#depth > 0, "ext4: stop without start");
    if (--this.#depth === 0) this.volume.cache.isBusy = false;
  }

  dirty(bp: Buf): void {
    KASSERT(this.#depth > 0, "ext4: a block was changed outside an operation");
    if (this.#isAborted) return;
    if (!this.volume.cache.markDirty(bp)) {
      this.abort(`block ${bp.blkno} was changed in two places`);
      return;
    }
    this.#hasChanged = true;
    if (this.blocks.size === 0) this.volume.watcher?.changed();
    this.blocks.set(bp.blkno, bp);
  }

  forget(blkno: number): void {
    if (this.#isAborted) return;
    this.blocks.delete(blkno);
    this.volume.cache.forget(blkno);
    this.forgotten(blkno);
  }

  readFailed(blkno: number): void {
    if (this.#depth === 0 || !this.#hasChanged) return;
    this.abort(`block ${blkno} cannot be read in the middle of a change`);
  }

  order(writer: OrderedData): void {
    this.#ordered.add(writer);
  }

  onCommit(f: Committed): void {
    this.#waiting.push(f);
  }

  commit(): number {
    if (this.#isAborted) return EIO;
    KASSERT(this.#depth === 0, "ext4: commit inside an operation");
    if (this.#isCommitting) return 0;
    this.#isCommitting = true;
    this.#writeOrdered();
    let r = 0;
    this.#seal();
    if (!this.#isAborted && this.hasNews) {
      r = this.write();
    } else {
      r = this.flush();
    }
    this.#isCommitting = false;
    this.volume.watcher?.committed();
    if (failed(r)) this.abort(`commit failed: error ${-r}`);
    if (this.#isAborted) return EIO;
    this.sequence++;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const f of waiting) f.committed();
    return 0;
  }

  isCommitted(sequence: number): boolean {
    return sequence < this.sequence;
  }

  abort(why: string): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#ordered.clear();
    this.#waiting = [];
    this.volume.watcher?.committed();
    this.volume.aborted(why);
  }

  /** A barrier, if anything was written since the last one. 0 or EIO. */
  protected flush(): number {
    const { device } = this.volume;
    const { writes } = device.counts;
    if (!this.#hasBarriers || writes === this.#flushedWrites) return 0;
    const r = device.flush();
    if (!failed(r)) this.#flushedWrites = writes;
    return r;
  }

  /** Adds the superblock, if it changed, and gives all blocks the checksums that they lack. */
  #seal(): void {
    const { volume } = this;
    const superblock = volume.sealSuperblock();
    if (superblock) {
      volume.cache.markDirty(superblock);
      this.blocks.set(superblock.blkno, superblock);
    }
    volume.groups.seal();
    for (const bp of this.blocks.values()) {
      bp.seal?.seal(bp);
      bp.seal = null;
    }
  }

  /** Writing contents may allocate, and so bring in more that is to be written. */
  #writeOrdered(): void {
    while (this.#ordered.size > 0) {
      const ordered = this.#ordered;
      this.#ordered = new Set();
      for (const writer of ordered) writer.writeOut();
    }
  }
}
