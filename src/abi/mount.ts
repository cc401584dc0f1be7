/** The newer mount calls: fsopen(2), move_mount(2), mount_setattr(2), statmount(2). Source: linux/mount.h. */
import { struct, u32, u64 } from "../lib/struct.ts";

export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const FSPICK_CLOEXEC = 1;
export const FSPICK_SYMLINK_NOFOLLOW = 2;
export const FSPICK_NO_AUTOMOUNT = 4;
export const FSPICK_EMPTY_PATH = 8;

export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_SET_BINARY = 2;
export const FSCONFIG_SET_PATH = 3;
export const FSCONFIG_SET_PATH_EMPTY = 4;
export const FSCONFIG_SET_FD = 5;
export const FSCONFIG_CMD_CREATE = 6;
export const FSCONFIG_CMD_RECONFIGURE = 7;
export const FSCONFIG_CMD_CREATE_EXCL = 8;

export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = 0o2000000;
export const AT_RECURSIVE = 0x8000;

export const MOVE_MOUNT_F_SYMLINKS = 1;
export const MOVE_MOUNT_F_AUTOMOUNTS = 2;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOVE_MOUNT_T_SYMLINKS = 0x10;
export const MOVE_MOUNT_T_AUTOMOUNTS = 0x20;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
export const MOVE_MOUNT_SET_GROUP = 0x100;

export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;
export const MOUNT_ATTR_NOEXEC = 8;
export const MOUNT_ATTR__ATIME = 0x70;
export const MOUNT_ATTR_NOATIME = 0x10;
export const MOUNT_ATTR_STRICTATIME = 0x20;
export const MOUNT_ATTR_NODIRATIME = 0x80;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

export const MountAttr = struct({ attr_set: u64, attr_clr: u64, propagation: u64, userns_fd: u64 });
export const MOUNT_ATTR_SIZE_VER0 = 32;

export const MntIdReq = struct({ size: u32, spare: u32, mnt_id: u64, param: u64 });
export const MNT_ID_REQ_SIZE_VER0 = 24;
export const MNT_ID_REQ_SIZE_VER1 = 32;
/** listmount(2): the root of the name space, for mnt_id; all ones. */
export const LISTMOUNT_REVERSE = 1;

export const STATMOUNT_SB_BASIC = 1;
export const STATMOUNT_MNT_BASIC = 2;
export const STATMOUNT_PROPAGATE_FROM = 4;
export const STATMOUNT_MNT_ROOT = 8;
export const STATMOUNT_MNT_POINT = 0x10;
export const STATMOUNT_FS_TYPE = 0x20;
export const STATMOUNT_MNT_NS_ID = 0x40;
export const STATMOUNT_MNT_OPTS = 0x80;
export const STATMOUNT_SB_SOURCE = 0x200;
export const STATMOUNT_SUPPORTED_MASK = 0x1000;

export const Statmount = struct({
  size: u32,
  mnt_opts: u32,
  mask: u64,
  sb_dev_major: u32,
  sb_dev_minor: u32,
  sb_magic: u64,
  sb_flags: u32,
  fs_type: u32,
  mnt_id: u64,
  mnt_parent_id: u64,
  mnt_id_old: u32,
  mnt_parent_id_old: u32,
  mnt_attr: u64,
  mnt_propagation: u64,
  mnt_peer_group: u64,
  mnt_master: u64,
  propagate_from: u64,
  mnt_root: u32,
  mnt_point: u32,
  mnt_ns_id: u64,
  fs_subtype: u32,
  sb_source: u32,
  opt_num: u32,
  opt_array: u32,
  opt_sec_num: u32,
  opt_sec_array: u32,
  supported_mask: u64,
});
/** Where the strings of struct statmount begin. */
export const STATMOUNT_STR = 512;
