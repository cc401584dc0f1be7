/**
 * A journal that was not replayed: seen through, not written back.
 *
 * A volume that lost its machine has committed blocks in its journal that are
 * newer than those in place. A read-only mount must not write, so the replay
 * only notes, for each such block, where in the journal its contents are, and
 * a device of its own redirects reads there. Cost: one map entry a block.
 *
 * The walk over the log visits each of its blocks at most once, whatever they
 * say. Source: fs/jbd2/recovery.c, Documentation/filesystems/ext4/journal.rst.
 */
import { EFSBADCRC, EFSCORRUPTED, EOPNOTSUPP, type Errno, failed } from "../../abi/errno.ts";
import { type KernelLog, LOG_ERR, LOG_INFO } from "../../kern/log.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { readAnyInode } from "./inode.ts";
import {
  BLOCK_COMMIT,
  BLOCK_DESCRIPTOR,
  BLOCK_REVOKE,
  BLOCK_SUPER_V1,
  BLOCK_SUPER_V2,
  BlockHeader,
  COMMIT_CHKSUM_AT,
  JBD2_MAGIC,
  JOURNAL_64BIT,
  JOURNAL_ASYNC_COMMIT,
  JOURNAL_CSUM_V2,
  JOURNAL_CSUM_V3,
  JOURNAL_FAST_COMMIT,
  JOURNAL_REVOKE,
  JournalSuper,
  REVOKE_COUNT_AT,
  REVOKE_HEADER_SIZE,
  TAG_ESCAPE,
  TAG_LAST,
  TAG_SAME_UUID,
} from "./jbd2.ts";
import { SuperBlock } from "./layout.ts";
import { RecoveredDevice, type Redirect } from "./recovereddevice.ts";
import { Volume } from "./volume.ts";

const TWO32 = 4294967296;
const SUPPORTED =
  JOURNAL_REVOKE |
  JOURNAL_64BIT |
  JOURNAL_ASYNC_COMMIT |
  JOURNAL_CSUM_V2 |
  JOURNAL_CSUM_V3 |
  JOURNAL_FAST_COMMIT;
/** Journals are at most 10,240,000 blocks (mke2fs); more than this is not worth the memory. */
const MAX_BLOCKS = 1 << 21;

/**
 * The volume as it is after its journal: the same one if the log is empty.
 * EUCLEAN, EFSBADCRC for a damaged log, EOPNOTSUPP for one not understood.
 */
export function openRecovered(volume: Volume, log: KernelLog): Volume | Errno {
  const name = volume.device.name;
  const refuse = (why: string, error: Errno): Errno => {
    log.log(LOG_ERR, `EXT4-fs (${name}): ${why}`);
    return error;
  };
  if (SuperBlock.s_journal_dev.get(volume.superView, 0) !== 0) {
    return refuse("external journal needs recovery, which is not supported", EOPNOTSUPP);
  }
  const ino = SuperBlock.s_journal_inum.get(volume.superView, 0);
  const inode = readAnyInode(volume, ino);
  if (typeof inode === "number") return refuse("journal inode is damaged", inode);
  const run = new BlockRun();
  const locate = (lblk: number): number => {
    if (!run.covers(lblk)) {
      const r = mapBlock(inode, lblk, run);
      if (failed(r)) return r;
    }
    return run.at(lblk) === HOLE ? EFSCORRUPTED : run.at(lblk);
  };
  const journal = JournalLog.open(volume, locate, inode.sizeBytes);
  if (typeof journal === "number") return refuse("journal superblock is damaged", journal);
  if (typeof journal === "string") return refuse(journal, EOPNOTSUPP);
  const r = journal.replay();
  if (failed(r)) return refuse("journal is damaged: recovery failed", r);
  if (journal.blocks.size === 0) return volume;
  log.log(LOG_INFO, `EXT4-fs (${name}): ${journal.blocks.size} blocks read from the journal`);
  const recovered = Volume.open(
    new RecoveredDevice(volume.device, volume.geometry.blockSize, journal.blocks),
    log,
    volume.clock,
  );
  if (typeof recovered === "number") return recovered;
  const same = recovered.geometry.blockSize === volume.geometry.blockSize;
  return same ? recovered : refuse("journal changes the block size", EFSCORRUPTED);
}

class JournalLog {
  readonly blocks = new Map<number, Redirect>();
  readonly #volume: Volume;
  /** Block of the volume that block n of the journal is in, or an error. */
  readonly #locate: (lblk: number) => number;
  readonly #first: number;
  readonly #last: number;
  readonly #start: number;
  readonly #startSequence: number;
  readonly #incompat: number;
  readonly #csumSeed: number;
  readonly #fastCommitBlocks: number;

