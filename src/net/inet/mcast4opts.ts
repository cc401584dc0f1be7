/** The options of SOL_IP about multicast. See ip(7), "IP_ADD_MEMBERSHIP" and those after it. */
import { EADDRNOTAVAIL, EINVAL, ENODEV, ENOPROTOOPT, type Errno, failed } from "../../abi/errno.ts";
import * as o from "../../abi/inet.ts";
import { AF_INET, SOCK_STREAM } from "../../abi/socket.ts";
import { ANY, ANY4, type InetAddr, isMulticast, readAddr } from "../address.ts";
import type { Ifnet } from "../ifnet.ts";
import { intValue, viewOf } from "../sockopt.ts";
import type { InetSocket } from "./inetsocket.ts";

const FIRST = o.IP_MULTICAST_IF;
const LAST = o.IP_MULTICAST_ALL;

export function isMulticast4Option(name: number): boolean {
  return name >= FIRST && name <= LAST;
}

export function setMulticast4(s: InetSocket, name: number, value: Uint8Array): number {
  const { ip } = s;
  switch (name) {
    case o.IP_MULTICAST_TTL: {
      if (s.type === SOCK_STREAM) return EINVAL;
      const n = small(value);
      if (n === null || n < -1 || n > 255) return EINVAL;
      ip.multicastTtl4 = n === -1 ? 1 : n;
      return 0;
    }
    case o.IP_MULTICAST_LOOP: {
      const n = small(value);
      if (n === null) return EINVAL;
      ip.multicastLoop4 = n !== 0;
      return 0;
    }
    case o.IP_MULTICAST_ALL: {
      const n = small(value);
      if (n !== 0 && n !== 1) return EINVAL;
      ip.multicastAll4 = n !== 0;
      return 0;
    }
    case o.IP_MULTICAST_IF:
      return setInterface(s, value);
    case o.IP_ADD_MEMBERSHIP:
    case o.IP_DROP_MEMBERSHIP: {
      if (value.length < 8) return EINVAL;
      const group = readAddr(value, 0, 4);
      const local = readAddr(value, 4, 4);
      const index = value.length >= 12 ? viewOf(value).getInt32(8, true) : 0;
      const isJoin = name === o.IP_ADD_MEMBERSHIP;
      return isJoin ? join(s, group, local, index) : leave(s, group, local, index);
    }
    case o.IP_ADD_SOURCE_MEMBERSHIP:
    case o.IP_DROP_SOURCE_MEMBERSHIP:
    case o.IP_BLOCK_SOURCE:
    case o.IP_UNBLOCK_SOURCE: {
      if (value.length !== 12) return EINVAL;
      const group = readAddr(value, 0, 4);
      const ifp = interfaceFor(s, group, readAddr(value, 4, 4), 0);
      const source = readAddr(value, 8, 4);
      const how = name - o.IP_UNBLOCK_SOURCE;
      if (failed(ifp)) return ifp;
      return s.groups.changeSource(s, ifp, group, source, SOURCE_CHANGE[how]!);
    }
    case o.MCAST_JOIN_GROUP:
    case o.MCAST_LEAVE_GROUP: {
      const g = groupReq(value, 136);
      if (failed(g)) return g;
      return name === o.MCAST_JOIN_GROUP
        ? join(s, g.group, ANY4, g.index)
        : leave(s, g.group, ANY4, g.index);
    }
    case o.MCAST_JOIN_SOURCE_GROUP:
    case o.MCAST_LEAVE_SOURCE_GROUP:
    case o.MCAST_BLOCK_SOURCE:
    case o.MCAST_UNBLOCK_SOURCE: {
      const g = groupReq(value, 264);
      if (failed(g)) return g;
      const ifp = interfaceFor(s, g.group, ANY4, g.index);
      if (failed(ifp)) return ifp;
      if (viewOf(value).getUint16(136, true) !== AF_INET) return EADDRNOTAVAIL;
      return s.groups.changeSource(s, ifp, g.group, readAddr(value, 140, 4), changeOf(name));
    }
    default:
      return ENOPROTOOPT;
  }
}

