/**
 * A local port for a connection that goes out: any that makes the four ends unique.
 *
 * Ports that others chose the same way are shared, as long as they talk to
 * somebody else; what bind(2) took is left alone. See inet_hash_connect in Linux, RFC 6056.
 */
import type { InetAddr } from "../address.ts";
import type { Inpcb, PcbOwner } from "../inpcb.ts";
import type { TcpInet } from "./inet.ts";

/** Sets `pcb.lport`: the first number where a connection that is over is taken over, else -1; null: none is free. */
export function chooseConnectPort(
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
