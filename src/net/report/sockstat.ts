/** /proc/net/sockstat and sockstat6: how many sockets there are, and what they keep. See proc_net(5). */
import { AF_INET, AF_INET6 } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import type { NetStack } from "../netstack.ts";
import type { Network } from "../network.ts";
import type { TcpInet } from "../tcp/inet.ts";
import { tcpOf } from "../tcp/maker.ts";
import { type DatagramKind, socketsOf } from "./datagrams.ts";

const PAGE_BYTES = 4096;

export class Sockstat implements NetText {
  readonly name: "sockstat" | "sockstat6";
  readonly #network: Network;

  constructor(network: Network, name: "sockstat" | "sockstat6") {
    this.name = name;
    this.#network = network;
  }

  text(td: Thread): string {
    const stack = this.#network.stackOf(td);
    const tcp = tcpOf(stack);
    const { fragments } = stack;
    if (this.name === "sockstat6") {
      return (
        `TCP6: inuse ${connections(tcp, AF_INET6)}\nUDP6: inuse ${count(stack, "udp", AF_INET6)}\nUDPLITE6: inuse ${count(stack, "udplite", AF_INET6)}\n` +
        `RAW6: inuse ${count(stack, "raw", AF_INET6)}\n` +
        `FRAG6: inuse ${fragments.count(true)} memory ${fragments.bytes6}\n`
      );
    }
    const stream =
      `inuse ${connections(tcp, AF_INET)} orphan ${tcp.orphans} tw ${tcp.timeWait.count} ` +
      `alloc ${tcp.table.all.size} mem ${pages(tcp.kmem.usedBytes)}`;
    return (
      `sockets: used ${this.#network.sockfs.inUse}\nTCP: ${stream}\n` +
      `UDP: inuse ${count(stack, "udp", AF_INET)} mem ${pages(waiting(stack))}\nUDPLITE: inuse ${count(stack, "udplite", AF_INET)}\n` +
      `RAW: inuse ${count(stack, "raw", AF_INET)}\n` +
      `FRAG: inuse ${fragments.count(false)} memory ${fragments.bytes4}\n`
    );
  }
}

/** Those of a family that are neither closed nor in TIME_WAIT: nobody's are not in use. */
function connections(tcp: TcpInet, family: number): number {
  let n = 0;
  for (const pcb of tcp.table.all) if (pcb.family === family) n++;
  return n;
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

function count(stack: NetStack, kind: DatagramKind, family: number): number {
  let n = 0;
  for (const s of socketsOf(stack, kind)) if (s.family === family) n++;
  return n;
}

/** What waits in UDP sockets. */
function waiting(stack: NetStack): number {
  let bytes = 0;
  for (const s of socketsOf(stack, "udp")) bytes += s.queue.rmem;
  return bytes;
}
