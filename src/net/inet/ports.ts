/**
 * Ports: binding to a given one, and finding one that is free.
 *
 * Ephemeral ports start anywhere in the range. See bind(2), ip(7).
 */
import { EACCES, EADDRINUSE } from "../../abi/errno.ts";
import { CAP_NET_BIND_SERVICE } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { InetAddr } from "../address.ts";
import type { Inpcb, PcbOwner, PcbTable } from "../inpcb.ts";
import type { NetStack } from "../netstack.ts";

/**
 * Binds `pcb` to (laddr, lport); port 0: any that is free. EACCES for a port of the
 * privileged, EADDRINUSE. `pcb` is in the table afterwards.
 */
export function bindPort<T extends PcbOwner>(
  td: Thread,
  stack: NetStack,
  table: PcbTable<T>,
  pcb: Inpcb<T>,
  laddr: InetAddr,
  lport: number,
  isStream: boolean,
  range = 0,
): number {
  if (lport === 0) return bindAnyPort(stack, table, pcb, laddr, isStream, range);
  const isPrivileged = lport < stack.ip4.unprivilegedPortStart.get();
  if (isPrivileged && !td.cred.hasCapIn(stack.ns.owner, CAP_NET_BIND_SERVICE)) return EACCES;
  if (table.conflicts(pcb, laddr, lport, isStream)) return EADDRINUSE;
  enter(table, pcb, laddr, lport);
  return 0;
}

/**
 * Binds it to a port of net.ipv4.ip_local_port_range, or of the part of it that IP_LOCAL_PORT_RANGE named: `range`, low in the
 * lower half and high in the upper. EADDRINUSE if all are taken.
 */
export function bindAnyPort<T extends PcbOwner>(
  stack: NetStack,
  table: PcbTable<T>,
  pcb: Inpcb<T>,
  laddr: InetAddr,
  isStream: boolean,
  range = 0,
): number {
  const { low, high } = portRange(stack, range);
  const count = high - low + 1;
  const start = stack.randomBelow(count);
  for (let i = 0; i < count; i++) {
    const port = low + ((start + i) % count);
    if (table.boundTo(port).size > 0 && table.conflicts(pcb, laddr, port, isStream)) continue;
    // Nobody gets a port by chance that somebody else shares on purpose.
    if (table.boundTo(port).size > 0 && !pcb.reuseAddr && !pcb.reusePort) continue;
    enter(table, pcb, laddr, port);
    return 0;
  }
  return EADDRINUSE;
}

/** Ends of IP_LOCAL_PORT_RANGE that lie outside what the administrator gave do not count. */
export function portRange(
  stack: NetStack,
  range: number,
): { readonly low: number; readonly high: number } {
  const { low, high } = stack.ip4.localPortRange;
  const wantedLow = range & 0xffff;
  const wantedHigh = range >>> 16;
  return {
    low: wantedLow >= low && wantedLow <= high ? wantedLow : low,
    high: wantedHigh >= low && wantedHigh <= high ? wantedHigh : high,
  };
}

function enter<T extends PcbOwner>(
  table: PcbTable<T>,
  pcb: Inpcb<T>,
  laddr: InetAddr,
  lport: number,
): void {
  pcb.laddr = laddr;
  pcb.lport = lport;
  table.bind(pcb);
}
