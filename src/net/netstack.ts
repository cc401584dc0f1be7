/**
 * One network: interfaces, addresses, routes, protocols and their tables. A network namespace has one.
 *
 * Nothing of the stack is global: whoever has a NetStack has all of it, and a socket keeps the
 * one that it was made in. See network_namespaces(7), vnet(9).
 */
import { EBUSY, EEXIST, EINVAL, ENOBUFS, ENODEV, type Errno } from "../abi/errno.ts";
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, IFF_UP, IFNAMSIZ } from "../abi/netdevice.ts";
import { IFA_F_SECONDARY, RT_TABLE_LOCAL, RTN_LOCAL } from "../abi/route.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { SysctlDir } from "../kern/sysctl.ts";
import type { NetContents, NetNamespace } from "../vfs/netns.ts";
import { solicitedNode } from "./address.ts";
import { DisableIpv6 } from "./disableipv6.ts";
import { arpInput } from "./ether/arp.ts";
import { Neighbours } from "./ether/neighbours.ts";
import type { IfAddr } from "./ifaddr.ts";
import type { Ifnet, PacketTap } from "./ifnet.ts";
import { addAddressRoutes, interfaceDown, interfaceUp, removeAddressRoutes } from "./ifroutes.ts";
import { ipInput } from "./ip/input4.ts";
import { ip6Input } from "./ip/input6.ts";
import { PathMtus } from "./ip/pmtu.ts";
import { Fragments } from "./ip/reassembly.ts";
import { scopeOf } from "./ip/source.ts";
import { CoreSysctls, Ip4Sysctls, Ip6Sysctls } from "./ipsysctls.ts";
import { Loopback } from "./loopback.ts";
import type { Mbuf } from "./mbuf.ts";
import { Mib } from "./mib.ts";
import type { Netisr } from "./netisr.ts";
import type { NetlinkPorts } from "./netlink/ports.ts";
import type { Network } from "./network.ts";
import type { PacketSocket } from "./packet/packetsocket.ts";
import type { InetProtocol } from "./protocol.ts";
import { PeerLimits, TokenBucket } from "./ratelimit.ts";
import { RawTable } from "./raw/table.ts";
import { Fib, type FibObserver } from "./route.ts";
import type { RouteEntry } from "./routeentry.ts";
import type { RouteRule } from "./routerule.ts";

/** Somebody who tells programs of changes: netlink. */
export interface NetObserver {
  linkChanged(ifp: Ifnet): void;
  linkGone(ifp: Ifnet): void;
  addressChanged(ifp: Ifnet, ia: IfAddr, isGone: boolean): void;
  routeChanged(entry: RouteEntry, isGone: boolean): void;
  ruleChanged(family: number, rule: RouteRule, isGone: boolean): void;
}

const MAX_INTERFACES = 4096;
const INDEX_MAX = 0x7fffffff;
const MAX_ADDRESSES = 4096;
/** What an address takes of the kernel's memory, about. */
const ADDRESS_BYTES = 320;

export class NetStack implements NetContents, FibObserver {
  readonly network: Network;
  /** The name space whose stack it is; sockets hold that. */
  readonly ns: NetNamespace;
  /** Names it: in /proc/PID/ns/net, SO_NETNS_COOKIE. */
  readonly cookie: number;
  readonly cpu: Cpu;
  readonly kmem: KernelMemory;
  readonly netisr: Netisr;
  readonly mib = new Mib();
  readonly core = new CoreSysctls();
  readonly ip4 = new Ip4Sysctls();
  readonly ip6 = new Ip6Sysctls();
  /** This network's tunables, from "net" on. */
  readonly sysctls = new SysctlDir();
  readonly fib4 = new Fib(false);
  readonly fib6 = new Fib(true);
  /** By IPPROTO_*. */
  readonly protocols = new Map<number, InetProtocol>();
  readonly interfaces = new Map<number, Ifnet>();
  /** What paths were found to carry. */
  readonly pmtu = new PathMtus();
  readonly raw = new RawTable();
  readonly fragments = new Fragments();
  /** What ICMP errors may still be sent. */
  readonly icmpBucket = new TokenBucket();
  readonly icmpPeers = new PeerLimits();
  readonly lo: Loopback;
  /** Those who see the packets of all interfaces. */
  readonly taps = new Set<PacketTap>();
  /** Link addresses of those on the links. */
  readonly neighbours = new Neighbours(this);
  readonly packetSockets = new Set<PacketSocket>();
  readonly observers = new Set<NetObserver>();
  /** Sockets of netlink by protocol. */
  readonly netlink = new Map<number, NetlinkPorts>();
  /** Counts changes of interfaces and their addresses. */
  linkGeneration = 0;
  /** Numbers of other networks, as programs here know them. */
  readonly peerIds = new Map<NetStack, number>();
  #lastPeerId = 0;
  #inOrder: readonly Ifnet[] | null = null;
  #lastIndex = 0;

