/** struct sockaddr_ll: where a packet came from, and what a packet socket is bound to. See packet(7). */
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  PACKET_OUTGOING,
} from "../../abi/netdevice.ts";
import * as pk from "../../abi/packet.ts";
import { AF_PACKET } from "../../abi/socket.ts";
import type { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";
import { viewOf } from "../sockopt.ts";
import { linkHeader } from "./linkheader.ts";

export function addressOf(m: Mbuf, ifp: Ifnet): Uint8Array {
  const header = linkHeader(m, ifp);
  const { length } = ifp.hwaddr;
  const address = new Uint8Array(pk.SockaddrLl.sizeof);
  const view = viewOf(address);
  pk.SockaddrLl.sll_family.set(view, 0, AF_PACKET);
  pk.SockaddrLl.sll_protocol.set(view, 0, m.family);
  pk.SockaddrLl.sll_ifindex.set(view, 0, ifp.index);
  pk.SockaddrLl.sll_hatype.set(view, 0, ifp.type);
  pk.SockaddrLl.sll_pkttype.set(view, 0, kindOf(m.type));
  pk.SockaddrLl.sll_halen.set(view, 0, length);
  address.set(header.subarray(length, 2 * length), pk.SLL_ADDR_OFFSET);
  return address;
}

function kindOf(type: number): number {
  switch (type) {
    case PACKET_BROADCAST:
    case PACKET_MULTICAST:
    case PACKET_OTHERHOST:
    case PACKET_OUTGOING:
      return type;
    default:
      return PACKET_HOST;
  }
}

/** `index` stays what it was, or is -1, when its interface went: `ifp` is null then. */
export function boundAddress(ethertype: number, index: number, ifp: Ifnet | null): Uint8Array {
  const address = new Uint8Array(pk.SLL_ADDR_OFFSET + (ifp?.hwaddr.length ?? 0));
  const view = viewOf(address);
  pk.SockaddrLl.sll_family.set(view, 0, AF_PACKET);
  pk.SockaddrLl.sll_protocol.set(view, 0, ethertype);
  pk.SockaddrLl.sll_ifindex.set(view, 0, index);
  if (!ifp) return address;
  pk.SockaddrLl.sll_hatype.set(view, 0, ifp.type);
  pk.SockaddrLl.sll_halen.set(view, 0, ifp.hwaddr.length);
  address.set(ifp.hwaddr, pk.SLL_ADDR_OFFSET);
  return address;
}
