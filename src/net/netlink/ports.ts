/**
 * The sockets of one netlink protocol in one network: who has which port, and
 * who listens to which group. Port 0 is the kernel. See netlink(7), "Address formats".
 */
import { EADDRINUSE } from "../../abi/errno.ts";
import type { NetlinkSocket } from "./netlinksocket.ts";
import type { NetlinkProtocol } from "./protocol.ts";

const INT_MIN = -0x80000000;
/** Ports that are found for a second socket of a process are below this. */
const FIRST_ROVER = -4096;

export class NetlinkPorts {
  readonly protocol: NetlinkProtocol;
  /** All sockets, bound or not. */
  readonly sockets = new Set<NetlinkSocket>();
  readonly #byPort = new Map<number, NetlinkSocket>();
  #rover = FIRST_ROVER;

  constructor(protocol: NetlinkProtocol) {
    this.protocol = protocol;
  }

  at(port: number): NetlinkSocket | null {
    return this.#byPort.get(port) ?? null;
  }

  /** EADDRINUSE. */
  bind(s: NetlinkSocket, port: number): number {
    if (this.#byPort.has(port)) return EADDRINUSE;
    this.#byPort.set(port, s);
    return 0;
  }

  /** The process id, or else some number that nobody has; `random` is of 31 bits. */
  autobind(s: NetlinkSocket, pid: number, random: number): number {
    let port = pid >>> 0;
    while (this.#byPort.has(port)) {
      if (this.#rover === FIRST_ROVER) this.#rover = INT_MIN + (random % (FIRST_ROVER - INT_MIN));
      else if (this.#rover > FIRST_ROVER || this.#rover <= INT_MIN) this.#rover = FIRST_ROVER - 1;
      port = this.#rover-- >>> 0;
    }
    this.#byPort.set(port, s);
    return port;
  }

  unbind(s: NetlinkSocket): void {
    if (this.#byPort.get(s.port) === s) this.#byPort.delete(s.port);
  }

  hasListeners(group: number): boolean {
    for (const s of this.sockets) if (s.groups.has(group)) return true;
    return false;
  }

  /** Gives a message of `from` to all members of a group but the sender; who has no port looks like the kernel. */
  multicast(bytes: Uint8Array, group: number, from: NetlinkSocket | null = null): void {
    const port = from?.port ?? 0;
    for (const s of this.sockets) {
      if (s.port !== port && s.groups.has(group)) s.deliver(bytes, from, group);
    }
  }
}