  /** `lo` is there and down. */
  constructor(network: Network, ns: NetNamespace, cookie: number) {
    this.network = network;
    this.ns = ns;
    this.cookie = cookie;
    this.cpu = network.cpu;
    this.kmem = network.kmem;
    this.netisr = network.netisr;
    this.ip4.addTo(this.sysctls);
    this.ip6.addTo(this.sysctls);
    for (const which of ["all", "default", "lo"] as const) {
      this.sysctls.add(`net.ipv6.conf.${which}.disable_ipv6`, new DisableIpv6(this, which));
    }
    this.sysctls.add("net.core.netdev_max_backlog", this.core.netdevMaxBacklog);
    this.fib4.observer = this;
    this.fib6.observer = this;
    this.fib4.kmem = this.kmem;
    this.fib6.kmem = this.kmem;
    this.lo = new Loopback();
    this.attach(this.lo);
    for (const maker of network.makers) {
      const protocol = maker.attach(this);
      if (!protocol) continue;
      this.protocols.set(protocol.protocol, protocol);
      protocol.addSysctls?.(this.sysctls);
    }
  }

  /** Nobody is in it any more, and no socket is left: its interfaces go, and what waits in it. */
  end(): void {
    for (const ifp of [...this.interfaces.values()]) {
      // With one end of a cable goes the other.
      if (this.byIndex(ifp.index) !== ifp) continue;
      this.detach(ifp);
      ifp.detached();
    }
    for (const protocol of this.protocols.values()) protocol.end?.();
    this.fragments.end(this);
    this.fib4.end();
    this.fib6.end();
    this.network.gone(this);
  }

  /** 32 bits that nobody can guess. */
  random(): number {
    return this.network.random();
  }

  /** The smallest whole number below `n` at random. */
  randomBelow(n: number): number {
    return Math.floor((this.random() / 2 ** 32) * n);
  }

  nowNs(): number {
    return this.cpu.clock.monotonicNs();
  }

  /** Whether an interface of that name may join, with an index as wished, or 0: EEXIST, EINVAL, EBUSY. */
  mayAttach(name: string, index = 0): number {
    const isSound = isInterfaceName(name) && index >= 0 && index <= INDEX_MAX;
    if (!isSound || this.interfaces.size >= MAX_INTERFACES) return EINVAL;
    if (this.byName(name)) return EEXIST;
    return index !== 0 && this.interfaces.has(index) ? EBUSY : 0;
  }

  /** An interface joins: it has a name, and no index yet. As `mayAttach`. */
  attach(ifp: Ifnet, index = 0): number {
    const r = this.mayAttach(ifp.name, index);
    if (r < 0) return r;
    let at = index;
    if (at === 0) {
      do at = ++this.#lastIndex;
      while (this.interfaces.has(at));
    }
    ifp.index = at;
    ifp.stack = this;
    ifp.isIp6Disabled = this.ip6.isDisabledByDefault;
    this.#inOrder = null;
    this.interfaces.set(at, ifp);
    this.linkTouched(ifp);
    return 0;
  }

  /** An interface leaves, with its addresses and routes. */
  detach(ifp: Ifnet): void {
    this.setFlags(ifp, ifp.flags & ~IFF_UP);
    for (const ia of [...ifp.addrs4, ...ifp.addrs6]) this.removeAddress(ifp, ia);
    for (const s of this.packetSockets) s.interfaceGone(ifp);
    // An interface that was down has neighbours if an administrator says so.
    this.neighbours.forget(ifp);
    this.#inOrder = null;
    this.interfaces.delete(ifp.index);
    this.linkGeneration++;
    for (const o of this.observers) o.linkGone(ifp);
  }

