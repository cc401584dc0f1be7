/**
 * ICMP and ICMPv6: answers to echo requests, and errors, which go to whoever sent the packet
 * they quote. See icmp(4), icmp6(4), RFC 792, RFC 4443.
 */
import { EACCES, EMSGSIZE, ENOMEM, type Errno, failed } from "../../abi/errno.ts";
import * as ic from "../../abi/icmp.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from "../../abi/inet.ts";
import { PACKET_BROADCAST } from "../../abi/netdevice.ts";
import { AF_INET, SOCK_DGRAM } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import { ANY, type InetAddr, isAny, isMulticast, readAddr } from "../address.ts";
import { checksum, foldSum, packetSum, pseudoSum } from "../checksum.ts";
import { isNeighbourDiscovery, ndInput } from "../ether/nd.ts";
import { INET_SOCKET_BYTES, type InetSocket } from "../inet/inetsocket.ts";
import { PcbTable } from "../inpcb.ts";
import { walkHeaders } from "../ip/exthdr.ts";
import { ipOutput } from "../ip/output.ts";
import { findPath } from "../ip/path.ts";
import { CSUM_GOOD, CSUM_NONE, type Mbuf } from "../mbuf.ts";
import { countType } from "../mib.ts";
import type { NetStack } from "../netstack.ts";
import type { InetProtocol, ProtocolMaker } from "../protocol.ts";
import { type IcmpMeaning, meaningOf4, meaningOf6 } from "./meaning.ts";
import { mayPing, PingSocket } from "./ping.ts";

const HEADER = 8;
const IP_HEADER = 20;
const IP6_HEADER = 40;
const IN4: Readonly<Record<number, string>> = {
  [ic.ICMP_ECHOREPLY]: "InEchoReps",
  [ic.ICMP_DEST_UNREACH]: "InDestUnreachs",
  [ic.ICMP_SOURCE_QUENCH]: "InSrcQuenchs",
  [ic.ICMP_REDIRECT]: "InRedirects",
  [ic.ICMP_ECHO]: "InEchos",
  [ic.ICMP_TIME_EXCEEDED]: "InTimeExcds",
  [ic.ICMP_PARAMETERPROB]: "InParmProbs",
  [ic.ICMP_TIMESTAMP]: "InTimestamps",
  [ic.ICMP_TIMESTAMPREPLY]: "InTimestampReps",
};
const IN6: Readonly<Record<number, string>> = {
  [ic.ICMPV6_DEST_UNREACH]: "Icmp6InDestUnreachs",
  [ic.ICMPV6_PKT_TOOBIG]: "Icmp6InPktTooBigs",
  [ic.ICMPV6_TIME_EXCEED]: "Icmp6InTimeExcds",
  [ic.ICMPV6_PARAMPROB]: "Icmp6InParmProblems",
  [ic.ICMPV6_ECHO_REQUEST]: "Icmp6InEchos",
  [ic.ICMPV6_ECHO_REPLY]: "Icmp6InEchoReplies",
};

/** One of the two. */
export class IcmpProtocol implements InetProtocol {
  readonly protocol: number;
  /** Ping sockets by the identifier of their requests. */
  readonly pings: PcbTable;
  readonly sockets = new Set<PingSocket>();
  readonly #stack: NetStack;
  readonly #is4: boolean;

  constructor(stack: NetStack, protocol: number) {
    this.#stack = stack;
    this.protocol = protocol;
    this.#is4 = protocol === IPPROTO_ICMP;
    this.pings = new PcbTable(stack.random());
  }

