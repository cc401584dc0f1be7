/**
 * Extended BPF: bpf(2)'s commands and structures, and instructions beyond the
 * classic ones of `bpf.ts`. Source: include/uapi/linux/bpf.h; RFC 9669.
 */
import { bytes, i32, struct, u32, u64 } from "../lib/struct.ts";

export const BPF_PROG_LOAD = 5;
export const BPF_PROG_ATTACH = 8;
export const BPF_PROG_DETACH = 9;
export const BPF_PROG_GET_NEXT_ID = 11;
export const BPF_PROG_GET_FD_BY_ID = 13;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_PROG_QUERY = 16;

export const BPF_PROG_TYPE_CGROUP_SKB = 8;
export const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
/** What a program is attached for. */
export const BPF_CGROUP_INET_INGRESS = 0;
export const BPF_CGROUP_INET_EGRESS = 1;
export const BPF_CGROUP_DEVICE = 6;

/** How a program is attached: alone, alone but for those below, or beside others. */
export const BPF_F_ALLOW_OVERRIDE = 1;
export const BPF_F_ALLOW_MULTI = 2;
export const BPF_F_REPLACE = 4;
export const BPF_F_QUERY_EFFECTIVE = 1;
/** Flags of BPF_PROG_LOAD that say something of alignment and testing, which changes nothing here. */
export const BPF_F_STRICT_ALIGNMENT = 1;
export const BPF_F_ANY_ALIGNMENT = 2;

export const BPF_OBJ_NAME_LEN = 16;
export const BPF_TAG_SIZE = 8;

export const ProgLoadAttr = struct({
  prog_type: u32,
  insn_cnt: u32,
  insns: u64,
  license: u64,
  log_level: u32,
  log_size: u32,
  log_buf: u64,
  kern_version: u32,
  prog_flags: u32,
  prog_name: bytes(BPF_OBJ_NAME_LEN),
  prog_ifindex: u32,
  expected_attach_type: u32,
});

export const ProgAttachAttr = struct({
  target_fd: i32,
  attach_bpf_fd: i32,
  attach_type: u32,
  attach_flags: u32,
  replace_bpf_fd: i32,
});

export const ProgQueryAttr = struct({
  target_fd: i32,
  attach_type: u32,
  query_flags: u32,
  attach_flags: u32,
  prog_ids: u64,
  prog_cnt: u32,
  padding: u32,
  prog_attach_flags: u64,
});

/** BPF_PROG_GET_NEXT_ID and BPF_PROG_GET_FD_BY_ID. */
export const IdAttr = struct({ id: u32, next_id: u32, open_flags: u32 });

export const InfoAttr = struct({ bpf_fd: i32, info_len: u32, info: u64 });

/** struct bpf_prog_info, as far as there is something to say; what follows is 0. */
export const ProgInfo = struct({
  type: u32,
  id: u32,
  tag: bytes(BPF_TAG_SIZE),
  jited_prog_len: u32,
  xlated_prog_len: u32,
  jited_prog_insns: u64,
  xlated_prog_insns: u64,
  load_time: u64,
  created_by_uid: u32,
  nr_map_ids: u32,
  map_ids: u64,
  name: bytes(BPF_OBJ_NAME_LEN),
  ifindex: u32,
  gpl_compatible: u32,
});
/** With all that Linux 6.12 adds. */
export const PROG_INFO_SIZE = 232;

/** struct bpf_insn: u8 code, two registers of 4 bits (dst low), s16 off, s32 imm. */
export const INSN_SIZE = 8;
export const MAX_REGISTERS = 11;

export const BPF_JMP32 = 0x06;
export const BPF_ALU64 = 0x07;
export const BPF_DW = 0x18;
export const BPF_SIZE_MASK = 0x18;
export const BPF_MODE_MASK = 0xe0;
export const BPF_OP_MASK = 0xf0;
export const BPF_MOV = 0xb0;
export const BPF_ARSH = 0xc0;
export const BPF_END = 0xd0;
export const BPF_JNE = 0x50;
export const BPF_JSGT = 0x60;
export const BPF_JSGE = 0x70;
export const BPF_CALL = 0x80;
export const BPF_EXIT = 0x90;
export const BPF_JLT = 0xa0;
export const BPF_JLE = 0xb0;
export const BPF_JSLT = 0xc0;
export const BPF_JSLE = 0xd0;

/** struct bpf_cgroup_dev_ctx: u32 access_type (access << 16 | type), major, minor. */
export const DEV_CTX_SIZE = 12;
export const BPF_DEVCG_ACC_MKNOD = 1;
export const BPF_DEVCG_ACC_READ = 2;
export const BPF_DEVCG_ACC_WRITE = 4;
export const BPF_DEVCG_DEV_BLOCK = 1;
export const BPF_DEVCG_DEV_CHAR = 2;
