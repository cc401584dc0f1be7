/**
 * SOCK_STREAM over IPv4 and IPv6: the socket in front of a connection or of a listener.
 *
 * A socket has a control block from connect(2) or the handshake on, until it is
 * closed or disconnected; the block goes on without it after close(2). Every
 * call that may have sent something ends by draining what arrived. See tcp(7).
 */
import {
  EADDRINUSE,
  EAGAIN,
  EALREADY,
  ECONNABORTED,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOMEM,
  ENOTCONN,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { IPPROTO_TCP, SOL_TCP } from "../../abi/inet.ts";
import { SOCK_STREAM, SOL_SOCKET } from "../../abi/socket.ts";
import { SIOCATMARK, SIOCOUTQNSD } from "../../abi/tcp.ts";
import type { Thread } from "../../kern/thread.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import { ANY, ANY4, ANY6, needsScope } from "../address.ts";
import { INET_SOCKET_BYTES, InetSocket, isDisconnect } from "../inet/inetsocket.ts";
import { bindAnyPort, bindPort } from "../inet/ports.ts";
import type { Receiving, Sending } from "../message.ts";
import type { NetStack } from "../netstack.ts";
import { RCV_SHUTDOWN, SEND_SHUTDOWN, type Socket } from "../socket.ts";
import { startConnect } from "./connect.ts";
import { abort, close, sendFin } from "./end.ts";
import type { TcpInet } from "./inet.ts";
import { Listener, type ListenerOwner } from "./listener.ts";
import {
  bytesNotSent,
  bytesToRead,
  bytesUnacknowledged,
  isAtMark,
  READERS_EVENTS,
  tcpEvents,
  WRITERS_EVENTS,
} from "./readiness.ts";
import { receiveStream } from "./receive.ts";
import { sendStream } from "./send.ts";
import { TcpSettings } from "./settings.ts";
import { getTcpOption, setTcpOption, socketOptionChanged } from "./sockopt.ts";
import { spawnFrom } from "./spawn.ts";
import { IS_OPENING, isIn, TCPS_CLOSE, TCPS_LISTEN, TCPS_SYN_SENT } from "./states.ts";
import { type Flow, TCB_BYTES, Tcb, type TcpOwner, URG_VALID } from "./tcb.ts";

/** Of a connect(2) that sleeps: it is the one that sent the SYN. */
const STARTED = "started";

export class TcpSocket extends InetSocket implements TcpOwner, ListenerOwner {
  readonly tcp: TcpInet;
  readonly settings: TcpSettings;
  tp: Tcb | null = null;
  listener: Listener | null = null;
  /** As connect(2) sees it. */
  connecting: "no" | "under way" | "done" = "no";
  #isClosed = false;

  private constructor(td: Thread | null, stack: NetStack, tcp: TcpInet, family: number) {
    super(td, stack, family, SOCK_STREAM, IPPROTO_TCP);
    this.tcp = tcp;
    this.settings = new TcpSettings(tcp.tunables);
    this.options.sndbuf = tcp.tunables.wmem.initial;
    this.options.rcvbuf = tcp.tunables.rmem.initial;
  }

  static make(td: Thread | null, stack: NetStack, tcp: TcpInet, family: number): TcpSocket | Errno {
    if (!stack.kmem.take(INET_SOCKET_BYTES)) return ENOMEM;
    return new TcpSocket(td, stack, tcp, family);
  }

  get state(): number {
    if (this.listener) return TCPS_LISTEN;
    return this.tp?.state ?? TCPS_CLOSE;
  }

  override get raisesSigpipe(): boolean {
    return true;
  }

  override get isListening(): boolean {
    return this.listener !== null;
  }

  /** IP_MINTTL, IPV6_MINHOPCOUNT. */
  get minTtl(): number {
    return this.pcb.faddr.length === 16 ? this.ip.minHopCount : this.ip.minTtl;
  }

  /** IP_RECVERR: errors that may pass are told at once. */
  get wantsErrors(): boolean {
    return this.pcb.faddr.length === 16 ? this.ip.recverr6 : this.ip.recverr4;
  }

  override bind(td: Thread, address: Uint8Array): number {
    const e = this.parse(address);
    if (failed(e)) return e;
    if (this.state !== TCPS_CLOSE || this.pcb.lport !== 0) return EINVAL;
    const r = this.checkLocal(e, true);
    if (r < 0) return r;
    const { pcb } = this;
    if (needsScope(e.addr) && e.scopeId !== 0) pcb.ifindex = e.scopeId;
    const laddr = e.addr === ANY4 || e.addr === ANY6 ? ANY : e.addr;
    const bound = bindPort(td, this.stack, this.tcp.table, pcb, laddr, e.port, true);
    if (bound < 0) return bound;
    pcb.isAddrLocked = laddr !== ANY;
    pcb.isPortLocked = e.port !== 0;
    return 0;
  }

  override listen(_td: Thread, backlog: number): number {
    const { tcp, pcb } = this;
    if (this.connecting !== "no" || (this.state !== TCPS_CLOSE && !this.listener)) return EINVAL;
    const limit = this.tunables.somaxconn.get();
    const most = backlog < 0 || backlog > limit ? limit : backlog;
    if (this.listener) {
      this.listener.backlog = most;
      return 0;
    }
    if (pcb.lport === 0) {
      const r = bindAnyPort(this.stack, tcp.table, pcb, pcb.laddr, true);
      if (r < 0) return r;
    }
    if (tcp.table.conflicts(pcb, pcb.laddr, pcb.lport, true)) return EADDRINUSE;
    tcp.table.listen(pcb);
    tcp.tick();
    this.#dropBlock();
    this.closed = 0;
    this.listener = new Listener(tcp, this.settings, this.options, this, most);
    return 0;
  }

  override accept(td: Thread, isNonblocking: boolean): Socket | Errno {
    const { listener } = this;
    if (!listener) return EINVAL;
    const tp = listener.accept();
    if (tp) return tp.owner as TcpSocket;
    const timeout = this.options.rcvTimeoutNs;
    return this.block(td, this.readable, "inet_csk_accept", timeout, isNonblocking, 0) as Errno;
  }

  /** A socket for a connection that comes out of this listener. */
  spawn(flow: Flow): Tcb | null {
    const child = TcpSocket.make(null, this.stack, this.tcp, this.family);
    return failed(child) ? null : spawnFrom(this, child, flow);
  }

  /** Its control block, new; null if there is no memory. */
  newBlock(): Tcb | null {
    this.#dropBlock();
    if (!this.stack.kmem.take(TCB_BYTES)) return null;
    this.tcp.tick();
    this.tp = new Tcb(this.tcp, this.pcb, this.settings, this.options);
    this.tp.owner = this;
    return this.tp;
  }

  /** A block of a connection that is over. */
  #dropBlock(): void {
    const { tp } = this;
    if (!tp) return;
    this.tp = null;
    tp.owner = null;
    close(tp, 0);
  }

  override connect(td: Thread, address: Uint8Array, isNonblocking: boolean): number {
    if (address.length < 2) return EINVAL;
    if (isDisconnect(address)) return this.#disconnect();
    let r: number;
    if (this.connecting === "done") return EISCONN;
    if (this.connecting === "under way") r = td.restart.data === STARTED ? EINPROGRESS : EALREADY;
    else {
      if (this.state !== TCPS_CLOSE) return EISCONN;
      const started = startConnect(this, address);
      if (started < 0) return started;
      this.connecting = "under way";
      // Though it may be over already: whoever does not wait asks later, as everywhere.
      if (isNonblocking) return EINPROGRESS;
      td.restart.data = STARTED;
      r = EINPROGRESS;
    }
    const { tp } = this;
    if (tp && isIn(tp.state, IS_OPENING)) {
      const timeout = this.options.sndTimeoutNs;
      if (isNonblocking) return r;
      const waited = this.block(td, this.writable, "inet_wait_for_connect", timeout, false, 0);
      return waited === EAGAIN ? r : waited;
    }
    if (!tp || tp.state === TCPS_CLOSE) {
      const error = this.takeError() || ECONNABORTED;
      this.#disconnect();
      return error;
    }
    this.connecting = "done";
    return 0;
  }

  /** connect(2) to AF_UNSPEC: as new. */
  #disconnect(): number {
    const { tp, tcp, pcb } = this;
    tcp.tick();
    if (this.listener) this.#stopListening();
    if (tp) {
      abort(tp, 0);
      this.#dropBlock();
    }
    this.error = 0;
    this.closed = 0;
    this.connecting = "no";
    tcp.table.disconnect(pcb);
    if (!pcb.isPortLocked) {
      tcp.table.unbind(pcb);
      pcb.lport = 0;
    }
    pcb.faddr = ANY;
    pcb.fport = 0;
    if (!pcb.isAddrLocked) pcb.laddr = ANY;
    this.forgetPath();
    this.readable.wakeup();
    this.writable.wakeup();
    tcp.drain();
    return 0;
  }

  #stopListening(): void {
    const { listener } = this;
    this.listener = null;
    this.tcp.table.unlisten(this.pcb);
    if (!this.pcb.isPortLocked) {
      this.tcp.table.unbind(this.pcb);
      this.pcb.lport = 0;
    }
    listener?.close();
    this.readable.wakeup();
  }

  send(td: Thread, uio: Uio, sending: Sending, isNonblocking: boolean): number {
    return sendStream(this, td, uio, sending, isNonblocking);
  }

  receive(
    td: Thread,
    uio: Uio,
    flags: number,
    receiving: Receiving | null,
    isNonblocking: boolean,
  ): number {
    return receiveStream(this, td, uio, flags, receiving, isNonblocking);
  }

  /** `block`, for the functions of send.ts and receive.ts. */
  wait(
    td: Thread,
    isForRoom: boolean,
    wmesg: string,
    isNonblocking: boolean,
    done: number,
  ): number {
    const { options } = this;
    return isForRoom
      ? this.block(td, this.writable, wmesg, options.sndTimeoutNs, isNonblocking, done)
      : this.block(td, this.readable, wmesg, options.rcvTimeoutNs, isNonblocking, done);
  }

  shutdown(how: number): number {
    const bits = this.shutdownBits(how);
    if (bits < 0) return bits;
    const { tp, tcp } = this;
    tcp.tick();
    if (this.listener) {
      if ((bits & RCV_SHUTDOWN) !== 0) {
        this.#stopListening();
        tcp.drain();
      }
      return 0;
    }
    if (!tp || tp.state === TCPS_CLOSE) {
      this.closed |= bits;
      if (tp) this.#shut(tp, bits);
      return ENOTCONN;
    }
    if (tp.state === TCPS_SYN_SENT) return this.#disconnect();
    this.#shut(tp, bits);
    tcp.drain();
    return 0;
  }

  #shut(tp: Tcb, bits: number): void {
    if ((bits & RCV_SHUTDOWN) !== 0) tp.isRcvShutdown = true;
    if ((bits & SEND_SHUTDOWN) !== 0) {
      sendFin(tp);
      tp.isSndShutdown = true;
    }
    this.readable.wakeup();
    this.writable.wakeup();
  }

  poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.readable, READERS_EVENTS);
    table?.watch(this.writable, WRITERS_EVENTS);
    return tcpEvents(this);
  }

  bytesReadable(): number {
    return bytesToRead(this);
  }

  bytesUnsent(): number {
    return bytesUnacknowledged(this);
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    if (request === SIOCATMARK) return mem.storeU32(arg, this.tp && isAtMark(this.tp) ? 1 : 0);
    if (request === SIOCOUTQNSD) {
      const bytes = bytesNotSent(this);
      return bytes < 0 ? bytes : mem.storeU32(arg, bytes);
    }
    return super.ioctl(td, request, arg, mem);
  }

  override setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    if (level === SOL_TCP) return setTcpOption(this, td, name, value);
    const r = super.setOption(td, level, name, value);
    if (level === SOL_SOCKET && r === 0) socketOptionChanged(this, name);
    return r;
  }

  override getOption(td: Thread, level: number, name: number, room: number): Uint8Array | Errno {
    if (level === SOL_TCP) return getTcpOption(this, name, room);
    return super.getOption(td, level, name, room);
  }

  override takeError(): number {
    const { tp } = this;
    if (this.error === 0 && tp) {
      this.error = tp.error;
      if (this.error === 0 && tp.state !== TCPS_CLOSE) {
        this.error = tp.softError === 0 || !this.wantsErrors ? 0 : tp.softError;
      }
    }
    if (tp) tp.error = 0;
    return super.takeError();
  }

  override peerName(): Uint8Array | Errno {
    const { state } = this;
    if (state === TCPS_CLOSE || state === TCPS_LISTEN || state === TCPS_SYN_SENT) return ENOTCONN;
    return super.peerName();
  }

  close(): void {
    this.#close(this.options.lingerSec);
    this.tcp.drain();
  }

  discard(tp: Tcb): void {
    (tp.owner as TcpSocket).#close(0);
  }

  #close(lingerSec: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.tcp.tick();
    if (this.listener) this.#stopListening();
    this.readable.wakeup();
    this.writable.wakeup();
    if (this.tp) close(this.tp, lingerSec);
    else this.tcpClosed();
  }

  tcpReadable(): void {
    const { tp } = this;
    if (this.readable.isEmpty) return;
    const isEnough =
      !tp ||
      tp.isRcvShutdown ||
      tp.error !== 0 ||
      tp.urgState === URG_VALID ||
      tp.recvbuf.length >= this.options.rcvlowat;
    if (isEnough) this.readable.wakeup();
  }

  tcpWritable(): void {
    if (!this.writable.isEmpty) this.writable.wakeup();
  }

  tcpUrgent(): void {
    this.file?.owner?.tellUrgent();
    this.readable.wakeup();
  }

  /** The connection, which may go on after close(2), is over: its ends are free, but for what bind(2) asked for. */
  tcpClosed(): void {
    const { tcp, pcb } = this;
    tcp.table.disconnect(pcb);
    if (this.#isClosed || !pcb.isPortLocked) tcp.table.unbind(pcb);
    if (this.#isClosed) this.end();
  }
}
