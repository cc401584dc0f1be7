/**
 * The journal on disk: its records as data. All big-endian.
 * Source: include/linux/jbd2.h, Documentation/filesystems/ext4/journal.rst.
 */
import { be32, bytes, struct, u8 } from "../../lib/struct.ts";

export const JBD2_MAGIC = 0xc03b3998;

export const BlockHeader = struct({ h_magic: be32, h_blocktype: be32, h_sequence: be32 });

export const BLOCK_DESCRIPTOR = 1;
export const BLOCK_COMMIT = 2;
export const BLOCK_SUPER_V1 = 3;
export const BLOCK_SUPER_V2 = 4;
export const BLOCK_REVOKE = 5;

export const JournalSuper = struct({
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
  s_dynsuper: be32,
  s_max_transaction: be32,
  s_max_trans_data: be32,
  s_checksum_type: u8,
  s_padding2: bytes(3),
  s_num_fc_blks: be32,
  s_head: be32,
  s_padding: bytes(160),
  s_checksum: be32,
  s_users: bytes(768),
});

/** Compatible: commit blocks sum up their transaction. */
export const JOURNAL_CHECKSUM = 0x1;

export const JOURNAL_REVOKE = 0x1;
export const JOURNAL_64BIT = 0x2;
export const JOURNAL_ASYNC_COMMIT = 0x4;
export const JOURNAL_CSUM_V2 = 0x8;
export const JOURNAL_CSUM_V3 = 0x10;
export const JOURNAL_FAST_COMMIT = 0x20;

/** s_checksum_type. */
export const JOURNAL_CRC32C = 4;

/** Flags of a tag. */
export const TAG_ESCAPE = 1;
export const TAG_SAME_UUID = 2;
export const TAG_LAST = 8;

export const CommitBlock = struct({
  h_magic: be32,
  h_blocktype: be32,
  h_sequence: be32,
  h_chksum_type: u8,
  h_chksum_size: u8,
  h_padding: bytes(2),
  h_chksum: be32,
  h_chksum_rest: bytes(28),
  h_commit_sec_hi: be32,
  h_commit_sec_lo: be32,
  h_commit_nsec: be32,
});

/** Where a commit block keeps its checksum. */
export const COMMIT_CHKSUM_AT = CommitBlock.h_chksum.offset;
/** A revoke block: the bytes used stand after its header, block numbers follow. */
export const REVOKE_COUNT_AT = 12;
export const REVOKE_HEADER_SIZE = 16;
