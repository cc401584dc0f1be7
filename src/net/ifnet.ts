/**
 * Network interfaces.
 *
 * `output` sends a packet that is complete but for the link's header to a next hop on the
 * link; it must not call anybody's input (see netisr.ts). What arrives goes to
 * `receive`. Taps (packet sockets) see both. An interface belongs to one
 * NetStack at a time. See ifnet(9), netdevice(7).
 */
import { ENETDOWN, EOPNOTSUPP } from "../abi/errno.ts";
import { IFF_LOWER_UP, IFF_RUNNING, IFF_UP, PACKET_OUTGOING } from "../abi/netdevice.ts";
import type { NetDevice } from "../vfs/netdevices.ts";
import type { InetAddr } from "./address.ts";
import { NO_CHUNKS } from "./chunkpool.ts";
import type { IfAddr } from "./ifaddr.ts";
import type { Mbuf } from "./mbuf.ts";
import { InterfaceView } from "./netdevice.ts";
import type { ExtAck } from "./netlink/extack.ts";
import type { NetlinkWriter } from "./netlink/writer.ts";
import type { NetStack } from "./netstack.ts";

/** What an interface has moved: struct rtnl_link_stats64. */
export class IfCounters {
  rxPackets = 0;
  rxBytes = 0;
  rxErrors = 0;
  rxDropped = 0;
  txPackets = 0;
  txBytes = 0;
  txErrors = 0;
  txDropped = 0;
  multicast = 0;
  collisions = 0;
  rxNohandler = 0;
}

/** Somebody who sees packets as they pass: a packet socket. */
export interface PacketTap {
  /** The packet is another's: clone what is kept. `m.type` is PACKET_OUTGOING on its way out. */
  tap(m: Mbuf, ifp: Ifnet): void;
}

export abstract class Ifnet {
  name: string;
  /** Unique in its NetStack; 0 before it is attached. */
  index = 0;
  /** ARPHRD_*. */
  readonly type: number;
  /** IFF_* that an administrator sets; see `dynamicFlags`. */
  flags: number;
  mtu: number;
  readonly minMtu: number;
  readonly maxMtu: number;
  /** Link address and that of all stations; empty where there are none. */
  hwaddr: Uint8Array;
  hwbroadcast: Uint8Array;
  txQueueLen = 1000;
  /** "up", "down", "unknown" as in operstate. */
  operstate: "up" | "down" | "unknown" | "lowerlayerdown" | "dormant" = "unknown";
  hasCarrier = true;
  /** IFLA_IFALIAS. */
  alias = "";
  group = 0;
  isIp6Disabled = false;
  /** Holders of promiscuous and all-multicast mode. */
  promiscuity = 0;
  allmulti = 0;
  readonly addrs4: IfAddr[] = [];
  readonly addrs6: IfAddr[] = [];
  /** Multicast groups that somebody here is in, of both families: address to number of memberships. */
  readonly groups = new Map<InetAddr, number>();
  readonly counters = new IfCounters();
  readonly taps = new Set<PacketTap>();
  /** IFLA_INFO_KIND: "dummy", "veth"; empty for what is no virtual device made by ip link add. */
  readonly kind: string = "";
  /** It was up at least once; and how often its carrier came and went. */
  wasUp = false;
  carrierUps = 0;
  carrierDowns = 0;
  /** The bridge that it is a port of. */
  master: Ifnet | null = null;
  stack!: NetStack;
  /** As /sys shows it. */
  readonly view: NetDevice = new InterfaceView(this);

  constructor(from: {
    readonly name: string;
    readonly type: number;
    readonly flags: number;
    readonly mtu: number;
    readonly minMtu?: number;
    readonly maxMtu?: number;
    readonly hwaddr?: Uint8Array;
    readonly hwbroadcast?: Uint8Array;
  }) {
    this.name = from.name;
    this.type = from.type;
    this.flags = from.flags;
    this.mtu = from.mtu;
    this.minMtu = from.minMtu ?? 68;
    this.maxMtu = from.maxMtu ?? 65535;
    this.hwaddr = from.hwaddr ?? new Uint8Array(0);
    this.hwbroadcast = from.hwbroadcast ?? new Uint8Array(0);
  }

