/**
 * Sockets that take and give whole packets: UDP, ping and raw ones.
 *
 * What differs is how a packet is made and to whom it comes; waiting for one, errors, the peer and
 * what is told with a packet are the same. See udp(7), raw(7).
 */
import {
  EACCES,
  EAGAIN,
  EDESTADDRREQ,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, SO_EE_ORIGIN_LOCAL } from "../../abi/inet.ts";
import { POLLERR, POLLHUP, POLLPRI, POLLRDHUP } from "../../abi/poll.ts";
import { AF_INET6, MSG_ERRQUEUE, MSG_PEEK, MSG_TRUNC } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import { ANY, type InetAddr, LOOPBACK4, LOOPBACK6, needsScope } from "../address.ts";
import type { PcbTable } from "../inpcb.ts";
import { findPath, type IpPath } from "../ip/path.ts";
import type { Mbuf } from "../mbuf.ts";
import type { Receiving, Sending, SentControl } from "../message.ts";
import type { IpNotice } from "../protocol.ts";
import { type Endpoint, makeSockaddr } from "../sockaddr.ts";
import { RCV_SHUTDOWN, READABLE, SEND_SHUTDOWN, WRITABLE } from "../socket.ts";
import { IpControl, isOwnSource, tellError, tellPacket } from "./cmsgs.ts";
import { InetSocket, isDisconnect } from "./inetsocket.ts";
import { PMTUDISC_DONT } from "./ipoptions.ts";
import { RcvQueue } from "./rcvqueue.ts";

export abstract class InetDatagram extends InetSocket {
  readonly queue = new RcvQueue();

  /** Where its like are found; null where everyone sees everything. */
  protected abstract readonly table: PcbTable | null;
  /** Gives it a port (or what stands for one) if it has none: EAGAIN, EADDRINUSE. */
  protected abstract autobind(): number;
  /** Bytes of the transport's header before the payload in an ICMP error's quotation. */
  protected abstract readonly headerBytes: number;

  get isConnected(): boolean {
    return this.pcb.faddr !== ANY;
  }

  override connect(td: Thread, address: Uint8Array): number {
    if (address.length < 2) return EINVAL;
    if (isDisconnect(address)) return this.disconnect();
    let r = this.autobind();
    if (r < 0) return r;
    const e = this.parse(address);
    if (failed(e)) return e;
    const to = this.destination(e);
    if (failed(to)) return to;
    if (needsScope(to) && e.scopeId === 0 && this.pcb.ifindex === 0) return EINVAL;
    const path = this.pathTo(to, e.scopeId);
    if (failed(path)) return path;
    if (!this.mayBroadcast(path)) return EACCES;
    r = this.checkPeer(td, e);
    if (r < 0) return r;
    const { pcb, table } = this;
    table?.disconnect(pcb);
    if (pcb.laddr === ANY) pcb.laddr = path.src;
    pcb.faddr = to;
    pcb.fport = e.port;
    if (needsScope(to) && e.scopeId !== 0) pcb.ifindex = e.scopeId;
    table?.connect(pcb);
    this.forgetPath();
    return 0;
  }

  protected checkPeer(_td: Thread, _e: Endpoint): number {
    return 0;
  }

  /** Whom an address means: nobody in particular is this host. EINVAL, ENETUNREACH. */
  protected destination(e: Endpoint): InetAddr | Errno {
    const { pcb } = this;
    let to = e.addr;
    if (to === ANY) {
      const is6 = this.family === AF_INET6 && pcb.laddr.length !== 4;
      to = is6 ? LOOPBACK6 : LOOPBACK4;
    }
    if (pcb.laddr !== ANY && pcb.laddr.length !== to.length) return ENETUNREACH;
    if (needsScope(to) && pcb.ifindex !== 0 && e.scopeId !== 0 && pcb.ifindex !== e.scopeId) {
      return EINVAL;
    }
    return to;
  }

  protected disconnect(): number {
    const { pcb, table } = this;
    table?.disconnect(pcb);
    pcb.faddr = ANY;
    pcb.fport = 0;
    if (!pcb.isAddrLocked) pcb.laddr = ANY;
    if (!pcb.isPortLocked) {
      table?.unbind(pcb);
      pcb.lport = 0;
    }
    this.forgetPath();
    return 0;
  }

