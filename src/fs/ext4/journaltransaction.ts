/**
 * Transactions through the journal: blocks are logged at commit, and come to
 * their places at a checkpoint.
 *
 * Between commits the log has room for half its length, so that whatever an
 * operation may do, its commit fits: after a commit that leaves less, or too
 * much waiting in memory, everything is checkpointed. A checkpoint follows a
 * commit at once, so each buffer it writes is as the log has it.
 *
 * A block of the log that was freed is revoked: a replay would put it over
 * what the block serves for then. Source: fs/jbd2/commit.c, checkpoint.c, revoke.c.
 */
import { ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import type { Journal } from "./journal.ts";
import { commitBlock, logBlocks, transactionBlocks } from "./journalrecord.ts";
import { RunningTransaction } from "./running.ts";

/** Most bytes of blocks that wait to be brought home. */
const WAITING_BYTES = 16 << 20;

export class JournalTransaction extends RunningTransaction {
  readonly #journal: Journal;
  /** Committed blocks that are not at their places yet. */
  readonly #pending = new Map<number, Buf>();
  /** Blocks of which the log has contents. */
  readonly #logged = new Set<number>();
  /** Blocks of the log that must not be replayed any more, from the running transaction on. */
  readonly #revoked = new Set<number>();
  /** Where the next transaction goes, and its number in the log. */
  #head: number;
  #logSequence: number;
  /** Blocks of the ring from its tail to its head. */
  #used = 0;

  /** `journal` is empty and says so on the disk: it begins at its first block with `sequence`. */
  constructor(journal: Journal, sequence: number, hasBarriers: boolean) {
    super(journal.volume, hasBarriers);
    this.#journal = journal;
    this.#head = journal.first;
    this.#logSequence = sequence;
  }

  /** After a checkpoint: the journal says that its log is empty. 0 or EIO. */
  close(): number {
    const r = this.#journal.writeSuper(0, this.#logSequence, 0);
    return failed(r) ? r : this.flush();
  }

  override dirty(bp: Buf): void {
    super.dirty(bp);
    this.#revoked.delete(bp.blkno);
  }

  protected hasRoom(credits: number, isLastResort: boolean): boolean {
    const { length } = this.#journal;
    const most = isLastResort ? length >> 1 : Math.max(length >> 2, 32);
    // One more for the superblock.
    return this.#needs(credits + 1) <= most;
  }

  protected override get hasNews(): boolean {
    return super.hasNews || this.#revoked.size > 0;
  }

  protected forgotten(blkno: number): void {
    this.#pending.delete(blkno);
    if (this.#logged.has(blkno)) this.#revoked.add(blkno);
  }

  protected write(): number {
    const r = this.#log();
    if (failed(r)) return r;
    for (const [blkno, bp] of this.blocks) {
      this.#logged.add(blkno);
      this.#pending.set(blkno, bp);
    }
    this.blocks.clear();
    this.#revoked.clear();
    const { length, volume } = this.#journal;
    const free = length - this.#used;
    const waiting = this.#pending.size * volume.geometry.blockSize;
    return free <= (length >> 1) + 1 || waiting > WAITING_BYTES ? this.#bringHome() : 0;
  }

  checkpoint(): number {
    const r = this.commit();
    if (failed(r) || this.#used === 0) return r;
    const home = this.#bringHome();
    if (failed(home)) this.abort(`checkpoint failed: error ${-home}`);
    return home;
  }

  override abort(why: string): void {
    if (this.isReadOnly) return;
    super.abort(why);
    this.#journal.noteAbort();
  }

  /** Data, descriptors and revocations; barrier; the commit block; barrier. 0 or an error. */
  #log(): number {
    const journal = this.#journal;
    const needed = this.#needs(0);
    if (needed >= journal.length - this.#used) return ENOSPC;
    const blocks = transactionBlocks(
      journal,
      this.#logSequence,
      [...this.blocks.values()],
      [...this.#revoked],
    );
    let r = this.#append(blocks);
    if (!failed(r)) r = this.flush();
    const now = journal.volume.clock.realtime();
    if (!failed(r)) r = this.#append([commitBlock(journal, this.#logSequence, now)]);
    if (!failed(r)) r = this.flush();
    if (failed(r)) return r;
    this.#logSequence = (this.#logSequence + 1) >>> 0;
    return 0;
  }

  /** Writes `blocks` at the head, going on at the start of the ring past its end. */
  #append(blocks: readonly Uint8Array[]): number {
    const journal = this.#journal;
    for (let done = 0; done < blocks.length; ) {
      const part = blocks.slice(done, done + journal.last - this.#head);
      const r = journal.write(this.#head, part);
      if (failed(r)) return r as Errno;
      this.#head = journal.wrap(this.#head + part.length);
      this.#used += part.length;
      done += part.length;
    }
    return 0;
  }

  /** Writes all committed blocks to their places, then empties the log. 0 or an error. */
  #bringHome(): number {
    let r = this.volume.cache.write(this.#pending.values());
    if (!failed(r)) r = this.flush();
    if (!failed(r)) r = this.#journal.writeSuper(this.#head, this.#logSequence, 0);
    if (!failed(r)) r = this.flush();
    if (failed(r)) return r;
    this.#pending.clear();
    this.#logged.clear();
    this.#used = 0;
    return 0;
  }

  #needs(credits: number): number {
    return logBlocks(this.#journal, this.blocks.size + credits, this.#revoked.size);
  }
}
