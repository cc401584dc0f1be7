/** struct stat, struct statx, struct statfs of riscv64. Source: asm-generic/stat.h, linux/stat.h, asm-generic/statfs.h. */
import { i32, i64, struct, u16, u32, u64 } from "../lib/struct.ts";

/** st_mode: type, then the bits beyond the permissions. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;

export const Stat = struct({
  st_dev: u64,
  st_ino: u64,
  st_mode: u32,
  st_nlink: u32,
  st_uid: u32,
  st_gid: u32,
  st_rdev: u64,
  __pad1: u64,
  st_size: i64,
  st_blksize: i32,
  __pad2: i32,
  st_blocks: i64,
  st_atime: i64,
  st_atime_nsec: u64,
  st_mtime: i64,
  st_mtime_nsec: u64,
  st_ctime: i64,
  st_ctime_nsec: u64,
  __unused4: u32,
  __unused5: u32,
});

export const Statx = struct({
  stx_mask: u32,
  stx_blksize: u32,
  stx_attributes: u64,
  stx_nlink: u32,
  stx_uid: u32,
  stx_gid: u32,
  stx_mode: u16,
  __spare0: u16,
  stx_ino: u64,
  stx_size: u64,
  stx_blocks: u64,
  stx_attributes_mask: u64,
  stx_atime_sec: i64,
  stx_atime_nsec: u64,
  stx_btime_sec: i64,
  stx_btime_nsec: u64,
  stx_ctime_sec: i64,
  stx_ctime_nsec: u64,
  stx_mtime_sec: i64,
  stx_mtime_nsec: u64,
  stx_rdev_major: u32,
  stx_rdev_minor: u32,
  stx_dev_major: u32,
  stx_dev_minor: u32,
  stx_mnt_id: u64,
});

/** sizeof(struct statx), spare fields at its end included. */
export const STATX_SIZE = 256;

export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;
export const STATX_MNT_ID_UNIQUE = 0x4000;
export const STATX__RESERVED = -0x80000000;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;
/** Compressed, immutable, append-only, no dump: as FS_*_FL. */
export const STATX_ATTR_FLAGS = 0x74;

export const Statfs = struct({
  f_type: i64,
  f_bsize: i64,
  f_blocks: u64,
  f_bfree: u64,
  f_bavail: u64,
  f_files: u64,
  f_ffree: u64,
  f_fsid_lo: u32,
  f_fsid_hi: u32,
  f_namelen: i64,
  f_frsize: i64,
  f_flags: i64,
  f_spare0: u64,
  f_spare1: u64,
  f_spare2: u64,
  f_spare3: u64,
});

/** f_flags: what statvfs(3) calls ST_*. */
export const ST_RDONLY = 0x0001;
export const ST_NOSUID = 0x0002;
export const ST_NODEV = 0x0004;
export const ST_NOEXEC = 0x0008;
export const ST_VALID = 0x0020;
export const ST_NOATIME = 0x0400;
export const ST_NODIRATIME = 0x0800;
export const ST_RELATIME = 0x1000;
