/**
 * connect(2): both ends of a connection that goes out, and its SYN.
 *
 * A local port is any that makes the four ends unique: ports that others chose
 * the same way are shared, as long as they talk to somebody else; what bind(2)
 * took is left alone. See tcp_v4_connect and inet_hash_connect in Linux, RFC 6056.
 */
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EINVAL,
  ENETUNREACH,
  ENOMEM,
  failed,
} from "../../abi/errno.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../../abi/route.ts";
import { AF_INET } from "../../abi/socket.ts";
import { ANY, ANY4, ANY6, type InetAddr, LOOPBACK4, LOOPBACK6, needsScope } from "../address.ts";
import type { Inpcb, PcbOwner } from "../inpcb.ts";
import type { Endpoint } from "../sockaddr.ts";
import type { TcpInet } from "./inet.ts";
import { initSending, sendSyn } from "./output.ts";
import type { TcpSocket } from "./tcpsocket.ts";

/** Chooses both ends and sends the SYN. 0, or why that cannot be. */
export function startConnect(s: TcpSocket, address: Uint8Array): number {
  const parsed = s.parse(address);
  if (failed(parsed)) return parsed;
  const { pcb, tcp } = s;
  if (!pcb.isBound) pcb.lport = 0;
  if (!pcb.isAddrLocked) pcb.laddr = ANY;
  const to = destination(s, parsed);
  const path = s.pathTo(to, parsed.scopeId);
  if (failed(path)) return path;
  if (path.type === RTN_BROADCAST || path.type === RTN_MULTICAST) return ENETUNREACH;
  const laddr = pcb.laddr !== ANY ? pcb.laddr : path.src;
  if (laddr.length !== to.length) return s.family === AF_INET ? EAFNOSUPPORT : ENETUNREACH;
  if (needsScope(to)) {
    if (parsed.scopeId !== 0) pcb.ifindex = parsed.scopeId;
    if (pcb.ifindex === 0) return EINVAL;
  }
  tcp.tick();
  const isn =
    pcb.lport !== 0
      ? tcp.takeOver(laddr, pcb.lport, to, parsed.port, pcb.ifindex)
      : choosePort(tcp, pcb, laddr, to, parsed.port);
  if (isn === null) return EADDRNOTAVAIL;
  const tp = s.newBlock();
  if (!tp) return ENOMEM;
  pcb.laddr = laddr;
  pcb.faddr = to;
  pcb.fport = parsed.port;
  if (!pcb.isBound) tcp.table.bind(pcb);
  tcp.table.connect(pcb);
  s.forgetPath();
  s.closed = 0;
  initSending(tp, isn >= 0 ? isn : tcp.initialSeq(pcb));
  sendSyn(tp);
  tcp.drain();
  return 0;
}

/** Nowhere in particular is here. */
function destination(s: TcpSocket, e: Endpoint): InetAddr {
  if (e.addr !== ANY && e.addr !== ANY4 && e.addr !== ANY6) return e.addr;
  const is4 = s.family === AF_INET || s.pcb.laddr.length === 4;
  return is4 ? LOOPBACK4 : LOOPBACK6;
}

/** Sets `pcb.lport`: the first number where a connection that is over is taken over, else -1; null: none is free. */
function choosePort(
  tcp: TcpInet,
  pcb: Inpcb,
  laddr: InetAddr,
  faddr: InetAddr,
  fport: number,
): number | null {
  const { low, high } = tcp.net.ip4.localPortRange;
  const count = high - low + 1;
  const start = tcp.net.randomBelow(count);
  for (let i = 0; i < count; i++) {
    const port = low + ((start + i) % count);
    if (isTaken(tcp.table.boundTo(port))) continue;
    const isn = tcp.takeOver(laddr, port, faddr, fport, pcb.ifindex);
    if (isn === null) continue;
    pcb.lport = port;
    return isn;
  }
  return null;
}

function isTaken(others: ReadonlySet<Inpcb<PcbOwner>>): boolean {
  for (const other of others) if (other.isPortLocked || other.isListening) return true;
  return false;
}
