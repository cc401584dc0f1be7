/**
 * ICMP errors that this host sends about packets that it could not take or pass on.
 *
 * Never about an error, a fragment that is not the first, or what was sent to many; and not more
 * than a host may (a bucket of messages per second). RFC 1122 section 3.2.2, RFC 4443 section 2.4.
 */
import { failed } from "../../abi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  ICMPV6_INFOMSG_MASK,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
} from "../../abi/icmp.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from "../../abi/inet.ts";
import { PACKET_HOST } from "../../abi/netdevice.ts";
import { type InetAddr, isAny, isMulticast } from "../address.ts";
import { checksum, packetSum, pseudoSum } from "../checksum.ts";
import { ipOutput } from "../ip/output.ts";
import { findPath } from "../ip/path.ts";
import { CSUM_GOOD, Mbuf } from "../mbuf.ts";
import { countType } from "../mib.ts";
import type { NetStack } from "../netstack.ts";

/** A whole error message of IPv4 at most (RFC 1812); of IPv6 (RFC 4443). */
const MAX_ERROR4 = 576;
const MAX_ERROR6 = 1280;
const HEADER = 8;
/** Precedence of internetwork control. */
const ERROR_TOS = 0xc0;

/** About `m`, an IPv4 packet whose header is at `m.network` of its head. `info`: the second word of the message. */
export function icmpError(
  stack: NetStack,
  m: Mbuf,
  type: number,
  code: number,
  info: number,
): void {
  const { src, dst } = m;
  if (m.type !== PACKET_HOST || isMulticast(dst) || isMulticast(src) || isAny(src)) return;
  const at = m.network;
  if ((m.view.getUint16(at + 6) & 0x1fff) !== 0) return;
  const quoted = quotedFrom(m, MAX_ERROR4 - 20 - HEADER);
  if (m.proto === IPPROTO_ICMP && !isQuery4(quoted[m.networkBytes])) return;
  const isFree = type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED;
  if (!isFree && !mayAnswer(stack, src, type)) return;
  const out = message(type, code, info, quoted);
  // From the address that was spoken to, if it is ours.
  const from = stack.isLocal(dst) ? dst : "";
  const path = findPath(stack, { dst: src, src: from });
  if (failed(path)) return;
  out.view.setUint16(out.off + 2, checksum(packetSum(out, 0)));
  out.csum = CSUM_GOOD;
  const { mib } = stack;
  mib.icmp.count("OutMsgs");
  if (type === ICMP_DEST_UNREACH) mib.icmp.count("OutDestUnreachs");
  else mib.icmp.count(type === 11 ? "OutTimeExcds" : "OutParmProbs");
  countType(mib.icmpOut, type);
  ipOutput(stack, out, path, {
    src: path.src,
    dst: src,
    proto: IPPROTO_ICMP,
    ttl: stack.ip4.defaultTtl.get(),
    tos: (m.tos & 0x1e) | ERROR_TOS,
    isUncut: false,
  });
}

/** As `icmpError`, of IPv6. */
export function icmp6Error(
  stack: NetStack,
  m: Mbuf,
  type: number,
  code: number,
  info: number,
): void {
  const { src, dst } = m;
  const isForMany = m.type !== PACKET_HOST || isMulticast(dst);
  // Two that even those may ask for: RFC 4443, 2.4 (e.3).
  const isAllowed = type === ICMPV6_PKT_TOOBIG || (type === ICMPV6_PARAMPROB && code === 2);
  if ((isForMany && !isAllowed) || isMulticast(src) || isAny(src)) return;
  const quoted = quotedFrom(m, MAX_ERROR6 - 40 - HEADER);
  const first = quoted[m.networkBytes];
  if (m.proto === IPPROTO_ICMPV6 && (first === undefined || (first & ICMPV6_INFOMSG_MASK) === 0))
    return;
  if (type !== ICMPV6_PKT_TOOBIG && !mayAnswer(stack, src, type)) return;
  const out = message(type, code, info, quoted);
  const from = !isMulticast(dst) && stack.isLocal(dst) ? dst : "";
  const path = findPath(stack, { dst: src, src: from, oif: m.rcvif });
  if (failed(path)) return;
  const sum = pseudoSum(path.src, src, IPPROTO_ICMPV6, out.length);
  out.view.setUint16(out.off + 2, checksum(packetSum(out, sum)));
  out.csum = CSUM_GOOD;
  const { mib } = stack;
  mib.icmp6.count("Icmp6OutMsgs");
  countType(mib.icmp6Out, type);
  const { hopLimit } = stack.ip6;
  ipOutput(stack, out, path, {
    src: path.src,
    dst: src,
    proto: IPPROTO_ICMPV6,
    ttl: hopLimit.get(),
    tos: 0,
    isUncut: false,
  });
}

function message(type: number, code: number, info: number, quoted: Uint8Array): Mbuf {
  const m = Mbuf.referring([quoted], quoted.length);
  const at = m.prepend(HEADER);
  m.head[at] = type;
  m.head[at + 1] = code;
  m.view.setUint16(at + 2, 0);
  m.view.setUint32(at + 4, info);
  return m;
}

/** The packet from its network header on, cut to `max` bytes. */
function quotedFrom(m: Mbuf, max: number): Uint8Array {
  const inHead = m.head.subarray(m.network, Math.min(m.end, m.network + max));
  const total = Math.min(max, m.end - m.network + m.chunkBytes);
  const out = new Uint8Array(total);
  out.set(inHead);
  let at = inHead.length;
  for (const chunk of m.chunks) {
    if (at >= total) break;
    out.set(chunk.subarray(0, total - at), at);
    at += chunk.length;
  }
  return out;
}

function isQuery4(type: number | undefined): boolean {
  return (
    type === ICMP_ECHO ||
    type === ICMP_ECHOREPLY ||
    type === ICMP_TIMESTAMP ||
    type === ICMP_TIMESTAMPREPLY
  );
}

/** Whether the buckets of messages, of all and of this peer, have one left. Nobody is flooded over loopback but oneself. */
function mayAnswer(stack: NetStack, to: InetAddr, type: number): boolean {
  if (stack.isLocal(to)) return true;
  const { icmpMsgsPerSec, icmpMsgsBurst, icmpRatelimit, icmpRatemask } = stack.ip4;
  const nowNs = stack.nowNs();
  const is4 = to.length === 4;
  if (!stack.icmpBucket.take(nowNs, icmpMsgsPerSec.get(), icmpMsgsBurst.get())) {
    stack.mib.icmp.count("OutRateLimitGlobal");
    return false;
  }
  if (is4 && (icmpRatemask.get() & (1 << type)) === 0) return true;
  const intervalMs = (is4 ? icmpRatelimit : stack.ip6.icmpRatelimit).get();
  if (stack.icmpPeers.take(to, nowNs, intervalMs)) return true;
  if (is4) stack.mib.icmp.count("OutRateLimitHost");
  else stack.mib.icmp6.count("Icmp6OutRateLimitHost");
  return false;
}
