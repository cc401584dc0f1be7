/**
 * ext4 on disk: its records as data. All little-endian.
 * Source: Documentation/filesystems/ext4/ of Linux, "Data Structures and Algorithms".
 */
import { bytes, struct, u8, u16, u32, u64 } from "../../lib/struct.ts";

export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_SIZE = 1024;
export const EXT4_MAGIC = 0xef53;
export const ROOT_INO = 2;
export const JOURNAL_INO = 8;

export const SuperBlock = struct({
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
  s_mmp_interval: u16,
  s_mmp_block: u64,
  s_raid_stripe_width: u32,
  s_log_groups_per_flex: u8,
  s_checksum_type: u8,
  s_reserved_pad: u16,
  s_kbytes_written: u64,
  s_snapshot_inum: u32,
  s_snapshot_id: u32,
  s_snapshot_r_blocks_count: u64,
  s_snapshot_list: u32,
  s_error_count: u32,
  s_first_error_time: u32,
  s_first_error_ino: u32,
  s_first_error_block: u64,
  s_first_error_func: bytes(32),
  s_first_error_line: u32,
  s_last_error_time: u32,
  s_last_error_ino: u32,
  s_last_error_line: u32,
  s_last_error_block: u64,
  s_last_error_func: bytes(32),
  s_mount_opts: bytes(64),
  s_usr_quota_inum: u32,
  s_grp_quota_inum: u32,
  s_overhead_blocks: u32,
  s_backup_bgs: bytes(8),
  s_encrypt: bytes(20),
  s_lpf_ino: u32,
  s_prj_quota_inum: u32,
  s_checksum_seed: u32,
  s_times_hi: bytes(8),
  s_encoding: u16,
  s_encoding_flags: u16,
  s_orphan_file_inum: u32,
  s_reserved: bytes(0x178),
  s_checksum: u32,
});

/** s_state: unmounted cleanly; damage was met. */
export const STATE_VALID = 1;
export const STATE_ERROR = 2;

/** s_flags: which signedness the directory hash was made with. */
export const SB_UNSIGNED_HASH = 2;

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
  bg_block_bitmap_hi: u32,
  bg_inode_bitmap_hi: u32,
  bg_inode_table_hi: u32,
  bg_free_blocks_count_hi: u16,
  bg_free_inodes_count_hi: u16,
  bg_used_dirs_count_hi: u16,
  bg_itable_unused_hi: u16,
  bg_exclude_bitmap_hi: u32,
  bg_block_bitmap_csum_hi: u16,
  bg_inode_bitmap_csum_hi: u16,
  bg_reserved: u32,
});

/** bg_flags: what was never initialised, and so is not to be read. */
export const BG_INODE_UNINIT = 1;
export const BG_BLOCK_UNINIT = 2;
export const BG_INODE_ZEROED = 4;

export const DiskInode = struct({
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
  i_blocks_high: u16,
  i_file_acl_high: u16,
  i_uid_high: u16,
  i_gid_high: u16,
  i_checksum_lo: u16,
  i_reserved: u16,
  i_extra_isize: u16,
  i_checksum_hi: u16,
  i_ctime_extra: u32,
  i_mtime_extra: u32,
  i_atime_extra: u32,
  i_crtime: u32,
  i_crtime_extra: u32,
  i_version_hi: u32,
  i_projid: u32,
});

/** Size of the inode that ext2 had; what follows is counted by i_extra_isize. */
export const GOOD_OLD_INODE_SIZE = 128;

/** i_flags: what chattr(1) sets, and what the file system keeps for itself. */
export const SYNC_FL = 0x8;
export const IMMUTABLE_FL = 0x10;
export const APPEND_FL = 0x20;
export const NODUMP_FL = 0x40;
export const NOATIME_FL = 0x80;
export const INDEX_FL = 0x1000;
export const JOURNAL_DATA_FL = 0x4000;
export const DIRSYNC_FL = 0x10000;
export const TOPDIR_FL = 0x20000;
export const ENCRYPT_FL = 0x800;
export const HUGE_FILE_FL = 0x40000;
export const EXTENTS_FL = 0x80000;
export const EA_INODE_FL = 0x200000;
export const INLINE_DATA_FL = 0x10000000;
export const PROJINHERIT_FL = 0x20000000;
export const CASEFOLD_FL = 0x40000000;
/** What a new directory has from its parent: s, u, c, S, d, A, X, j, t, D and P of chattr(1). */
export const INHERITED_FL = 0x2001c4cf;
/** What chattr(1) may change. */
export const SETTABLE_FL = 0x2003c0ff;
/** Those of the inherited that mean nothing to a file. */
export const DIRECTORY_ONLY_FL = DIRSYNC_FL | TOPDIR_FL | PROJINHERIT_FL;

export const ExtentHeader = struct({
  eh_magic: u16,
  eh_entries: u16,
  eh_max: u16,
  eh_depth: u16,
  eh_generation: u32,
});

export const EXTENT_MAGIC = 0xf30a;

/** A leaf's entry; `ee_len` over 32768 marks blocks that are allocated but read as zeroes. */
export const Extent = struct({ ee_block: u32, ee_len: u16, ee_start_hi: u16, ee_start_lo: u32 });

export const ExtentIndex = struct({
  ei_block: u32,
  ei_leaf_lo: u32,
  ei_leaf_hi: u16,
  ei_unused: u16,
});

export const DirEntry = struct({ inode: u32, rec_len: u16, name_len: u8, file_type: u8 });

/** Head of an extended attribute block; inside an inode only the magic is there. */
export const XattrHeader = struct({
  h_magic: u32,
  h_refcount: u32,
  h_blocks: u32,
  h_hash: u32,
  h_checksum: u32,
  h_reserved: bytes(12),
});

export const XATTR_MAGIC = 0xea020000;

export const XattrEntry = struct({
  e_name_len: u8,
  e_name_index: u8,
  e_value_offs: u16,
  e_value_inum: u32,
  e_value_size: u32,
  e_hash: u32,
});
