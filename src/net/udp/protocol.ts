/** UDP, or UDP-Lite, in one network: which socket a datagram is for. See udp(7), udplite(7), RFC 768, RFC 3828. */
import { ENOMEM, type Errno } from "../../abi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_PORT_UNREACH,
  ICMPV6_DEST_UNREACH,
  ICMPV6_PORT_UNREACH,
} from "../../abi/icmp.ts";
import { IPPROTO_UDP, IPPROTO_UDPLITE } from "../../abi/inet.ts";
import { PACKET_BROADCAST } from "../../abi/netdevice.ts";
import { SOCK_DGRAM } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import { ANY, isMulticast } from "../address.ts";
import { foldSum, packetSum, pseudoSum } from "../checksum.ts";
import { icmp6Error, icmpError } from "../icmp/error.ts";
import { INET_SOCKET_BYTES, type InetSocket } from "../inet/inetsocket.ts";
import { PcbTable } from "../inpcb.ts";
import { CSUM_NONE, type Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import type { InetProtocol, IpNotice, ProtocolMaker } from "../protocol.ts";
import { IGNORED_MULTI, IN_CSUM_ERRORS, IN_ERRORS, NO_PORTS, UdpCounters } from "./counters.ts";
import { UDP_HEADER_BYTES } from "./header.ts";
import { UdpSocket } from "./socket.ts";

export class UdpProtocol implements InetProtocol {
  /** IPPROTO_UDP or IPPROTO_UDPLITE. */
  readonly protocol: number;
  readonly counters: UdpCounters;
  readonly pcbs: PcbTable;
  /** All there are, bound or not. */
  readonly sockets = new Set<UdpSocket>();
  readonly #stack: NetStack;

  constructor(stack: NetStack, protocol: number) {
    this.protocol = protocol;
    this.counters = new UdpCounters(stack.mib, protocol);
    this.#stack = stack;
    this.pcbs = new PcbTable(stack.random());
  }

  input(m: Mbuf): void {
    if (!m.pullup(UDP_HEADER_BYTES)) {
      this.#error(m);
      return;
    }
    const { off, view } = m;
    const isLite = this.protocol === IPPROTO_UDPLITE;
    // Of UDP how long it is, of UDP-Lite how much of it the checksum covers.
    const length = view.getUint16(off + 4) || (isLite || m.src.length === 16 ? m.length : 0);
    if (length < UDP_HEADER_BYTES || length > m.length) {
      this.#error(m);
      return;
    }
    if (!isLite) m.trim(length);
    if (isMulticast(m.dst) || m.type === PACKET_BROADCAST) {
      this.#deliverToMany(m);
      return;
    }
    const s = this.#find(m);
    if (!this.#hasGoodSum(m, s)) {
      this.#error(m, true);
      return;
    }
    if (s) {
      s.deliver(m);
      return;
    }
    const is4 = m.src.length === 4;
    this.counters.count(is4, NO_PORTS);
    if (is4) {
      icmpError(this.#stack, m, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
    } else {
      icmp6Error(this.#stack, m, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
    }
  }

  #find(m: Mbuf): UdpSocket | null {
    const sport = m.view.getUint16(m.off);
    const dport = m.view.getUint16(m.off + 2);
    const ifindex = m.rcvif!.index;
    const pcb =
      this.pcbs.findConnected(m.dst, dport, m.src, sport, ifindex) ??
      this.pcbs.findBound(m.dst, dport, m.src, sport, ifindex);
    return (pcb?.owner as UdpSocket | undefined) ?? null;
  }

  #hasGoodSum(m: Mbuf, s: UdpSocket | null): boolean {
    const sum = m.view.getUint16(m.off + 6);
    if (this.protocol === IPPROTO_UDPLITE) return sum !== 0 && this.#hasGoodLiteSum(m);
    // Without a sum: fine in IPv4; in IPv6 for who said so. RFC 8200, 8.1.
    if (sum === 0 && m.csum === CSUM_NONE)
      return m.src.length === 4 || (s?.settings.noCheck6Rx ?? false);
    if (m.csum !== CSUM_NONE) return true;
    return foldSum(packetSum(m, pseudoSum(m.src, m.dst, IPPROTO_UDP, m.length))) === 0xffff;
  }

  #hasGoodLiteSum(m: Mbuf): boolean {
    if (m.csum !== CSUM_NONE) return true;
    const pseudo = pseudoSum(m.src, m.dst, IPPROTO_UDPLITE, m.length);
    const coverage = m.view.getUint16(m.off + 4);
    if (coverage === 0) return foldSum(packetSum(m, pseudo)) === 0xffff;
    const part = m.clone();
    part.trim(coverage);
    return foldSum(packetSum(part, pseudo)) === 0xffff;
  }

  #error(m: Mbuf, isSum = false): void {
    const is4 = m.src.length === 4;
    this.counters.count(is4, IN_ERRORS);
    if (isSum) this.counters.count(is4, IN_CSUM_ERRORS);
  }

  /** A group's or a broadcast: everyone who listens there gets a copy. */
  #deliverToMany(m: Mbuf): void {
    if (!this.#hasGoodSum(m, null)) {
      this.#error(m, true);
      return;
    }
    const sport = m.view.getUint16(m.off);
    const dport = m.view.getUint16(m.off + 2);
    const isGroup = isMulticast(m.dst);
    let isHeard = false;
    for (const p of this.pcbs.boundTo(dport)) {
      const s = p.owner as UdpSocket;
      if (p.faddr !== ANY && (p.faddr !== m.src || p.fport !== sport)) continue;
      if (p.laddr !== ANY && p.laddr !== m.dst) continue;
      if (p.laddr === ANY && !p.hears(m.dst.length)) continue;
      if (p.ifindex !== 0 && p.ifindex !== m.rcvif!.index) continue;
      if (isGroup && !s.groups.hears(s, m)) continue;
      isHeard = true;
      s.deliver(m.clone());
    }
    if (!isHeard) this.counters.count(m.src.length === 4, IGNORED_MULTI);
  }

  notice(n: IpNotice): void {
    const { quoted } = n;
    const sport = quoted.view.getUint16(quoted.off);
    const dport = quoted.view.getUint16(quoted.off + 2);
    const ifindex = quoted.rcvif?.index ?? 0;
    const pcb =
      this.pcbs.findConnected(n.src, sport, n.dst, dport, ifindex) ??
      this.pcbs.findBound(n.src, sport, n.dst, dport, ifindex);
    (pcb?.owner as UdpSocket | undefined)?.takeNotice(n);
  }
}

export class UdpMaker implements ProtocolMaker {
  readonly types: readonly number[] = [SOCK_DGRAM];

  readonly #protocol: number;

  constructor(protocol: number) {
    this.#protocol = protocol;
  }

  attach(stack: NetStack): UdpProtocol {
    return new UdpProtocol(stack, this.#protocol);
  }

  takes(_family: number, _type: number, protocol: number): boolean {
    if (protocol === 0) return this.#protocol === IPPROTO_UDP;
    return protocol === this.#protocol;
  }

  socket(td: Thread, stack: NetStack, family: number): InetSocket | Errno {
    if (!stack.kmem.take(INET_SOCKET_BYTES)) return ENOMEM;
    const protocol = stack.protocols.get(this.#protocol) as UdpProtocol;
    const s = new UdpSocket(td, stack, family, protocol);
    protocol.sockets.add(s);
    return s;
  }
}
