/** NETLINK_SOCK_DIAG: sockets told of by netlink. Source: linux/{sock,inet,unix,netlink,packet}_diag.h; sock_diag(7). */
import { be16, bytes, struct, u8, u16, u32 } from "../lib/struct.ts";

export const TCPDIAG_GETSOCK = 18;
export const DCCPDIAG_GETSOCK = 19;
export const SOCK_DIAG_BY_FAMILY = 20;

/** struct inet_diag_sockid. */
const sockId = {
  idiag_sport: be16,
  idiag_dport: be16,
  idiag_src: bytes(16),
  idiag_dst: bytes(16),
  idiag_if: u32,
  idiag_cookie0: u32,
  idiag_cookie1: u32,
} as const;

export const InetDiagReq = struct({
  sdiag_family: u8,
  sdiag_protocol: u8,
  idiag_ext: u8,
  pad: u8,
  idiag_states: u32,
  ...sockId,
});

export const InetDiagMsg = struct({
  idiag_family: u8,
  idiag_state: u8,
  idiag_timer: u8,
  idiag_retrans: u8,
  ...sockId,
  idiag_expires: u32,
  idiag_rqueue: u32,
  idiag_wqueue: u32,
  idiag_uid: u32,
  idiag_inode: u32,
});

export const INET_DIAG_NOCOOKIE = 0xffffffff;
export const INET_DIAG_REQ_BYTECODE = 1;
export const INET_DIAG_REQ_PROTOCOL = 4;
export const INET_DIAG_MEMINFO = 1;
export const INET_DIAG_INFO = 2;
export const INET_DIAG_CONG = 4;
export const INET_DIAG_TOS = 5;
export const INET_DIAG_TCLASS = 6;
export const INET_DIAG_SKMEMINFO = 7;
export const INET_DIAG_SHUTDOWN = 8;
export const INET_DIAG_SKV6ONLY = 11;
export const INET_DIAG_MARK = 15;

/** Instructions of a filter: struct inet_diag_bc_op { u8 code, yes; u16 no }. */
export const INET_DIAG_BC_NOP = 0;
export const INET_DIAG_BC_JMP = 1;
export const INET_DIAG_BC_S_GE = 2;
export const INET_DIAG_BC_S_LE = 3;
export const INET_DIAG_BC_D_GE = 4;
export const INET_DIAG_BC_D_LE = 5;
export const INET_DIAG_BC_AUTO = 6;
export const INET_DIAG_BC_S_COND = 7;
export const INET_DIAG_BC_D_COND = 8;
export const INET_DIAG_BC_DEV_COND = 9;
export const INET_DIAG_BC_MARK_COND = 10;
export const INET_DIAG_BC_S_EQ = 11;
export const INET_DIAG_BC_D_EQ = 12;

export const UnixDiagReq = struct({
  sdiag_family: u8,
  sdiag_protocol: u8,
  pad: u16,
  udiag_states: u32,
  udiag_ino: u32,
  udiag_show: u32,
  udiag_cookie0: u32,
  udiag_cookie1: u32,
});
export const UnixDiagMsg = struct({
  udiag_family: u8,
  udiag_type: u8,
  udiag_state: u8,
  pad: u8,
  udiag_ino: u32,
  udiag_cookie0: u32,
  udiag_cookie1: u32,
});
export const UDIAG_SHOW_NAME = 0x01;
export const UDIAG_SHOW_PEER = 0x04;
export const UDIAG_SHOW_ICONS = 0x08;
export const UDIAG_SHOW_RQLEN = 0x10;
export const UDIAG_SHOW_MEMINFO = 0x20;
export const UDIAG_SHOW_UID = 0x40;
export const UNIX_DIAG_NAME = 0;
export const UNIX_DIAG_PEER = 2;
export const UNIX_DIAG_ICONS = 3;
export const UNIX_DIAG_RQLEN = 4;
export const UNIX_DIAG_MEMINFO = 5;
export const UNIX_DIAG_SHUTDOWN = 6;
export const UNIX_DIAG_UID = 7;

export const NetlinkDiagReq = struct({
  sdiag_family: u8,
  sdiag_protocol: u8,
  pad: u16,
  ndiag_ino: u32,
  ndiag_show: u32,
  ndiag_cookie0: u32,
  ndiag_cookie1: u32,
});
export const NetlinkDiagMsg = struct({
  ndiag_family: u8,
  ndiag_type: u8,
  ndiag_protocol: u8,
  ndiag_state: u8,
  ndiag_portid: u32,
  ndiag_dst_portid: u32,
  ndiag_dst_group: u32,
  ndiag_ino: u32,
  ndiag_cookie0: u32,
  ndiag_cookie1: u32,
});
export const NDIAG_PROTO_ALL = 0xff;
export const NDIAG_SHOW_MEMINFO = 0x01;
export const NDIAG_SHOW_GROUPS = 0x02;
export const NETLINK_DIAG_MEMINFO = 0;
export const NETLINK_DIAG_GROUPS = 1;

export const PacketDiagReq = struct({
  sdiag_family: u8,
  sdiag_protocol: u8,
  pad: u16,
  pdiag_ino: u32,
  pdiag_show: u32,
  pdiag_cookie0: u32,
  pdiag_cookie1: u32,
});
export const PacketDiagMsg = struct({
  pdiag_family: u8,
  pdiag_type: u8,
  pdiag_num: u16,
  pdiag_ino: u32,
  pdiag_cookie0: u32,
  pdiag_cookie1: u32,
});
export const PACKET_SHOW_INFO = 0x01;
export const PACKET_SHOW_MEMINFO = 0x10;
export const PACKET_DIAG_INFO = 0;
export const PACKET_DIAG_UID = 5;
export const PACKET_DIAG_MEMINFO = 6;