  input(m: Mbuf): void {
    const is4 = m.src.length === 4;
    const { mib } = this.#stack;
    const group = is4 ? mib.icmp : mib.icmp6;
    group.count(is4 ? "InMsgs" : "Icmp6InMsgs");
    // ICMP of the other family's number is nobody's.
    if (is4 !== this.#is4 || !m.pullup(HEADER)) {
      group.count(is4 ? "InErrors" : "Icmp6InErrors");
      return;
    }
    if (!hasGoodSum(m, is4)) {
      group.count(is4 ? "InCsumErrors" : "Icmp6InCsumErrors");
      group.count(is4 ? "InErrors" : "Icmp6InErrors");
      return;
    }
    const type = m.head[m.off]!;
    countType(is4 ? mib.icmpIn : mib.icmp6In, type);
    const name = is4 ? IN4[type] : IN6[type];
    if (name) group.count(name);
    if (type === (is4 ? ic.ICMP_ECHO : ic.ICMPV6_ECHO_REQUEST)) this.#echo(m, is4);
    else if (type === (is4 ? ic.ICMP_ECHOREPLY : ic.ICMPV6_ECHO_REPLY)) this.#pong(m);
    else if (!is4 && isNeighbourDiscovery(type)) ndInput(this.#stack, m);
    else if (is4 && type === ic.ICMP_TIMESTAMP) this.#timestamp(m);
    else {
      const code = m.head[m.off + 1]!;
      const meaning = is4 ? meaningOf4(type, code) : meaningOf6(type, code);
      if (meaning) this.#error(m, is4, type, code, meaning);
    }
  }

  #echo(m: Mbuf, is4: boolean): void {
    const { ip4, ip6 } = this.#stack;
    if ((is4 ? ip4.icmpEchoIgnoreAll : ip6.icmpEchoIgnoreAll).get() !== 0) return;
    const isForMany = m.type === PACKET_BROADCAST || isMulticast(m.dst);
    if (is4 && isForMany && ip4.icmpEchoIgnoreBroadcasts.get() !== 0) return;
    this.#reply(m, is4 ? ic.ICMP_ECHOREPLY : ic.ICMPV6_ECHO_REPLY);
  }

