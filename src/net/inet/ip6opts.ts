/** SOL_IPV6: setsockopt(2) and getsockopt(2). See ipv6(7), RFC 3493, RFC 3542. */
import {
  EADDRNOTAVAIL,
  EINVAL,
  ENODEV,
  ENOPROTOOPT,
  ENOTCONN,
  EPERM,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import * as o from "../../abi/inet.ts";
import { AF_INET6, SOCK_RAW, SOCK_STREAM } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import { ANY, ANY6, type InetAddr, isMulticast, readAddr, writeAddr } from "../address.ts";
import type { Ifnet } from "../ifnet.ts";
import { intValue, viewOf } from "../sockopt.ts";
import type { InetSocket } from "./inetsocket.ts";
import { changeOf } from "./mcast4opts.ts";
import {
  RECV_DSTOPTS,
  RECV_FLOWINFO,
  RECV_FRAGSIZE,
  RECV_HOPOPTS,
  RECV_ORIGDSTADDR,
  RECV_PATHMTU,
  RECV_PKTINFO,
  RECV_RTHDR,
  RECV_TOS,
  RECV_TTL,
} from "./recvbits.ts";

const RECV_BITS: ReadonlyMap<number, number> = new Map([
  [o.IPV6_RECVPKTINFO, RECV_PKTINFO],
  [o.IPV6_RECVHOPLIMIT, RECV_TTL],
  [o.IPV6_RECVTCLASS, RECV_TOS],
  [o.IPV6_RECVHOPOPTS, RECV_HOPOPTS],
  [o.IPV6_RECVDSTOPTS, RECV_DSTOPTS],
  [o.IPV6_RECVRTHDR, RECV_RTHDR],
  [o.IPV6_RECVPATHMTU, RECV_PATHMTU],
  [o.IPV6_RECVFRAGSIZE, RECV_FRAGSIZE],
  [o.IPV6_ORIGDSTADDR, RECV_ORIGDSTADDR],
  [o.IPV6_FLOWINFO, RECV_FLOWINFO],
]);
const MIN_MTU = 1280;

export function setIp6Option(td: Thread, s: InetSocket, name: number, value: Uint8Array): number {
  const { ip, stack } = s;
  switch (name) {
    case o.IPV6_ADD_MEMBERSHIP:
    case o.IPV6_DROP_MEMBERSHIP:
      if (value.length < 20) return EINVAL;
      return membership(
        s,
        name === o.IPV6_ADD_MEMBERSHIP,
        readAddr(value, 0, 16),
        viewOf(value).getInt32(16, true),
      );
    case o.MCAST_JOIN_GROUP:
    case o.MCAST_LEAVE_GROUP:
      if (value.length < 136 || viewOf(value).getUint16(8, true) !== AF_INET6) return EINVAL;
      return membership(
        s,
        name === o.MCAST_JOIN_GROUP,
        readAddr(value, 16, 16),
        viewOf(value).getUint32(0, true),
      );
    case o.MCAST_JOIN_SOURCE_GROUP:
    case o.MCAST_LEAVE_SOURCE_GROUP:
    case o.MCAST_BLOCK_SOURCE:
    case o.MCAST_UNBLOCK_SOURCE: {
      if (value.length < 264 || viewOf(value).getUint16(8, true) !== AF_INET6) return EINVAL;
      const group = readAddr(value, 16, 16);
      const ifp = interfaceFor(s, group, viewOf(value).getUint32(0, true));
      if (failed(ifp)) return ifp;
      return s.groups.changeSource(s, ifp, group, readAddr(value, 144, 16), changeOf(name));
    }
    case o.IPV6_PKTINFO:
      return setPktinfo(s, value);
    case o.IPV6_HOPOPTS:
    case o.IPV6_RTHDR:
    case o.IPV6_RTHDRDSTOPTS:
    case o.IPV6_DSTOPTS:
      // Headers to go with every packet: only their absence can be asked for.
      if (value.length === 0) return 0;
      return name !== o.IPV6_RTHDR && !s.mayRaw(td) ? EPERM : EINVAL;
    default:
      break;
  }
  if (value.length < 4) return EINVAL;
  const n = viewOf(value).getInt32(0, true);
  const isOn = n !== 0;
  const bit = RECV_BITS.get(name);
  if (bit !== undefined) {
    ip.recv6 = isOn ? ip.recv6 | bit : ip.recv6 & ~bit;
    return 0;
  }
  switch (name) {
    case o.IPV6_V6ONLY:
      if (s.pcb.isBound || s.pcb.lport !== 0) return EINVAL;
      s.pcb.isV6Only = isOn;
      return 0;
    case o.IPV6_UNICAST_HOPS:
      if (n < -1 || n > 255) return EINVAL;
      ip.hopLimit = n;
      return 0;
    case o.IPV6_MULTICAST_HOPS:
      if (s.type === SOCK_STREAM) return ENOPROTOOPT;
      if (n < -1 || n > 255) return EINVAL;
      ip.multicastHops6 = n;
      return 0;
    case o.IPV6_MULTICAST_LOOP:
      if (n !== 0 && n !== 1) return EINVAL;
      ip.multicastLoop6 = isOn;
      return 0;
    case o.IPV6_MULTICAST_ALL:
      ip.multicastAll6 = isOn;
      return 0;
    case o.IPV6_MULTICAST_IF:
      if (s.type === SOCK_STREAM) return ENOPROTOOPT;
      if (n !== 0 && !stack.byIndex(n)) return ENODEV;
      if (n !== 0 && s.pcb.ifindex !== 0 && s.pcb.ifindex !== n) return EINVAL;
      ip.multicastIf6 = n;
      s.forgetPath();
      return 0;
    case o.IPV6_UNICAST_IF: {
      const index = viewOf(value).getUint32(0);
      if (index !== 0 && !stack.byIndex(index)) return EINVAL;
      ip.unicastIf6 = index;
      s.forgetPath();
      return 0;
    }
    case o.IPV6_TCLASS:
      if (n < -1 || n > 255) return EINVAL;
      ip.tclass = n === -1 ? 0 : n;
      return 0;
    case o.IPV6_MTU_DISCOVER:
      if (n < 0 || n > 5) return EINVAL;
      ip.mtuDiscover6 = n;
      return 0;
    case o.IPV6_MTU:
      if (n !== 0 && n < MIN_MTU) return EINVAL;
      ip.mtu6 = n;
      return 0;
    case o.IPV6_DONTFRAG:
      ip.dontFrag6 = isOn;
      return 0;
    case o.IPV6_RECVERR:
      ip.recverr6 = isOn;
      if (!isOn) s.purgeErrors();
      return 0;
    case o.IPV6_RECVERR_RFC4884:
      if (n !== 0 && n !== 1) return EINVAL;
      ip.recverrRfc4884v6 = isOn;
      return 0;
    case o.IPV6_FLOWINFO_SEND:
      ip.sendsFlowinfo = isOn;
      return 0;
    case o.IPV6_AUTOFLOWLABEL:
      ip.autoFlowlabel = isOn;
      return 0;
    case o.IPV6_MINHOPCOUNT:
      if (n < 0 || n > 255) return EINVAL;
      ip.minHopCount = n;
      return 0;
    case o.IPV6_ADDR_PREFERENCES:
      ip.addrPreferences = n;
      return 0;
    case o.IPV6_HDRINCL:
      if (s.type !== SOCK_RAW) return ENOPROTOOPT;
      ip.isHeaderIncluded = isOn;
      return 0;
    case o.IPV6_FREEBIND:
      ip.isFreebind = isOn;
      return 0;
    case o.IPV6_TRANSPARENT:
      if (isOn && !s.mayRaw(td) && !s.mayAdmin(td)) return EPERM;
      ip.isTransparent = isOn;
      return 0;
    default:
      return ENOPROTOOPT;
  }
}

export function getIp6Option(s: InetSocket, name: number, _room: number): Uint8Array | Errno {
  const { ip } = s;
  const bit = RECV_BITS.get(name);
  if (bit !== undefined) return flag((ip.recv6 & bit) !== 0);
  switch (name) {
    case o.IPV6_V6ONLY:
      return flag(s.pcb.isV6Only);
    case o.IPV6_UNICAST_HOPS:
      return intValue(ip.hopLimit >= 0 ? ip.hopLimit : s.stack.ip6.hopLimit.get());
    case o.IPV6_MULTICAST_HOPS:
      return intValue(ip.multicastHops6 >= 0 ? ip.multicastHops6 : 1);
    case o.IPV6_MULTICAST_LOOP:
      return flag(ip.multicastLoop6);
    case o.IPV6_MULTICAST_ALL:
      return flag(ip.multicastAll6);
    case o.IPV6_MULTICAST_IF:
      return intValue(ip.multicastIf6);
    case o.IPV6_UNICAST_IF: {
      const out = new Uint8Array(4);
      viewOf(out).setUint32(0, ip.unicastIf6);
      return out;
    }
    case o.IPV6_TCLASS:
      return intValue(Math.max(ip.tclass, 0));
    case o.IPV6_MTU_DISCOVER:
      return intValue(ip.mtuDiscover6);
    case o.IPV6_MTU: {
      const { faddr } = s.pcb;
      if (faddr.length !== 16) return ENOTCONN;
      const path = s.pathTo(faddr);
      return failed(path) ? ENOTCONN : intValue(path.mtu);
    }
    case o.IPV6_PATHMTU: {
      const path = s.pcb.faddr === ANY ? ENOTCONN : s.pathTo(s.pcb.faddr);
      if (failed(path)) return ENOTCONN;
      const out = new Uint8Array(32);
      viewOf(out).setUint16(0, AF_INET6, true);
      writeAddr(out, 8, path.dst, 16);
      viewOf(out).setUint32(28, path.mtu, true);
      return out;
    }
    case o.IPV6_PKTINFO: {
      const out = new Uint8Array(20);
      writeAddr(out, 0, ip.stickySource6, 16);
      viewOf(out).setInt32(16, ip.stickyIf6, true);
      return out;
    }
    case o.IPV6_DONTFRAG:
      return flag(ip.dontFrag6);
    case o.IPV6_RECVERR:
      return flag(ip.recverr6);
    case o.IPV6_RECVERR_RFC4884:
      return flag(ip.recverrRfc4884v6);
    case o.IPV6_FLOWINFO_SEND:
      return flag(ip.sendsFlowinfo);
    case o.IPV6_AUTOFLOWLABEL:
      return flag(ip.autoFlowlabel);
    case o.IPV6_MINHOPCOUNT:
      return intValue(ip.minHopCount);
    case o.IPV6_ADDR_PREFERENCES:
      return intValue(ip.addrPreferences);
    case o.IPV6_HDRINCL:
      return s.type === SOCK_RAW ? flag(ip.isHeaderIncluded) : ENOPROTOOPT;
    case o.IPV6_FREEBIND:
      return flag(ip.isFreebind);
    case o.IPV6_TRANSPARENT:
      return flag(ip.isTransparent);
    case o.IPV6_HOPOPTS:
    case o.IPV6_RTHDR:
    case o.IPV6_RTHDRDSTOPTS:
    case o.IPV6_DSTOPTS:
      return new Uint8Array(0);
    default:
      return ENOPROTOOPT;
  }
}

function flag(is: boolean): Uint8Array {
  return intValue(is ? 1 : 0);
}

/** Source and interface of all that is sent from now on. */
function setPktinfo(s: InetSocket, value: Uint8Array): number {
  if (value.length < 20) return EINVAL;
  const addr = readAddr(value, 0, 16);
  const index = viewOf(value).getInt32(16, true);
  if (s.pcb.ifindex !== 0 && index !== s.pcb.ifindex) return EINVAL;
  if (index !== 0 && !s.stack.byIndex(index)) return EINVAL;
  if (addr !== ANY6 && !s.stack.isLocal(addr)) return EINVAL;
  s.ip.stickySource6 = addr === ANY6 ? ANY : addr;
  s.ip.stickyIf6 = index;
  return 0;
}

function membership(s: InetSocket, isJoin: boolean, group: InetAddr, index: number): number {
  if (s.type === SOCK_STREAM) return ENOPROTOOPT;
  if (!isMulticast(group)) return EINVAL;
  const ifp = interfaceFor(s, group, index);
  if (failed(ifp)) return isJoin ? ifp : EADDRNOTAVAIL;
  return isJoin ? s.groups.join(s, ifp, group) : s.groups.leave(s, ifp, group);
}

/** ENODEV. */
function interfaceFor(s: InetSocket, group: InetAddr, index: number): Ifnet | Errno {
  if (index !== 0) return s.stack.byIndex(index) ?? ENODEV;
  const entry = s.stack.fib6.lookup({ dst: group });
  return failed(entry) ? ENODEV : (entry.ifp ?? ENODEV);
}
