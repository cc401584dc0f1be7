/** /proc/net/dev, dev_mcast, if_inet6: interfaces. See proc_net(5). */
import { printEther } from "../ether/address.ts";
import type { NetStack } from "../netstack.ts";
import { bytes, hex } from "./format.ts";

const HEADER =
  "Inter-|   Receive                                                |  Transmit\n" +
  " face |bytes    packets errs drop fifo frame compressed multicast|" +
  "bytes    packets errs drop fifo colls carrier compressed\n";

export function dev(stack: NetStack): string {
  let s = HEADER;
  for (const { name, counters: c } of stack.inOrder()) {
    const pad = (n: number, width: number): string => String(n).padStart(width);
    s += `${name.padStart(6)}: ${pad(c.rxBytes, 7)} ${pad(c.rxPackets, 7)} ${pad(c.rxErrors, 4)} ${pad(c.rxDropped, 4)}`;
    s += ` ${pad(0, 4)} ${pad(0, 5)} ${pad(0, 10)} ${pad(c.multicast, 9)}`;
    s += ` ${pad(c.txBytes, 8)} ${pad(c.txPackets, 7)} ${pad(c.txErrors, 4)} ${pad(c.txDropped, 4)}`;
    s += ` ${pad(0, 4)} ${pad(c.collisions, 5)} ${pad(0, 7)} ${pad(0, 10)}\n`;
  }
  return s;
}

export function ifInet6(stack: NetStack): string {
  let s = "";
  for (const ifp of stack.inOrder()) {
    for (const ia of ifp.addrs6) {
      const scope = SCOPES.get(ia.scope) ?? 0;
      s += `${bytes(ia.addr, 16)} ${hex(ifp.index, 2)} ${hex(ia.bits, 2)} ${hex(scope, 2)} `;
      s += `${hex(ia.flags & 0xff, 2)} ${ifp.name.padStart(8)}\n`;
    }
  }
  return s;
}

/** IPV6_ADDR_* of a scope: of the host, of the link. */
const SCOPES: ReadonlyMap<number, number> = new Map([
  [254, 0x10],
  [253, 0x20],
]);

/** Link addresses of groups that an Ethernet interface listens to. */
export function devMcast(stack: NetStack): string {
  let s = "";
  for (const ifp of stack.inOrder()) {
    if (ifp.hwaddr.length === 0 || ifp.isLoopback) continue;
    for (const [group, users] of ifp.groups) {
      const tail = bytes(group, group.length);
      const mac =
        group.length === 4
          ? `01005e${hex(group.charCodeAt(1) & 0x7f, 2)}${tail.slice(4)}`
          : `3333${tail.slice(24)}`;
      s += `${String(ifp.index).padEnd(4)} ${ifp.name.padEnd(15)} ${String(users).padEnd(5)} 0     ${mac}\n`;
    }
  }
  return s;
}

/** /proc/net/arp: neighbours over IPv4. */
export function arp(stack: NetStack): string {
  let s = "IP address       HW type     Flags       HW address            Mask     Device\n";
  for (const n of stack.neighbours.shown4()) {
    const flags = `0x${n.flags.toString(16)}`;
    s += `${n.address.padEnd(16)} ${"0x1".padEnd(12)}${flags.padEnd(12)}`;
    s += `${printEther(n.hwaddr).padEnd(22)}${"*".padEnd(9)}${n.device}\n`;
  }
  return s;
}
