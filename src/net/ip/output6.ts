/** IPv6 output. See RFC 8200; Linux's ip6_output.c. */
import { EMSGSIZE } from "../../abi/errno.ts";
import { IPPROTO_FRAGMENT } from "../../abi/inet.ts";
import { ETH_P_IPV6, PACKET_HOST, PACKET_MULTICAST } from "../../abi/netdevice.ts";
import { RTN_MULTICAST } from "../../abi/route.ts";
import { writeAddr } from "../address.ts";
import { completeChecksum } from "../csumhelp.ts";
import { cut, Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { unfragmentableBytes } from "./exthdr.ts";
import { noteFragment, noteOutgoing } from "./outfacts.ts";
import type { IpHow } from "./output.ts";
import { loopBack } from "./output4.ts";
import type { IpPath } from "./path.ts";

export const IP6_HEADER_BYTES = 40;
const IP6_MAX_PAYLOAD = 65535;
const FRAGMENT_HEADER_BYTES = 8;

export function ipOutput6(stack: NetStack, m: Mbuf, path: IpPath, how: IpHow): number {
  const ext = how.options ?? null;
  const payload = m.length + (ext?.length ?? 0);
  if (payload > IP6_MAX_PAYLOAD) return EMSGSIZE;
  if (ext) m.head.set(ext, m.prepend(ext.length));
  const at = m.prepend(IP6_HEADER_BYTES);
  m.network = at;
  m.transport = at + IP6_HEADER_BYTES + (ext?.length ?? 0);
  const { head, view } = m;
  view.setUint32(at, (0x60000000 | (how.tos << 20) | ((how.flowlabel ?? 0) & 0xfffff)) >>> 0);
  view.setUint16(at + 4, payload);
  head[at + 6] = how.firstHeader ?? how.proto;
  head[at + 7] = how.ttl;
  writeAddr(head, at + 8, how.src || path.src, 16);
  writeAddr(head, at + 24, how.dst, 16);
  noteOutgoing(m, path, how, m.transport - at);
  const { ip6 } = stack.mib;
  ip6.values[stack.mib.ip6OutRequests]!++;
  ip6.values[stack.mib.ip6OutOctets]! += payload + IP6_HEADER_BYTES;
  return ipSend6(stack, m, path, how.isUncut, how.isLooped ?? true);
}

/** Sends a packet that has its header: `m.off` is at it. */
export function ipSend6(
  stack: NetStack,
  m: Mbuf,
  path: IpPath,
  isUncut: boolean,
  isLooped: boolean,
): number {
  const { ifp } = path;
  m.family = ETH_P_IPV6;
  m.type = PACKET_HOST;
  if (path.type === RTN_MULTICAST) {
    m.type = PACKET_MULTICAST;
    stack.mib.ip6.count("Ip6OutMcastPkts");
    if (isLooped && !ifp.isLoopback && ifp.groups.has(path.dst)) loopBack(stack, ifp, m);
    // With a hop limit of 0, or for this node alone, it does not leave this host.
    const isOurs = m.head[m.off + 7] === 0 || (m.head[m.off + 25]! & 0xf) === 1;
    if (isOurs && !ifp.isLoopback) return 0;
  }
  if (m.length > path.mtu) {
    if (isUncut) {
      stack.mib.ip6.count("Ip6FragFails");
      return EMSGSIZE;
    }
    return fragment6(stack, m, path);
  }
  return ifp.output(m, path.nextHop);
}

function fragment6(stack: NetStack, m: Mbuf, path: IpPath): number {
  completeChecksum(m);
  const keep = unfragmentableBytes(m);
  const step = (path.mtu - keep.bytes - FRAGMENT_HEADER_BYTES) & ~7;
  if (step <= 0) return EMSGSIZE;
  const front = m.head.slice(m.off, m.off + keep.bytes);
  const next = front[keep.nextAt]!;
  front[keep.nextAt] = IPPROTO_FRAGMENT;
  const bytes = m.length - keep.bytes;
  const payload = m.payload(keep.bytes);
  const id = stack.random();
  let result = 0;
  for (let done = 0; done < bytes; done += step) {
    const n = Math.min(step, bytes - done);
    const part = Mbuf.referring(cut(payload, done, n), n);
    const f = part.prepend(FRAGMENT_HEADER_BYTES);
    part.head[f] = next;
    part.head[f + 1] = 0;
    part.view.setUint16(f + 2, done | (done + n < bytes ? 1 : 0));
    part.view.setUint32(f + 4, id);
    const at = part.prepend(front.length);
    part.head.set(front, at);
    part.view.setUint16(at + 4, part.length - IP6_HEADER_BYTES);
    noteFragment(part, m, at, front.length + FRAGMENT_HEADER_BYTES);
    stack.mib.ip6.count("Ip6FragCreates");
    const r = path.ifp.output(part, path.nextHop);
    if (r < 0) result = r;
  }
  stack.mib.ip6.count(result < 0 ? "Ip6FragFails" : "Ip6FragOKs");
  return result;
}