  /** Whom a message is for: as it says itself, or the peer. EDESTADDRREQ, and errors of `destination`. */
  protected aim(
    { name }: Sending,
    control: IpControl | null,
  ): { readonly to: InetAddr; readonly scopeId: number } | Errno {
    const index = control?.ifindex ?? 0;
    if (!name) return this.isConnected ? { to: this.pcb.faddr, scopeId: index } : EDESTADDRREQ;
    const e = this.parse(name);
    if (failed(e)) return e;
    const to = this.destination(e);
    return failed(to) ? to : { to, scopeId: index || e.scopeId };
  }

  /** The way of a message to `to`: ENETUNREACH from an address that is not ours, and errors of `pathTo`. */
  protected wayTo(to: InetAddr, scopeId: number, control: IpControl | null): IpPath | Errno {
    const asked = control?.src ?? ANY;
    if (asked !== ANY && !isOwnSource(this, asked)) return ENETUNREACH;
    const src = asked || this.source || (to.length === 16 ? this.ip.stickySource6 : ANY);
    const oif = control?.ifindex ? this.stack.byIndex(control.ifindex) : null;
    if (!oif) return this.pathTo(to, scopeId, src);
    return findPath(this.stack, { dst: to, src: src.length === to.length ? src : ANY, oif });
  }

  override peerName(): Uint8Array | Errno {
    return this.isConnected ? super.peerName() : ENOTCONN;
  }

  override control(td: Thread, bytes: Uint8Array): SentControl | Errno {
    return IpControl.parse(td, this, bytes);
  }

  /** A packet came for it: its own. `m.off` is where the program's bytes begin. */
  protected enqueue(m: Mbuf): boolean {
    if (this.options.timestamp !== 0 && m.timeNs < 0) m.timeNs = this.stack.nowNs();
    if (!this.queue.put(this, m)) return false;
    this.readable.wakeup();
    return true;
  }

  /** The socket's filter, if it has one, cuts a packet: false if to nothing. */
  protected passesFilter(m: Mbuf, least: number): boolean {
    const { filter } = this.options;
    if (!filter) return true;
    const kept = filter.run(m.flat(), {
      networkOffset: m.network - m.off,
      protocol: m.family,
      type: m.type,
      ifindex: m.rcvif?.index ?? 0,
      hatype: m.rcvif?.type ?? 0,
      mark: m.mark,
    });
    if (kept === 0) return false;
    m.trim(Math.max(kept, least));
    return true;
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    if ((flags & MSG_ERRQUEUE) !== 0) return this.#receiveError(uio, receiving);
    if (this.error !== 0) return this.takeError();
    const isPeek = (flags & MSG_PEEK) !== 0;
    const { options } = this;
    let skip = isPeek ? Math.max(0, options.peekOff) : 0;
    let n = 0;
    // A peek offset goes over whole packets.
    if (isPeek && options.peekOff >= 0) {
      for (
        let p = this.queue.at(n);
        p && skip >= p.length && p.length > 0;
        p = this.queue.at(++n)
      ) {
        skip -= p.length;
      }
    }
    const m = this.queue.at(n);
    if (!m) {
      if ((this.closed & RCV_SHUTDOWN) !== 0) return isNonblocking ? EAGAIN : 0;
      const timeout = options.rcvTimeoutNs;
      return this.block(td, this.readable, "skb_wait_packets", timeout, isNonblocking, 0);
    }
    const length = m.length - skip;
    const size = Math.min(uio.resid, length);
    const isCopied = copyout(uio, m, skip, size);
    if (isCopied && receiving) {
      receiving.name = this.nameOf(m);
      if (size < length) receiving.outFlags |= MSG_TRUNC;
      if (options.timestamp !== 0) {
        const { clock } = this.stack.cpu;
        receiving.time = m.timeNs < 0 ? clock.realtime() : clock.realtimeAt(m.timeNs);
      }
      tellPacket(this, m, this.queue.drops, receiving);
    }
    if (isPeek) {
      if (isCopied && options.peekOff >= 0) options.peekOff += size;
    } else {
      if (options.peekOff >= 0) options.peekOff = Math.max(0, options.peekOff - m.length);
      this.queue.take(this);
      if (isCopied) this.received(m);
    }
    if (!isCopied) return EFAULT;
    return (flags & MSG_TRUNC) !== 0 ? length : size;
  }

  /** A program has read a packet. */
  protected received(_m: Mbuf): void {}

  /** The sender of a packet as recvfrom(2) tells it. */
  protected nameOf(m: Mbuf): Uint8Array {
    return makeSockaddr(this.family, m.src, 0, needsScope(m.src) ? m.rcvif!.index : 0);
  }

