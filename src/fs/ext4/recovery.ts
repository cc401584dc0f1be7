/**
 * What a log that was not emptied holds: for each block that a committed
 * transaction wrote and none revoked, where in the journal its contents are.
 *
 * A read-only mount must not write, so it sees the volume through a device that
 * redirects reads into the journal (recovereddevice.ts); a writable one has that
 * device bring the blocks home first. The walk over the log visits each of its
 * blocks at most once, whatever they say.
 * Source: fs/jbd2/recovery.c, Documentation/filesystems/ext4/journal.rst.
 */
import { EFSBADCRC, EFSCORRUPTED, EOPNOTSUPP, type Errno, failed } from "../../abi/errno.ts";
import { LOG_ERR, LOG_INFO } from "../../kern/log.ts";
import { crc32be } from "../../lib/crc32be.ts";
import { keepErrors } from "./errorlog.ts";
import {
  BLOCK_COMMIT,
  BLOCK_DESCRIPTOR,
  BLOCK_REVOKE,
  BlockHeader,
  COMMIT_CHKSUM_AT,
  CommitBlock,
  JBD2_MAGIC,
  JOURNAL_64BIT,
  JOURNAL_ASYNC_COMMIT,
  JOURNAL_CSUM_V3,
  REVOKE_COUNT_AT,
  REVOKE_HEADER_SIZE,
  TAG_ESCAPE,
  TAG_LAST,
  TAG_SAME_UUID,
} from "./jbd2.ts";
import { Journal } from "./journal.ts";
import { STATE_ERROR, SuperBlock } from "./layout.ts";
import { RecoveredDevice, type Redirect } from "./recovereddevice.ts";
import { Volume } from "./volume.ts";

const TWO32 = 4294967296;
const FC_TAG_HEAD = 9;
/** h_chksum_type of a commit block: CRC-32 of the whole transaction. */
const COMMIT_CRC32 = 1;
const SUM_START = 0xffffffff;
/** From `#scanLogged`: the transaction was not written whole. */
const STALE = -1000;

/**
 * The volume as it is after its journal. EUCLEAN, EFSBADCRC for a damaged log,
 * EOPNOTSUPP for one not understood.
 */
export function openRecovered(volume: Volume): Volume | Errno {
  const { log, device } = volume;
  const refuse = (why: string, error: Errno): Errno => {
    log.log(LOG_ERR, `EXT4-fs (${device.name}): ${why}`);
    return error;
  };
  const journal = Journal.open(volume);
  if (typeof journal === "number") return refuse("journal is damaged", journal);
  if (typeof journal === "string") return refuse(journal, EOPNOTSUPP);
  const recovery = new Recovery(journal);
  const r = recovery.run();
  if (r === EOPNOTSUPP) {
    return refuse("fast commits are pending, which are not supported", EOPNOTSUPP);
  }
  if (failed(r)) return refuse("journal is damaged: recovery failed", r);
  const { blocks } = recovery;
  if (blocks.size > 0) {
    log.log(LOG_INFO, `EXT4-fs (${device.name}): ${blocks.size} blocks read from the journal`);
  }
  const below = new RecoveredDevice(
    device,
    volume.geometry.blockSize,
    blocks,
    recovery.endSequence,
  );
  const recovered = Volume.open(below, log, volume.clock);
  if (typeof recovered === "number") return recovered;
  if (recovered.geometry.blockSize !== volume.geometry.blockSize) {
    return refuse("journal changes the block size", EFSCORRUPTED);
  }
  // The log may hold an older superblock, and its writer's last words are in the journal's own.
  keepErrors(recovered.superView, volume.superView);
  if (journal.errno !== 0) {
    const state = SuperBlock.s_state.get(recovered.superView, 0);
    SuperBlock.s_state.set(recovered.superView, 0, state | STATE_ERROR);
  }
  return recovered;
}

/** Sequence of the first transaction that the log does not hold whole, or an error. */
export function endOfLog(journal: Journal): number {
  const recovery = new Recovery(journal);
  const r = recovery.run();
  return failed(r) && r !== EOPNOTSUPP ? r : recovery.endSequence;
}

class Recovery {
  readonly blocks = new Map<number, Redirect>();
  /** Sequence of the first transaction that did not commit. */
  endSequence: number;
  readonly #journal: Journal;
  readonly #view: DataView;
  /** Of all blocks of the transaction being scanned, where commit blocks keep that. */
  #sum = SUM_START;

