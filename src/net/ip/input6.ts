/** IPv6 input. See RFC 8200; Linux's ip6_input.c. */
import { failed } from "../../abi/errno.ts";
import { ICMPV6_HDR_FIELD, ICMPV6_PARAMPROB } from "../../abi/icmp.ts";
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_ROUTING } from "../../abi/inet.ts";
import {
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
} from "../../abi/netdevice.ts";
import { RTN_LOCAL } from "../../abi/route.ts";
import { isLoopback, isMulticast, readAddr } from "../address.ts";
import { icmp6Error } from "../icmp/error.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { deliver6 } from "./deliver.ts";
import { IPPROTO_HOPOPTS } from "./exthdr.ts";
import { ipForward6 } from "./forward.ts";
import { badOption } from "./options6.ts";
import { IP6_HEADER_BYTES } from "./output6.ts";
import { reassemble6 } from "./reassembly.ts";

const MAX_HEADERS = 16;

export function ip6Input(stack: NetStack, m: Mbuf): void {
  if (m.type === PACKET_OTHERHOST) return;
  const { mib } = stack;
  const { ip6 } = mib;
  ip6.values[mib.ip6InReceives]!++;
  if (stack.ip6.isDisabled(m.rcvif!)) {
    ip6.count("Ip6InDiscards");
    return;
  }
  if (!m.pullup(IP6_HEADER_BYTES) || m.head[m.off]! >> 4 !== 6) {
    ip6.count("Ip6InHdrErrors");
    return;
  }
  const { head, view, off } = m;
  const total = view.getUint16(off + 4) + IP6_HEADER_BYTES;
  if (total > m.length) {
    ip6.count("Ip6InTruncatedPkts");
    return;
  }
  m.trim(total);
  ip6.values[mib.ip6InOctets]! += total;
  m.network = off;
  m.src = readAddr(head, off + 8, 16);
  m.dst = readAddr(head, off + 24, 16);
  const word = view.getUint32(off);
  m.tos = (word >>> 20) & 0xff;
  m.flowlabel = word & 0xfffff;
  m.ttl = head[off + 7]!;
  m.proto = head[off + 6]!;
  m.networkBytes = IP6_HEADER_BYTES;
  m.transport = off + IP6_HEADER_BYTES;
  route(stack, m);
}

function route(stack: NetStack, m: Mbuf): void {
  const { src, dst } = m;
  const ifp = m.rcvif!;
  const { ip6 } = stack.mib;
  // From a group nothing comes; ::1 stays at home.
  const isForged =
    !ifp.isLoopback && m.type !== PACKET_LOOPBACK && (isLoopback(src) || isLoopback(dst));
  if (isMulticast(src) || isForged) {
    ip6.count("Ip6InAddrErrors");
    return;
  }
  if (isMulticast(dst)) {
    if (m.type !== PACKET_LOOPBACK) m.type = PACKET_MULTICAST;
    ip6.count("Ip6InMcastPkts");
    if (ifp.groups.has(dst)) takeHeaders(stack, m);
    return;
  }
  const entry = stack.fib6.lookup({
    dst,
    src,
    iif: stack.fib6.rules.hasOwn ? ifp : null,
    mark: m.mark,
  });
  if (failed(entry)) {
    ip6.count("Ip6InNoRoutes");
    return;
  }
  if (entry.type === RTN_LOCAL) takeHeaders(stack, m);
  else if (m.type === PACKET_HOST && stack.ip6.forwarding.get() !== 0) ipForward6(stack, m);
  else ip6.count("Ip6InAddrErrors");
}

/** Takes the extension headers of a packet for us one after the other. `m.off` is at the IPv6 header. */
function takeHeaders(stack: NetStack, first: Mbuf): void {
  let m = first;
  // Offset from m.network of the byte that names the next header.
  let nextAt = 6;
  for (let i = 0; i < MAX_HEADERS; i++) {
    const at = m.networkBytes;
    switch (m.proto) {
      case IPPROTO_HOPOPTS:
      case IPPROTO_DSTOPTS:
      case IPPROTO_ROUTING: {
        const length = extensionLength(m, at);
        if (length === 0 || (m.proto === IPPROTO_HOPOPTS && i > 0)) {
          stack.mib.ip6.count("Ip6InHdrErrors");
          if (length !== 0) icmp6Error(stack, m, ICMPV6_PARAMPROB, 1, nextAt);
          return;
        }
        if (!isTaken(stack, m, at, length)) return;
        m.proto = m.head[m.network + at]!;
        nextAt = at;
        m.networkBytes = at + length;
        break;
      }
      case IPPROTO_FRAGMENT: {
        const whole = reassemble6(stack, m, nextAt);
        if (!whole) return;
        m = whole.m;
        if (whole.wasWhole) nextAt = at;
        break;
      }
      default:
        m.adj(m.networkBytes);
        deliver6(stack, m, nextAt);
        return;
    }
  }
  stack.mib.ip6.count("Ip6InHdrErrors");
}

/** Bytes of the extension header at `at`, all in the head; 0 if the packet has not got them. */
function extensionLength(m: Mbuf, at: number): number {
  if (!m.pullup(at + 8)) return 0;
  const length = (m.head[m.off + at + 1]! + 1) << 3;
  return m.pullup(at + length) ? length : 0;
}

/** Whether an extension header lets the packet go on. */
function isTaken(stack: NetStack, m: Mbuf, at: number, length: number): boolean {
  if (m.proto !== IPPROTO_ROUTING) return !badOption(stack, m, at, length);
  // Routing headers that still have somewhere to go are for routers that want them: RFC 5095.
  if (m.head[m.network + at + 3] === 0) return true;
  stack.mib.ip6.count("Ip6InHdrErrors");
  icmp6Error(stack, m, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, at + 2);
  return false;
}
