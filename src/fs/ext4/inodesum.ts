/**
 * The checksum of an inode's record: 32 bits in two halves, as far as the record has room for
 * them; and the seal that sets those of a block of the inode table when it is written.
 * Source: Documentation/filesystems/ext4/checksums.rst.
 */
import { crc32c } from "../../lib/crc32c.ts";
import type { Buf, Seal } from "../../vfs/bio.ts";
import { crcU32, crcWithHole } from "./checksum.ts";
import type { Inode } from "./inode.ts";
import { DiskInode, GOOD_OLD_INODE_SIZE } from "./layout.ts";
import type { Volume } from "./volume.ts";

const LOW_AT = DiskInode.i_checksum_lo.offset;
const HIGH_AT = DiskInode.i_checksum_hi.offset;

/** Seed of the checksums of everything that belongs to the inode `ino`. */
export function inodeSeed(volume: Volume, ino: number, generation: number): number {
  return crcU32(crcU32(volume.csumSeed, ino), generation);
}

export function isSumRight(ip: Inode): boolean {
  const { raw, view } = ip;
  const low = DiskInode.i_checksum_lo.get(view, 0);
  const high = hasHighSum(view, 0, raw.length) ? DiskInode.i_checksum_hi.get(view, 0) : 0;
  return sumOf(ip.csumSeed, raw, view, 0, raw.length) === low + high * 0x10000;
}

/** The record at byte `at` of a block of the inode table, `ino`'s, was changed: it gets its checksum when it is written. */
export function recordChanged(volume: Volume, bp: Buf, at: number, ino: number): void {
  let seal = bp.seal;
  if (!(seal instanceof TableSeal)) {
    const { inodeSize, blockSize } = volume.geometry;
    seal = new TableSeal(volume, ino - at / inodeSize, blockSize / inodeSize);
    bp.seal = seal;
  }
  (seal as TableSeal).changed[at / volume.geometry.inodeSize] = 1;
}

/** True if the record at byte `at` of the block is newer than the checksum in it. */
export function isSumPending(volume: Volume, bp: Buf | null, at: number): boolean {
  const seal = bp?.seal;
  return seal instanceof TableSeal && seal.changed[at / volume.geometry.inodeSize] === 1;
}

class TableSeal implements Seal {
  readonly #volume: Volume;
  readonly #firstIno: number;
  /** By place in the block. */
  readonly changed: Uint8Array;

  constructor(volume: Volume, firstIno: number, count: number) {
    this.#volume = volume;
    this.#firstIno = firstIno;
    this.changed = new Uint8Array(count);
  }

  seal(bp: Buf): void {
    const { inodeSize } = this.#volume.geometry;
    for (let i = 0; i < this.changed.length; i++) {
      if (this.changed[i] === 0) continue;
      const at = i * inodeSize;
      const generation = DiskInode.i_generation.get(bp.view, at);
      const seed = inodeSeed(this.#volume, this.#firstIno + i, generation);
      const sum = sumOf(seed, bp.data, bp.view, at, inodeSize);
      DiskInode.i_checksum_lo.set(bp.view, at, sum & 0xffff);
      if (hasHighSum(bp.view, at, inodeSize)) {
        DiskInode.i_checksum_hi.set(bp.view, at, sum >>> 16);
      }
    }
  }
}

/** The checksum of the record at `at`: 32 bits, of which a small inode keeps 16. */
function sumOf(
  seed: number,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  inodeSize: number,
): number {
  const old = at + GOOD_OLD_INODE_SIZE;
  const end = at + inodeSize;
  const sum = crcWithHole(seed, bytes, at, old, at + LOW_AT, 2);
  if (hasHighSum(view, at, inodeSize)) return crcWithHole(sum, bytes, old, end, at + HIGH_AT, 2);
  return crc32c(sum, bytes, old, end) & 0xffff;
}

/** True if the record has room for the upper half of its checksum. */
function hasHighSum(view: DataView, at: number, inodeSize: number): boolean {
  if (inodeSize <= GOOD_OLD_INODE_SIZE) return false;
  return GOOD_OLD_INODE_SIZE + DiskInode.i_extra_isize.get(view, at) >= HIGH_AT + 2;
}