  #receiveError(uio: Uio, receiving: Receiving | null): number {
    const e = this.errors.take(this);
    if (!e) return EAGAIN;
    const size = Math.min(uio.resid, e.payload.length);
    const isCopied = size === 0 || uio.copyout(e.payload.subarray(0, size)) === size;
    if (receiving) {
      if (size < e.payload.length) receiving.outFlags |= MSG_TRUNC;
      receiving.outFlags |= MSG_ERRQUEUE;
      tellError(this, e, receiving);
    }
    const next = this.errors.first;
    const isNextIcmp = next !== null && next.origin !== SO_EE_ORIGIN_LOCAL;
    if (e.origin !== SO_EE_ORIGIN_LOCAL && !isNextIcmp) this.error = 0;
    return isCopied ? size : EFAULT;
  }

  /** An ICMP error about a packet of its. */
  takeNotice(n: IpNotice): void {
    const is4 = n.src.length === 4;
    const { ip } = this;
    let { isHard } = n;
    if (n.errno === EMSGSIZE) {
      if ((is4 ? ip.mtuDiscover4 : ip.mtuDiscover6) === PMTUDISC_DONT) return;
      isHard = true;
    }
    if (is4 ? ip.recverr4 : ip.recverr6) {
      n.quoted.adj(Math.min(this.headerBytes, n.quoted.length));
      this.errors.put(this, {
        errno: -n.errno,
        origin: is4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6,
        type: n.type,
        code: n.code,
        info: n.errno === EMSGSIZE ? n.info : 0,
        offender: n.offender,
        dst: n.dst,
        dstPort: this.quotedPort(n),
        ifindex: n.quoted.rcvif?.index ?? 0,
        payload: n.quoted.flat().slice(),
      });
    } else if (!isHard || !this.isConnected) return;
    this.error = n.errno;
    this.readable.wakeup();
    this.writable.wakeup();
  }

  /** Where the packet of an ICMP error was to go. */
  protected quotedPort(_n: IpNotice): number {
    return 0;
  }

  /** A packet was too long for its path: the answer of the send, and of the error queue. */
  protected tooLong(path: IpPath, to: InetAddr, port: number): number {
    const is4 = to.length === 4;
    if (is4 ? this.ip.recverr4 : this.ip.recverr6) {
      this.errors.put(this, {
        errno: -EMSGSIZE,
        origin: SO_EE_ORIGIN_LOCAL,
        type: 0,
        code: 0,
        info: path.mtu,
        offender: ANY,
        dst: to,
        dstPort: port,
        ifindex: 0,
        payload: new Uint8Array(0),
      });
    }
    return EMSGSIZE;
  }

  shutdown(how: number): number {
    const bits = this.shutdownBits(how);
    if (bits < 0) return bits;
    this.closed |= bits;
    this.readable.wakeup();
    this.writable.wakeup();
    return this.isConnected ? 0 : ENOTCONN;
  }

  poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.readable, READABLE | POLLRDHUP | POLLHUP | POLLERR | POLLPRI);
    table?.watch(this.writable, WRITABLE | POLLHUP | POLLERR);
    let events = WRITABLE;
    if (this.error !== 0 || !this.errors.isEmpty) events |= POLLERR;
    if (this.closed === (RCV_SHUTDOWN | SEND_SHUTDOWN)) events |= POLLHUP;
    if ((this.closed & RCV_SHUTDOWN) !== 0) events |= POLLRDHUP | READABLE;
    if (this.queue.length > 0) events |= READABLE;
    return events;
  }

  /** Of the first packet alone. */
  bytesReadable(): number {
    return this.queue.first?.length ?? 0;
  }

  bytesUnsent(): number {
    return 0;
  }

  close(): void {
    const { pcb, table } = this;
    table?.disconnect(pcb);
    table?.unbind(pcb);
    this.queue.purge(this);
    this.readable.wakeup();
    this.writable.wakeup();
    this.end();
  }
}

/** Copies bytes [from, from + count) of a packet to the caller: false on a fault. */
function copyout(uio: Uio, m: Mbuf, from: number, count: number): boolean {
  let skip = from;
  let left = count;
  for (let i = -1; left > 0 && i < m.chunks.length; i++) {
    const part = i < 0 ? m.head.subarray(m.off, m.end) : m.chunks[i]!;
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const n = Math.min(left, part.length - skip);
    const r = uio.copyout(n === part.length ? part : part.subarray(skip, skip + n));
    if (r !== n) return false;
    left -= n;
    skip = 0;
  }
  return true;
}
