/**
 * The way of packets to a destination: over which interface, to which next hop, from which of our addresses.
 *
 * A path is found once and may be kept, say by a connection, as long as `isFresh`.
 */
import { EADDRNOTAVAIL, EINVAL, ENETUNREACH, type Errno, failed } from "../../abi/errno.ts";
import { IFF_BROADCAST } from "../../abi/netdevice.ts";
import {
  RT_SCOPE_HOST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from "../../abi/route.ts";
import { ANY, BROADCAST4, type InetAddr, isInPrefix, isMulticast, prefixOf } from "../address.ts";
import type { Ifnet } from "../ifnet.ts";
import type { NetStack } from "../netstack.ts";
import { isFreshPmtu } from "./pmtu.ts";
import { selectSource } from "./source.ts";

export interface IpPath {
  readonly dst: InetAddr;
  /** Where it leaves: lo for addresses of our own. */
  readonly ifp: Ifnet;
  /** The interface that the route names: for an address of our own that which has it. */
  readonly routeIfp: Ifnet;
  /** The next hop on the link of `ifp`. */
  readonly nextHop: InetAddr;
  /** The source for those who have none: what was asked for, or else chosen. ANY if there is none. */
  readonly src: InetAddr;
  /** RTN_UNICAST, LOCAL, BROADCAST, MULTICAST. */
  readonly type: number;
  /** Bytes of the longest packet: the interface's, the route's, or what the path was found to carry. */
  readonly mtu: number;
  /** Of the tables when it was found. */
  readonly generation: number;
}

export interface PathKey {
  readonly dst: InetAddr;
  readonly src?: InetAddr;
  readonly oif?: Ifnet | null;
  readonly mark?: number;
  readonly tos?: number;
  /** SO_DONTROUTE: only what is on a link. */
  readonly isDirect?: boolean;
}

export function isFresh(stack: NetStack, path: IpPath): boolean {
  const fib = path.dst.length === 4 ? stack.fib4 : stack.fib6;
  return fib.generation === path.generation && isFreshPmtu(stack, path.dst);
}

/** The path to `key.dst`, which is no ANY: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EADDRNOTAVAIL. */
export function findPath(stack: NetStack, key: PathKey): IpPath | Errno {
  return key.dst.length === 4 ? findPath4(stack, key) : findPath6(stack, key);
}

function findPath4(stack: NetStack, key: PathKey): IpPath | Errno {
  const { dst } = key;
  const oif = key.oif ?? null;
  const src = key.src ?? ANY;
  const generation = stack.fib4.generation;
  const isGroup = isMulticast(dst);
  if (src !== ANY && !oif && (isGroup || dst === BROADCAST4)) {
    // The source says which interface is meant.
    const ifp = stack.localRoute(src);
    if (ifp && !isLoopbackPrefix(ifp, src)) {
      return onLink(stack, dst, ifp, src, isGroup ? RTN_MULTICAST : RTN_BROADCAST, generation);
    }
  }
  if (oif && (isGroup || dst === BROADCAST4 || key.isDirect)) {
    if (!oif.isUp) return ENETUNREACH;
    const own = stack.fib4.lookup({ ...key, oif: null });
    if (failed(own) || own.type !== RTN_LOCAL) {
      const type = isGroup ? RTN_MULTICAST : dst === BROADCAST4 ? RTN_BROADCAST : RTN_UNICAST;
      return onLink(stack, dst, oif, src, type, generation);
    }
  }
  const entry = stack.fib4.lookup({ dst, src, oif, mark: key.mark ?? 0, tos: key.tos ?? 0 });
  if (failed(entry)) {
    if (!oif || entry !== ENETUNREACH) return entry;
    // Bound to an interface: believe that the destination is on its link.
    if (!oif.isUp) return ENETUNREACH;
    const type = isGroup ? RTN_MULTICAST : RTN_UNICAST;
    return onLink(stack, dst, oif, src, type, generation);
  }
  const routeIfp = entry.ifp!;
  let { type } = entry;
  if (isGroup) type = RTN_MULTICAST;
  else if (dst === BROADCAST4) type = RTN_BROADCAST;
  if (key.isDirect && entry.gateway !== ANY) return ENETUNREACH;
  if (type === RTN_BROADCAST && !routeIfp.isLoopback && (routeIfp.flags & IFF_BROADCAST) === 0)
    return EINVAL;
  const chosen =
    src !== ANY ? src : pickSource4(stack, entry.src, routeIfp, dst, type, entry.gateway);
  return {
    dst,
    ifp: type === RTN_LOCAL ? stack.lo : routeIfp,
    routeIfp,
    nextHop: entry.gateway === ANY ? dst : entry.gateway,
    src: chosen,
    type,
    mtu: mtuOf(stack, dst, type === RTN_LOCAL ? stack.lo : routeIfp, entry.mtu),
    generation,
  };
}

function isLoopbackPrefix(ifp: Ifnet, a: InetAddr): boolean {
  return ifp.isLoopback && a.charCodeAt(0) === 127;
}

function pickSource4(
  stack: NetStack,
  preferred: InetAddr,
  ifp: Ifnet,
  dst: InetAddr,
  type: number,
  gateway: InetAddr,
): InetAddr {
  // An address of our own is spoken to from itself.
  if (type === RTN_LOCAL) return preferred !== ANY && !isHostAddress(stack, dst) ? preferred : dst;
  if (preferred !== ANY) return preferred;
  return interfaceSource4(stack, ifp, gateway === ANY ? dst : gateway);
}

/** Whether one of the interfaces has just this address (all of 127/8 is local, 127.0.0.1 is an address). */
function isHostAddress(stack: NetStack, a: InetAddr): boolean {
  return stack.localRoute(a)?.findAddr(a) !== null;
}

/** The first address of an interface on the link of `near`, else its first of wide enough scope, else anybody's. */
export function interfaceSource4(stack: NetStack, ifp: Ifnet, near: InetAddr): InetAddr {
  for (const ia of ifp.addrs4) {
    if (near.length === 4 && isInPrefix(near, prefixOf(ia.peer, ia.bits), ia.bits)) return ia.addr;
  }
  for (const ia of ifp.addrs4) if (ia.scope < RT_SCOPE_HOST || ifp.isLoopback) return ia.addr;
  for (const other of stack.interfaces.values()) {
    for (const ia of other.addrs4) if (ia.scope < RT_SCOPE_HOST) return ia.addr;
  }
  return ANY;
}

function onLink(
  stack: NetStack,
  dst: InetAddr,
  ifp: Ifnet,
  src: InetAddr,
  type: number,
  generation: number,
): IpPath {
  const chosen = src !== ANY ? src : interfaceSource4(stack, ifp, type === RTN_UNICAST ? dst : ANY);
  const mtu = mtuOf(stack, dst, ifp, 0);
  return { dst, ifp, routeIfp: ifp, nextHop: dst, src: chosen, type, mtu, generation };
}

function findPath6(stack: NetStack, key: PathKey): IpPath | Errno {
  const { dst } = key;
  const oif = key.oif ?? null;
  const src = key.src ?? ANY;
  const { generation } = stack.fib6;
  const isGroup = isMulticast(dst);
  const entry = stack.fib6.lookup({ dst, src, oif, mark: key.mark ?? 0, tos: key.tos ?? 0 });
  if (failed(entry)) return entry;
  if (key.isDirect && entry.gateway !== ANY) return ENETUNREACH;
  const routeIfp = entry.ifp!;
  const type = isGroup ? RTN_MULTICAST : entry.type;
  const ifp = type === RTN_LOCAL ? stack.lo : routeIfp;
  let chosen = src;
  if (chosen === ANY) chosen = entry.src !== ANY ? entry.src : selectSource(stack, routeIfp, dst);
  if (chosen === ANY && !isGroup) return EADDRNOTAVAIL;
  const nextHop = entry.gateway === ANY ? dst : entry.gateway;
  return {
    dst,
    ifp,
    routeIfp,
    nextHop,
    src: chosen,
    type,
    mtu: mtuOf(stack, dst, ifp, entry.mtu),
    generation,
  };
}

function mtuOf(stack: NetStack, dst: InetAddr, ifp: Ifnet, routeMtu: number): number {
  let mtu = Math.min(ifp.mtu, 65535 + (dst.length === 16 ? 40 : 0));
  if (routeMtu > 0) mtu = Math.min(mtu, routeMtu);
  const learned = stack.pmtu.get(dst, stack.nowNs());
  return learned > 0 ? Math.min(mtu, learned) : mtu;
}
