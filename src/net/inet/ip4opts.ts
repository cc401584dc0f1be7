/**
 * SOL_IP: setsockopt(2) and getsockopt(2). See ip(7).
 *
 * A value may be an int or a single byte, as in Linux. Multicast: mcast.ts.
 */
import { EINVAL, ENOPROTOOPT, ENOTCONN, EPERM, type Errno, failed } from "../../abi/errno.ts";
import * as o from "../../abi/inet.ts";
import { SO_PRIORITY, SOCK_RAW, SOCK_STREAM } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import { intValue, viewOf } from "../sockopt.ts";
import type { InetSocket } from "./inetsocket.ts";
import { getMulticast4, isMulticast4Option, setMulticast4 } from "./mcast4opts.ts";
import {
  RECV_FRAGSIZE,
  RECV_OPTS,
  RECV_ORIGDSTADDR,
  RECV_PKTINFO,
  RECV_RETOPTS,
  RECV_TOS,
  RECV_TTL,
} from "./recvbits.ts";

const RECV_BITS: ReadonlyMap<number, number> = new Map([
  [o.IP_PKTINFO, RECV_PKTINFO],
  [o.IP_RECVTTL, RECV_TTL],
  [o.IP_RECVTOS, RECV_TOS],
  [o.IP_RECVOPTS, RECV_OPTS],
  [o.IP_RETOPTS, RECV_RETOPTS],
  [o.IP_RECVORIGDSTADDR, RECV_ORIGDSTADDR],
  [o.IP_RECVFRAGSIZE, RECV_FRAGSIZE],
]);
const MAX_OPTIONS = 40;
const ECN_MASK = 3;
const PRIORITY_OF_TOS = [0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];

/** The number in an option's value: an int, or a single byte; null if it has neither. */
export function numberIn(value: Uint8Array): number | null {
  if (value.length >= 4) return viewOf(value).getInt32(0, true);
  return value.length >= 1 ? value[0]! : null;
}

export function setIpOption(td: Thread, s: InetSocket, name: number, value: Uint8Array): number {
  const { ip } = s;
  if (name === o.IP_OPTIONS) return setOptions(s, value);
  if (isMulticast4Option(name)) return setMulticast4(s, name, value);
  const n = numberIn(value) ?? (value.length === 0 ? 0 : null);
  if (n === null) return EINVAL;
  if (value.length === 0 && name !== o.IP_OPTIONS) return EINVAL;
  const bit = RECV_BITS.get(name);
  if (bit !== undefined) {
    ip.recv4 = n !== 0 ? ip.recv4 | bit : ip.recv4 & ~bit;
    return 0;
  }
  switch (name) {
    case o.IP_TOS:
      return setTos(s, n);
    case o.IP_TTL:
      if (value.length < 1 || (n !== -1 && (n < 1 || n > 255))) return EINVAL;
      ip.ttl = n;
      return 0;
    case o.IP_HDRINCL:
      if (s.type !== SOCK_RAW) return ENOPROTOOPT;
      ip.isHeaderIncluded = n !== 0;
      return 0;
    case o.IP_NODEFRAG:
      return s.type === SOCK_RAW ? 0 : ENOPROTOOPT;
    case o.IP_MTU_DISCOVER:
      if (n < 0 || n > 5) return EINVAL;
      ip.mtuDiscover4 = n;
      return 0;
    case o.IP_RECVERR:
      ip.recverr4 = n !== 0;
      if (n === 0) s.purgeErrors();
      return 0;
    case o.IP_RECVERR_RFC4884:
      if (n !== 0 && n !== 1) return EINVAL;
      ip.recverrRfc4884 = n !== 0;
      return 0;
    case o.IP_FREEBIND:
      ip.isFreebind = n !== 0;
      return 0;
    case o.IP_TRANSPARENT:
      if (n !== 0 && !s.mayRaw(td) && !s.mayAdmin(td)) return EPERM;
      ip.isTransparent = n !== 0;
      return 0;
    case o.IP_BIND_ADDRESS_NO_PORT:
      ip.bindAddressNoPort = n !== 0;
      return 0;
    case o.IP_MINTTL:
      if (n < 0 || n > 255) return EINVAL;
      ip.minTtl = n;
      return 0;
    case o.IP_UNICAST_IF: {
      const index = bigEndian(value);
      if (index !== 0 && !s.stack.byIndex(index)) return EINVAL;
      ip.unicastIf4 = index;
      s.forgetPath();
      return 0;
    }
    case o.IP_LOCAL_PORT_RANGE: {
      const low = n & 0xffff;
      const high = n >>> 16;
      if (low !== 0 && high !== 0 && low > high) return EINVAL;
      ip.localPortRange = n;
      return 0;
    }
    default:
      return ENOPROTOOPT;
  }
}

