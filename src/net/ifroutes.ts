/**
 * The routes that an interface's addresses bring with them: to the address itself (local), to its prefix, and of
 * IPv4 to its broadcast addresses. As fib_add_ifaddr and addrconf in Linux.
 */
import { IFF_BROADCAST, IFF_POINTOPOINT } from "../abi/netdevice.ts";
import {
  IFA_F_NOPREFIXROUTE,
  IFA_F_SECONDARY,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTPROT_KERNEL,
} from "../abi/route.ts";
import { IFAPROT_KERNEL_LL, IFAPROT_KERNEL_LO } from "../abi/rtnetlink.ts";
import {
  ALL_HOSTS4,
  ANY,
  addr4,
  type InetAddr,
  LINK_LOCAL_ALLNODES,
  LOOPBACK4,
  LOOPBACK6,
  NODE_LOCAL_ALLNODES,
  num4,
  prefixOf,
} from "./address.ts";
import { IfAddr } from "./ifaddr.ts";
import type { Ifnet } from "./ifnet.ts";
import type { NetStack } from "./netstack.ts";
import { RouteEntry } from "./routeentry.ts";

const METRIC6_ADDR = 256;
/** What every interface hears that is up. */
const ALL_NODES = [ALL_HOSTS4, LINK_LOCAL_ALLNODES, NODE_LOCAL_ALLNODES];

/** An interface came up: routes of its addresses, and those addresses that come by themselves. */
export function interfaceUp(stack: NetStack, ifp: Ifnet): void {
  for (const group of ALL_NODES) ifp.joinGroup(group);
  for (const ia of ifp.addrs4) addAddressRoutes(stack, ifp, ia);
  if (ifp.isLoopback && ifp.addrs4.length === 0) {
    stack.addAddress(ifp, loopbackAddress(LOOPBACK4, 8));
  }
  if (!ifp.isIp6Disabled) interfaceUp6(stack, ifp);
}

/** IPv6 begins on an interface that is up. */
function interfaceUp6(stack: NetStack, ifp: Ifnet): void {
  for (const ia of ifp.addrs6) addAddressRoutes(stack, ifp, ia);
  if (ifp.isLoopback) {
    stack.addAddress(ifp, loopbackAddress(LOOPBACK6, 128));
    return;
  }
  stack.fib6.add(
    new RouteEntry({
      dst: `\xff${"\0".repeat(15)}`,
      bits: 8,
      table: RT_TABLE_LOCAL,
      type: RTN_MULTICAST,
      protocol: RTPROT_KERNEL,
      metric: METRIC6_ADDR,
      ifp,
    }),
  );
  if (ifp.hwaddr.length === 6) {
    const addr = linkLocalAddress(ifp.hwaddr);
    stack.addAddress(
      ifp,
      new IfAddr({ addr, bits: 64, scope: RT_SCOPE_LINK, proto: IFAPROT_KERNEL_LL }),
    );
  }
}

/** It goes down: no way leads over it any more. IPv6 addresses go too, as in Linux; IPv4's stay. */
export function interfaceDown(stack: NetStack, ifp: Ifnet): void {
  for (const group of ALL_NODES) ifp.leaveGroup(group);
  stack.fib4.removeInterface(ifp);
  stack.fib6.removeInterface(ifp);
  for (const ia of ifp.addrs6.splice(0)) stack.addressGone(ifp, ia);
}

/** disable_ipv6: its addresses go, or those that come by themselves come back. */
export function setIp6Disabled(stack: NetStack, ifp: Ifnet, is: boolean): void {
  if (ifp.isIp6Disabled === is) return;
  ifp.isIp6Disabled = is;
  if (!is) {
    if (ifp.isUp) interfaceUp6(stack, ifp);
    return;
  }
  stack.fib6.removeInterface(ifp);
  for (const ia of ifp.addrs6.splice(0)) stack.addressGone(ifp, ia);
}

function loopbackAddress(addr: InetAddr, bits: number): IfAddr {
  const is4 = addr.length === 4;
  return new IfAddr({
    ...{ addr, bits, scope: RT_SCOPE_HOST, label: is4 ? "lo" : "" },
    // Linux says so of ::1 alone.
    proto: is4 ? 0 : IFAPROT_KERNEL_LO,
  });
}

