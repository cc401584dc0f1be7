/**
 * The journal of a volume: a file of blocks, of which the first is its
 * superblock and the rest a ring, the log.
 *
 * What is kept here was checked: the ring lies within the file, and every block
 * of the file within the volume, or `locate` says otherwise.
 * Source: fs/jbd2/journal.c, Documentation/filesystems/ext4/journal.rst.
 */
import { EFSBADCRC, EFSCORRUPTED, EIO, type Errno, failed } from "../../abi/errno.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { type Inode, readAnyInode } from "./inode.ts";
import {
  BLOCK_SUPER_V1,
  BLOCK_SUPER_V2,
  JBD2_MAGIC,
  JOURNAL_64BIT,
  JOURNAL_ASYNC_COMMIT,
  JOURNAL_CHECKSUM,
  JOURNAL_CRC32C,
  JOURNAL_CSUM_V2,
  JOURNAL_CSUM_V3,
  JOURNAL_FAST_COMMIT,
  JOURNAL_REVOKE,
  JournalSuper,
} from "./jbd2.ts";
import { SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

const SUPPORTED =
  JOURNAL_REVOKE |
  JOURNAL_64BIT |
  JOURNAL_ASYNC_COMMIT |
  JOURNAL_CSUM_V2 |
  JOURNAL_CSUM_V3 |
  JOURNAL_FAST_COMMIT;
/** Journals are at most 10,240,000 blocks (mke2fs); more than this is not worth the memory. */
const MAX_BLOCKS = 1 << 21;
const FAST_COMMIT_BLOCKS = 256;
const CSUM_HOLE = new Uint8Array(4);

export class Journal {
  readonly volume: Volume;
  /** First block of the ring, and the first after it. */
  readonly first: number;
  readonly last: number;
  readonly fastCommitBlocks: number;
  /** Start of every checksum in it. */
  readonly csumSeed: number;
  readonly #inode: Inode;
  readonly #run = new BlockRun();
  readonly #super: DataView;

  private constructor(volume: Volume, inode: Inode, view: DataView) {
    this.volume = volume;
    this.#inode = inode;
    this.#super = view;
    this.first = JournalSuper.s_first.get(view, 0);
    this.csumSeed = crc32c(0xffffffff, JournalSuper.s_uuid.get(view, 0));
    this.fastCommitBlocks =
      (this.incompat & JOURNAL_FAST_COMMIT) !== 0
        ? JournalSuper.s_num_fc_blks.get(view, 0) || FAST_COMMIT_BLOCKS
        : 0;
    this.last = JournalSuper.s_maxlen.get(view, 0) - this.fastCommitBlocks;
  }

  /** The journal; an errno if it is damaged, a text if it is not for us. */
  static open(volume: Volume): Journal | Errno | string {
    const js = JournalSuper;
    if (SuperBlock.s_journal_dev.get(volume.superView, 0) !== 0) {
      return "external journal, which is not supported";
    }
    const inode = readAnyInode(volume, SuperBlock.s_journal_inum.get(volume.superView, 0));
    if (typeof inode === "number") return inode;
    const { blockSize } = volume.geometry;
    const view = new DataView(new ArrayBuffer(blockSize));
    const journal = new Journal(volume, inode, view);
    const r = journal.read(0, view);
    if (failed(r)) return r;
    const type = js.h_blocktype.get(view, 0);
    if (js.h_magic.get(view, 0) !== JBD2_MAGIC) return EFSCORRUPTED;
    if (type !== BLOCK_SUPER_V1 && type !== BLOCK_SUPER_V2) return EFSCORRUPTED;
    const opened = new Journal(volume, inode, view);
    const unknown = (opened.incompat & ~SUPPORTED) >>> 0;
    if (unknown !== 0) return `journal has unsupported features 0x${unknown.toString(16)}`;
    if (opened.hasChecksums && opened.#superSum() !== js.s_checksum.get(view, 0)) {
      return EFSBADCRC;
    }
    const maxlen = js.s_maxlen.get(view, 0);
    const isSound =
      js.s_blocksize.get(view, 0) === blockSize &&
      maxlen <= MAX_BLOCKS &&
      maxlen * blockSize <= inode.sizeBytes &&
      opened.first >= 1 &&
      opened.first < opened.last &&
      (opened.start === 0 || (opened.start >= opened.first && opened.start < opened.last));
    return isSound ? opened : EFSCORRUPTED;
  }

  /** Only such a superblock has features; older ones are read, not written. */
  get isVersion2(): boolean {
    return JournalSuper.h_blocktype.get(this.#super, 0) === BLOCK_SUPER_V2;
  }

  get incompat(): number {
    return this.isVersion2 ? JournalSuper.s_feature_incompat.get(this.#super, 0) : 0;
  }

  get hasChecksums(): boolean {
    return (this.incompat & (JOURNAL_CSUM_V2 | JOURNAL_CSUM_V3)) !== 0;
  }

  /** Commit blocks may hold a sum over their whole transaction. */
  get hasCommitSums(): boolean {
    const compat = this.isVersion2 ? JournalSuper.s_feature_compat.get(this.#super, 0) : 0;
    return (compat & JOURNAL_CHECKSUM) !== 0;
  }

  /** Where the oldest transaction begins; 0: the log is empty. */
  get start(): number {
    return JournalSuper.s_start.get(this.#super, 0);
  }

  /** Sequence number of the transaction at `start`, or a bound of all before. */
  get sequence(): number {
    return JournalSuper.s_sequence.get(this.#super, 0);
  }

  /** Why the last one to write it gave up; 0 if it did not. */
  get errno(): number {
    return JournalSuper.s_errno.get(this.#super, 0);
  }

  get uuid(): Uint8Array {
    return JournalSuper.s_uuid.get(this.#super, 0);
  }

  /** Blocks of the ring. */
  get length(): number {
    return this.last - this.first;
  }

  /** Bytes at the end of a block that its checksum takes. */
  get tailSize(): number {
    return this.hasChecksums ? 4 : 0;
  }

  /** Bytes of one tag in a descriptor block. */
  get tagSize(): number {
    if ((this.incompat & JOURNAL_CSUM_V3) !== 0) return 16;
    const wide = (this.incompat & JOURNAL_64BIT) !== 0 ? 4 : 0;
    return 8 + wide + ((this.incompat & JOURNAL_CSUM_V2) !== 0 ? 2 : 0);
  }

  /** Bytes of one block number in a revoke block. */
  get revokeSize(): number {
    return (this.incompat & JOURNAL_64BIT) !== 0 ? 8 : 4;
  }

  /** The features that this kernel writes with; the log must be empty. */
  chooseFeatures(is64: boolean, isSummed: boolean): void {
    const js = JournalSuper;
    const kept = this.incompat & JOURNAL_FAST_COMMIT;
    const chosen = (is64 ? JOURNAL_64BIT : 0) | (isSummed ? JOURNAL_CSUM_V3 : 0);
    js.s_feature_incompat.set(this.#super, 0, kept | JOURNAL_REVOKE | chosen);
    const compat = js.s_feature_compat.get(this.#super, 0);
    js.s_feature_compat.set(this.#super, 0, compat & ~JOURNAL_CHECKSUM);
    js.s_checksum_type.set(this.#super, 0, isSummed ? JOURNAL_CRC32C : 0);
  }

  /** Writes the journal's superblock: the log begins at `start` with transaction `sequence`. 0 or EIO. */
  writeSuper(start: number, sequence: number, errno: number): number {
    const js = JournalSuper;
    js.s_start.set(this.#super, 0, start);
    js.s_sequence.set(this.#super, 0, sequence);
    js.s_errno.set(this.#super, 0, errno);
    js.s_checksum.set(this.#super, 0, this.hasChecksums ? this.#superSum() : 0);
    return this.write(0, [new Uint8Array(this.#super.buffer)]);
  }

  /** Notes in the journal that whoever wrote it gave up; as far as that can be written. */
  noteAbort(): void {
    this.writeSuper(this.start, this.sequence, EIO);
  }

  /** Block of the volume that block `lblk` of the journal is in, or an error. */
  locate(lblk: number): number {
    const run = this.#run;
    if (!run.covers(lblk)) {
      const r = mapBlock(this.#inode, lblk, run);
      if (failed(r)) return r;
    }
    return run.at(lblk) === HOLE ? EFSCORRUPTED : run.at(lblk);
  }

  /** Reads block `lblk`, which does not stay in the buffer cache. 0 or an error. */
  read(lblk: number, into: DataView): number {
    const pblk = this.locate(lblk);
    if (pblk < 0) return pblk;
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    return this.volume.device.read(pblk * into.byteLength, bytes);
  }

  /** Writes `blocks` from `lblk` on, which do not go past the end. 0 or an error. */
  write(lblk: number, blocks: readonly Uint8Array[]): number {
    for (let done = 0; done < blocks.length; ) {
      const pblk = this.locate(lblk + done);
      if (pblk < 0) return pblk;
      const here = this.#run.lblk + this.#run.count - (lblk + done);
      const part = blocks.slice(done, done + here);
      const r = this.volume.cache.writeRun(pblk, part);
      if (failed(r)) return r;
      done += part.length;
    }
    return 0;
  }

  /** Where a place past the end of the ring really is. */
  wrap(lblk: number): number {
    return lblk < this.last ? lblk : this.first + ((lblk - this.first) % this.length);
  }

  /** Sum of a block of the log as if the word at `hole` were zero. */
  sumWithout(view: DataView, hole: number): number {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const sum = crc32c(crc32c(this.csumSeed, bytes, 0, hole), CSUM_HOLE);
    return crc32c(sum, bytes, hole + 4);
  }

  /** Sum of a logged block's contents, as its tag keeps it. */
  tagSum(sequence: number, contents: Uint8Array): number {
    const seq = new Uint8Array([sequence >>> 24, sequence >>> 16, sequence >>> 8, sequence]);
    const sum = crc32c(crc32c(this.csumSeed, seq), contents);
    return (this.incompat & JOURNAL_CSUM_V3) !== 0 ? sum : sum & 0xffff;
  }

  #superSum(): number {
    const sumAt = JournalSuper.s_checksum.offset;
    const bytes = new Uint8Array(this.#super.buffer);
    const sum = crc32c(crc32c(0xffffffff, bytes, 0, sumAt), CSUM_HOLE);
    return crc32c(sum, bytes, sumAt + 4, JournalSuper.sizeof);
  }
}
