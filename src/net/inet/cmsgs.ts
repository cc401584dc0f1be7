/** Control messages of IP: what came with a packet, and what is to go with one. See ip(7), ipv6(7), RFC 3542. */
import { EINVAL, EPERM, type Errno } from "../../abi/errno.ts";
import * as o from "../../abi/inet.ts";
import {
  AF_INET,
  AF_INET6,
  CmsgHdr,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_MARK,
  SO_RXQ_OVFL,
  SOL_SOCKET,
} from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import {
  ANY,
  ANY4,
  ANY6,
  type InetAddr,
  isMulticast,
  mapped,
  readAddr,
  unmapped,
  writeAddr,
} from "../address.ts";
import type { Mbuf } from "../mbuf.ts";
import type { Receiving, SentControl } from "../message.ts";
import { makeSockaddr } from "../sockaddr.ts";
import { intOf, intValue, viewOf } from "../sockopt.ts";
import type { QueuedError } from "./errorqueue.ts";
import type { InetSocket } from "./inetsocket.ts";
import * as recv from "./recvbits.ts";

const ALIGN = 8;

/** What a sendmsg(2) says about one message. */
export class IpControl implements SentControl {
  /** -1: as the socket says. */
  ttl = -1;
  tos = -1;
  src: InetAddr = ANY;
  ifindex = 0;
  isUncut = false;
  mark = -1;
  options4: Uint8Array | null = null;
  /** UDP_SEGMENT; 0: the whole. */
  segmentBytes = 0;

  release(): void {}

  /** Understands a list of struct cmsghdr: EINVAL, EPERM. */
  static parse(td: Thread, s: InetSocket, bytes: Uint8Array): IpControl | Errno {
    const control = new IpControl();
    const view = viewOf(bytes);
    const { sizeof } = CmsgHdr;
    for (let at = 0; at + sizeof <= bytes.length; ) {
      const length = CmsgHdr.cmsg_len.get(view, at);
      if (length < sizeof || length > bytes.length - at) return EINVAL;
      const level = CmsgHdr.cmsg_level.get(view, at);
      const type = CmsgHdr.cmsg_type.get(view, at);
      const r = control.#take(td, s, level, type, bytes.subarray(at + sizeof, at + length));
      if (r !== 0) return r as Errno;
      at += Math.ceil(length / ALIGN) * ALIGN;
    }
    return control;
  }

