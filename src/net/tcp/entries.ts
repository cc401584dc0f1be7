/**
 * TCP's connections as others show them: /proc/net/tcp, sock_diag(7).
 *
 * One entry per socket, per handshake under way, per connection in TIME-WAIT.
 */
import type { InetAddr } from "../address.ts";
import { type TcpInet, TimeWaitOwner } from "./inet.ts";
import { TCPS_CLOSE, TCPS_LISTEN, TCPS_SYN_RECV, TCPS_TIME_WAIT } from "./states.ts";
import type { Flow, Tcb } from "./tcb.ts";
import { TcpSocket } from "./tcpsocket.ts";
import { XMIT_NONE, XMIT_PROBE0 } from "./timers.ts";

export interface TcpEntry {
  /** AF_INET or AF_INET6: of the socket, whatever its addresses. */
  readonly family: number;
  readonly state: number;
  readonly laddr: InetAddr;
  readonly lport: number;
  readonly faddr: InetAddr;
  readonly fport: number;
  readonly ifindex: number;
  /** Bytes to be read, or connections to be accepted; bytes not acknowledged, or the backlog. */
  readonly rqueue: number;
  readonly wqueue: number;
  /** 0 none, 1 retransmission, 2 keepalive, 3 TIME-WAIT, 4 zero window probe; and in how long. */
  readonly timer: number;
  readonly timerNs: number;
  readonly retransmits: number;
  readonly probes: number;
  readonly uid: number;
  /** 0: it has no open file. */
  readonly ino: number;
  /** Null for what is no socket. */
  readonly socket: TcpSocket | null;
}

export function* tcpEntries(tcp: TcpInet): Generator<TcpEntry> {
  const nowNs = tcp.tick();
  for (const pcb of tcp.table.all) {
    const { owner } = pcb;
    if (owner instanceof TimeWaitOwner) {
      const { flow, endNs } = owner.tw;
      yield bare(owner.family, TCPS_TIME_WAIT, flow, 3, endNs - nowNs, 0, 0);
    } else if (owner instanceof TcpSocket) {
      const { listener } = owner;
      // What is only bound is no connection.
      if (owner.state === TCPS_CLOSE) continue;
      yield entryOf(owner, nowNs);
      if (!listener) continue;
      for (const h of listener.pending()) {
        yield bare(owner.family, TCPS_SYN_RECV, h.flow, 1, h.dueNs - nowNs, h.retries, pcb.uid);
      }
    }
  }
}

function bare(
  family: number,
  state: number,
  flow: Flow,
  timer: number,
  leftNs: number,
  retransmits: number,
  uid: number,
): TcpEntry {
  const { laddr, lport, faddr, fport, ifindex } = flow;
  return {
    family,
    state,
    laddr,
    lport,
    faddr,
    fport,
    ifindex,
    rqueue: 0,
    wqueue: 0,
    timer,
    timerNs: Math.max(0, leftNs),
    retransmits,
    probes: 0,
    uid,
    ino: 0,
    socket: null,
  };
}

/** Of one socket, in whatever state. */
export function entryOf(s: TcpSocket, nowNs: number): TcpEntry {
  const { pcb, listener, tp } = s;
  const isListening = listener !== null;
  const timer = tp && !isListening ? timerOf(tp, nowNs) : NO_TIMER;
  return {
    family: s.family,
    state: isListening ? TCPS_LISTEN : s.state,
    laddr: pcb.laddr,
    lport: pcb.lport,
    faddr: pcb.faddr,
    fport: pcb.fport,
    ifindex: pcb.ifindex,
    rqueue: listener ? listener.queue.length : Math.max(0, s.bytesReadable()),
    wqueue: listener ? listener.backlog : Math.max(0, s.bytesUnsent()),
    timer: timer.kind,
    timerNs: timer.leftNs,
    retransmits: tp?.backoff ?? 0,
    probes: tp?.probes ?? 0,
    uid: pcb.uid,
    ino: s.file ? s.ino : 0,
    socket: s,
  };
}

interface TimerView {
  readonly kind: number;
  readonly leftNs: number;
}

const NO_TIMER: TimerView = { kind: 0, leftNs: 0 };

function timerOf(tp: Tcb, nowNs: number): TimerView {
  const { timer } = tp;
  if (timer.xmitKind !== XMIT_NONE) {
    const kind = timer.xmitKind === XMIT_PROBE0 ? 4 : 1;
    return { kind, leftNs: Math.max(0, timer.xmitNs - nowNs) };
  }
  if (timer.keepNs < Number.POSITIVE_INFINITY) {
    return { kind: 2, leftNs: Math.max(0, timer.keepNs - nowNs) };
  }
  return NO_TIMER;
}
