/**
 * Ethernet interfaces: headers on and off, and the link address of who is next.
 *
 * `transmitFrame` is what a kind of interface adds: it gets whole frames. What
 * arrives goes to `receiveFrame`. See ethernet(4), RFC 894, RFC 1112 (6.4), RFC 2464.
 */
import { ENETDOWN } from "../../abi/errno.ts";
import {
  ARPHRD_ETHER,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_NOARP,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
} from "../../abi/netdevice.ts";
import { RT_TABLE_LOCAL, RTN_BROADCAST } from "../../abi/route.ts";
import { BROADCAST4, type InetAddr, isMulticast } from "../address.ts";
import { LINK_BYTES } from "../ifchange.ts";
import { Ifnet } from "../ifnet.ts";
import type { Mbuf } from "../mbuf.ts";
import type { NetStack } from "../netstack.ts";
import { ETHER_BROADCAST, ETHER_BYTES, isGroupAddress, randomAddress } from "./address.ts";

export const ETHER_HEADER = 14;
const ETHER_MTU = 1500;
const MAX_MTU = 65535;

export abstract class EtherIf extends Ifnet {
  constructor(stack: NetStack, flags = IFF_BROADCAST | IFF_MULTICAST, maxMtu = MAX_MTU) {
    super({
      name: "",
      type: ARPHRD_ETHER,
      flags,
      mtu: ETHER_MTU,
      minMtu: maxMtu === MAX_MTU ? 68 : 0,
      maxMtu,
      hwaddr: randomAddress(stack),
      hwbroadcast: ETHER_BROADCAST,
    });
  }

  /** Sends a frame, its header at `m.off`; consumes it. */
  protected abstract transmitFrame(m: Mbuf): void;

  override detached(): void {
    this.stack.kmem.give(LINK_BYTES);
  }

  override flagsChanged(): void {
    if (!this.isUp) this.stack.neighbours.forget(this);
    this.master?.portChanged?.();
  }

  protected transmit(m: Mbuf, nextHop: InetAddr): number {
    const known = this.#addressOf(nextHop);
    if (known) {
      this.sendTo(m, known);
      return 0;
    }
    return this.stack.neighbours.resolve(this, nextHop, m);
  }

  /** The link address that needs not be asked for: of groups, of all, of nobody in particular. */
  #addressOf(a: InetAddr): Uint8Array | null {
    if ((this.flags & IFF_NOARP) !== 0) return this.hwaddr;
    if (isMulticast(a)) return groupAddress(a);
    if (a === BROADCAST4) return ETHER_BROADCAST;
    if (a.length !== 4) return null;
    const e = this.stack.fib4.lookupTable(RT_TABLE_LOCAL, { dst: a });
    return e?.type === RTN_BROADCAST ? ETHER_BROADCAST : null;
  }

  /** Sends a packet of `m.family`, `m.off` at its network header, to a link address. */
  sendTo(m: Mbuf, to: Uint8Array): void {
    const at = m.prepend(ETHER_HEADER);
    m.head.set(to, at);
    m.head.set(this.hwaddr, at + ETHER_BYTES);
    m.head[at + 12] = m.family >> 8;
    m.head[at + 13] = m.family;
    this.#send(m);
  }

  override sendFrame(m: Mbuf): number {
    if (!this.isUp) return ENETDOWN;
    m.family = m.view.getUint16(m.off + 12);
    this.#send(m);
    return 0;
  }

  #send(m: Mbuf): void {
    m.linkBytes = ETHER_HEADER;
    m.adj(ETHER_HEADER);
    this.tapOutput(m);
    m.off -= ETHER_HEADER;
    this.counters.txPackets++;
    this.counters.txBytes += m.length;
    this.transmitFrame(m);
  }

  /** A frame came, its header at `m.off`; it is this interface's from now on. */
  receiveFrame(m: Mbuf): void {
    const { counters } = this;
    if (!this.isUp || !m.pullup(ETHER_HEADER)) {
      counters.rxDropped++;
      return;
    }
    counters.rxBytes += m.length;
    m.type = this.#kindOf(m.head.subarray(m.off, m.off + ETHER_BYTES));
    if (m.type === PACKET_MULTICAST) counters.multicast++;
    m.family = m.view.getUint16(m.off + 12);
    m.linkBytes = ETHER_HEADER;
    m.adj(ETHER_HEADER);
    m.network = -1;
    m.transport = -1;
    m.mark = 0;
    this.receive(m);
  }

  #kindOf(to: Uint8Array): number {
    if (isGroupAddress(to)) {
      return to.every((b) => b === 0xff) ? PACKET_BROADCAST : PACKET_MULTICAST;
    }
    return to.every((b, i) => b === this.hwaddr[i]) ? PACKET_HOST : PACKET_OTHERHOST;
  }
}

/** 01:00:5e and 23 bits of an IPv4 group; 33:33 and 32 of an IPv6 one. */
export function groupAddress(a: InetAddr): Uint8Array {
  const is4 = a.length === 4;
  const out = Uint8Array.of(is4 ? 0x01 : 0x33, is4 ? 0 : 0x33, is4 ? 0x5e : 0, 0, 0, 0);
  const from = is4 ? 3 : 2;
  for (let i = from; i < ETHER_BYTES; i++) out[i] = a.charCodeAt(a.length - ETHER_BYTES + i);
  if (is4) out[3]! &= 0x7f;
  return out;
}
