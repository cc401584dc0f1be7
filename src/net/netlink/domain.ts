/**
 * AF_NETLINK of one machine: its protocols, and for each network the sockets of each.
 * See netlink(7).
 */
import {
  ENOMEM,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  type Errno,
  ESOCKTNOSUPPORT,
  failed,
} from "../../abi/errno.ts";
import { AF_NETLINK, SOCK_DGRAM, SOCK_RAW } from "../../abi/socket.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Domain } from "../../vfs/domain.ts";
import type { File } from "../../vfs/file.ts";
import type { NetStack } from "../netstack.ts";
import type { Network } from "../network.ts";
import { SocketFile } from "../socketfile.ts";
import { NetlinkSocket, SOCKET_BYTES } from "./netlinksocket.ts";
import { NetlinkPorts } from "./ports.ts";
import type { NetlinkProtocol } from "./protocol.ts";

export class NetlinkDomain implements Domain {
  readonly family = AF_NETLINK;
  readonly network: Network;
  readonly protocols: ReadonlyMap<number, NetlinkProtocol>;

  constructor(network: Network, protocols: readonly NetlinkProtocol[]) {
    this.network = network;
    this.protocols = new Map(protocols.map((p) => [p.protocol, p]));
  }

  get kmem(): KernelMemory {
    return this.network.kmem;
  }

  socket(td: Thread, type: number, protocol: number): File | Errno {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return ESOCKTNOSUPPORT;
    const stack = this.network.stackOf(td);
    const ports = this.ports(stack, protocol);
    if (failed(ports)) return ports;
    if (!this.kmem.take(SOCKET_BYTES)) return ENOMEM;
    const s = new NetlinkSocket(td, this, stack, ports, type);
    return new SocketFile(td, s, this.network.sockfs);
  }

  pair(): Errno {
    return EOPNOTSUPP;
  }

  /** The sockets of a protocol in one network: EPROTONOSUPPORT. */
  ports(stack: NetStack, protocol: number): NetlinkPorts | Errno {
    const known = stack.netlink.get(protocol);
    if (known) return known;
    const made = this.protocols.get(protocol);
    if (!made) return EPROTONOSUPPORT;
    const ports = new NetlinkPorts(made);
    stack.netlink.set(protocol, ports);
    made.attached?.(stack, ports);
    return ports;
  }
}
