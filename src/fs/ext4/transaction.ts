/**
 * Transactions: what groups the blocks that one operation changes, so that
 * after a crash all of them are on the disk or none.
 *
 * Operations do not interleave, so there is one running transaction. An
 * operation looks up all that can fail before its first `dirty`; what fails
 * after it can only abort the volume. See fs/jbd2/transaction.c for the idea.
 */
import { EROFS } from "../../abi/errno.ts";
import { panic } from "../../kern/panic.ts";
import type { Buf } from "../../vfs/bio.ts";

/** Contents that must be on the disk before the transaction that shows them. */
export interface OrderedData {
  /**
   * Runs at commit, once for each `order`; may change blocks (within start and stop), but
   * few: the transaction has room for a quarter of the log besides. An error is the
   * writer's to report; the commit goes on.
   */
  writeOut(): number;
}

/** Who waits for the running transaction. */
export interface Committed {
  committed(): void;
}

export interface Transaction {
  /** Nothing can be changed: mounted so, or aborted. */
  readonly isReadOnly: boolean;
  /**
   * Opens an operation that changes at most `credits` blocks (the superblock apart); nests.
   * 0; then `stop` must follow. EROFS if nothing can be changed, EIO if the running
   * transaction had to be committed for its room and could not be, EBUSY if a nested
   * operation has no room.
   */
  start(credits: number): number;
  stop(): void;
  /** `bp` was changed, or is about to be, before `stop`: it reaches the disk with the transaction. */
  dirty(bp: Buf): void;
  /** A metadata block was freed: what was to be written of it no longer is. */
  forget(blkno: number): void;
  /**
   * A metadata block cannot be read: in the middle of a change that aborts, for the change can
   * neither go on nor be undone. Before the first `dirty` of an operation it is only an error.
   */
  readFailed(blkno: number): void;
  /** The contents behind `writer` go to the disk before the transaction commits. */
  order(writer: OrderedData): void;
  /** `f` runs once, after the running transaction has committed; not if it aborts. */
  onCommit(f: Committed): void;
  /**
   * Makes everything done so far permanent: data, log, barrier, commit record, barrier.
   * Not within an operation. 0, or EIO, and then the volume is read-only.
   */
  commit(): number;
  /** Commits, and brings every block to its place, so that the log holds nothing. 0 or EIO. */
  checkpoint(): number;
  /** Number of the running transaction; grows. */
  readonly sequence: number;
  isCommitted(sequence: number): boolean;
  /** The memory and the disk no longer agree: nothing more is written, the volume is read-only. */
  abort(why: string): void;
}

/** The transaction of a read-only mount: there is none. */
export class NoTransaction implements Transaction {
  readonly isReadOnly = true;
  readonly sequence = 0;

  start(_credits: number): number {
    return EROFS;
  }

  stop(): void {
    panic("ext4: stop without start");
  }

  dirty(_bp: Buf): void {
    panic("ext4: a read-only volume was changed");
  }

  forget(_blkno: number): void {
    panic("ext4: a read-only volume was changed");
  }

  readFailed(_blkno: number): void {}

  order(_writer: OrderedData): void {}

  onCommit(_f: Committed): void {}

  commit(): number {
    return 0;
  }

  checkpoint(): number {
    return 0;
  }

  isCommitted(_sequence: number): boolean {
    return true;
  }

  abort(_why: string): void {}
}