/** IP_UNBLOCK_SOURCE and those after it. */
const SOURCE_CHANGE = ["unblock", "block", "join", "leave"] as const;

export function changeOf(name: number): "unblock" | "block" | "join" | "leave" {
  if (name === o.MCAST_BLOCK_SOURCE) return "block";
  if (name === o.MCAST_UNBLOCK_SOURCE) return "unblock";
  return name === o.MCAST_JOIN_SOURCE_GROUP ? "join" : "leave";
}

/** struct group_req, or the beginning of group_source_req. */
function groupReq(
  value: Uint8Array,
  size: number,
): { readonly group: InetAddr; readonly index: number } | Errno {
  if (value.length < size) return EINVAL;
  const view = viewOf(value);
  if (view.getUint16(8, true) !== AF_INET) return EINVAL;
  return { group: readAddr(value, 12, 4), index: view.getUint32(0, true) };
}

function join(s: InetSocket, group: InetAddr, local: InetAddr, index: number): number {
  if (!isMulticast(group)) return EINVAL;
  const ifp = interfaceFor(s, group, local, index);
  if (failed(ifp)) return ifp;
  return s.groups.join(s, ifp, group);
}

function leave(s: InetSocket, group: InetAddr, local: InetAddr, index: number): number {
  const ifp = interfaceFor(s, group, local, index);
  if (failed(ifp)) return ifp;
  return s.groups.leave(s, ifp, group);
}

/** By index, by one of its addresses, or as packets to the group would leave. ENODEV. */
function interfaceFor(
  s: InetSocket,
  group: InetAddr,
  local: InetAddr,
  index: number,
): Ifnet | Errno {
  const { stack } = s;
  if (index !== 0) return stack.byIndex(index) ?? ENODEV;
  if (local !== ANY4) {
    for (const ifp of stack.interfaces.values()) if (ifp.findAddr(local)) return ifp;
    return ENODEV;
  }
  const entry = stack.fib4.lookup({ dst: group });
  return failed(entry) ? ENODEV : (entry.ifp ?? ENODEV);
}

function setInterface(s: InetSocket, value: Uint8Array): number {
  if (s.type === SOCK_STREAM) return EINVAL;
  if (value.length < 4) return EINVAL;
  let local = ANY4;
  let index = 0;
  if (value.length >= 12) {
    local = readAddr(value, 4, 4);
    index = viewOf(value).getInt32(8, true);
  } else if (value.length >= 8) local = readAddr(value, 4, 4);
  else local = readAddr(value, 0, 4);
  const { ip, stack } = s;
  s.forgetPath();
  if (index === 0 && local === ANY4) {
    ip.multicastIf4 = 0;
    ip.multicastAddr4 = ANY;
    return 0;
  }
  let ifp = index !== 0 ? stack.byIndex(index) : null;
  if (index === 0) {
    for (const i of stack.interfaces.values()) if (i.findAddr(local)) ifp = i;
  }
  if (!ifp) return EADDRNOTAVAIL;
  if (s.pcb.ifindex !== 0 && s.pcb.ifindex !== ifp.index) return EINVAL;
  ip.multicastIf4 = ifp.index;
  ip.multicastAddr4 = local === ANY4 ? ANY : local;
  return 0;
}

/** A number, or an error, which is below -1; bytes for an address. */
export function getMulticast4(s: InetSocket, name: number): number | Uint8Array {
  const { ip } = s;
  switch (name) {
    case o.IP_MULTICAST_TTL:
      return ip.multicastTtl4;
    case o.IP_MULTICAST_LOOP:
      return ip.multicastLoop4 ? 1 : 0;
    case o.IP_MULTICAST_ALL:
      return ip.multicastAll4 ? 1 : 0;
    case o.IP_MULTICAST_IF: {
      const out = intValue(0);
      const a = ip.multicastAddr4;
      for (let i = 0; i < a.length; i++) out[i] = a.charCodeAt(i);
      return out;
    }
    default:
      return ENOPROTOOPT;
  }
}

function small(value: Uint8Array): number | null {
  if (value.length >= 4) return viewOf(value).getInt32(0, true);
  return value.length >= 1 ? value[0]! : null;
}