  constructor(journal: Journal) {
    this.#journal = journal;
    this.#view = new DataView(new ArrayBuffer(journal.volume.geometry.blockSize));
    this.endSequence = journal.sequence;
  }

  /** Fills `blocks` with what the committed transactions wrote. 0, or an error. */
  run(): number {
    if (this.#journal.start === 0) return 0;
    const end = this.#scan();
    if (end < 0) return end;
    this.endSequence = end;
    const revoked = new Map<number, number>();
    const r = this.#walk(end, (view, sequence) => this.#revoke(view, sequence, revoked));
    if (failed(r)) return r;
    for (const [block, sequence] of revoked) {
      const found = this.blocks.get(block);
      if (found && isNotAfter(found.sequence, sequence)) this.blocks.delete(block);
    }
    return this.#checkFastCommits(end);
  }

  /** Sequence of the first transaction that has no commit block, or a wrong sum under it. */
  #scan(): number {
    const journal = this.#journal;
    let at = journal.start;
    let { sequence } = journal;
    this.#sum = SUM_START;
    for (let left = journal.length; left > 0; left--) {
      const view = this.#read(at);
      if (typeof view === "number") return view;
      if (!isRecord(view, sequence)) return sequence;
      let step = 1;
      switch (BlockHeader.h_blocktype.get(view, 0)) {
        case BLOCK_DESCRIPTOR:
          if (!this.#isTailRight(view)) return sequence;
          step = this.#scanLogged(view, at, sequence);
          if (step < 0) return step === STALE ? sequence : step;
          left -= step++;
          break;
        case BLOCK_COMMIT:
          if (!this.#isCommitRight(view)) return sequence;
          this.#sum = SUM_START;
          sequence = (sequence + 1) >>> 0;
          break;
        case BLOCK_REVOKE:
          if (!this.#isTailRight(view)) return sequence;
          break;
        default:
          return sequence;
      }
      at = journal.wrap(at + step);
    }
    return sequence;
  }

  /**
   * Looks through what follows a descriptor block at `at`: how many blocks that is, an
   * error, or STALE if they are not all of this transaction. Its commit block proves
   * nothing about them if it did not wait for them (async_commit).
   */
  #scanLogged(view: DataView, at: number, sequence: number): number {
    const journal = this.#journal;
    const isAsync = (journal.incompat & JOURNAL_ASYNC_COMMIT) !== 0 && journal.hasChecksums;
    if (!isAsync && !journal.hasCommitSums) return this.#tags(view, () => 0);
    const descriptor = new DataView(view.buffer.slice(0));
    if (journal.hasCommitSums) this.#sum = crc32be(this.#sum, new Uint8Array(descriptor.buffer));
    let isStale = false;
    const n = this.#tags(descriptor, (_block, _flags, sum, index) => {
      const logged = this.#read(journal.wrap(at + 1 + index));
      if (typeof logged === "number") return logged;
      const bytes = new Uint8Array(logged.buffer);
      if (isAsync && journal.tagSum(sequence, bytes) !== sum) isStale = true;
      if (journal.hasCommitSums) this.#sum = crc32be(this.#sum, bytes);
      return 0;
    });
    return isStale ? STALE : n;
  }

