/**
 * Where a file's blocks are, and which are free: FS_IOC_FIEMAP, FIBMAP, FIGETBSZ and FITRIM of ioctl(2).
 * Source: include/uapi/linux/fiemap.h, fs.h.
 */
import { bytes, struct, u32, u64 } from "../lib/struct.ts";

export const FIBMAP = 1;
export const FIGETBSZ = 2;
export const FS_IOC_FIEMAP = 0xc020660b;

export const FITRIM = 0xc0185879;

export const FstrimRange = struct({ start: u64, len: u64, minlen: u64 });

export const Fiemap = struct({
  fm_start: u64,
  fm_length: u64,
  fm_flags: u32,
  fm_mapped_extents: u32,
  fm_extent_count: u32,
  fm_reserved: u32,
});

export const FiemapExtent = struct({
  fe_logical: u64,
  fe_physical: u64,
  fe_length: u64,
  fe_reserved64: bytes(16),
  fe_flags: u32,
  fe_reserved: bytes(12),
});

export const FIEMAP_FLAG_SYNC = 1;

export const FIEMAP_EXTENT_LAST = 0x1;
export const FIEMAP_EXTENT_UNKNOWN = 0x2;
export const FIEMAP_EXTENT_DELALLOC = 0x4;
export const FIEMAP_EXTENT_NOT_ALIGNED = 0x100;
export const FIEMAP_EXTENT_DATA_INLINE = 0x200;
export const FIEMAP_EXTENT_UNWRITTEN = 0x800;
export const FIEMAP_EXTENT_MERGED = 0x1000;
