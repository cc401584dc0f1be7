/** IPv4 output. See RFC 791, RFC 6864; Linux's ip_output.c. */
import { EMSGSIZE } from "../../abi/errno.ts";
import {
  ETH_P_IP,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
} from "../../abi/netdevice.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../../abi/route.ts";
import { type InetAddr, writeAddr } from "../address.ts";
import { addSum, checksum } from "../checksum.ts";
import { completeChecksum } from "../csumhelp.ts";
import type { Ifnet } from "../ifnet.ts";
import { CSUM_GOOD, cut, Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { recordSource } from "./options4.ts";
import { noteFragment, noteOutgoing } from "./outfacts.ts";
import type { IpHow } from "./output.ts";
import type { IpPath } from "./path.ts";

export const IP_HEADER_BYTES = 20;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IP_OFFSET_MASK = 0x1fff;
const IP_MAX = 65535;
const OPTION_COPIED = 0x80;
const IPOPT_END = 0;
const IPOPT_NOOP = 1;

export function ipOutput4(stack: NetStack, m: Mbuf, path: IpPath, how: IpHow): number {
  const options = how.options ?? null;
  const headerBytes = IP_HEADER_BYTES + (options?.length ?? 0);
  const total = m.length + headerBytes;
  if (total > IP_MAX) return EMSGSIZE;
  const at = m.prepend(headerBytes);
  m.network = at;
  m.transport = at + headerBytes;
  const { head, view } = m;
  head[at] = 0x40 | (headerBytes >> 2);
  head[at + 1] = how.tos;
  view.setUint16(at + 2, total);
  // A packet that is never cut needs no identification. RFC 6864, section 4.1.
  view.setUint16(at + 4, how.isUncut ? 0 : stack.random() & 0xffff);
  view.setUint16(at + 6, how.isUncut ? IP_DF : 0);
  head[at + 8] = how.ttl;
  head[at + 9] = how.proto;
  writeAddr(head, at + 12, how.src || path.src, 4);
  writeAddr(head, at + 16, how.dst, 4);
  if (options) {
    head.set(options, at + IP_HEADER_BYTES);
    recordSource(head, at + IP_HEADER_BYTES, at + headerBytes, how.src || path.src);
  }
  noteOutgoing(m, path, how, headerBytes);
  stack.mib.ip.values[stack.mib.ipOutRequests]!++;
  return ipSend4(stack, m, path, how.isUncut, how.isLooped ?? true);
}

/** Sends a packet that has its header, but for the header's checksum: `m.off` is at it. */
export function ipSend4(
  stack: NetStack,
  m: Mbuf,
  path: IpPath,
  isUncut: boolean,
  isLooped: boolean,
): number {
  const { ifp } = path;
  m.family = ETH_P_IP;
  m.type = PACKET_HOST;
  setHeaderSum(m);
  const isGroup = path.type === RTN_MULTICAST;
  if (isGroup || path.type === RTN_BROADCAST) {
    m.type = isGroup ? PACKET_MULTICAST : PACKET_BROADCAST;
    const isHeard = isGroup ? isLooped && ifp.groups.has(path.dst) : true;
    if (isHeard && !ifp.isLoopback) loopBack(stack, ifp, m);
    // With a time to live of 0 it does not leave this host.
    if (isGroup && m.head[m.off + 8] === 0 && !ifp.isLoopback) return 0;
  }
  if (m.length > path.mtu) {
    if (isUncut) {
      stack.mib.ip.count("FragFails");
      return EMSGSIZE;
    }
    return fragment4(stack, m, path);
  }
  return ifp.output(m, path.nextHop);
}

/** What is sent to a group or to all of a link comes back to members on this host, as if over the link. */
export function loopBack(stack: NetStack, ifp: Ifnet, m: Mbuf): void {
  const copy = m.clone();
  copy.type = PACKET_LOOPBACK;
  copy.csum = CSUM_GOOD;
  copy.rcvif = ifp;
  stack.netisr.enqueue(copy, stack.core.netdevMaxBacklog.get());
}

export function setHeaderSum(m: Mbuf): void {
  const { head, view, off } = m;
  const headerBytes = (head[off]! & 0xf) << 2;
  view.setUint16(off + 10, 0);
  view.setUint16(off + 10, checksum(addSum(0, head, off, off + headerBytes)));
}

/** Cuts a packet that is longer than its path's MTU; the pieces refer to its bytes. */
function fragment4(stack: NetStack, m: Mbuf, path: IpPath): number {
  completeChecksum(m);
  const { head, view, off } = m;
  const headerBytes = (head[off]! & 0xf) << 2;
  const step = (path.mtu - headerBytes) & ~7;
  if (step <= 0) return EMSGSIZE;
  // What was cut before keeps its place and what follows it.
  const field = view.getUint16(off + 6);
  const first = (field & IP_OFFSET_MASK) << 3;
  const bytes = m.length - headerBytes;
  const header = head.slice(off, off + headerBytes);
  const payload = m.payload(headerBytes);
  const later = laterOptions(header);
  let result = 0;
  for (let done = 0; done < bytes; done += step) {
    const n = Math.min(step, bytes - done);
    const part = Mbuf.referring(cut(payload, done, n), n);
    const h = done === 0 ? header : later;
    const at = part.prepend(h.length);
    part.head.set(h, at);
    const isLast = done + n === bytes && (field & IP_MF) === 0;
    part.view.setUint16(at + 2, h.length + n);
    part.view.setUint16(at + 6, ((first + done) >> 3) | (isLast ? 0 : IP_MF));
    noteFragment(part, m, at, h.length);
    setHeaderSum(part);
    stack.mib.ip.count("FragCreates");
    const r = path.ifp.output(part, path.nextHop);
    if (r < 0) result = r;
  }
  stack.mib.ip.count(result < 0 ? "FragFails" : "FragOKs");
  return result;
}

/** The header of further fragments: options that are not to be copied are blanked out. */
function laterOptions(header: Uint8Array): Uint8Array {
  const out = header.slice();
  for (let i = IP_HEADER_BYTES; i < out.length; ) {
    const kind = out[i]!;
    if (kind === IPOPT_END) break;
    const length = kind === IPOPT_NOOP ? 1 : (out[i + 1] ?? 0);
    if (length < 1 || (kind !== IPOPT_NOOP && length < 2)) break;
    if ((kind & OPTION_COPIED) === 0) out.fill(IPOPT_NOOP, i, Math.min(i + length, out.length));
    i += length;
  }
  return out;
}

/** The destination of a header at `at`, for those who need it again. */
export function headerDst(m: Mbuf): InetAddr {
  const at = m.network + 16;
  const { head } = m;
  return String.fromCharCode(head[at]!, head[at + 1]!, head[at + 2]!, head[at + 3]!);
}
