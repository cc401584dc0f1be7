/**
 * Where a block group keeps its metadata, and which blocks are left for data.
 *
 * No flex_bg: every group starts with its own (superblock, descriptors where
 * sparse_super says so) bitmaps and inode table. That makes the place of each
 * data block independent of the final size, so contents can be written before
 * the size is known.
 */
import { BLOCK_SIZE, BLOCKS_PER_GROUP, DESC_SIZE, INODE_SIZE } from "./format.ts";

export class Geometry {
  readonly inodesPerGroup: number;
  readonly descBlocks: number;
  readonly inodeTableBlocks: number;

  /** `maxGroups` bounds the image: the descriptor table is as long as it needs. */
  constructor(inodesPerGroup: number, maxGroups: number) {
    this.inodesPerGroup = inodesPerGroup;
    this.descBlocks = Math.ceil((maxGroups * DESC_SIZE) / BLOCK_SIZE);
    this.inodeTableBlocks = (inodesPerGroup * INODE_SIZE) / BLOCK_SIZE;
  }

  /** Groups that the descriptor table can describe. */
  get maxGroups(): number {
    return (this.descBlocks * BLOCK_SIZE) / DESC_SIZE;
  }

  /** Groups below which the descriptor table would be a block too long. */
  get minGroups(): number {
    return ((this.descBlocks - 1) * BLOCK_SIZE) / DESC_SIZE + 1;
  }

  start(group: number): number {
    return group * BLOCKS_PER_GROUP;
  }

  blockBitmap(group: number): number {
    return this.start(group) + (hasSuperblock(group) ? 1 + this.descBlocks : 0);
  }

  inodeBitmap(group: number): number {
    return this.blockBitmap(group) + 1;
  }

  inodeTable(group: number): number {
    return this.blockBitmap(group) + 2;
  }

  /** The first block of `group` that data may use. */
  firstData(group: number): number {
    return this.inodeTable(group) + this.inodeTableBlocks;
  }
}

/** Whether `group` carries a copy of the superblock: 0, 1 and powers of 3, 5, 7 (sparse_super). */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
