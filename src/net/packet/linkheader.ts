/**
 * The link header of a packet as a packet socket sees it: that which it has, or,
 * where the interface makes none, the one of an Ethernet frame in its place.
 */
import { PACKET_OUTGOING } from "../../abi/netdevice.ts";
import type { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";

export const ETHER_HEADER_BYTES = 14;

/** `m.off` is at the network header. */
export function linkHeader(m: Mbuf, ifp: Ifnet): Uint8Array {
  if (m.linkBytes > 0) return m.head.subarray(m.off - m.linkBytes, m.off);
  const header = new Uint8Array(ETHER_HEADER_BYTES);
  const { length } = ifp.hwaddr;
  header.set(ifp.hwaddr.subarray(0, length), m.type === PACKET_OUTGOING ? length : 0);
  header[12] = m.family >> 8;
  header[13] = m.family;
  return header;
}
