/** /proc/net/{udp,udp6,udplite,udplite6,raw,raw6,icmp,icmp6}: sockets that take packets. See proc_net(5). */
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, IPPROTO_UDPLITE } from "../../abi/inet.ts";
import { AF_INET, AF_INET6 } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import type { IcmpProtocol } from "../icmp/protocol.ts";
import type { InetDatagram } from "../inet/datagram.ts";
import type { NetStack } from "../netstack.ts";
import type { Network } from "../network.ts";
import { RawSocket } from "../raw/socket.ts";
import type { UdpProtocol } from "../udp/protocol.ts";
import { hexAddress, hexUpper } from "./format.ts";

const HEADER4 =
  "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const HEADER6 =
  "  sl  local_address                         remote_address                        " +
  "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
const WIDTH4 = 127;
const ESTABLISHED = 1;
const CLOSE = 7;

export type DatagramKind = "udp" | "udplite" | "raw" | "icmp";

export class DatagramReport implements NetText {
  readonly name: string;
  readonly #network: Network;
  readonly #kind: DatagramKind;
  readonly #family: number;

  constructor(network: Network, kind: DatagramKind, family: number) {
    this.name = family === AF_INET6 ? `${kind}6` : kind;
    this.#network = network;
    this.#kind = kind;
    this.#family = family;
  }

  text(td: Thread): string {
    const is4 = this.#family === AF_INET;
    const isRaw = this.#kind === "raw";
    let out = `${is4 ? padded(`${isRaw ? "  " : "   "}${HEADER4}`, isRaw) : HEADER6}\n`;
    let n = 0;
    for (const s of socketsOf(this.#network.stackOf(td), this.#kind)) {
      if (s.family !== this.#family) continue;
      const line = lineOf(s, n++, td.cred.userns.shownUid(s.pcb.uid), is4);
      out += `${is4 ? padded(isRaw ? line.slice(1) : line, isRaw) : line}\n`;
    }
    return out;
  }
}

function padded(line: string, isRaw: boolean): string {
  return isRaw ? line : line.padEnd(WIDTH4);
}

/** Those that have a port, or what stands for one. */
export function* socketsOf(stack: NetStack, kind: DatagramKind): Generator<InetDatagram> {
  switch (kind) {
    case "udp":
    case "udplite": {
      const protocol = kind === "udp" ? IPPROTO_UDP : IPPROTO_UDPLITE;
      for (const pcb of (stack.protocols.get(protocol) as UdpProtocol).pcbs.all) {
        yield pcb.owner as InetDatagram;
      }
      return;
    }
    case "icmp":
      for (const protocol of [IPPROTO_ICMP, IPPROTO_ICMPV6]) {
        for (const pcb of (stack.protocols.get(protocol) as IcmpProtocol).pings.all) {
          yield pcb.owner as InetDatagram;
        }
      }
      return;
    case "raw":
      for (const s of stack.raw.all()) if (s instanceof RawSocket) yield s;
      return;
  }
}

function lineOf(s: InetDatagram, n: number, uid: number, is4: boolean): string {
  const { pcb } = s;
  const state = s.isConnected ? ESTABLISHED : CLOSE;
  const local = `${hexAddress(pcb.laddr, is4)}:${hexUpper(pcb.lport, 4)}`;
  const remote = `${hexAddress(pcb.faddr, is4)}:${hexUpper(pcb.fport, 4)}`;
  return (
    `${String(n).padStart(5)}: ${local} ${remote} ${hexUpper(state, 2)} 00000000:${hexUpper(s.queue.rmem, 8)} ` +
    `00:00000000 00000000 ${String(uid).padStart(5)}        0 ${s.ino} 2 0000000000000000 ${s.queue.drops}`
  );
}
