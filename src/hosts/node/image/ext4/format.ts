/**
 * The shape of the file systems that the builder makes: sizes, features, types.
 *
 * The records themselves are those of the kernel's ext4 (fs/ext4/layout.ts).
 * Source: Documentation/filesystems/ext4 and fs/ext4/ext4.h of Linux.
 */
import {
  COMPAT_HAS_JOURNAL,
  INCOMPAT_64BIT,
  INCOMPAT_EXTENTS,
  INCOMPAT_FILETYPE,
  RO_COMPAT_HUGE_FILE,
  RO_COMPAT_METADATA_CSUM,
  RO_COMPAT_SPARSE_SUPER,
} from "../../../../fs/ext4/features.ts";
import { struct, u8, u16, u32 } from "../../../../lib/struct.ts";

export const BLOCK_SIZE = 4096;
export const BLOCKS_PER_GROUP = 8 * BLOCK_SIZE;
export const INODE_SIZE = 256;
export const DESC_SIZE = 64;
/** Bytes of an inode past the first 128 that have a meaning. */
export const EXTRA_ISIZE = 32;
/** The first inode that is not reserved: lost+found. */
export const FIRST_INO = 11;

const COMPAT_EXT_ATTR = 0x8;
const COMPAT_DIR_INDEX = 0x20;
const RO_COMPAT_LARGE_FILE = 0x2;
const RO_COMPAT_DIR_NLINK = 0x20;
const RO_COMPAT_EXTRA_ISIZE = 0x40;

export const FEATURE_COMPAT: number = COMPAT_HAS_JOURNAL | COMPAT_EXT_ATTR | COMPAT_DIR_INDEX;
export const FEATURE_INCOMPAT: number = INCOMPAT_FILETYPE | INCOMPAT_EXTENTS | INCOMPAT_64BIT;
export const FEATURE_RO_COMPAT: number =
  RO_COMPAT_SPARSE_SUPER |
  RO_COMPAT_LARGE_FILE |
  RO_COMPAT_HUGE_FILE |
  RO_COMPAT_DIR_NLINK |
  RO_COMPAT_EXTRA_ISIZE |
  RO_COMPAT_METADATA_CSUM;

/** Types of directory entries, and the format bits of i_mode. */
export const FILE_TYPE = { file: 1, dir: 2, char: 3, block: 4, fifo: 5, symlink: 7 } as const;
export const S_IFMT = {
  file: 0o100000,
  dir: 0o040000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  symlink: 0o120000,
} as const;

/** The last 12 bytes of a directory block: a nameless entry that carries its checksum. */
export const DirTail = struct({
  det_reserved_zero1: u32,
  det_rec_len: u16,
  det_reserved_zero2: u8,
  det_reserved_ft: u8,
  det_checksum: u32,
});
export const DIR_TAIL_TYPE = 0xde;
