/** Packets for somebody else, passed on: net.ipv4.ip_forward, net.ipv6.conf.all.forwarding. RFC 1812. */
import { failed } from "../../abi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_NET_UNREACH,
  ICMP_TIME_EXCEEDED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_EXC_HOPLIMIT,
  ICMPV6_NOROUTE,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_TIME_EXCEED,
} from "../../abi/icmp.ts";
import { isLinkLocal } from "../address.ts";
import { icmp6Error, icmpError } from "../icmp/error.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import type { RouteEntry } from "../routeentry.ts";
import { IP_DF, ipSend4 } from "./output4.ts";
import { ipSend6 } from "./output6.ts";
import { findPath } from "./path.ts";

export function ipForward4(stack: NetStack, m: Mbuf, _entry: RouteEntry): void {
  if (m.ttl <= 1) {
    stack.mib.ip.count("InHdrErrors");
    icmpError(stack, m, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    return;
  }
  const path = findPath(stack, { dst: m.dst, src: m.src, tos: m.tos, mark: m.mark });
  if (failed(path)) {
    stack.mib.ip.count("OutNoRoutes");
    icmpError(stack, m, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0);
    return;
  }
  const isUncut = (m.view.getUint16(m.off + 6) & IP_DF) !== 0;
  if (isUncut && m.length > path.mtu) {
    stack.mib.ip.count("FragFails");
    icmpError(stack, m, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, path.mtu);
    return;
  }
  m.head[m.off + 8] = m.ttl - 1;
  stack.mib.ip.count("ForwDatagrams");
  ipSend4(stack, m, path, isUncut, false);
}

export function ipForward6(stack: NetStack, m: Mbuf): void {
  if (isLinkLocal(m.src) || isLinkLocal(m.dst)) return;
  if (m.ttl <= 1) {
    stack.mib.ip6.count("Ip6InHdrErrors");
    icmp6Error(stack, m, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0);
    return;
  }
  const path = findPath(stack, { dst: m.dst, src: m.src, tos: m.tos, mark: m.mark });
  if (failed(path)) {
    stack.mib.ip6.count("Ip6InNoRoutes");
    icmp6Error(stack, m, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
    return;
  }
  if (m.length > path.mtu) {
    stack.mib.ip6.count("Ip6InTooBigErrors");
    icmp6Error(stack, m, ICMPV6_PKT_TOOBIG, 0, path.mtu);
    return;
  }
  m.head[m.off + 7] = m.ttl - 1;
  stack.mib.ip6.count("Ip6OutForwDatagrams");
  ipSend6(stack, m, path, true, false);
}