  #take(td: Thread, s: InetSocket, level: number, type: number, data: Uint8Array): number {
    switch (level) {
      case SOL_SOCKET:
        return this.#takeSocket(td, s, type, data);
      case o.SOL_IP:
        return this.#takeIp(s, type, data);
      case o.SOL_IPV6:
        return s.family === AF_INET6 ? this.#takeIp6(s, type, data) : 0;
      case o.SOL_UDP:
        if (type !== o.UDP_SEGMENT || data.length !== 2) return EINVAL;
        this.segmentBytes = viewOf(data).getUint16(0, true);
        return 0;
      default:
        return 0;
    }
  }

  #takeSocket(td: Thread, s: InetSocket, type: number, data: Uint8Array): number {
    if (type === SCM_RIGHTS || type === SCM_CREDENTIALS) return 0;
    if (type !== SO_MARK) return EINVAL;
    if (!s.mayRaw(td) && !s.mayAdmin(td)) return EPERM;
    if (data.length !== 4) return EINVAL;
    this.mark = intOf(data);
    return 0;
  }

  #takeIp(s: InetSocket, type: number, data: Uint8Array): number {
    switch (type) {
      case o.IP_TTL: {
        if (data.length !== 4) return EINVAL;
        const n = intOf(data);
        if (n < 1 || n > 255) return EINVAL;
        this.ttl = n;
        return 0;
      }
      case o.IP_TOS: {
        if (data.length !== 4 && data.length !== 1) return EINVAL;
        const n = data.length === 4 ? intOf(data) : data[0]!;
        if (n < 0 || n > 255) return EINVAL;
        this.tos = n;
        return 0;
      }
      case o.IP_PKTINFO: {
        if (data.length !== 12) return EINVAL;
        this.ifindex = viewOf(data).getInt32(0, true);
        const src = readAddr(data, 4, 4);
        this.src = src === ANY4 ? ANY : src;
        if (this.ifindex !== 0 && !s.stack.byIndex(this.ifindex)) return EINVAL;
        return 0;
      }
      case o.IP_RETOPTS:
        if (data.length > 40) return EINVAL;
        this.options4 = new Uint8Array((data.length + 3) & ~3);
        this.options4.set(data);
        return 0;
      default:
        return EINVAL;
    }
  }

  #takeIp6(s: InetSocket, type: number, data: Uint8Array): number {
    switch (type) {
      case o.IPV6_PKTINFO:
      case o.IPV6_2292PKTINFO: {
        if (data.length < 20) return EINVAL;
        this.ifindex = viewOf(data).getInt32(16, true);
        const src = readAddr(data, 0, 16);
        this.src = src === ANY6 ? ANY : unmapped(src);
        if (s.pcb.ifindex !== 0 && this.ifindex !== 0 && this.ifindex !== s.pcb.ifindex)
          return EINVAL;
        if (this.ifindex !== 0 && !s.stack.byIndex(this.ifindex)) return EINVAL;
        return isOwnSource(s, this.src) ? 0 : EINVAL;
      }
      case o.IPV6_HOPLIMIT:
      case o.IPV6_2292HOPLIMIT: {
        if (data.length !== 4) return EINVAL;
        const n = intOf(data);
        if (n < -1 || n > 255) return EINVAL;
        this.ttl = n;
        return 0;
      }
      case o.IPV6_TCLASS: {
        if (data.length !== 4) return EINVAL;
        const n = intOf(data);
        if (n < -1 || n > 255) return EINVAL;
        this.tos = Math.max(n, 0);
        return 0;
      }
      case o.IPV6_DONTFRAG: {
        if (data.length !== 4) return EINVAL;
        const n = intOf(data);
        if (n < 0 || n > 1) return EINVAL;
        this.isUncut = n === 1;
        return 0;
      }
      case o.IPV6_FLOWINFO:
        return data.length >= 4 ? 0 : EINVAL;
      default:
        return EINVAL;
    }
  }
}

/** Nobody speaks with a stranger's address who was not allowed to. */
export function isOwnSource(s: InetSocket, src: InetAddr): boolean {
  return src === ANY || s.stack.isLocal(src) || s.ip.isFreebind || s.ip.isTransparent;
}

/** Tells what `s` wanted to know about a packet. `m.network` is at its IP header. */
export function tellPacket(s: InetSocket, m: Mbuf, drops: number, receiving: Receiving): void {
  const { control } = receiving;
  if (s.options.kept.get(SO_RXQ_OVFL) === 1 && drops > 0) {
    control.push({ level: SOL_SOCKET, type: SO_RXQ_OVFL, data: intValue(drops | 0) });
  }
  if (m.src.length === 4) {
    if (s.family === AF_INET6 && (s.ip.recv6 & recv.RECV_PKTINFO) !== 0) tellInfo6(m, receiving);
    if (s.ip.recv4 !== 0) tell4(s, m, receiving);
  } else if (s.ip.recv6 !== 0) tell6(s, m, receiving);
}

