/** A UDP socket, or a UDP-Lite one. See udp(7), udplite(7), RFC 768, RFC 3828. */
import {
  EACCES,
  EAGAIN,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  EOPNOTSUPP,
  EPIPE,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { IPPROTO_UDP, IPPROTO_UDPLITE, SOL_UDP, SOL_UDPLITE, UDP_CORK } from "../../abi/inet.ts";
import {
  AF_INET,
  MSG_MORE,
  MSG_OOB,
  SO_NO_CHECK,
  SO_PEEK_OFF,
  SOCK_DGRAM,
} from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Uio } from "../../vm/uio.ts";
import { ANY, type InetAddr, needsScope } from "../address.ts";
import { checksum, foldSum, packetSum, pseudoSum } from "../checksum.ts";
import type { IpControl } from "../inet/cmsgs.ts";
import { InetDatagram } from "../inet/datagram.ts";
import { bindAnyPort, bindPort } from "../inet/ports.ts";
import { ipOutput } from "../ip/output.ts";
import type { IpPath } from "../ip/path.ts";
import { CSUM_GOOD, CSUM_PARTIAL, cut, Mbuf } from "../mbuf.ts";
import type { Sending } from "../message.ts";
import type { NetStack } from "../netstack.ts";
import type { IpNotice } from "../protocol.ts";
import { type Endpoint, makeSockaddr } from "../sockaddr.ts";
import { SEND_SHUTDOWN } from "../socket.ts";
import { intValue, setPeekOff } from "../sockopt.ts";
import { IN_DATAGRAMS, IN_ERRORS, OUT_DATAGRAMS, RCVBUF_ERRORS } from "./counters.ts";
import { UDP_HEADER_BYTES } from "./header.ts";
import type { UdpProtocol } from "./protocol.ts";
import { UdpSettings } from "./settings.ts";

const MAX_DATAGRAM = 65535;
const MAX_SEGMENTS = 128;

/** A datagram that is put together by several sends: MSG_MORE, UDP_CORK. */
interface Corked {
  readonly path: IpPath;
  readonly to: InetAddr;
  readonly port: number;
  readonly control: IpControl | null;
  readonly chunks: Uint8Array[];
  bytes: number;
  /** What of the kernel's memory is taken for it. */
  paid: number;
}

/** Most pieces of a datagram that is put together: more of them are made one. */
const MAX_PIECES = 16;
/** What those take beside their bytes, about. */
const PIECES_BYTES = 4096;

export class UdpSocket extends InetDatagram {
  readonly table;
  readonly headerBytes = UDP_HEADER_BYTES;
  readonly #protocol: UdpProtocol;
  #corked: Corked | null = null;
  readonly settings = new UdpSettings();

  constructor(td: Thread, stack: NetStack, family: number, protocol: UdpProtocol) {
    super(td, stack, family, SOCK_DGRAM, protocol.protocol);
    this.#protocol = protocol;
    this.table = protocol.pcbs;
  }

  get isLite(): boolean {
    return this.protocol === IPPROTO_UDPLITE;
  }

  override bind(td: Thread, address: Uint8Array): number {
    const e = this.parse(address);
    if (failed(e)) return e;
    const { pcb } = this;
    const r = this.checkLocal(e, false);
    if (r < 0) return r;
    const wasIf = pcb.ifindex;
    if (pcb.lport !== 0) return EINVAL;
    if (needsScope(e.addr) && e.scopeId !== 0) pcb.ifindex = e.scopeId;
    if (e.port === 0 && this.ip.bindAddressNoPort) pcb.laddr = e.addr;
    else {
      const range = this.ip.localPortRange;
      const bound = bindPort(td, this.stack, this.table, pcb, e.addr, e.port, false, range);
      if (bound < 0) {
        pcb.ifindex = wasIf;
        return bound;
      }
    }
    this.boundTo(e.addr);
    pcb.isPortLocked = e.port !== 0;
    return 0;
  }

  protected autobind(): number {
    const { pcb } = this;
    if (pcb.lport !== 0) return 0;
    const range = this.ip.localPortRange;
    return bindAnyPort(this.stack, this.table, pcb, pcb.laddr, false, range) < 0 ? EAGAIN : 0;
  }

