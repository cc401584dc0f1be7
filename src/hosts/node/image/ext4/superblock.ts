/**
 * Group descriptors and the superblock with its copies.
 *
 * Free counts in the superblock are the sums of those in the groups; every
 * record carries its crc32c. Source: Documentation/filesystems/ext4/super.rst
 * and group_descr.rst of Linux.
 */
import { crcU32 } from "../../../../fs/ext4/checksum.ts";
import {
  DiskInode,
  EXT4_MAGIC,
  GroupDesc,
  JOURNAL_INO,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  SuperBlock,
} from "../../../../fs/ext4/layout.ts";
import { crc32c } from "../../../../lib/crc32c.ts";
import {
  BLOCK_SIZE,
  BLOCKS_PER_GROUP,
  DESC_SIZE,
  EXTRA_ISIZE,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FEATURE_RO_COMPAT,
  FIRST_INO,
  INODE_SIZE,
} from "./format.ts";
import type { Geometry } from "./geometry.ts";

/** What of a group is in use. */
export interface GroupUse {
  readonly blockBitmap: Uint8Array;
  readonly inodeBitmap: Uint8Array;
  freeBlocks: number;
  freeInodes: number;
  dirs: number;
  /** Inodes of the table from its start to the last one in use. */
  highestInode: number;
}

const INODE_ZEROED = 0x4;
const CRC32C = 1;
const STATE_CLEAN = 1;
const ERRORS_CONTINUE = 1;
const DYNAMIC_REV = 1;
const HASH_HALF_MD4 = 1;
const FLAG_SIGNED_HASH = 1;
const JOURNAL_BACKUP_BLOCKS = 1;
const MOUNT_USER_XATTR_ACL = 0xc;
const RESERVED_FRACTION = 0.01;

export function encodeGroup(
  geometry: Geometry,
  group: number,
  use: GroupUse,
  seed: number,
): Uint8Array {
  const desc = new Uint8Array(DESC_SIZE);
  const view = new DataView(desc.buffer);
  const blockSum = crc32c(seed, use.blockBitmap);
  const inodeSum = crc32c(seed, use.inodeBitmap, 0, geometry.inodesPerGroup / 8);
  GroupDesc.bg_block_bitmap_lo.set(view, 0, geometry.blockBitmap(group));
  GroupDesc.bg_inode_bitmap_lo.set(view, 0, geometry.inodeBitmap(group));
  GroupDesc.bg_inode_table_lo.set(view, 0, geometry.inodeTable(group));
  GroupDesc.bg_free_blocks_count_lo.set(view, 0, use.freeBlocks);
  GroupDesc.bg_free_inodes_count_lo.set(view, 0, use.freeInodes);
  GroupDesc.bg_used_dirs_count_lo.set(view, 0, use.dirs);
  GroupDesc.bg_flags.set(view, 0, INODE_ZEROED);
  GroupDesc.bg_itable_unused_lo.set(view, 0, geometry.inodesPerGroup - use.highestInode);
  GroupDesc.bg_block_bitmap_csum_lo.set(view, 0, blockSum & 0xffff);
  GroupDesc.bg_block_bitmap_csum_hi.set(view, 0, blockSum >>> 16);
  GroupDesc.bg_inode_bitmap_csum_lo.set(view, 0, inodeSum & 0xffff);
  GroupDesc.bg_inode_bitmap_csum_hi.set(view, 0, inodeSum >>> 16);
  GroupDesc.bg_checksum.set(view, 0, crc32c(crcU32(seed, group), desc) & 0xffff);
  return desc;
}

export interface SuperblockFields {
  readonly uuid: Uint8Array;
  readonly label: string;
  readonly time: number;
  /** The group this copy stands in. */
  readonly group: number;
  readonly blocks: number;
  readonly groups: readonly GroupUse[];
  readonly inodesPerGroup: number;
  /** The journal's encoded inode, of which the superblock keeps a backup. */
  readonly journalInode: Uint8Array;
}