  /** Milliseconds since midnight: RFC 792. */
  #timestamp(m: Mbuf): void {
    if (!m.pullup(HEADER + 12)) return;
    if (m.type === PACKET_BROADCAST || isMulticast(m.dst)) return;
    const { sec, nsec } = this.#stack.cpu.clock.realtime();
    const ms = (sec % 86400) * 1000 + Math.floor(nsec / 1e6);
    m.view.setUint32(m.off + HEADER + 4, ms);
    m.view.setUint32(m.off + HEADER + 8, ms);
    this.#reply(m, ic.ICMP_TIMESTAMPREPLY);
  }

  /** Turns a request into its answer and sends it back. */
  #reply(m: Mbuf, type: number): void {
    const stack = this.#stack;
    const { src: to, dst } = m;
    if (isAny(to)) return;
    const is4 = to.length === 4;
    const isForMany = m.type === PACKET_BROADCAST || isMulticast(dst);
    const oif = is4 ? null : m.rcvif;
    const from = isForMany ? ANY : dst;
    const path = findPath(stack, {
      dst: to,
      src: from,
      oif: isScoped(stack, to) ? oif : null,
      mark: m.mark,
    });
    if (failed(path)) return;
    const { tos } = m;
    const hasOptions = is4 && m.networkBytes > IP_HEADER;
    const options = hasOptions
      ? m.head.slice(m.network + IP_HEADER, m.network + m.networkBytes)
      : null;
    m.head[m.off] = type;
    m.head[m.off + 1] = 0;
    m.view.setUint16(m.off + 2, 0);
    const pseudo = is4 ? 0 : pseudoSum(path.src, to, IPPROTO_ICMPV6, m.length);
    m.view.setUint16(m.off + 2, checksum(packetSum(m, pseudo)));
    m.csum = CSUM_GOOD;
    const { mib } = stack;
    if (is4) {
      mib.icmp.count("OutMsgs");
      mib.icmp.count(type === ic.ICMP_ECHOREPLY ? "OutEchoReps" : "OutTimestampReps");
      countType(mib.icmpOut, type);
    } else {
      mib.icmp6.count("Icmp6OutMsgs");
      mib.icmp6.count("Icmp6OutEchoReplies");
      countType(mib.icmp6Out, type);
    }
    ipOutput(stack, m, path, {
      src: path.src,
      dst: to,
      proto: this.protocol,
      ttl: (is4 ? stack.ip4.defaultTtl : stack.ip6.hopLimit).get(),
      tos,
      isUncut: false,
      options,
    });
  }

  #pong(m: Mbuf): void {
    const id = m.view.getUint16(m.off + 4);
    const s = this.#pinger(m.dst, id, m.rcvif!.index);
    if (s) s.deliver(m);
  }

  #pinger(laddr: InetAddr, id: number, ifindex: number): PingSocket | null {
    for (const p of this.pings.boundTo(id)) {
      if (p.laddr !== ANY && p.laddr !== laddr) continue;
      if (p.ifindex !== 0 && p.ifindex !== ifindex) continue;
      return p.owner as PingSocket;
    }
    return null;
  }

  /** An error about a packet that it quotes: `m.off` is at the ICMP header. */
  #error(m: Mbuf, is4: boolean, type: number, code: number, meaning: IcmpMeaning): void {
    const stack = this.#stack;
    const word = m.view.getUint32(m.off + 4);
    const offender = m.src;
    m.adj(HEADER);
    const quoted = is4 ? openQuote4(m) : openQuote6(m);
    if (!quoted) {
      if (is4) stack.mib.icmp.count("InErrors");
      else stack.mib.icmp6.count("Icmp6InErrors");
      return;
    }
    const { src, dst, proto } = quoted;
    let info = is4 ? 0 : word;
    if (meaning.errno === EMSGSIZE) {
      info = is4 ? word & 0xffff : word;
      // Only about what we may have sent, or anybody could make paths narrow.
      if (info !== 0 && stack.isLocal(src) && stack.pmtu.learn(dst, info, stack.nowNs())) {
        (is4 ? stack.fib4 : stack.fib6).changed();
      }
    }
    const { errno, isHard } = meaning;
    const notice = { src, dst, type, code, info, errno, isHard, offender, quoted };
    stack.raw.notice(notice, proto);
    stack.protocols.get(proto)?.notice(notice);
  }

  /** An error about an echo request of ours. */
  notice(n: Parameters<PingSocket["takeNotice"]>[0]): void {
    const { quoted } = n;
    const type = quoted.head[quoted.off]!;
    if (type !== (this.#is4 ? ic.ICMP_ECHO : ic.ICMPV6_ECHO_REQUEST)) return;
    const id = quoted.view.getUint16(quoted.off + 4);
    this.#pinger(n.src, id, quoted.rcvif?.index ?? 0)?.takeNotice(n);
  }
}

/** Whether an address means something on one link only. */
function isScoped(stack: NetStack, a: InetAddr): boolean {
  return a.length === 16 && a.startsWith("\xfe\x80") && !stack.isLocal(a);
}

function hasGoodSum(m: Mbuf, is4: boolean): boolean {
  if (m.csum !== CSUM_NONE) return true;
  const pseudo = is4 ? 0 : pseudoSum(m.src, m.dst, IPPROTO_ICMPV6, m.length);
  return foldSum(packetSum(m, pseudo)) === 0xffff;
}

/**
 * The quoted packet: `m`, from its IP header on, becomes it, with `off` at its transport header,
 * of which eight bytes are there. Null: it is not sound.
 */
function openQuote4(m: Mbuf): Mbuf | null {
  if (!m.pullup(IP_HEADER)) return null;
  const { off } = m;
  const headerBytes = (m.head[off]! & 0xf) << 2;
  if (m.head[off]! >> 4 !== 4 || headerBytes < IP_HEADER) return null;
  if (!m.pullup(headerBytes + HEADER)) return null;
  m.network = m.off;
  m.networkBytes = headerBytes;
  m.src = readAddr(m.head, m.off + 12, 4);
  m.dst = readAddr(m.head, m.off + 16, 4);
  m.proto = m.head[m.off + 9]!;
  m.adj(headerBytes);
  m.transport = m.off;
  return m;
}

function openQuote6(m: Mbuf): Mbuf | null {
  if (!m.pullup(IP6_HEADER) || m.head[m.off]! >> 4 !== 6) return null;
  const walk = walkHeaders(m);
  if (!walk || !m.pullup(walk.offset + HEADER)) return null;
  m.network = m.off;
  m.networkBytes = walk.offset;
  m.src = readAddr(m.head, m.off + 8, 16);
  m.dst = readAddr(m.head, m.off + 24, 16);
  m.proto = walk.proto;
  m.adj(walk.offset);
  m.transport = m.off;
  return m;
}

/** Makes the protocol, and ping sockets: SOCK_DGRAM with IPPROTO_ICMP. */
export class IcmpMaker implements ProtocolMaker {
  readonly types: readonly number[] = [SOCK_DGRAM];
  readonly #protocol: number;

  constructor(protocol: number) {
    this.#protocol = protocol;
  }

  attach(stack: NetStack): IcmpProtocol {
    return new IcmpProtocol(stack, this.#protocol);
  }

  takes(family: number, _type: number, protocol: number): boolean {
    return protocol === this.#protocol && (family === AF_INET) === (protocol === IPPROTO_ICMP);
  }

  socket(td: Thread, stack: NetStack, family: number): InetSocket | Errno {
    if (!mayPing(td, stack)) return EACCES;
    if (!stack.kmem.take(INET_SOCKET_BYTES)) return ENOMEM;
    const protocol = stack.protocols.get(this.#protocol) as IcmpProtocol;
    const s = new PingSocket(td, stack, family, protocol);
    protocol.sockets.add(s);
    return s;
  }
}