/** fe80:: with the modified EUI-64 of an Ethernet address. RFC 4291, appendix A. */
function linkLocalAddress(hwaddr: Uint8Array): InetAddr {
  const id = Uint8Array.of(...hwaddr.subarray(0, 3), 0xff, 0xfe, ...hwaddr.subarray(3, 6));
  id[0]! ^= 2;
  return `\xfe\x80${"\0".repeat(6)}${String.fromCharCode(...id)}`;
}

/** An address came to an interface that is up, or its interface came up. */
export function addAddressRoutes(stack: NetStack, ifp: Ifnet, ia: IfAddr): void {
  for (const e of routesOf(ifp, ia)) (ia.addr.length === 4 ? stack.fib4 : stack.fib6).add(e);
}

/** An address went. Routes that another address of the interface brings too stay. */
export function removeAddressRoutes(stack: NetStack, ifp: Ifnet, ia: IfAddr): void {
  const is4 = ia.addr.length === 4;
  const fib = is4 ? stack.fib4 : stack.fib6;
  const others = (is4 ? ifp.addrs4 : ifp.addrs6).flatMap((o) => [...routesOf(ifp, o)]);
  for (const e of routesOf(ifp, ia)) {
    const isShared = others.some(
      (o) => o.table === e.table && o.dst === e.dst && o.bits === e.bits && o.type === e.type,
    );
    if (isShared) continue;
    const there = fib
      .to(e.table, e.dst, e.bits)
      .find((o) => o.type === e.type && o.ifp === ifp && o.protocol === e.protocol);
    if (there) fib.remove(there);
  }
  // Routes that leave with this source would leave with nobody's.
  if (is4 && !stack.isLocal(ia.addr)) fib.removeSource(ia.addr);
}

function* routesOf(ifp: Ifnet, ia: IfAddr): Generator<RouteEntry> {
  if (ia.addr.length === 16) yield* routes6(ifp, ia);
  else yield* routes4(ifp, ia);
}

function* routes4(ifp: Ifnet, ia: IfAddr): Generator<RouteEntry> {
  const { addr, bits } = ia;
  const local = { ifp, src: addr, protocol: RTPROT_KERNEL, table: RT_TABLE_LOCAL } as const;
  yield new RouteEntry({ ...local, dst: addr, bits: 32, type: RTN_LOCAL, scope: RT_SCOPE_HOST });
  const link = { ...local, type: RTN_BROADCAST, scope: RT_SCOPE_LINK } as const;
  if (ia.broadcast !== ANY) yield new RouteEntry({ ...link, dst: ia.broadcast, bits: 32 });
  if ((bits === 32 && ia.peer === addr) || (ia.flags & IFA_F_SECONDARY) !== 0) return;
  if ((ia.flags & IFA_F_NOPREFIXROUTE) === 0) {
    yield new RouteEntry({
      ifp,
      src: addr,
      protocol: RTPROT_KERNEL,
      dst: prefixOf(ia.peer, bits),
      bits,
      table: ifp.isLoopback ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
      type: ifp.isLoopback ? RTN_LOCAL : RTN_UNICAST,
      scope: ifp.isLoopback ? RT_SCOPE_HOST : RT_SCOPE_LINK,
      metric: ia.metric,
    });
  }
  if (bits < 31 && (ifp.isLoopback || (ifp.flags & IFF_BROADCAST) !== 0)) {
    yield new RouteEntry({ ...link, dst: lastOf(addr, bits), bits: 32 });
  }
}

function* routes6(ifp: Ifnet, ia: IfAddr): Generator<RouteEntry> {
  const { addr, bits } = ia;
  yield new RouteEntry({
    ifp,
    dst: addr,
    bits: 128,
    table: RT_TABLE_LOCAL,
    type: RTN_LOCAL,
    protocol: RTPROT_KERNEL,
  });
  if ((ia.flags & IFA_F_NOPREFIXROUTE) !== 0 || addr === LOOPBACK6) return;
  if (bits === 128 && (ifp.flags & IFF_POINTOPOINT) !== 0 && !ifp.isLoopback) return;
  yield new RouteEntry({
    ifp,
    dst: prefixOf(ia.peer, bits),
    bits,
    table: RT_TABLE_MAIN,
    type: RTN_UNICAST,
    protocol: RTPROT_KERNEL,
    metric: ia.metric || METRIC6_ADDR,
  });
}

/** The last address of a prefix: its directed broadcast. */
export function lastOf(addr: InetAddr, bits: number): InetAddr {
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  return addr4((num4(addr) | (~mask >>> 0)) >>> 0);
}
