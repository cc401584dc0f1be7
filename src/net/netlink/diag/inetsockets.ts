/** Sockets of IP, whatever they speak, as sock_diag tells of them. */
import { IPPROTO_RAW, IPPROTO_TCP, IPPROTO_UDP } from "../../../abi/inet.ts";
import { SO_MARK } from "../../../abi/socket.ts";
import { InetDatagram } from "../../inet/datagram.ts";
import type { InetSocket } from "../../inet/inetsocket.ts";
import type { NetStack } from "../../netstack.ts";
import { tcpEntries } from "../../tcp/entries.ts";
import { tcpInfo } from "../../tcp/info.ts";
import { tcpOf } from "../../tcp/maker.ts";
import type { UdpProtocol } from "../../udp/protocol.ts";
import type { Filtered } from "./inetfilter.ts";

const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;

export interface InetDiag extends Filtered {
  /** TCP_*, from 1. */
  readonly state: number;
  /** As struct inet_diag_msg numbers them; and how long it still runs. */
  readonly timer: number;
  readonly timerMs: number;
  readonly retransmits: number;
  readonly rqueue: number;
  readonly wqueue: number;
  readonly uid: number;
  readonly ino: number;
  /** Null: what is left of a connection, or its beginning. */
  readonly socket: InetSocket | null;
  readonly rmem: number;
  readonly drops: number;
  /** INET_DIAG_INFO and INET_DIAG_CONG. */
  info(): Uint8Array | null;
  readonly congestion: string;
}

export function* inetSockets(stack: NetStack, protocol: number): Generator<InetDiag> {
  if (protocol === IPPROTO_TCP) yield* tcpSockets(stack);
  else if (protocol === IPPROTO_UDP) {
    const udp = stack.protocols.get(IPPROTO_UDP) as UdpProtocol | undefined;
    for (const s of udp?.sockets ?? []) {
      if (s.pcb.isBound || s.pcb.isConnected || s.pcb.lport !== 0) yield datagram(s, s.pcb.lport);
    }
  } else if (protocol === IPPROTO_RAW) {
    for (const s of stack.raw.all()) {
      if (s instanceof InetDatagram) yield datagram(s, s.protocol);
    }
  }
}

function* tcpSockets(stack: NetStack): Generator<InetDiag> {
  for (const e of tcpEntries(tcpOf(stack))) {
    const { socket } = e;
    yield {
      ...e,
      timerMs: Math.floor(e.timerNs / 1e6),
      mark: socket?.options.kept.get(SO_MARK) ?? 0,
      isPortChosen: socket ? !socket.pcb.isPortLocked : false,
      rmem: socket?.tp ? e.rqueue : 0,
      drops: 0,
      info: () => (socket ? tcpInfo(socket) : null),
      congestion: socket?.tp?.cc.name ?? socket?.settings.congestion ?? "",
    };
  }
}

function datagram(s: InetDatagram, lport: number): InetDiag {
  const { pcb, queue } = s;
  return {
    family: s.family,
    laddr: pcb.laddr,
    lport,
    faddr: pcb.faddr,
    fport: pcb.fport,
    ifindex: pcb.ifindex,
    mark: s.options.kept.get(SO_MARK) ?? 0,
    isPortChosen: !pcb.isPortLocked,
    state: s.isConnected ? TCP_ESTABLISHED : TCP_CLOSE,
    timer: 0,
    timerMs: 0,
    retransmits: 0,
    rqueue: queue.rmem,
    wqueue: 0,
    uid: pcb.uid,
    ino: s.file ? s.ino : 0,
    socket: s,
    rmem: queue.rmem,
    drops: queue.drops,
    info: () => null,
    congestion: "",
  };
}
