/** TCP among the protocols of a network. */
import type { Errno } from "../../abi/errno.ts";
import { IPPROTO_IP, IPPROTO_TCP } from "../../abi/inet.ts";
import { SOCK_STREAM } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { InetSocket } from "../inet/inetsocket.ts";
import type { NetStack } from "../netstack.ts";
import type { ProtocolMaker } from "../protocol.ts";
import { TcpInet } from "./inet.ts";
import { TcpSocket } from "./tcpsocket.ts";

export const tcpMaker: ProtocolMaker = {
  types: [SOCK_STREAM],
  attach: (stack: NetStack): TcpInet => new TcpInet(stack),
  takes: (_family: number, type: number, protocol: number): boolean =>
    type === SOCK_STREAM && (protocol === IPPROTO_IP || protocol === IPPROTO_TCP),
  socket: (td: Thread, stack: NetStack, family: number): InetSocket | Errno =>
    TcpSocket.make(td, stack, tcpOf(stack), family),
};

/** TCP of a network. */
export function tcpOf(stack: NetStack): TcpInet {
  return stack.protocols.get(IPPROTO_TCP) as TcpInet;
}