  /** Notes the blocks of all transactions before `end`; `onRevoke` sees the revoke records. */
  #walk(end: number, onRevoke: (view: DataView, sequence: number) => number): number {
    const journal = this.#journal;
    let at = journal.start;
    let { sequence } = journal;
    for (let left = journal.length; left > 0 && sequence !== end; left--) {
      const view = this.#read(at);
      if (typeof view === "number") return view;
      if (!isRecord(view, sequence)) return EFSCORRUPTED;
      let step = 1;
      const type = BlockHeader.h_blocktype.get(view, 0);
      if (type === BLOCK_COMMIT) {
        sequence = (sequence + 1) >>> 0;
      } else if (type === BLOCK_REVOKE) {
        const r = onRevoke(view, sequence);
        if (failed(r)) return r;
      } else if (type === BLOCK_DESCRIPTOR) {
        const base = at;
        const first = sequence;
        const descriptor = new DataView(view.buffer.slice(0));
        const n = this.#tags(descriptor, (block, flags, sum, index) =>
          this.#note(block, flags, sum, journal.wrap(base + 1 + index), first),
        );
        if (n < 0) return n;
        step += n;
        left -= n;
      } else {
        return EFSCORRUPTED;
      }
      at = journal.wrap(at + step);
    }
    return 0;
  }

  /** Records that `block`'s contents are in block `at` of the journal, if their sum is right. */
  #note(block: number, flags: number, sum: number, at: number, sequence: number): number {
    const journal = this.#journal;
    const pblk = journal.locate(at);
    if (pblk < 0) return pblk;
    if (block >= journal.volume.geometry.blocksCount) return EFSCORRUPTED;
    if (journal.hasChecksums) {
      const view = this.#read(at);
      if (typeof view === "number") return view;
      if (journal.tagSum(sequence, new Uint8Array(view.buffer)) !== sum) return EFSBADCRC;
    }
    this.blocks.set(block, { pblk, isEscaped: (flags & TAG_ESCAPE) !== 0, sequence });
    return 0;
  }

  #revoke(view: DataView, sequence: number, revoked: Map<number, number>): number {
    const size = this.#journal.revokeSize;
    const room = view.byteLength - this.#journal.tailSize;
    const end = Math.min(view.getUint32(REVOKE_COUNT_AT), room);
    for (let at = REVOKE_HEADER_SIZE; at + size <= end; at += size) {
      const block =
        size === 8 ? view.getUint32(at) * TWO32 + view.getUint32(at + 4) : view.getUint32(at);
      revoked.set(block, sequence);
    }
    return 0;
  }

  /** Calls `each` for the tags of a descriptor block; how many there are, or its error. */
  #tags(
    view: DataView,
    each: (block: number, flags: number, sum: number, index: number) => number,
  ): number {
    const { incompat, tagSize, tailSize } = this.#journal;
    const is64 = (incompat & JOURNAL_64BIT) !== 0;
    const isV3 = (incompat & JOURNAL_CSUM_V3) !== 0;
    const end = view.byteLength - tailSize;
    let count = 0;
    for (let at = BlockHeader.sizeof; at + tagSize <= end; ) {
      const flags = isV3 ? view.getUint32(at + 4) : view.getUint16(at + 6);
      const sum = isV3 ? view.getUint32(at + 12) : view.getUint16(at + 4);
      const block = view.getUint32(at) + (is64 ? view.getUint32(at + 8) * TWO32 : 0);
      const r = each(block, flags, sum, count);
      if (failed(r)) return r;
      count++;
      at += tagSize + ((flags & TAG_SAME_UUID) === 0 ? 16 : 0);
      if ((flags & TAG_LAST) !== 0) break;
    }
    return count;
  }

  #isTailRight(view: DataView): boolean {
    if (!this.#journal.hasChecksums) return true;
    const at = view.byteLength - 4;
    return this.#journal.sumWithout(view, at) === view.getUint32(at);
  }

  #isCommitRight(view: DataView): boolean {
    const stored = view.getUint32(COMMIT_CHKSUM_AT);
    if (this.#journal.hasChecksums) {
      return this.#journal.sumWithout(view, COMMIT_CHKSUM_AT) === stored;
    }
    if (!this.#journal.hasCommitSums) return true;
    const type = CommitBlock.h_chksum_type.get(view, 0);
    if (type === 0 && stored === 0) return true;
    return type === COMMIT_CRC32 && stored === this.#sum;
  }

  /** Fast commits after the last full one are changes that this kernel cannot show. */
  #checkFastCommits(end: number): number {
    if (this.#journal.fastCommitBlocks === 0) return 0;
    const view = this.#read(this.#journal.last);
    if (typeof view === "number") return view;
    const isPending = view.getUint16(0, true) === FC_TAG_HEAD && view.getUint32(8, true) === end;
    return isPending ? EOPNOTSUPP : 0;
  }

  /** The block at `lblk`, good until the next one is read. */
  #read(lblk: number): DataView | Errno {
    const r = this.#journal.read(lblk, this.#view);
    return failed(r) ? r : this.#view;
  }
}

function isRecord(view: DataView, sequence: number): boolean {
  return (
    BlockHeader.h_magic.get(view, 0) === JBD2_MAGIC &&
    BlockHeader.h_sequence.get(view, 0) === sequence
  );
}

/** Sequence numbers wrap: true if `a` is `b` or before it. */
function isNotAfter(a: number, b: number): boolean {
  return ((b - a) | 0) >= 0;
}
