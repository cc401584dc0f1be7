/**
 * TCP over IP, of one network: packets in and out, and who in the table of
 * connections they are for: a connection, what is left of one, or a listener.
 *
 * Everything that a packet says was checked for length before it is read. See tcp_input(9), tcp_v4_rcv.
 */
import { ECONNREFUSED, EMSGSIZE, type Errno, failed } from "../../abi/errno.ts";
import { IPPROTO_TCP } from "../../abi/inet.ts";
import { PACKET_HOST } from "../../abi/netdevice.ts";
import type { SysctlDir } from "../../kern/sysctl.ts";
import { type InetAddr, isMulticast, needsScope } from "../address.ts";
import { checksum, foldSum, packetSum, pseudoSum } from "../checksum.ts";
import { Inpcb, type PcbOwner, PcbTable } from "../inpcb.ts";
import { ipOutput } from "../ip/output.ts";
import { findPath, type IpPath } from "../ip/path.ts";
import { CSUM_NONE, CSUM_PARTIAL, Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import type { InetProtocol, IpNotice } from "../protocol.ts";
import { finish } from "./end.ts";
import { CHECKSUM_OFFSET, decode, encode, headerBytes, TCP_HEADER_BYTES } from "./header.ts";
import { segmentArrived } from "./input.ts";
import { SequenceKeys } from "./isn.ts";
import { refuse, updateMss } from "./output.ts";
import { retransmitTooLong } from "./recovery.ts";
import { RTO_MAX_NS, RTO_MIN_NS } from "./rtt.ts";
import { Segment, TH_RST } from "./segment.ts";
import { unwrap } from "./seq.ts";
import { TcpStack } from "./stack.ts";
import { IS_OPENING, isIn } from "./states.ts";
import type { Flow, Tcb } from "./tcb.ts";
import { TcpSocket } from "./tcpsocket.ts";
import { isReusable, seqAfter, type TimeWait, timeWaitInput } from "./timewait.ts";
import { TcpTunables } from "./tunables.ts";

const IP4_HEADER = 20;
const IP6_HEADER = 40;

/** In the table for a connection that is over. */
export class TimeWaitOwner implements PcbOwner {
  readonly family: number;
  readonly tw: TimeWait;

  constructor(family: number, tw: TimeWait) {
    this.family = family;
    this.tw = tw;
  }
}

export class TcpInet extends TcpStack implements InetProtocol {
  readonly protocol = IPPROTO_TCP;
  readonly net: NetStack;
  readonly table: PcbTable<PcbOwner>;
  readonly #keys: SequenceKeys;
  readonly #in = new Segment();

  constructor(net: NetStack) {
    super(net.kmem, net.network.chunks, net.cpu.callouts, new TcpTunables());
    this.net = net;
    this.table = new PcbTable(net.random());
    const key = new Uint8Array(8);
    const view = new DataView(key.buffer);
    view.setUint32(0, net.random());
    view.setUint32(4, net.random());
    this.#keys = new SequenceKeys(key);
  }

  addSysctls(tree: SysctlDir): void {
    this.tunables.addTo(tree);
  }

  settleCounters(): void {
    const { tcp, tcpExt } = this.net.mib;
    const own: Readonly<Record<string, number>> = { ...this.mib };
    for (const group of [tcp, tcpExt]) {
      for (const field of group.fields) {
        const value = own[field];
        if (value !== undefined) group.set(field, value);
      }
    }
    tcp.set("RtoAlgorithm", 1);
    tcp.set("RtoMin", RTO_MIN_NS / 1e6);
    tcp.set("RtoMax", RTO_MAX_NS / 1e6);
    tcp.set("MaxConn", -1);
  }

  end(): void {
    this.timeWait.clear();
  }

  tick(): number {
    this.nowNs = this.net.nowNs();
    return this.nowNs;
  }

  drain(): void {
    this.net.netisr.drain();
  }

  initialSeq(flow: Flow): number {
    return this.#keys.initialSeq(flow, this.nowNs);
  }

  timestampOffset(flow: Flow): number {
    return this.#keys.timestampOffset(flow);
  }

  cookieHash(flow: Flow, salt: number): number {
    return this.#keys.cookieHash(flow, salt);
  }

  room(flow: Flow): number {
    const path = this.#path(flow);
    const header = flow.faddr.length === 4 ? IP4_HEADER : IP6_HEADER;
    if (failed(path)) return 576 - header;
    const options = socketOf(flow)?.ip;
    const extra = header === IP4_HEADER ? options?.options4 : options?.options6;
    return (
      Math.min(path.mtu, 65535 + (header === IP4_HEADER ? 0 : header)) -
      header -
      (extra?.length ?? 0)
    );
  }

  #path(flow: Flow): IpPath | Errno {
    const socket = socketOf(flow);
    if (socket) return socket.pathTo(flow.faddr, socket.pcb.ifindex);
    const oif = flow.ifindex === 0 ? null : this.net.byIndex(flow.ifindex);
    return findPath(this.net, { dst: flow.faddr, src: flow.laddr, oif });
  }

  transmit(flow: Flow, seg: Segment): number {
    seg.srcPort = flow.lport;
    seg.dstPort = flow.fport;
    const { laddr, faddr } = flow;
    const path = this.#path(flow);
    if (failed(path)) return path;
    const m = Mbuf.referring(seg.pieces, seg.length, this.net.network.heads);
    m.lenders = seg.lenders;
    const at = m.prepend(headerBytes(seg));
    encode(seg, m.view, at);
    m.csum = CSUM_PARTIAL;
    m.csumStart = at;
    m.csumOffset = CHECKSUM_OFFSET;
    const sum = pseudoSum(laddr, faddr, IPPROTO_TCP, m.length);
    m.view.setUint16(at + CHECKSUM_OFFSET, foldSum(sum));
    const socket = socketOf(flow);
    if (socket) return ipOutput(this.net, m, path, socket.howTo(path, laddr, faddr, IPPROTO_TCP));
    const { ip4, ip6 } = this.net;
    return ipOutput(this.net, m, path, {
      src: laddr,
      dst: faddr,
      proto: IPPROTO_TCP,
      ttl: faddr.length === 4 ? ip4.defaultTtl.get() : ip6.hopLimit.get(),
      tos: 0,
      isUncut: false,
    });
  }

  input(m: Mbuf): void {
    this.tick();
    this.mib.InSegs++;
    if (m.type !== PACKET_HOST || isMulticast(m.dst) || isMulticast(m.src)) return;
    const { length } = m;
    const seg = this.#in;
    let size = -1;
    if (m.pullup(TCP_HEADER_BYTES) && m.pullup((m.view.getUint8(m.off + 12) >> 4) * 4)) {
      size = decode(seg, m.view, m.off, length);
    }
    if (size < 0) {
      this.mib.InErrs++;
      return;
    }
    if (m.csum === CSUM_NONE && !isSumRight(m)) {
      this.mib.InErrs++;
      this.mib.InCsumErrors++;
      return;
    }
    if (length > size) seg.setData(m.payload(size), length - size, m.lenders);
    else seg.setData(NO_PIECES, 0);
    this.#deliver(m, seg);
  }

  #deliver(m: Mbuf, seg: Segment): void {
    const { src, dst } = m;
    const ifindex = m.rcvif?.index ?? 0;
    let isn: number | null = null;
    const pcb = this.table.findConnected(dst, seg.dstPort, src, seg.srcPort, ifindex);
    if (pcb) {
      const { owner } = pcb;
      if (owner instanceof TcpSocket && owner.tp) {
        if (m.ttl >= owner.minTtl) segmentArrived(owner.tp, seg);
        return;
      }
      if (owner instanceof TimeWaitOwner) {
        if (!timeWaitInput(this, owner.tw, seg)) return;
        isn = seqAfter(owner.tw);
      }
    }
    const flow: Flow = {
      laddr: dst,
      lport: seg.dstPort,
      faddr: src,
      fport: seg.srcPort,
      ifindex: needsScope(src) ? ifindex : 0,
    };
    const bound = this.table.findBound(dst, seg.dstPort, src, seg.srcPort, ifindex, true);
    if (bound && bound.owner instanceof TcpSocket && bound.owner.listener) {
      if (m.ttl >= bound.owner.minTtl) bound.owner.listener.input(flow, seg, isn);
    } else if (!seg.has(TH_RST)) {
      refuse(this, flow, seg.seq, seg.ack, seg.flags, seg.span);
    }
  }

  /** An ICMP error about a segment of ours: believed if it quotes a number that is under way. */
  notice(n: IpNotice): void {
    this.tick();
    const { quoted } = n;
    if (!quoted.pullup(8)) return;
    const lport = quoted.view.getUint16(quoted.off);
    const fport = quoted.view.getUint16(quoted.off + 2);
    const pcb = this.table.findConnected(n.src, lport, n.dst, fport, 0);
    if (!pcb || !(pcb.owner instanceof TcpSocket) || !pcb.owner.tp) return;
    const socket = pcb.owner;
    const tp = pcb.owner.tp;
    const seq = unwrap(tp.sndUna, quoted.view.getUint32(quoted.off + 4));
    if (seq < tp.sndUna || seq > tp.sndNxt) return;
    if (n.errno === EMSGSIZE) {
      socket.forgetPath();
      const before = tp.mss;
      updateMss(tp);
      if (tp.mss < before) retransmitTooLong(tp);
    } else if (isIn(tp.state, IS_OPENING)) finish(tp, n.errno);
    else if (n.isHard && socket.wantsErrors) {
      socket.error = n.errno;
      socket.tcpReadable();
      socket.tcpWritable();
    } else if (n.errno !== ECONNREFUSED || n.isHard) tp.softError = n.errno;
    this.drain();
  }

  enteredTimeWait(tp: Tcb): void {
    const socket = socketOf(tp.flow);
    const tw = this.timeWait.add(tp);
    if (!socket || !tw) return;
    const { pcb } = socket;
    // The socket's own block goes when it hears that the connection is over.
    const left = new Inpcb<PcbOwner>(new TimeWaitOwner(socket.family, tw), pcb.uid);
    left.laddr = pcb.laddr;
    left.lport = pcb.lport;
    left.faddr = pcb.faddr;
    left.fport = pcb.fport;
    left.ifindex = pcb.ifindex;
    left.isV6Only = pcb.isV6Only;
    left.reuseAddr = pcb.reuseAddr;
    left.reusePort = pcb.reusePort;
    left.isPortLocked = pcb.isPortLocked;
    this.table.disconnect(pcb);
    this.table.bind(left);
    this.table.connect(left);
  }

  leftTimeWait(flow: Flow): void {
    const { laddr, lport, faddr, fport, ifindex } = flow;
    const pcb = this.table.findConnected(laddr, lport, faddr, fport, ifindex);
    if (!pcb || !(pcb.owner instanceof TimeWaitOwner)) return;
    this.table.disconnect(pcb);
    this.table.unbind(pcb);
  }

  /**
   * Whether a new connection may be (laddr, lport) to (faddr, fport): null if somebody is there; else the
   * first number of the one that is over, or -1.
   */
  takeOver(
    laddr: InetAddr,
    lport: number,
    faddr: InetAddr,
    fport: number,
    ifindex: number,
  ): number | null {
    const there = this.table.findConnected(laddr, lport, faddr, fport, ifindex);
    if (!there) return -1;
    if (!(there.owner instanceof TimeWaitOwner)) return null;
    const { tw } = there.owner;
    if (!isReusable(this, tw, this.net.isLocal(faddr))) return null;
    const isn = seqAfter(tw);
    this.timeWait.remove(tw);
    this.mib.TWRecycled++;
    return isn;
  }
}

const NO_PIECES: readonly Uint8Array[] = [];

function socketOf(flow: Flow): TcpSocket | null {
  return flow instanceof Inpcb && flow.owner instanceof TcpSocket ? flow.owner : null;
}

function isSumRight(m: Mbuf): boolean {
  return checksum(packetSum(m, pseudoSum(m.src, m.dst, IPPROTO_TCP, m.length))) === 0;
}
