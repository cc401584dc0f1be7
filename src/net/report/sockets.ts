/** /proc/net/netlink, packet, protocols, ptype, softnet_stat, psched. See proc_net(5). */
import { ETH_P_ALL } from "../../abi/netdevice.ts";
import type { Thread } from "../../kern/thread.ts";
import type { NetStack } from "../netstack.ts";
import { hex } from "./format.ts";

/** Where a thing lies in the kernel's memory is nobody's business. */
const NOWHERE = "0000000000000000";

export function netlink(stack: NetStack): string {
  let s =
    "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";
  for (const [protocol, ports] of stack.netlink) {
    s += netlinkLine(protocol, 0, 0, 0, 0, 0, 0);
    for (const n of ports.sockets) {
      s += netlinkLine(
        protocol,
        n.port,
        n.groups.first,
        n.inbox.rmem,
        n.dump ? 1 : 0,
        n.inbox.drops,
        n.ino,
      );
    }
  }
  return s;
}

function netlinkLine(
  protocol: number,
  port: number,
  groups: number,
  rmem: number,
  dump: number,
  drops: number,
  ino: number,
): string {
  const left = (n: number, width: number): string => String(n).padEnd(width);
  return (
    `${NOWHERE} ${left(protocol, 3)} ${left(port, 10)} ${hex(groups, 8)} ${left(rmem, 8)} ` +
    `${left(0, 8)} ${left(dump, 5)} ${left(2, 8)} ${left(drops, 8)} ${left(ino, 8)}\n`
  );
}

export function packet(stack: NetStack, td: Thread): string {
  let s = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";
  for (const p of stack.packetSockets) {
    const left = (n: number | string, width: number): string => String(n).padEnd(width);
    const uid = td.cred.userns.shownUid(p.file?.stat().uid ?? 0);
    const isRunning = p.ethertype !== 0 ? 1 : 0;
    s += `${NOWHERE} ${left(3, 6)} ${left(p.type, 4)} ${hex(p.ethertype, 4)}   ${left(p.ifindex, 5)} `;
    s += `${isRunning} ${left(p.rmem, 6)} ${left(uid, 6)} ${left(p.ino, 6)}\n`;
  }
  return s;
}

/** What receives packets of which type: the protocols, and packet sockets. */
export function ptype(stack: NetStack): string {
  let s = "Type Device      Function\n";
  for (const p of stack.packetSockets) {
    if (p.ethertype === 0) continue;
    const type = p.ethertype === ETH_P_ALL ? "ALL " : hex(p.ethertype, 4);
    const device = (stack.byIndex(p.ifindex)?.name ?? "").padEnd(8);
    s += `${type} ${device} packet_rcv\n`;
  }
  return `${s}0800          ip_rcv\n0806          arp_rcv\n86dd          ipv6_rcv\n`;
}

/** One line for the one CPU: packets taken in, dropped, and drains cut short. */
export function softnetStat(stack: NetStack): string {
  const { processed, dropped, squeezed } = stack.netisr;
  const words = [processed, dropped, squeezed, ...new Array<number>(12).fill(0)];
  return `${words.map((n) => hex(n, 8)).join(" ")}\n`;
}

/** Ticks of the packet scheduler's clock: nanoseconds in units of 64, a microsecond in ticks, resolution, hz. */
export function psched(): string {
  return "000003e8 00000040 000f4240 3b9aca00\n";
}

/** Name, bytes of a socket, memory limits (-1: none), headers, and which operations there are. */
const PROTOCOLS: readonly string[] = [
  "PACKET    1600 %PACKET     -1   NI       0   no   kernel      n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n",
  "PINGv6    1344 %PINGv6     -1   NI       0   yes  kernel      y  y  y  n  n  y  n  n  y  y  y  y  y  y  n  y  y  n  n",
  "RAWv6     1344 %RAWv6     -1   NI       0   yes  kernel      y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n  n",
  "UDPv6     1472 %UDPv6      0   NI       0   yes  kernel      y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n  n",
  "TCPv6     2432 %TCPv6      0   no     192   yes  kernel      y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y  n",
  "UNIX-STREAM 1152 %UNIX-STREAM     -1   NI       0   yes  kernel      y  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n",
  "UNIX      1152 %UNIX     -1   NI       0   yes  kernel      y  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n",
  "PING      1016 %PING     -1   NI       0   yes  kernel      y  y  y  n  n  y  n  n  y  y  y  y  y  y  n  y  y  n  n",
  "RAW       1152 %RAW     -1   NI       0   yes  kernel      y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n  n",
  "UDP       1344 %UDP      0   NI       0   yes  kernel      y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n  n",
  "TCP       2304 %TCP      0   no     192   yes  kernel      y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y  n",
  "NETLINK   1096 %NETLINK     -1   NI       0   no   kernel      n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n  n",
];

export function protocols(stack: NetStack): string {
  let netlinks = 0;
  for (const ports of stack.netlink.values()) netlinks += ports.sockets.size;
  const counts: Readonly<Record<string, number>> = {
    PACKET: stack.packetSockets.size,
    NETLINK: netlinks,
  };
  let s =
    "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n";
  for (const line of PROTOCOLS) {
    s += `${line.replace(/%([\w-]+)/, (_m, name: string) => String(counts[name] ?? 0).padStart(6))}\n`;
  }
  return s;
}
