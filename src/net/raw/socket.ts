/**
 * Raw sockets: packets of any protocol over IP, for those with CAP_NET_RAW. See raw(7), RFC 3542 section 3.
 *
 * Of IPv4 a program sees the IP header too, and may write its own (IP_HDRINCL); of IPv6 never.
 */
import {
  EACCES,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOMEM,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import {
  ICMP_FILTER,
  ICMPV6_FILTER,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_RAW,
  IPV6_CHECKSUM,
  SOL_ICMPV6,
  SOL_IPV6,
  SOL_RAW,
} from "../../abi/inet.ts";
import { AF_INET, AF_INET6, MSG_OOB, SOCK_RAW } from "../../abi/socket.ts";
import { CAP_NET_RAW } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Uio } from "../../vm/uio.ts";
import {
  ANY,
  ANY4,
  type InetAddr,
  isMulticast,
  needsScope,
  readAddr,
  writeAddr,
} from "../address.ts";
import { checksum, foldSum, packetSum, pseudoSum } from "../checksum.ts";
import type { IpControl } from "../inet/cmsgs.ts";
import { InetDatagram } from "../inet/datagram.ts";
import { INET_SOCKET_BYTES, type InetSocket } from "../inet/inetsocket.ts";
import { ipOutput } from "../ip/output.ts";
import { ipSend4 } from "../ip/output4.ts";
import { ipSend6 } from "../ip/output6.ts";
import type { IpPath } from "../ip/path.ts";
import { CSUM_NONE, Mbuf } from "../mbuf.ts";
import type { Sending } from "../message.ts";
import { countIcmpOut } from "../mib.ts";
import type { NetStack } from "../netstack.ts";
import type { IpNotice, ProtocolMaker } from "../protocol.ts";
import { makeSockaddr } from "../sockaddr.ts";
import { SEND_SHUTDOWN } from "../socket.ts";
import { intOf, intValue } from "../sockopt.ts";
import type { RawListener } from "./table.ts";

const MAX_PACKET = 65535;
const IP_HEADER = 20;
const IP6_HEADER = 40;
const FILTER_WORDS6 = 8;

export class RawSocket extends InetDatagram implements RawListener {
  readonly table = null;
  readonly headerBytes = 0;
  /** ICMP_FILTER: types that are not heard; ICMPV6_FILTER likewise, 256 bits. */
  #filter4 = 0;
  readonly #filter6 = new Uint8Array(FILTER_WORDS6 * 4);
  /** IPV6_CHECKSUM: where the kernel writes and checks a sum; -1: nowhere. */
  #sumOffset = -1;

  constructor(td: Thread, stack: NetStack, family: number, protocol: number) {
    super(td, stack, family, SOCK_RAW, protocol);
    this.pcb.isV6Only = true;
    this.ip.isHeaderIncluded = protocol === IPPROTO_RAW;
    // What stands for the port is the protocol.
    this.pcb.lport = protocol;
    this.pcb.isPortLocked = true;
    if (protocol === IPPROTO_ICMPV6) this.#sumOffset = 2;
    stack.raw.add(this);
  }

  override bind(_td: Thread, address: Uint8Array): number {
    const e = this.parse(address);
    if (failed(e)) return e;
    const r = this.checkLocal(e, false);
    if (r < 0) return r;
    if (needsScope(e.addr) && e.scopeId !== 0) this.pcb.ifindex = e.scopeId;
    this.pcb.laddr = e.addr;
    this.boundTo(e.addr);
    return 0;
  }

  protected autobind(): number {
    return 0;
  }

  override name(): Uint8Array {
    const { pcb, protocol } = this;
    const scope = needsScope(pcb.laddr) ? pcb.ifindex : 0;
    return makeSockaddr(this.family, pcb.laddr, this.family === AF_INET ? protocol : 0, scope);
  }

