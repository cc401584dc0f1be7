/**
 * Fragments that wait for the rest of their packet.
 *
 * Bounded in bytes for the whole NetStack (ipfrag_high_thresh), in number of pieces per packet and in time. Pieces that
 * overlap end their packet, of IPv6 (RFC 5722) as of IPv4, as Linux does today. RFC 791 section 3.2, RFC 8200 section 4.5.
 */
import {
  ICMP_EXC_FRAGTIME,
  ICMP_TIME_EXCEEDED,
  ICMPV6_EXC_FRAGTIME,
  ICMPV6_HDR_FIELD,
  ICMPV6_PARAMPROB,
  ICMPV6_TIME_EXCEED,
} from "../../abi/icmp.ts";
import { Callout } from "../../kern/callout.ts";
import { icmp6Error, icmpError } from "../icmp/error.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { IP_MF, IP_OFFSET_MASK } from "./output4.ts";

const MAX_PACKET = 65535;
/** All but the last are of eight bytes at least. */
const MAX_PIECES = 8192;
const FRAGMENT_HEADER_BYTES = 8;
/** What a piece is counted with beside its bytes. */
const PIECE_BYTES = 256;
const NS_PER_SEC = 1e9;

/** One packet of which pieces have come. */
class FragmentQueue extends Callout {
  readonly #stack: NetStack;
  readonly key: string;
  /** In order of offset, without overlap. */
  readonly pieces: Piece[] = [];
  /** Bytes of the whole payload, once the last piece has come; -1 before. */
  total = -1;
  have = 0;
  cost = 0;

  constructor(stack: NetStack, key: string) {
    super();
    this.#stack = stack;
    this.key = key;
  }

  /** Time is up. The sender hears of it if the first piece is here, which says who that was. */
  fire(): void {
    const stack = this.#stack;
    stack.fragments.drop(stack, this);
    const first = this.pieces[0];
    const isV6 = this.key.length > 30;
    const group = isV6 ? stack.mib.ip6 : stack.mib.ip;
    group.count(isV6 ? "Ip6ReasmTimeout" : "ReasmTimeout");
    group.count(isV6 ? "Ip6ReasmFails" : "ReasmFails");
    if (first?.offset === 0) {
      if (isV6) icmp6Error(stack, first.m, ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME, 0);
      else icmpError(stack, first.m, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
    }
    stack.netisr.drain();
  }
}

interface Piece {
  readonly offset: number;
  readonly bytes: number;
  /** With `off` at its part of the payload. */
  readonly m: Mbuf;
}

export class Fragments {
  readonly #queues = new Map<string, FragmentQueue>();
  /** For /proc/net/sockstat: bytes that wait. */
  bytes4 = 0;
  bytes6 = 0;