  /** The number that this network has for another one (IFLA_LINK_NETNSID), given when it is first asked for. */
  idOf(other: NetStack): number {
    const { peerIds } = this;
    if (!peerIds.has(other)) peerIds.set(other, this.#lastPeerId++);
    return peerIds.get(other)!;
  }

  /** By index. */
  inOrder(): readonly Ifnet[] {
    this.#inOrder ??= [...this.interfaces.values()].sort((a, b) => a.index - b.index);
    return this.#inOrder;
  }

  /** Something about an interface, or an address of it, is another. */
  linkTouched(ifp: Ifnet): void {
    this.linkGeneration++;
    for (const o of this.observers) o.linkChanged(ifp);
  }

  addressTouched(ifp: Ifnet, ia: IfAddr): void {
    this.linkGeneration++;
    for (const o of this.observers) o.addressChanged(ifp, ia, false);
  }

  routeChanged(entry: RouteEntry, isGone: boolean): void {
    for (const o of this.observers) o.routeChanged(entry, isGone);
  }

  ruleChanged(family: number, rule: RouteRule, isGone: boolean): void {
    for (const o of this.observers) o.ruleChanged(family, rule, isGone);
  }

  byName(name: string): Ifnet | null {
    for (const ifp of this.interfaces.values()) if (ifp.name === name) return ifp;
    return null;
  }

  byIndex(index: number): Ifnet | null {
    return this.interfaces.get(index) ?? null;
  }

  /** Gives it another name: EEXIST, EINVAL; EBUSY while it is up is Linux's of old and not ours. */
  rename(ifp: Ifnet, name: string): number {
    if (!isInterfaceName(name)) return EINVAL;
    const other = this.byName(name);
    if (other) return other === ifp ? 0 : EEXIST;
    for (const ia of ifp.addrs4) if (ia.label === ifp.name) ia.label = name;
    ifp.name = name;
    this.linkTouched(ifp);
    return 0;
  }

  /** IFF_UP and others that an administrator may set. */
  setFlags(ifp: Ifnet, flags: number): void {
    const wasUp = ifp.isUp;
    ifp.flags = flags;
    if (wasUp !== ifp.isUp) {
      if (ifp.isUp) {
        ifp.wasUp = true;
        interfaceUp(this, ifp);
      } else interfaceDown(this, ifp);
      for (const s of this.packetSockets) s.interfaceChanged(ifp);
      ifp.flagsChanged();
      this.fib4.changed();
      this.fib6.changed();
    }
    this.linkTouched(ifp);
  }

  setMtu(ifp: Ifnet, mtu: number): number {
    if (mtu < ifp.minMtu || mtu > ifp.maxMtu) return EINVAL;
    ifp.mtu = mtu;
    this.fib4.changed();
    this.fib6.changed();
    this.linkTouched(ifp);
    return 0;
  }

  /** EEXIST; ENOBUFS beyond any measure is EINVAL. */
  addAddress(ifp: Ifnet, ia: IfAddr): number {
    const list = ia.addr.length === 4 ? ifp.addrs4 : ifp.addrs6;
    if (list.length >= MAX_ADDRESSES) return EINVAL;
    for (const other of list) {
      if (other.addr === ia.addr && (ia.addr.length === 16 || other.bits === ia.bits))
        return EEXIST;
    }
    if (!this.kmem.take(ADDRESS_BYTES)) return ENOBUFS;
    ia.createdNs = ia.updatedNs = this.nowNs();
    list.splice(placeOf(list, ia), 0, ia);
    // Who looks for it on the link asks this group.
    if (ia.addr.length === 16) ifp.joinGroup(solicitedNode(ia.addr));
    if (ifp.isUp) addAddressRoutes(this, ifp, ia);
    this.addressTouched(ifp, ia);
    return 0;
  }

  removeAddress(ifp: Ifnet, ia: IfAddr): void {
    const list = ia.addr.length === 4 ? ifp.addrs4 : ifp.addrs6;
    const at = list.indexOf(ia);
    if (at < 0) return;
    list.splice(at, 1);
    removeAddressRoutes(this, ifp, ia);
    this.addressGone(ifp, ia);
  }

  /** An address was taken off an interface. */
  addressGone(ifp: Ifnet, ia: IfAddr): void {
    this.kmem.give(ADDRESS_BYTES);
    if (ia.addr.length === 16) ifp.leaveGroup(solicitedNode(ia.addr));
    this.linkGeneration++;
    for (const o of this.observers) o.addressChanged(ifp, ia, true);
  }

  /** True if `a` is an address of this host (any of its interfaces that is up, or all of 127/8). */
  isLocal(a: string): boolean {
    return this.localRoute(a) !== null;
  }

  /** The interface that an address of this host belongs to, by the local table. */
  localRoute(a: string): Ifnet | null {
    const fib = a.length === 4 ? this.fib4 : this.fib6;
    const e = fib.lookupTable(RT_TABLE_LOCAL, { dst: a });
    return e && e.type === RTN_LOCAL ? e.ifp : null;
  }

  /** A packet from an interface, off the queue. */
  input(m: Mbuf): void {
    const ifp = m.rcvif!;
    ifp.showTaps(m);
    if (ifp.master) ifp.master.portInput?.(ifp, m);
    else if (m.family === ETH_P_IP) ipInput(this, m);
    else if (m.family === ETH_P_IPV6) ip6Input(this, m);
    else if (m.family === ETH_P_ARP) arpInput(this, m);
    else ifp.counters.rxNohandler++;
  }

  /** ENODEV: there is none of that index. */
  interfaceOf(index: number): Ifnet | Errno {
    return this.interfaces.get(index) ?? ENODEV;
  }
}

/** Not too long, without slashes, colons and blanks, and neither "." nor "..". */
export function isInterfaceName(name: string): boolean {
  if (name === "" || name.length >= IFNAMSIZ || name === "." || name === "..") return false;
  return !/[/:\s]/.test(name);
}

/**
 * Where an address goes among those of its interface, as Linux has them: of IPv4 the primary ones first,
 * wider scopes after narrower; of IPv6 the widest first, and the newest of each.
 */
function placeOf(list: readonly IfAddr[], ia: IfAddr): number {
  if (ia.addr.length === 16) {
    const at = list.findIndex((o) => scopeOf(ia.addr) >= scopeOf(o.addr));
    return at < 0 ? list.length : at;
  }
  if ((ia.flags & IFA_F_SECONDARY) !== 0) return list.length;
  let at = 0;
  for (const [i, o] of list.entries()) {
    if ((o.flags & IFA_F_SECONDARY) === 0 && ia.scope <= o.scope) at = i + 1;
  }
  return at;
}
