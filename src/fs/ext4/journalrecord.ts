/**
 * The blocks that a commit writes to the log: descriptors with a tag for each
 * logged block, revocations, and the commit block that makes them count.
 *
 * recovery.ts reads what is written here. Source: fs/jbd2/commit.c, revoke.c.
 */
import type { Timespec } from "../../kern/clock.ts";
import {
  BLOCK_COMMIT,
  BLOCK_DESCRIPTOR,
  BLOCK_REVOKE,
  BlockHeader,
  COMMIT_CHKSUM_AT,
  CommitBlock,
  JBD2_MAGIC,
  JOURNAL_64BIT,
  JOURNAL_CSUM_V3,
  REVOKE_COUNT_AT,
  REVOKE_HEADER_SIZE,
  TAG_ESCAPE,
  TAG_LAST,
  TAG_SAME_UUID,
} from "./jbd2.ts";
import type { Journal } from "./journal.ts";

const TWO32 = 4294967296;
const UUID_SIZE = 16;

export interface Logged {
  readonly blkno: number;
  readonly data: Uint8Array;
}

/** How many tags fit into one descriptor block, and numbers into one revoke block. */
export function tagsPerBlock(journal: Journal): number {
  const room = journal.volume.geometry.blockSize - BlockHeader.sizeof - journal.tailSize;
  return Math.floor((room - UUID_SIZE) / journal.tagSize);
}

export function revokesPerBlock(journal: Journal): number {
  const room = journal.volume.geometry.blockSize - REVOKE_HEADER_SIZE - journal.tailSize;
  return Math.floor(room / journal.revokeSize);
}

/** Log blocks that a transaction takes, its commit block among them. */
export function logBlocks(journal: Journal, blocks: number, revokes: number): number {
  const descriptors = Math.ceil(blocks / tagsPerBlock(journal));
  return blocks + descriptors + Math.ceil(revokes / revokesPerBlock(journal)) + 1;
}

/** All that goes before the commit block, in order. */
export function transactionBlocks(
  journal: Journal,
  sequence: number,
  blocks: readonly Logged[],
  revoked: readonly number[],
): Uint8Array[] {
  const out: Uint8Array[] = [];
  const perRevoke = revokesPerBlock(journal);
  for (let i = 0; i < revoked.length; i += perRevoke) {
    out.push(revokeBlock(journal, sequence, revoked.slice(i, i + perRevoke)));
  }
  const perDescriptor = tagsPerBlock(journal);
  for (let i = 0; i < blocks.length; i += perDescriptor) {
    const part = blocks.slice(i, i + perDescriptor);
    const contents = part.map((b) => escaped(b.data));
    out.push(descriptorBlock(journal, sequence, part, contents), ...contents);
  }
  return out;
}

export function commitBlock(journal: Journal, sequence: number, now: Timespec): Uint8Array {
  const view = newBlock(journal, BLOCK_COMMIT, sequence);
  CommitBlock.h_commit_sec_hi.set(view, 0, Math.floor(now.sec / TWO32));
  CommitBlock.h_commit_sec_lo.set(view, 0, now.sec >>> 0);
  CommitBlock.h_commit_nsec.set(view, 0, now.nsec);
  if (journal.hasChecksums) {
    view.setUint32(COMMIT_CHKSUM_AT, journal.sumWithout(view, COMMIT_CHKSUM_AT));
  }
  return new Uint8Array(view.buffer);
}

function descriptorBlock(
  journal: Journal,
  sequence: number,
  blocks: readonly Logged[],
  contents: readonly Uint8Array[],
): Uint8Array {
  const view = newBlock(journal, BLOCK_DESCRIPTOR, sequence);
  const is64 = (journal.incompat & JOURNAL_64BIT) !== 0;
  const isV3 = (journal.incompat & JOURNAL_CSUM_V3) !== 0;
  let at = BlockHeader.sizeof;
  blocks.forEach(({ blkno, data }, i) => {
    const flags =
      (i === 0 ? 0 : TAG_SAME_UUID) |
      (contents[i] === data ? 0 : TAG_ESCAPE) |
      (i === blocks.length - 1 ? TAG_LAST : 0);
    const sum = journal.hasChecksums ? journal.tagSum(sequence, contents[i]!) : 0;
    view.setUint32(at, blkno % TWO32);
    if (is64) view.setUint32(at + 8, Math.floor(blkno / TWO32));
    if (isV3) {
      view.setUint32(at + 4, flags);
      view.setUint32(at + 12, sum);
    } else {
      view.setUint16(at + 4, sum);
      view.setUint16(at + 6, flags);
    }
    at += journal.tagSize;
    if (i > 0) return;
    new Uint8Array(view.buffer).set(journal.uuid, at);
    at += UUID_SIZE;
  });
  return sealed(journal, view);
}

function revokeBlock(journal: Journal, sequence: number, revoked: readonly number[]): Uint8Array {
  const view = newBlock(journal, BLOCK_REVOKE, sequence);
  const size = journal.revokeSize;
  view.setUint32(REVOKE_COUNT_AT, REVOKE_HEADER_SIZE + revoked.length * size);
  revoked.forEach((blkno, i) => {
    const at = REVOKE_HEADER_SIZE + i * size;
    if (size === 8) view.setUint32(at, Math.floor(blkno / TWO32));
    view.setUint32(at + size - 4, blkno % TWO32);
  });
  return sealed(journal, view);
}

function newBlock(journal: Journal, type: number, sequence: number): DataView {
  const view = new DataView(new ArrayBuffer(journal.volume.geometry.blockSize));
  BlockHeader.h_magic.set(view, 0, JBD2_MAGIC);
  BlockHeader.h_blocktype.set(view, 0, type);
  BlockHeader.h_sequence.set(view, 0, sequence);
  return view;
}

/** Descriptor and revoke blocks carry their sum at their end. */
function sealed(journal: Journal, view: DataView): Uint8Array {
  if (journal.hasChecksums) {
    const at = view.byteLength - 4;
    view.setUint32(at, journal.sumWithout(view, at));
  }
  return new Uint8Array(view.buffer);
}

/** `data`, or a copy without the magic at its start, which would look like a block of the log. */
function escaped(data: Uint8Array): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0) !== JBD2_MAGIC) return data;
  const copy = data.slice();
  copy.fill(0, 0, 4);
  return copy;
}