  /** Packets that wait, of one family. */
  count(isV6: boolean): number {
    let n = 0;
    for (const key of this.#queues.keys()) if (key.length > 30 === isV6) n++;
    return n;
  }

  /**
   * A piece of packet `key`. The packet's payload once it is whole; null while it is not, or when the piece or
   * the packet is thrown away.
   */
  add(stack: NetStack, key: string, m: Mbuf, offset: number, hasMore: boolean): Mbuf | null {
    const isV6 = key.length > 30;
    const { length } = m;
    const limit = (isV6 ? stack.ip6.ip6fragHighThresh : stack.ip4.ipfragHighThresh).get();
    const cost = m.headBytes + m.chunkBytes + PIECE_BYTES;
    if ((isV6 ? this.bytes6 : this.bytes4) + cost > limit || !stack.kmem.take(cost))
      return this.#fail(stack, isV6);
    let q = this.#queues.get(key);
    if (!q) {
      q = new FragmentQueue(stack, key);
      this.#queues.set(key, q);
      const timeSec = (isV6 ? stack.ip6.ip6fragTimeSec : stack.ip4.ipfragTimeSec).get();
      stack.cpu.callouts.arm(q, stack.nowNs() + timeSec * NS_PER_SEC);
    }
    q.cost += cost;
    if (isV6) this.bytes6 += cost;
    else this.bytes4 += cost;
    const end = offset + length;
    const last = q.pieces.at(-1);
    const highest = last ? last.offset + last.bytes : 0;
    const isWrong =
      end > MAX_PACKET ||
      (q.total >= 0 && (end > q.total || (!hasMore && end !== q.total))) ||
      (!hasMore && highest > end);
    if (isWrong || q.pieces.length >= MAX_PIECES) return this.#end(stack, q);
    if (!hasMore) q.total = end;
    let at = q.pieces.length;
    while (at > 0 && q.pieces[at - 1]!.offset > offset) at--;
    const before = q.pieces[at - 1];
    const after = q.pieces[at];
    // The same piece twice is harmless.
    if (before && before.offset === offset && before.bytes === length) return null;
    const isOverlap =
      (before && before.offset + before.bytes > offset) || (after && after.offset < end);
    if (isOverlap) {
      stack.mib.ipExt.count("ReasmOverlaps");
      return this.#end(stack, q);
    }
    q.pieces.splice(at, 0, { offset, bytes: length, m });
    q.have += length;
    if (q.total < 0 || q.have < q.total) return null;
    this.drop(stack, q);
    const whole = q.pieces[0]!.m;
    const chunks = q.pieces.slice(1).flatMap((p) => p.m.payload());
    whole.chunks = [...whole.chunks, ...chunks];
    whole.chunkBytes = q.total - (whole.end - whole.off);
    return whole;
  }

  drop(stack: NetStack, q: FragmentQueue): void {
    this.#queues.delete(q.key);
    stack.cpu.callouts.disarm(q);
    stack.kmem.give(q.cost);
    if (q.key.length > 30) this.bytes6 -= q.cost;
    else this.bytes4 -= q.cost;
    q.cost = 0;
  }

  /** All of it is thrown away. */
  end(stack: NetStack): void {
    for (const q of [...this.#queues.values()]) this.drop(stack, q);
  }

  #end(stack: NetStack, q: FragmentQueue): null {
    this.drop(stack, q);
    return this.#fail(stack, q.key.length > 30);
  }

  #fail(stack: NetStack, isV6: boolean): null {
    if (isV6) stack.mib.ip6.count("Ip6ReasmFails");
    else stack.mib.ip.count("ReasmFails");
    return null;
  }
}

/** A fragment with `m.off` at its IPv4 header. Null: its packet is not whole yet; else that, the same way. */
export function reassemble4(stack: NetStack, m: Mbuf): Mbuf | null {
  const at = m.network;
  const field = m.view.getUint16(at + 6);
  const hasMore = (field & IP_MF) !== 0;
  const offset = (field & IP_OFFSET_MASK) << 3;
  const length = m.length - m.networkBytes;
  const { ip } = stack.mib;
  ip.count("ReasmReqds");
  if (length === 0 || (hasMore && (length & 7) !== 0)) {
    ip.count("ReasmFails");
    return null;
  }
  const id = m.head[at + 4]! * 256 + m.head[at + 5]!;
  const key = `${m.src}${m.dst}${m.proto}.${id}.${m.rcvif!.index}`;
  m.adj(m.networkBytes);
  const whole = stack.fragments.add(stack, key, m, offset, hasMore);
  if (!whole) return null;
  whole.off -= whole.networkBytes;
  if (whole.length > MAX_PACKET) {
    ip.count("ReasmFails");
    return null;
  }
  ip.count("ReasmOKs");
  whole.view.setUint16(whole.network + 2, whole.length);
  whole.view.setUint16(whole.network + 6, 0);
  return whole;
}

/**
 * A fragment header is next: at `m.networkBytes` from `m.off`, the IPv6 header. Null: dropped, or not whole yet; else
 * the packet with the fragment header behind it. `nextAt`: where its type was named.
 */
export function reassemble6(
  stack: NetStack,
  m: Mbuf,
  nextAt: number,
): { readonly m: Mbuf; readonly wasWhole: boolean } | null {
  const at = m.networkBytes;
  const { ip6 } = stack.mib;
  ip6.count("Ip6ReasmReqds");
  if (!m.pullup(at + FRAGMENT_HEADER_BYTES)) {
    ip6.count("Ip6InHdrErrors");
    return null;
  }
  const f = m.off + at;
  const next = m.head[f]!;
  const field = m.view.getUint16(f + 2);
  const offset = field & 0xfff8;
  const hasMore = (field & 1) !== 0;
  const length = m.length - at - FRAGMENT_HEADER_BYTES;
  if (offset === 0 && !hasMore) {
    // An atomic fragment: RFC 6946.
    ip6.count("Ip6ReasmOKs");
    m.proto = next;
    m.networkBytes = at + FRAGMENT_HEADER_BYTES;
    return { m, wasWhole: true };
  }
  if (hasMore && (length & 7) !== 0) {
    ip6.count("Ip6InHdrErrors");
    icmp6Error(stack, m, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, 4);
    return null;
  }
  if (offset + length > MAX_PACKET) {
    ip6.count("Ip6InHdrErrors");
    icmp6Error(stack, m, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, at + 2);
    return null;
  }
  if (length === 0) {
    ip6.count("Ip6ReasmFails");
    return null;
  }
  const id = m.view.getUint32(f + 4);
  const key = `${m.src}${m.dst}${id}.${m.rcvif!.index}`;
  // The header of the first piece becomes that of the packet, without the fragment header.
  m.head[m.network + nextAt] = next;
  m.proto = next;
  m.adj(at + FRAGMENT_HEADER_BYTES);
  const whole = stack.fragments.add(stack, key, m, offset, hasMore);
  if (!whole) return null;
  const front = whole.head.slice(whole.network, whole.network + whole.networkBytes);
  const start = whole.prepend(front.length);
  whole.head.set(front, start);
  whole.network = start;
  if (whole.length - 40 > MAX_PACKET) {
    ip6.count("Ip6ReasmFails");
    return null;
  }
  whole.view.setUint16(start + 4, whole.length - 40);
  ip6.count("Ip6ReasmOKs");
  return { m: whole, wasWhole: false };
}
