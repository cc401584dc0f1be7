/**
 * The parts of ext4's disk format that a fresh image needs, as data.
 *
 * Source: Documentation/filesystems/ext4 and fs/ext4/ext4.h, fs/jbd2 of Linux.
 */
import { be32, bytes, struct, u8, u16, u32 } from "../../../../lib/struct.ts";

export const BLOCK_SIZE = 4096;
export const BLOCKS_PER_GROUP = 8 * BLOCK_SIZE;
export const INODE_SIZE = 256;
export const DESC_SIZE = 64;
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_SIZE = 1024;

export const ROOT_INO = 2;
export const JOURNAL_INO = 8;
export const FIRST_INO = 11;

export const EXTENT_MAGIC = 0xf30a;
export const EXTENTS_FL = 0x80000;
export const JBD2_MAGIC = 0xc03b3998;
export const JBD2_SUPERBLOCK_V2 = 4;

/** HAS_JOURNAL, EXT_ATTR, DIR_INDEX. */
export const FEATURE_COMPAT = 0x4 | 0x8 | 0x20;
/** FILETYPE, EXTENTS, 64BIT. */
export const FEATURE_INCOMPAT = 0x2 | 0x40 | 0x80;
/** SPARSE_SUPER, LARGE_FILE, HUGE_FILE, DIR_NLINK, EXTRA_ISIZE, METADATA_CSUM. */
export const FEATURE_RO_COMPAT = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;

/** Directory entry types, and the format bits of i_mode. */
export const FILE_TYPE = { file: 1, dir: 2, char: 3, block: 4, fifo: 5, symlink: 7 } as const;
export const S_IFMT = {
  file: 0o100000,
  dir: 0o040000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  symlink: 0o120000,
} as const;

export const Superblock = struct({
  s_inodes_count: u32,
  s_blocks_count_lo: u32,
  s_r_blocks_count_lo: u32,
  s_free_blocks_count_lo: u32,
  s_free_inodes_count: u32,
  s_first_data_block: u32,
  s_log_block_size: u32,
  s_log_cluster_size: u32,
  s_blocks_per_group: u32,
  s_clusters_per_group: u32,
  s_inodes_per_group: u32,
  s_mtime: u32,
  s_wtime: u32,
  s_mnt_count: u16,
  s_max_mnt_count: u16,
  s_magic: u16,
  s_state: u16,
  s_errors: u16,
  s_minor_rev_level: u16,
  s_lastcheck: u32,
  s_checkinterval: u32,
  s_creator_os: u32,
  s_rev_level: u32,
  s_def_resuid: u16,
  s_def_resgid: u16,
  s_first_ino: u32,
  s_inode_size: u16,
  s_block_group_nr: u16,
  s_feature_compat: u32,
  s_feature_incompat: u32,
  s_feature_ro_compat: u32,
  s_uuid: bytes(16),
  s_volume_name: bytes(16),
  s_last_mounted: bytes(64),
  s_algorithm_usage_bitmap: u32,
  s_prealloc_blocks: u8,
  s_prealloc_dir_blocks: u8,
  s_reserved_gdt_blocks: u16,
  s_journal_uuid: bytes(16),
  s_journal_inum: u32,
  s_journal_dev: u32,
  s_last_orphan: u32,
  s_hash_seed: bytes(16),
  s_def_hash_version: u8,
  s_jnl_backup_type: u8,
  s_desc_size: u16,
  s_default_mount_opts: u32,
  s_first_meta_bg: u32,
  s_mkfs_time: u32,
  s_jnl_blocks: bytes(68),
  s_blocks_count_hi: u32,
  s_r_blocks_count_hi: u32,
  s_free_blocks_count_hi: u32,
  s_min_extra_isize: u16,
  s_want_extra_isize: u16,
  s_flags: u32,
  s_raid_stride: u16,
  s_mmp_update_interval: u16,
  s_mmp_block: bytes(8),
  s_raid_stripe_width: u32,
  s_log_groups_per_flex: u8,
  s_checksum_type: u8,
  s_reserved: bytes(646),
  s_checksum: u32,
});

export const GroupDesc = struct({
  bg_block_bitmap_lo: u32,
  bg_inode_bitmap_lo: u32,
  bg_inode_table_lo: u32,
  bg_free_blocks_count_lo: u16,
  bg_free_inodes_count_lo: u16,
  bg_used_dirs_count_lo: u16,
  bg_flags: u16,
  bg_exclude_bitmap_lo: u32,
  bg_block_bitmap_csum_lo: u16,
  bg_inode_bitmap_csum_lo: u16,
  bg_itable_unused_lo: u16,
  bg_checksum: u16,
  bg_hi: bytes(24),
  bg_block_bitmap_csum_hi: u16,
  bg_inode_bitmap_csum_hi: u16,
  bg_reserved: u32,
});

export const Inode = struct({
  i_mode: u16,
  i_uid: u16,
  i_size_lo: u32,
  i_atime: u32,
  i_ctime: u32,
  i_mtime: u32,
  i_dtime: u32,
  i_gid: u16,
  i_links_count: u16,
  i_blocks_lo: u32,
  i_flags: u32,
  i_version: u32,
  i_block: bytes(60),
  i_generation: u32,
  i_file_acl_lo: u32,
  i_size_high: u32,
  i_obso_faddr: u32,
  l_i_blocks_high: u16,
  l_i_file_acl_high: u16,
  l_i_uid_high: u16,
  l_i_gid_high: u16,
  l_i_checksum_lo: u16,
  l_i_reserved: u16,
  i_extra_isize: u16,
  i_checksum_hi: u16,
  i_ctime_extra: u32,
  i_mtime_extra: u32,
  i_atime_extra: u32,
  i_crtime: u32,
  i_crtime_extra: u32,
});

export const ExtentHeader = struct({
  eh_magic: u16,
  eh_entries: u16,
  eh_max: u16,
  eh_depth: u16,
  eh_generation: u32,
});

export const ExtentLeaf = struct({
  ee_block: u32,
  ee_len: u16,
  ee_start_hi: u16,
  ee_start_lo: u32,
});

export const ExtentIndex = struct({
  ei_block: u32,
  ei_leaf_lo: u32,
  ei_leaf_hi: u16,
  ei_unused: u16,
});

export const JournalSuperblock = struct({
  h_magic: be32,
  h_blocktype: be32,
  h_sequence: be32,
  s_blocksize: be32,
  s_maxlen: be32,
  s_first: be32,
  s_sequence: be32,
  s_start: be32,
  s_errno: be32,
  s_feature_compat: be32,
  s_feature_incompat: be32,
  s_feature_ro_compat: be32,
  s_uuid: bytes(16),
  s_nr_users: be32,
});

/** The last 12 bytes of a directory block: a nameless entry that carries its checksum. */
export const DirTail = struct({
  det_reserved_zero1: u32,
  det_rec_len: u16,
  det_reserved_zero2: u8,
  det_reserved_ft: u8,
  det_checksum: u32,
});
export const DIR_TAIL_TYPE = 0xde;
