/** Packet sockets as Linux numbers them. Source: linux/if_packet.h; packet(7). */
import { be16, bytes, i32, struct, u8, u16, u32 } from "../lib/struct.ts";

export const SockaddrLl = struct({
  sll_family: u16,
  sll_protocol: be16,
  sll_ifindex: i32,
  sll_hatype: u16,
  sll_pkttype: u8,
  sll_halen: u8,
  sll_addr: bytes(8),
});
/** What of a struct sockaddr_ll comes before the address. */
export const SLL_ADDR_OFFSET = 12;

export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_DROP_MEMBERSHIP = 2;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_COPY_THRESH = 7;
export const PACKET_AUXDATA = 8;
export const PACKET_ORIGDEV = 9;
export const PACKET_VERSION = 10;
export const PACKET_HDRLEN = 11;
export const PACKET_RESERVE = 12;
export const PACKET_TIMESTAMP = 17;
export const PACKET_IGNORE_OUTGOING = 23;

export const PacketMreq = struct({
  mr_ifindex: i32,
  mr_type: u16,
  mr_alen: u16,
  mr_address: bytes(8),
});
export const PACKET_MR_MULTICAST = 0;
export const PACKET_MR_PROMISC = 1;
export const PACKET_MR_ALLMULTI = 2;
export const PACKET_MR_UNICAST = 3;

export const TpacketAuxdata = struct({
  tp_status: u32,
  tp_len: u32,
  tp_snaplen: u32,
  tp_mac: u16,
  tp_net: u16,
  tp_vlan_tci: u16,
  tp_vlan_tpid: u16,
});
export const TP_STATUS_KERNEL = 0;
export const TP_STATUS_USER = 0x1;
export const TP_STATUS_LOSING = 0x4;
export const TP_STATUS_CSUMNOTREADY = 0x8;
export const TP_STATUS_CSUM_VALID = 0x80;

/** Versions of rings: of programs of old, and that which there is here. */
export const TPACKET_V1 = 0;
export const TPACKET_V2 = 1;
export const TPACKET_ALIGNMENT = 16;
/** struct tpacket_hdr with its padding; struct tpacket2_hdr. */
export const TPACKET1_HDR_BYTES = 32;
export const Tpacket2Hdr = struct({
  tp_status: u32,
  tp_len: u32,
  tp_snaplen: u32,
  tp_mac: u16,
  tp_net: u16,
  tp_sec: u32,
  tp_nsec: u32,
  tp_vlan_tci: u16,
  tp_vlan_tpid: u16,
  tp_padding: bytes(4),
});
/** With the struct sockaddr_ll behind it. */
export const TPACKET2_HDRLEN = 52;
export const TpacketReq = struct({
  tp_block_size: u32,
  tp_block_nr: u32,
  tp_frame_size: u32,
  tp_frame_nr: u32,
});