  send(_td: Thread, uio: Uio, sending: Sending, _isNonblocking: boolean): number {
    let r = this.autobind();
    if (r < 0) return r;
    const length = uio.resid;
    if (length > MAX_DATAGRAM) return EMSGSIZE;
    if ((sending.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    let corked = this.#corked;
    if (!corked) {
      const c = this.#aim(sending);
      if (failed(c)) return c;
      corked = c;
    }
    if (this.error !== 0) return this.takeError();
    if ((this.closed & SEND_SHUTDOWN) !== 0) return EPIPE;
    if (
      corked.bytes + length >
      MAX_DATAGRAM - UDP_HEADER_BYTES - (corked.to.length === 4 ? 20 : 0)
    ) {
      this.#uncork();
      return this.tooLong(corked.path, corked.to, corked.port);
    }
    const bytes = new Uint8Array(length);
    if (length > 0 && uio.copyin(bytes) !== length) return EFAULT;
    const isMore = this.settings.isCork || (sending.flags & MSG_MORE) !== 0;
    if (isMore) {
      const cost = length + (corked.paid === 0 ? PIECES_BYTES : 0);
      if (!this.stack.kmem.take(cost)) return ENOBUFS;
      corked.paid += cost;
    }
    if (length > 0) corked.chunks.push(bytes);
    if (corked.chunks.length > MAX_PIECES) {
      corked.chunks.splice(0, corked.chunks.length, joined(corked.chunks));
    }
    corked.bytes += length;
    if (isMore) {
      this.#corked = corked;
      return length;
    }
    r = this.#finish(corked);
    this.stack.netisr.drain();
    return r < 0 ? r : length;
  }

  /** Where a datagram goes, and how. */
  #aim(sending: Sending): Corked | Errno {
    const { pcb, stack } = this;
    const control = sending.control as IpControl | null;
    let to: InetAddr;
    let port = pcb.fport;
    let scopeId = control?.ifindex ?? 0;
    if (sending.name) {
      const e = this.#peer(sending.name);
      if (failed(e)) return e;
      if (e.port === 0) return EINVAL;
      const d = this.destination(e);
      if (failed(d)) return d;
      to = d;
      ({ port } = e);
      if (scopeId === 0) ({ scopeId } = e);
    } else {
      if (!this.isConnected) return EDESTADDRREQ;
      to = pcb.faddr;
    }
    const path = this.wayTo(to, scopeId, control);
    if (failed(path)) {
      if (to.length === 4) stack.mib.ip.count("OutNoRoutes");
      else stack.mib.ip6.count("Ip6OutNoRoutes");
      return path;
    }
    if (!this.mayBroadcast(path)) return EACCES;
    return { path, to, port, control, chunks: [], bytes: 0, paid: 0 };
  }

  /** As `parse`, but an IPv4 socket takes AF_UNSPEC for its own family, and an IPv6 one an IPv4 address. */
  #peer(name: Uint8Array): Endpoint | Errno {
    if (this.family === AF_INET && name.length >= 16 && name[0] === 0 && name[1] === 0) {
      const copy = name.slice();
      copy[0] = AF_INET;
      return this.parse(copy);
    }
    return this.parse(name);
  }

  /** What was put together so far is lost. */
  #uncork(): void {
    if (this.#corked) this.stack.kmem.give(this.#corked.paid);
    this.#corked = null;
  }