export function getIpOption(s: InetSocket, name: number, room: number): Uint8Array | Errno {
  const { ip } = s;
  if (name === o.IP_OPTIONS) return ip.options4?.slice() ?? new Uint8Array(0);
  const value = isMulticast4Option(name) ? getMulticast4(s, name) : numberOf(s, name);
  if (typeof value !== "number") return value;
  if (value < 0 && value !== -1) return value as Errno;
  // A caller with room for a byte only gets one, if the value fits.
  if (room < 4 && room > 0 && value >= 0 && value <= 255) return new Uint8Array([value]);
  return intValue(value);
}

/** A value, which is -1 at least, or an error below that. */
function numberOf(s: InetSocket, name: number): number {
  const { ip } = s;
  const bit = RECV_BITS.get(name);
  if (bit !== undefined) return (ip.recv4 & bit) !== 0 ? 1 : 0;
  switch (name) {
    case o.IP_TOS:
      return ip.tos;
    case o.IP_TTL:
      return ip.ttl < 0 ? s.stack.ip4.defaultTtl.get() : ip.ttl;
    case o.IP_HDRINCL:
      return s.type === SOCK_RAW && ip.isHeaderIncluded ? 1 : 0;
    case o.IP_NODEFRAG:
      return 0;
    case o.IP_MTU_DISCOVER:
      return ip.mtuDiscover4;
    case o.IP_MTU: {
      const { faddr } = s.pcb;
      if (faddr.length !== 4) return ENOTCONN;
      const path = s.pathTo(faddr);
      return failed(path) ? ENOTCONN : path.mtu;
    }
    case o.IP_RECVERR:
      return ip.recverr4 ? 1 : 0;
    case o.IP_RECVERR_RFC4884:
      return ip.recverrRfc4884 ? 1 : 0;
    case o.IP_FREEBIND:
      return ip.isFreebind ? 1 : 0;
    case o.IP_TRANSPARENT:
      return ip.isTransparent ? 1 : 0;
    case o.IP_BIND_ADDRESS_NO_PORT:
      return ip.bindAddressNoPort ? 1 : 0;
    case o.IP_MINTTL:
      return ip.minTtl;
    case o.IP_UNICAST_IF:
      return swap32(ip.unicastIf4);
    case o.IP_LOCAL_PORT_RANGE:
      return ip.localPortRange;
    case o.IP_PROTOCOL:
      return s.protocol;
    default:
      return ENOPROTOOPT;
  }
}

function setTos(s: InetSocket, n: number): number {
  let tos = n & 0xff;
  // ECN belongs to the connection.
  if (s.type === SOCK_STREAM) tos = (tos & ~ECN_MASK) | (s.ip.tos & ECN_MASK);
  s.ip.tos = tos;
  s.options.kept.set(SO_PRIORITY, PRIORITY_OF_TOS[(tos & 0x1e) >> 1]!);
  s.forgetPath();
  return 0;
}

/** Options to go with every packet: sound ones, padded to words; none take them away. */
function setOptions(s: InetSocket, value: Uint8Array): number {
  if (value.length > MAX_OPTIONS) return EINVAL;
  if (value.length === 0) {
    s.ip.options4 = null;
    return 0;
  }
  const out = new Uint8Array((value.length + 3) & ~3);
  out.set(value);
  for (let at = 0; at < value.length; ) {
    const kind = out[at]!;
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < value.length ? out[at + 1]! : 0;
    if (length < 2 || at + length > value.length) return EINVAL;
    // Source routes: refused on the way in, so not sent either.
    if (kind === 131 || kind === 137) return EINVAL;
    at += length;
  }
  s.ip.options4 = out;
  return 0;
}

function bigEndian(value: Uint8Array): number {
  return value.length >= 4 ? viewOf(value).getUint32(0) : 0;
}

function swap32(n: number): number {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, n);
  return viewOf(bytes).getUint32(0, true);
}
