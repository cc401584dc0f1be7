/** AF_PACKET: sockets that see and send packets as they are on a link. See packet(7). */
import { ENOMEM, EOPNOTSUPP, EPERM, type Errno, ESOCKTNOSUPPORT } from "../../abi/errno.ts";
import { AF_PACKET, SOCK_DGRAM, SOCK_RAW } from "../../abi/socket.ts";
import { CAP_NET_RAW } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Domain } from "../../vfs/domain.ts";
import type { File } from "../../vfs/file.ts";
import type { Network } from "../network.ts";
import { SocketFile } from "../socketfile.ts";
import { PACKET_SOCKET_BYTES, PacketSocket } from "./packetsocket.ts";

export class PacketDomain implements Domain {
  readonly family = AF_PACKET;
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  socket(td: Thread, type: number, protocol: number): File | Errno {
    const stack = this.#network.stackOf(td);
    if (!td.cred.hasCapIn(stack.ns.owner, CAP_NET_RAW)) return EPERM;
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return ESOCKTNOSUPPORT;
    if (!stack.kmem.take(PACKET_SOCKET_BYTES)) return ENOMEM;
    return new SocketFile(td, new PacketSocket(stack, type, protocol), this.#network.sockfs);
  }

  pair(): Errno {
    return EOPNOTSUPP;
  }
}