  /** Sends what is together: as one datagram, or in segments. */
  #finish(c: Corked): number {
    if (this.#corked === c) {
      this.#corked = null;
      this.stack.kmem.give(c.paid);
    }
    const segment = c.control?.segmentBytes || this.settings.segmentBytes;
    if (segment === 0 || c.bytes <= segment) return this.#output(c, c.chunks, c.bytes);
    if (c.bytes > segment * MAX_SEGMENTS || segment + 48 > c.path.mtu) return EINVAL;
    for (let at = 0; at < c.bytes; at += segment) {
      const n = Math.min(segment, c.bytes - at);
      const r = this.#output(c, cut(c.chunks, at, n), n);
      if (r < 0) return r;
    }
    return 0;
  }

  #output(c: Corked, chunks: readonly Uint8Array[], bytes: number): number {
    const { path, to, control } = c;
    const { pcb, stack } = this;
    const m = Mbuf.referring(chunks, bytes, stack.network.heads);
    const at = m.prepend(UDP_HEADER_BYTES);
    const length = bytes + UDP_HEADER_BYTES;
    const src = control?.src || (this.source.length === to.length ? this.source : ANY) || path.src;
    const { view } = m;
    view.setUint16(at, pcb.lport);
    view.setUint16(at + 2, c.port);
    view.setUint16(at + 4, length);
    const is4 = to.length === 4;
    if (this.isLite) this.#coverPart(m, at, pseudoSum(src, to, this.protocol, length));
    const isBare = is4 ? this.options.kept.get(SO_NO_CHECK) === 1 : this.settings.noCheck6Tx;
    if (isBare && !this.isLite) view.setUint16(at + 6, 0);
    else if (!this.isLite) {
      view.setUint16(at + 6, foldSum(pseudoSum(src, to, IPPROTO_UDP, length)));
      m.csum = CSUM_PARTIAL;
      m.csumStart = at;
      m.csumOffset = 6;
    }
    let how = this.howTo(path, src, to, this.protocol);
    if (control) {
      how = {
        ...how,
        ttl: control.ttl >= 0 ? control.ttl : how.ttl,
        tos: control.tos >= 0 ? control.tos : how.tos,
        isUncut: how.isUncut || control.isUncut,
        mark: control.mark >= 0 ? control.mark : (how.mark ?? 0),
        options: control.options4 ?? how.options ?? null,
      };
    }
    const r = ipOutput(stack, m, path, how);
    if (r === EMSGSIZE) return this.tooLong(path, to, c.port);
    this.#protocol.counters.count(is4, OUT_DATAGRAMS);
    return r;
  }

  /** UDP-Lite: says how much the checksum covers, and sums that. */
  #coverPart(m: Mbuf, at: number, pseudo: number): void {
    const all = m.length;
    const coverage =
      this.settings.sendCoverage === 0 ? all : Math.min(this.settings.sendCoverage, all);
    m.view.setUint16(at + 4, coverage >= all ? all : coverage);
    m.view.setUint16(at + 6, 0);
    const part = m.clone();
    part.trim(coverage);
    const sum = checksum(packetSum(part, pseudo));
    m.view.setUint16(at + 6, sum === 0 ? 0xffff : sum);
    m.csum = CSUM_GOOD;
  }

  /** A datagram for it, its own; `m.off` is at the UDP header. */
  deliver(m: Mbuf): void {
    const is4 = m.src.length === 4;
    const { counters } = this.#protocol;
    if (!this.#isCovered(m) || !this.passesFilter(m, UDP_HEADER_BYTES)) {
      this.queue.drops++;
      counters.count(is4, IN_ERRORS);
      return;
    }
    m.adj(UDP_HEADER_BYTES);
    if (this.enqueue(m)) return;
    counters.count(is4, IN_ERRORS);
    counters.count(is4, RCVBUF_ERRORS);
  }

  /** UDP-Lite: a datagram whose checksum covers less than was asked for is not taken. */
  #isCovered(m: Mbuf): boolean {
    if (!this.isLite) return true;
    const coverage = m.view.getUint16(m.off + 4) || m.length;
    return (
      coverage >= m.length ||
      this.settings.receiveCoverage === 0 ||
      coverage >= this.settings.receiveCoverage
    );
  }

  protected override received(m: Mbuf): void {
    this.#protocol.counters.count(m.src.length === 4, IN_DATAGRAMS);
  }

  protected override nameOf(m: Mbuf): Uint8Array {
    const port = m.view.getUint16(m.transport);
    return makeSockaddr(this.family, m.src, port, needsScope(m.src) ? m.rcvif!.index : 0);
  }

  protected override quotedPort(n: IpNotice): number {
    return n.quoted.view.getUint16(n.quoted.transport + 2);
  }

  override setOwnOption(td: Thread, name: number, value: Uint8Array): number {
    return name === SO_PEEK_OFF ? setPeekOff(this, value) : super.setOwnOption(td, name, value);
  }

  override getOwnOption(td: Thread, name: number, room: number): Uint8Array | Errno {
    if (name === SO_PEEK_OFF) return intValue(this.options.peekOff);
    return super.getOwnOption(td, name, room);
  }

  override setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    if (level === SOL_UDPLITE && this.isLite) return this.settings.setCoverage(name, value);
    if (level !== SOL_UDP) return super.setOption(td, level, name, value);
    const r = this.settings.set(name, value);
    if (r < 0 || name !== UDP_CORK || this.settings.isCork || !this.#corked) return r;
    const sent = this.#finish(this.#corked);
    this.stack.netisr.drain();
    return sent;
  }

  override getOption(td: Thread, level: number, name: number, room: number): Uint8Array | Errno {
    if (level === SOL_UDPLITE && this.isLite) return this.settings.getCoverage(name);
    if (level !== SOL_UDP) return super.getOption(td, level, name, room);
    return this.settings.get(name);
  }

  override close(): void {
    this.#uncork();
    this.#protocol.sockets.delete(this);
    super.close();
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
