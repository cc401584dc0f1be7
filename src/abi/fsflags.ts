/**
 * Attributes of files that lsattr(1) shows and chattr(1) sets, and their ioctls.
 * Source: linux/fs.h; ioctl_iflags(2), ioctl_fsxattr of xfs(5).
 */
import { struct, u32 } from "../lib/struct.ts";

export const FS_SYNC_FL = 0x8;
export const FS_IMMUTABLE_FL = 0x10;
export const FS_APPEND_FL = 0x20;
export const FS_NODUMP_FL = 0x40;
export const FS_NOATIME_FL = 0x80;
export const FS_PROJINHERIT_FL = 0x20000000;

export const FS_IOC_GETFLAGS = 0x80086601;
export const FS_IOC_SETFLAGS = 0x40086602;
export const FS_IOC_GETVERSION = 0x80087601;
export const FS_IOC_FSGETXATTR = 0x801c581f;
export const FS_IOC_FSSETXATTR = 0x401c5820;

/** struct fsxattr; a few of its flags, which are not those above. */
export const Fsxattr = struct({
  fsx_xflags: u32,
  fsx_extsize: u32,
  fsx_nextents: u32,
  fsx_projid: u32,
  fsx_cowextsize: u32,
  fsx_pad0: u32,
  fsx_pad1: u32,
});

/** FS_*_FL and the FS_XFLAG_* that means the same. */
export const xflags: readonly (readonly [number, number])[] = [
  [FS_IMMUTABLE_FL, 0x8],
  [FS_APPEND_FL, 0x10],
  [FS_SYNC_FL, 0x20],
  [FS_NOATIME_FL, 0x40],
  [FS_NODUMP_FL, 0x80],
  [FS_PROJINHERIT_FL, 0x200],
];