/** The superblock as it stands in `fields.group`: a whole block for group 0 too. */
export function encodeSuperblock(fields: SuperblockFields): Uint8Array {
  const isPrimary = fields.group === 0;
  const sb = new Uint8Array(SUPERBLOCK_SIZE);
  const view = new DataView(sb.buffer);
  const put = (field: { set(v: DataView, base: number, n: number): void }, n: number) =>
    field.set(view, 0, n);
  const sum = (of: (use: GroupUse) => number) => fields.groups.reduce((n, use) => n + of(use), 0);
  put(SuperBlock.s_inodes_count, fields.groups.length * fields.inodesPerGroup);
  put(SuperBlock.s_blocks_count_lo, fields.blocks);
  put(SuperBlock.s_r_blocks_count_lo, Math.floor(fields.blocks * RESERVED_FRACTION));
  put(
    SuperBlock.s_free_blocks_count_lo,
    sum((use) => use.freeBlocks),
  );
  put(
    SuperBlock.s_free_inodes_count,
    sum((use) => use.freeInodes),
  );
  put(SuperBlock.s_log_block_size, Math.log2(BLOCK_SIZE) - 10);
  put(SuperBlock.s_log_cluster_size, Math.log2(BLOCK_SIZE) - 10);
  put(SuperBlock.s_blocks_per_group, BLOCKS_PER_GROUP);
  put(SuperBlock.s_clusters_per_group, BLOCKS_PER_GROUP);
  put(SuperBlock.s_inodes_per_group, fields.inodesPerGroup);
  put(SuperBlock.s_wtime, fields.time);
  put(SuperBlock.s_max_mnt_count, 0xffff);
  put(SuperBlock.s_magic, EXT4_MAGIC);
  put(SuperBlock.s_state, STATE_CLEAN);
  put(SuperBlock.s_errors, ERRORS_CONTINUE);
  put(SuperBlock.s_lastcheck, fields.time);
  put(SuperBlock.s_rev_level, DYNAMIC_REV);
  put(SuperBlock.s_first_ino, FIRST_INO);
  put(SuperBlock.s_inode_size, INODE_SIZE);
  put(SuperBlock.s_block_group_nr, fields.group);
  put(SuperBlock.s_feature_compat, FEATURE_COMPAT);
  put(SuperBlock.s_feature_incompat, FEATURE_INCOMPAT);
  put(SuperBlock.s_feature_ro_compat, FEATURE_RO_COMPAT);
  SuperBlock.s_uuid.set(view, 0, fields.uuid);
  SuperBlock.s_volume_name.set(view, 0, Buffer.from(fields.label).subarray(0, 16));
  put(SuperBlock.s_journal_inum, JOURNAL_INO);
  SuperBlock.s_hash_seed.set(view, 0, fields.uuid);
  put(SuperBlock.s_def_hash_version, HASH_HALF_MD4);
  put(SuperBlock.s_jnl_backup_type, JOURNAL_BACKUP_BLOCKS);
  put(SuperBlock.s_desc_size, DESC_SIZE);
  put(SuperBlock.s_default_mount_opts, MOUNT_USER_XATTR_ACL);
  put(SuperBlock.s_mkfs_time, fields.time);
  SuperBlock.s_jnl_blocks.set(view, 0, journalBackup(fields.journalInode));
  put(SuperBlock.s_min_extra_isize, EXTRA_ISIZE);
  put(SuperBlock.s_want_extra_isize, EXTRA_ISIZE);
  put(SuperBlock.s_flags, FLAG_SIGNED_HASH);
  put(SuperBlock.s_checksum_type, CRC32C);
  put(SuperBlock.s_checksum, crc32c(0xffffffff, sb, 0, SuperBlock.s_checksum.offset));
  const block = new Uint8Array(BLOCK_SIZE);
  block.set(sb, isPrimary ? SUPERBLOCK_OFFSET : 0);
  return block;
}

/** i_block, then the high and low half of the size. */
function journalBackup(inode: Uint8Array): Uint8Array {
  const view = new DataView(inode.buffer, inode.byteOffset);
  const out = new Uint8Array(SuperBlock.s_jnl_blocks.size);
  const copy = new DataView(out.buffer);
  out.set(DiskInode.i_block.get(view, 0));
  copy.setUint32(60, DiskInode.i_size_high.get(view, 0), true);
  copy.setUint32(64, DiskInode.i_size_lo.get(view, 0), true);
  return out;
}