function tell4(s: InetSocket, m: Mbuf, receiving: Receiving): void {
  const bits = s.ip.recv4;
  const put = (type: number, data: Uint8Array): void => {
    receiving.control.push({ level: o.SOL_IP, type, data });
  };
  if ((bits & recv.RECV_PKTINFO) !== 0) {
    const info = new Uint8Array(12);
    viewOf(info).setInt32(0, m.rcvif!.index, true);
    writeAddr(info, 4, specificDst(m), 4);
    writeAddr(info, 8, m.dst, 4);
    put(o.IP_PKTINFO, info);
  }
  if ((bits & recv.RECV_TTL) !== 0) put(o.IP_TTL, intValue(m.ttl));
  if ((bits & recv.RECV_TOS) !== 0) put(o.IP_TOS, new Uint8Array([m.tos]));
  if ((bits & (recv.RECV_OPTS | recv.RECV_RETOPTS)) !== 0 && m.networkBytes > 20) {
    const options = m.head.slice(m.network + 20, m.network + m.networkBytes);
    if ((bits & recv.RECV_OPTS) !== 0) put(o.IP_RECVOPTS, options);
    if ((bits & recv.RECV_RETOPTS) !== 0) put(o.IP_RETOPTS, options);
  }
  if ((bits & recv.RECV_ORIGDSTADDR) !== 0) {
    const port = portOf(m);
    if (port >= 0) put(o.IP_RECVORIGDSTADDR, makeSockaddr(AF_INET, m.dst, port));
  }
}

/** The destination port, where others would have one; -1 if the packet is too short. */
function portOf(m: Mbuf): number {
  if (!m.pullup(m.transport - m.off + 4)) return -1;
  return m.view.getUint16(m.transport + 2);
}

/** The local address that a packet is answered from. */
function specificDst(m: Mbuf): InetAddr {
  if (!isMulticast(m.dst) && m.rcvif!.stack.isLocal(m.dst)) return m.dst;
  return m.rcvif!.addrs4[0]?.addr ?? ANY4;
}

function tellInfo6(m: Mbuf, receiving: Receiving): void {
  const info = new Uint8Array(20);
  writeAddr(info, 0, mapped(m.dst), 16);
  viewOf(info).setInt32(16, m.rcvif!.index, true);
  receiving.control.push({ level: o.SOL_IPV6, type: o.IPV6_PKTINFO, data: info });
}

function tell6(s: InetSocket, m: Mbuf, receiving: Receiving): void {
  const bits = s.ip.recv6;
  const put = (type: number, data: Uint8Array): void => {
    receiving.control.push({ level: o.SOL_IPV6, type, data });
  };
  if ((bits & recv.RECV_PKTINFO) !== 0) tellInfo6(m, receiving);
  if ((bits & recv.RECV_TTL) !== 0) put(o.IPV6_HOPLIMIT, intValue(m.ttl));
  if ((bits & recv.RECV_TOS) !== 0) put(o.IPV6_TCLASS, intValue(m.tos));
  if ((bits & recv.RECV_FLOWINFO) !== 0 && (m.flowlabel !== 0 || m.tos !== 0)) {
    const flow = new Uint8Array(4);
    viewOf(flow).setUint32(0, ((m.tos << 20) | m.flowlabel) >>> 0);
    put(o.IPV6_FLOWINFO, flow);
  }
  if ((bits & recv.RECV_ORIGDSTADDR) !== 0) {
    const port = portOf(m);
    if (port >= 0) put(o.IPV6_ORIGDSTADDR, makeSockaddr(AF_INET6, m.dst, port));
  }
}

/** IP_RECVERR: struct sock_extended_err and the address of who complained. */
export function tellError(s: InetSocket, e: QueuedError, receiving: Receiving): void {
  const is4 = e.dst.length === 4;
  const header = 16;
  const isFromIcmp = e.origin !== o.SO_EE_ORIGIN_LOCAL;
  const family = is4 && s.family === AF_INET ? AF_INET : AF_INET6;
  const offender = makeSockaddr(is4 ? AF_INET : AF_INET6, isFromIcmp ? e.offender : ANY, 0);
  if (!isFromIcmp) offender.fill(0);
  const data = new Uint8Array(header + offender.length);
  const view = viewOf(data);
  view.setUint32(0, e.errno, true);
  data[4] = e.origin;
  data[5] = e.type;
  data[6] = e.code;
  view.setUint32(8, e.info, true);
  data.set(offender, header);
  const level = is4 ? o.SOL_IP : o.SOL_IPV6;
  receiving.control.push({ level, type: is4 ? o.IP_RECVERR : o.IPV6_RECVERR, data });
  receiving.name = makeSockaddr(family, e.dst, e.dstPort);
}