  /** Index of the interface that it is tied to (IFLA_LINK), in `linkStack`; 0: none but itself. */
  get link(): number {
    return 0;
  }

  get linkStack(): NetStack | null {
    return null;
  }

  /** IFLA_INFO_DATA of its kind, and, of a bridge, IFLA_INFO_SLAVE_DATA of a port. */
  infoData?(w: NetlinkWriter): void;
  slaveData?(w: NetlinkWriter, port: Ifnet): void;
  /** Of those that can have ports: takes one in; EINVAL, EBUSY. Lets one go. */
  enslave?(port: Ifnet, ack: ExtAck): number;
  release?(port: Ifnet): void;
  /** A port of it changed its state; a packet came to one, `m.off` at its network header. */
  portChanged?(): void;
  portInput?(port: Ifnet, m: Mbuf): void;
  /** Of those whose carrier can be set by hand. */
  setCarrier?(isOn: boolean): number;

  get isUp(): boolean {
    return (this.flags & IFF_UP) !== 0;
  }

  get isLoopback(): boolean {
    return false;
  }

  /** As ifconfig and ip link show them: with what is so by itself. */
  get dynamicFlags(): number {
    let f = this.flags & ~(IFF_RUNNING | IFF_LOWER_UP);
    if (this.isUp && this.hasCarrier) f |= IFF_RUNNING | IFF_LOWER_UP;
    return f;
  }

  /**
   * Sends `m`, whose network header of `m.family` (ETH_P_*) is at `m.off`, to `nextHop` on the link.
   * 0; ENETDOWN, ENOBUFS, EHOSTUNREACH. `m` is gone in any case.
   */
  output(m: Mbuf, nextHop: InetAddr): number {
    if (!this.isUp) return ENETDOWN;
    return this.transmit(m, nextHop);
  }

  protected abstract transmit(m: Mbuf, nextHop: InetAddr): number;

  /** Sends a whole frame of a packet socket, `m.off` at its Ethernet header; EOPNOTSUPP. */
  sendFrame(_m: Mbuf): number {
    return EOPNOTSUPP;
  }

  /** A packet came in, with `m.off` at its network header and `m.family`, `m.type` set. */
  receive(m: Mbuf): void {
    m.rcvif = this;
    const { counters } = this;
    if (this.stack.netisr.enqueue(m, this.stack.core.netdevMaxBacklog.get())) {
      counters.rxPackets++;
    } else counters.rxDropped++;
  }

  /** Shows an outgoing packet, its link header in front, to who listens. */
  protected tapOutput(m: Mbuf): void {
    const { type } = m;
    m.type = PACKET_OUTGOING;
    this.showTaps(m);
    m.type = type;
  }

  showTaps(m: Mbuf): void {
    if (this.taps.size === 0 && this.stack.taps.size === 0) return;
    m.lenders = NO_CHUNKS;
    for (const t of this.stack.taps) t.tap(m, this);
    for (const t of this.taps) t.tap(m, this);
  }

  /** One more on this host wants to hear a group; its link may have to be told. */
  joinGroup(group: InetAddr): void {
    this.groups.set(group, (this.groups.get(group) ?? 0) + 1);
  }

  leaveGroup(group: InetAddr): void {
    const n = (this.groups.get(group) ?? 0) - 1;
    if (n > 0) this.groups.set(group, n);
    else this.groups.delete(group);
  }

  /** It came up or went down: devices with a link partner hear of it here. */
  flagsChanged(): void {}

  /** It leaves for good: RTM_DELLINK. */
  detached(): void {}

  findAddr(a: InetAddr): IfAddr | null {
    for (const ia of a.length === 4 ? this.addrs4 : this.addrs6) if (ia.addr === a) return ia;
    return null;
  }
}
