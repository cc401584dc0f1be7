/**
 * IPv4 input. Every field is distrusted: a packet that is not sound, or is not ours and not
 * to be forwarded, is counted and dropped. See ip_input(9), RFC 1122.
 */
import { failed } from "../../abi/errno.ts";
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
} from "../../abi/netdevice.ts";
import { RTN_BROADCAST, RTN_LOCAL } from "../../abi/route.ts";
import { ANY4, BROADCAST4, isMulticast, readAddr } from "../address.ts";
import { addSum, foldSum } from "../checksum.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { deliver4 } from "./deliver.ts";
import { ipForward4 } from "./forward.ts";
import { checkOptions } from "./options4.ts";
import { IP_HEADER_BYTES } from "./output4.ts";

export function ipInput(stack: NetStack, m: Mbuf): void {
  if (m.type === PACKET_OTHERHOST) return;
  const { mib } = stack;
  mib.ip.values[mib.ipInReceives]!++;
  if (!isSound(m)) {
    mib.ip.count("InHdrErrors");
    return;
  }
  const { head, view, off } = m;
  const headerBytes = (head[off]! & 0xf) << 2;
  const total = view.getUint16(off + 2);
  mib.ipExt.values[mib.ipInOctets]! += total;
  // Links pad short packets.
  m.trim(total);
  m.network = off;
  m.networkBytes = headerBytes;
  m.transport = off + headerBytes;
  m.src = readAddr(head, off + 12, 4);
  m.dst = readAddr(head, off + 16, 4);
  m.tos = head[off + 1]!;
  m.ttl = head[off + 8]!;
  m.proto = head[off + 9]!;
  if (headerBytes > IP_HEADER_BYTES && !checkOptions(stack, m)) return;
  route(stack, m);
}

function isSound(m: Mbuf): boolean {
  if (!m.pullup(IP_HEADER_BYTES)) return false;
  const first = m.head[m.off]!;
  const headerBytes = (first & 0xf) << 2;
  if (first >> 4 !== 4 || headerBytes < IP_HEADER_BYTES || !m.pullup(headerBytes)) return false;
  const total = m.view.getUint16(m.off + 2);
  if (total < headerBytes || total > m.length) return false;
  return foldSum(addSum(0, m.head, m.off, m.off + headerBytes)) === 0xffff;
}

/** Ours, another's, or nobody's. */
function route(stack: NetStack, m: Mbuf): void {
  const { src, dst } = m;
  const ifp = m.rcvif!;
  if (isMartian(stack, m)) {
    stack.mib.ip.count("InAddrErrors");
    return;
  }
  if (dst === BROADCAST4 || (src === ANY4 && dst === ANY4)) {
    m.type = PACKET_BROADCAST;
    deliver4(stack, m);
    return;
  }
  if (isMulticast(dst)) {
    if (m.type !== PACKET_LOOPBACK) m.type = PACKET_MULTICAST;
    stack.mib.ipExt.count("InMcastPkts");
    if (ifp.groups.has(dst)) deliver4(stack, m);
    return;
  }
  const entry = stack.fib4.lookup({
    dst,
    src,
    iif: stack.fib4.rules.hasOwn ? ifp : null,
    mark: m.mark,
  });
  if (failed(entry)) {
    stack.mib.ip.count("InAddrErrors");
    return;
  }
  if (entry.type === RTN_BROADCAST) {
    m.type = PACKET_BROADCAST;
    stack.mib.ipExt.count("InBcastPkts");
    deliver4(stack, m);
  } else if (entry.type === RTN_LOCAL) deliver4(stack, m);
  else if (m.type === PACKET_HOST && stack.ip4.ipForward.get() !== 0) ipForward4(stack, m, entry);
  else stack.mib.ip.count("InAddrErrors");
}

/** An address that cannot have come over this interface. RFC 1812, section 5.3.7. */
function isMartian(stack: NetStack, m: Mbuf): boolean {
  const { src, dst } = m;
  if (isMulticast(src) || src === BROADCAST4) return true;
  const a = src.charCodeAt(0);
  if (a === 0 && !(src === ANY4 && (dst === BROADCAST4 || dst === ANY4 || isMulticast(dst))))
    return true;
  if (a >= 240 || (dst.charCodeAt(0) === 0 && dst !== ANY4)) return true;
  if (m.rcvif!.isLoopback) return false;
  if (a === 127 || dst.charCodeAt(0) === 127) return true;
  // Our own address as the sender, over a link: only what we looped back.
  return m.type !== PACKET_LOOPBACK && stack.localRoute(src) !== null;
}