  wants(m: Mbuf): boolean {
    const { pcb } = this;
    const is4 = m.src.length === 4;
    if (is4 !== (this.family === AF_INET)) return false;
    if (pcb.laddr !== ANY && pcb.laddr !== m.dst) return false;
    if (pcb.faddr !== ANY && pcb.faddr !== m.src) return false;
    if (pcb.ifindex !== 0 && pcb.ifindex !== m.rcvif!.index) return false;
    if (isMulticast(m.dst) && !this.groups.hears(this, m)) return false;
    if (is4 && this.protocol === IPPROTO_ICMP && this.#filter4 !== 0 && m.pullup(1)) {
      const type = m.head[m.off]!;
      if (type < 32 && (this.#filter4 & (1 << type)) !== 0) return false;
    }
    if (!is4 && this.protocol === IPPROTO_ICMPV6 && m.pullup(1)) {
      const type = m.head[m.off]!;
      if ((this.#filter6[type >> 3]! & (1 << (type & 7))) !== 0) return false;
    }
    return true;
  }

  take(m: Mbuf): void {
    if (m.src.length === 4) m.off = m.network;
    else if (!this.#hasGoodSum(m)) {
      this.queue.drops++;
      return;
    }
    if (this.passesFilter(m, 1)) this.enqueue(m);
    else this.queue.drops++;
  }

  #hasGoodSum(m: Mbuf): boolean {
    if (this.#sumOffset < 0 || m.csum !== CSUM_NONE) return true;
    return foldSum(packetSum(m, pseudoSum(m.src, m.dst, this.protocol, m.length))) === 0xffff;
  }

  notice(n: IpNotice): void {
    const { pcb } = this;
    if ((n.src.length === 4) !== (this.family === AF_INET)) return;
    if (pcb.laddr !== ANY && pcb.laddr !== n.src) return;
    if (pcb.faddr !== ANY && pcb.faddr !== n.dst) return;
    const copy = { ...n, quoted: n.quoted.clone() };
    // A program that writes IP headers sees that of the quoted packet too.
    if (this.ip.isHeaderIncluded) copy.quoted.off = copy.quoted.network;
    this.takeNotice(copy);
  }

  send(_td: Thread, uio: Uio, sending: Sending, _isNonblocking: boolean): number {
    const length = uio.resid;
    if (length > MAX_PACKET) return EMSGSIZE;
    if ((sending.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    const control = sending.control as IpControl | null;
    const is4 = this.family === AF_INET;
    const aim = this.aim(sending, control);
    if (failed(aim)) return aim;
    const { to, scopeId } = aim;
    const src = control?.src || this.source;
    const path = this.wayTo(to, scopeId, control);
    if (failed(path)) return path;
    if (is4 && !this.mayBroadcast(path)) return EACCES;
    if (this.error !== 0) return this.takeError();
    if ((this.closed & SEND_SHUTDOWN) !== 0) return EPIPE;
    const bytes = new Uint8Array(length);
    if (length > 0 && uio.copyin(bytes) !== length) return EFAULT;
    const r = this.ip.isHeaderIncluded
      ? this.#sendWhole(bytes, path, to)
      : this.#sendPayload(bytes, path, src, to, control);
    this.stack.netisr.drain();
    if (r === EMSGSIZE) return this.tooLong(path, to, 0);
    return r < 0 ? r : length;
  }

  #sendPayload(
    bytes: Uint8Array,
    path: IpPath,
    src: InetAddr,
    to: InetAddr,
    control: IpControl | null,
  ): number {
    const from = src || path.src;
    if (this.#sumOffset >= 0 && to.length === 16) {
      if (this.#sumOffset + 2 > bytes.length) return EINVAL;
      bytes[this.#sumOffset] = bytes[this.#sumOffset + 1] = 0;
      const m = Mbuf.of(bytes);
      const sum = checksum(packetSum(m, pseudoSum(from, to, this.protocol, bytes.length)));
      m.view.setUint16(this.#sumOffset, sum === 0 ? 0xffff : sum);
    }
    const is4 = to.length === 4;
    const isIcmp = this.protocol === (is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    if (isIcmp && bytes.length > 0) countIcmpOut(this.stack.mib, is4, bytes[0]!);
    const m = Mbuf.referring([bytes], bytes.length);
    const how = this.howTo(path, from, to, this.protocol);
    return ipOutput(this.stack, m, path, {
      ...how,
      ttl: control && control.ttl >= 0 ? control.ttl : how.ttl,
      tos: control && control.tos >= 0 ? control.tos : how.tos,
      isUncut: how.isUncut || (control?.isUncut ?? false),
      options: control?.options4 ?? how.options ?? null,
    });
  }

  /** The program wrote the IP header; the kernel fills in what it left empty. */
  #sendWhole(bytes: Uint8Array, path: IpPath, to: InetAddr): number {
    const is4 = to.length === 4;
    if (bytes.length < (is4 ? IP_HEADER : IP6_HEADER)) return EINVAL;
    if (bytes.length > path.mtu) return EMSGSIZE;
    const m = Mbuf.of(bytes);
    m.network = 0;
    m.dst = to;
    m.src = path.src;
    if (!is4) {
      m.networkBytes = IP6_HEADER;
      m.proto = bytes[6]!;
      m.transport = IP6_HEADER;
      return ipSend6(this.stack, m, path, true, this.ip.multicastLoop6);
    }
    const headerBytes = (bytes[0]! & 0xf) << 2;
    if (headerBytes < IP_HEADER || headerBytes > bytes.length) return EINVAL;
    m.transport = m.networkBytes = headerBytes;
    m.proto = bytes[9]!;
    m.view.setUint16(2, bytes.length);
    if (m.view.getUint16(4) === 0) m.view.setUint16(4, this.stack.random() & 0xffff);
    if (readAddr(bytes, 12, 4) === ANY4) writeAddr(bytes, 12, path.src, 4);
    this.stack.mib.ip.count("OutRequests");
    return ipSend4(this.stack, m, path, true, this.ip.multicastLoop4);
  }

  override setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    if (level === SOL_RAW && this.family === AF_INET && name === ICMP_FILTER) {
      if (this.protocol !== IPPROTO_ICMP) return EOPNOTSUPP;
      if (value.length < 4) return EINVAL;
      this.#filter4 = intOf(value);
      return 0;
    }
    if (level === SOL_ICMPV6 && this.family === AF_INET6) {
      if (this.protocol !== IPPROTO_ICMPV6) return EOPNOTSUPP;
      if (name !== ICMPV6_FILTER) return ENOPROTOOPT;
      this.#filter6.set(value.subarray(0, this.#filter6.length));
      return 0;
    }
    if (
      (level === SOL_IPV6 || level === SOL_RAW) &&
      this.family === AF_INET6 &&
      name === IPV6_CHECKSUM
    ) {
      if (value.length < 4) return EINVAL;
      const n = intOf(value);
      // ICMPv6 always has its sum (RFC 3542, section 3.1), though one may say so.
      if (this.protocol === IPPROTO_ICMPV6 && level === SOL_IPV6) return EINVAL;
      if (n > 0 && (n & 1) !== 0) return EINVAL;
      this.#sumOffset = n < 0 ? -1 : n;
      return 0;
    }
    return super.setOption(td, level, name, value);
  }

  override getOption(td: Thread, level: number, name: number, room: number): Uint8Array | Errno {
    if (level === SOL_RAW && this.family === AF_INET && name === ICMP_FILTER) {
      return this.protocol === IPPROTO_ICMP ? intValue(this.#filter4) : EOPNOTSUPP;
    }
    if (level === SOL_ICMPV6 && this.family === AF_INET6) {
      if (this.protocol !== IPPROTO_ICMPV6) return EOPNOTSUPP;
      return name === ICMPV6_FILTER ? this.#filter6.slice() : ENOPROTOOPT;
    }
    if (
      (level === SOL_IPV6 || level === SOL_RAW) &&
      this.family === AF_INET6 &&
      name === IPV6_CHECKSUM
    ) {
      return intValue(this.#sumOffset);
    }
    return super.getOption(td, level, name, room);
  }

  override close(): void {
    this.stack.raw.remove(this);
    super.close();
  }
}

export class RawMaker implements ProtocolMaker {
  readonly types: readonly number[] = [SOCK_RAW];

  attach(): null {
    return null;
  }

  takes(_family: number, _type: number, protocol: number): boolean {
    return protocol !== 0;
  }

  socket(
    td: Thread,
    stack: NetStack,
    family: number,
    _type: number,
    protocol: number,
  ): InetSocket | Errno {
    if (!td.cred.hasCapIn(stack.ns.owner, CAP_NET_RAW)) return EPERM;
    if (!stack.kmem.take(INET_SOCKET_BYTES)) return ENOMEM;
    return new RawSocket(td, stack, family, protocol);
  }
}
