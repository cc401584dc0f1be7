/** Loop devices: ioctl(2) requests and their structures, from <linux/loop.h>. */
import { bytes, i32, struct, u32, u64 } from "../lib/struct.ts";

export const LOOP_MAJOR = 7;
/** Minor of /dev/loop-control among the miscellaneous devices. */
export const LOOP_CTRL_MINOR = 237;
export const MISC_MAJOR = 10;
/** Where partitions have their numbers that their disk's minors have no room for. */
export const BLOCK_EXT_MAJOR = 259;

export const LOOP_SET_FD = 0x4c00;
export const LOOP_CLR_FD = 0x4c01;
export const LOOP_SET_STATUS = 0x4c02;
export const LOOP_GET_STATUS = 0x4c03;
export const LOOP_SET_STATUS64 = 0x4c04;
export const LOOP_GET_STATUS64 = 0x4c05;
export const LOOP_CHANGE_FD = 0x4c06;
export const LOOP_SET_CAPACITY = 0x4c07;
export const LOOP_SET_DIRECT_IO = 0x4c08;
export const LOOP_SET_BLOCK_SIZE = 0x4c09;
export const LOOP_CONFIGURE = 0x4c0a;

export const LOOP_CTL_ADD = 0x4c80;
export const LOOP_CTL_REMOVE = 0x4c81;
export const LOOP_CTL_GET_FREE = 0x4c82;

export const LO_FLAGS_READ_ONLY = 1;
export const LO_FLAGS_AUTOCLEAR = 4;
export const LO_FLAGS_PARTSCAN = 8;
export const LO_FLAGS_DIRECT_IO = 16;

export const LO_KEY_SIZE = 32;

export const LoopInfo64 = struct({
  lo_device: u64,
  lo_inode: u64,
  lo_rdevice: u64,
  lo_offset: u64,
  lo_sizelimit: u64,
  lo_number: u32,
  lo_encrypt_type: u32,
  lo_encrypt_key_size: u32,
  lo_flags: u32,
  lo_file_name: bytes(64),
  lo_crypt_name: bytes(64),
  lo_encrypt_key: bytes(32),
  lo_init: bytes(16),
});

/** What there was before 64-bit offsets. */
export const LoopInfo = struct({
  lo_number: i32,
  lo_device: u32,
  lo_inode: u64,
  lo_rdevice: u32,
  lo_offset: i32,
  lo_encrypt_type: i32,
  lo_encrypt_key_size: i32,
  lo_flags: i32,
  lo_name: bytes(64),
  lo_encrypt_key: bytes(32),
  lo_init: bytes(16),
  reserved: bytes(4),
});

/** The info follows these two words, and eight reserved u64 follow that. */
export const LoopConfig = struct({ fd: u32, block_size: u32 });
export const LOOP_CONFIG_BYTES = LoopConfig.sizeof + LoopInfo64.sizeof + 64;