  private constructor(volume: Volume, locate: (lblk: number) => number, view: DataView) {
    const js = JournalSuper;
    this.#volume = volume;
    this.#locate = locate;
    this.#incompat =
      js.h_blocktype.get(view, 0) === BLOCK_SUPER_V2 ? js.s_feature_incompat.get(view, 0) : 0;
    this.#first = js.s_first.get(view, 0);
    this.#start = js.s_start.get(view, 0);
    this.#startSequence = js.s_sequence.get(view, 0);
    this.#csumSeed = crc32c(0xffffffff, js.s_uuid.get(view, 0));
    this.#fastCommitBlocks =
      (this.#incompat & JOURNAL_FAST_COMMIT) !== 0 ? js.s_num_fc_blks.get(view, 0) || 256 : 0;
    this.#last = js.s_maxlen.get(view, 0) - this.#fastCommitBlocks;
  }

  /** The log; an errno if it is damaged, a text if it is not for us. */
  static open(
    volume: Volume,
    locate: (lblk: number) => number,
    sizeBytes: number,
  ): JournalLog | Errno | string {
    const js = JournalSuper;
    const { blockSize } = volume.geometry;
    const at = locate(0);
    if (at < 0) return at as Errno;
    const bp = volume.bread(at);
    if (typeof bp === "number") return bp;
    const type = js.h_blocktype.get(bp.view, 0);
    if (js.h_magic.get(bp.view, 0) !== JBD2_MAGIC) return EFSCORRUPTED;
    if (type !== BLOCK_SUPER_V1 && type !== BLOCK_SUPER_V2) return EFSCORRUPTED;
    const journal = new JournalLog(volume, locate, bp.view);
    const unknown = (journal.#incompat & ~SUPPORTED) >>> 0;
    if (unknown !== 0) return `journal has unsupported features 0x${unknown.toString(16)}`;
    if (journal.#hasChecksums) {
      const sumAt = js.s_checksum.offset;
      let sum = crc32c(0xffffffff, bp.data, 0, sumAt);
      sum = crc32c(sum, new Uint8Array(4));
      sum = crc32c(sum, bp.data, sumAt + 4, js.sizeof);
      if (sum !== js.s_checksum.get(bp.view, 0)) return EFSBADCRC;
    }
    const maxlen = js.s_maxlen.get(bp.view, 0);
    const isSound =
      js.s_blocksize.get(bp.view, 0) === blockSize &&
      maxlen <= MAX_BLOCKS &&
      maxlen * blockSize <= sizeBytes &&
      journal.#first >= 1 &&
      journal.#first < journal.#last &&
      (journal.#start === 0 ||
        (journal.#start >= journal.#first && journal.#start < journal.#last));
    return isSound ? journal : EFSCORRUPTED;
  }

  /** Fills `blocks` with what the committed transactions wrote. 0, or an error. */
  replay(): number {
    if (this.#start === 0) return 0;
    const end = this.#scan();
    if (end < 0) return end;
    const revoked = new Map<number, number>();
    const r = this.#walk(end, (view, sequence) => this.#revoke(view, sequence, revoked));
    if (failed(r)) return r;
    for (const [block, sequence] of revoked) {
      const found = this.blocks.get(block);
      if (found && isNotAfter(found.sequence, sequence)) this.blocks.delete(block);
    }
    return this.#checkFastCommits(end);
  }

  get #hasChecksums(): boolean {
    return (this.#incompat & (JOURNAL_CSUM_V2 | JOURNAL_CSUM_V3)) !== 0;
  }

  /** Sequence of the first transaction that has no commit block. */
  #scan(): number {
    let at = this.#start;
    let sequence = this.#startSequence;
    for (let left = this.#last - this.#first; left > 0; left--) {
      const view = this.#read(at);
      if (typeof view === "number") return view;
      if (!isRecord(view, sequence)) return sequence;
      let step = 1;
      switch (BlockHeader.h_blocktype.get(view, 0)) {
        case BLOCK_DESCRIPTOR:
          if (!this.#isTailRight(view)) return sequence;
          step += this.#tags(view, () => 0);
          left -= step - 1;
          break;
        case BLOCK_COMMIT:
          if (!this.#isCommitRight(view)) return sequence;
          sequence = (sequence + 1) >>> 0;
          break;
        case BLOCK_REVOKE:
          if (!this.#isTailRight(view)) return sequence;
          break;
        default:
          return sequence;
      }
      at = this.#wrap(at + step);
    }
    return sequence;
  }

  /** Notes the blocks of all transactions before `end`; `onRevoke` sees the revoke records. */
  #walk(end: number, onRevoke: (view: DataView, sequence: number) => number): number {
    let at = this.#start;
    let sequence = this.#startSequence;
    for (let left = this.#last - this.#first; left > 0 && sequence !== end; left--) {
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
        const n = this.#tags(view, (block, flags, sum, index) =>
          this.#note(block, flags, sum, this.#wrap(base + 1 + index), first),
        );
        if (n < 0) return n;
        step += n;
        left -= n;
      } else {
        return EFSCORRUPTED;
      }
      at = this.#wrap(at + step);
    }
    return 0;
  }

  /** Records that `block`'s contents are in block `at` of the journal, if their sum is right. */
  #note(block: number, flags: number, sum: number, at: number, sequence: number): number {
    const pblk = this.#locate(at);
    if (pblk < 0) return pblk;
    if (block >= this.#volume.geometry.blocksCount) return EFSCORRUPTED;
    if (this.#hasChecksums) {
      const bp = this.#volume.bread(pblk);
      if (typeof bp === "number") return bp;
      const seq = new Uint8Array([sequence >>> 24, sequence >>> 16, sequence >>> 8, sequence]);
      const real = crc32c(crc32c(this.#csumSeed, seq), bp.data);
      const isWide = (this.#incompat & JOURNAL_CSUM_V3) !== 0;
      if ((isWide ? real : real & 0xffff) !== sum) return EFSBADCRC;
    }
    this.blocks.set(block, { pblk, isEscaped: (flags & TAG_ESCAPE) !== 0, sequence });
    return 0;
  }

  #revoke(view: DataView, sequence: number, revoked: Map<number, number>): number {
    const size = (this.#incompat & JOURNAL_64BIT) !== 0 ? 8 : 4;
    const end = Math.min(view.getUint32(REVOKE_COUNT_AT), view.byteLength - this.#tailSize);
    for (let at = REVOKE_HEADER_SIZE; at + size <= end; at += size) {
      const block =
        size === 8 ? view.getUint32(at) * TWO32 + view.getUint32(at + 4) : view.getUint32(at);
      revoked.set(block, sequence);
    }
    return 0;
  }

  get #tailSize(): number {
    return this.#hasChecksums ? 4 : 0;
  }

  /** Calls `each` for the tags of a descriptor block; how many there are, or its error. */
  #tags(
    view: DataView,
    each: (block: number, flags: number, sum: number, index: number) => number,
  ): number {
    const is64 = (this.#incompat & JOURNAL_64BIT) !== 0;
    const isV3 = (this.#incompat & JOURNAL_CSUM_V3) !== 0;
    const isV2 = (this.#incompat & JOURNAL_CSUM_V2) !== 0;
    const size = isV3 ? 16 : 8 + (is64 ? 4 : 0) + (isV2 ? 2 : 0);
    const end = view.byteLength - this.#tailSize;
    let count = 0;
    for (let at = BlockHeader.sizeof; at + size <= end; ) {
      const flags = isV3 ? view.getUint32(at + 4) : view.getUint16(at + 6);
      const sum = isV3 ? view.getUint32(at + 12) : view.getUint16(at + 4);
      const block = view.getUint32(at) + (is64 ? view.getUint32(at + 8) * TWO32 : 0);
      const r = each(block, flags, sum, count);
      if (failed(r)) return r;
      count++;
      at += size + ((flags & TAG_SAME_UUID) === 0 ? 16 : 0);
      if ((flags & TAG_LAST) !== 0) break;
    }
    return count;
  }

  #isTailRight(view: DataView): boolean {
    if (!this.#hasChecksums) return true;
    const at = view.byteLength - 4;
    return this.#sumWithout(view, at) === view.getUint32(at);
  }

  #isCommitRight(view: DataView): boolean {
    return (
      !this.#hasChecksums ||
      this.#sumWithout(view, COMMIT_CHKSUM_AT) === view.getUint32(COMMIT_CHKSUM_AT)
    );
  }

  /** Sum of a journal block as if the word at `hole` were zero. */
  #sumWithout(view: DataView, hole: number): number {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    let sum = crc32c(this.#csumSeed, bytes, 0, hole);
    sum = crc32c(sum, new Uint8Array(4));
    return crc32c(sum, bytes, hole + 4);
  }

  /** Fast commits after the last full one are changes that this kernel cannot show. */
  #checkFastCommits(end: number): number {
    if (this.#fastCommitBlocks === 0) return 0;
    const view = this.#read(this.#last);
    if (typeof view === "number") return view;
    const FC_TAG_HEAD = 9;
    const isPending = view.getUint16(0, true) === FC_TAG_HEAD && view.getUint32(8, true) === end;
    return isPending ? EOPNOTSUPP : 0;
  }

  #read(lblk: number): DataView | Errno {
    const pblk = this.#locate(lblk);
    if (pblk < 0) return pblk as Errno;
    const bp = this.#volume.bread(pblk);
    return typeof bp === "number" ? bp : bp.view;
  }

  #wrap(lblk: number): number {
    const span = this.#last - this.#first;
    return lblk < this.#last ? lblk : this.#first + ((lblk - this.#first) % span);
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
