/** struct sockaddr_in and sockaddr_in6, to and from what the stack uses. See ip(7), ipv6(7). */
import { EAFNOSUPPORT, EINVAL, type Errno } from "../abi/errno.ts";
import { SIN6_LEN_RFC2133, SockaddrIn, SockaddrIn6 } from "../abi/inet.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../abi/socket.ts";
import { ANY, ANY4, type InetAddr, mapped, readAddr, unmapped, writeAddr } from "./address.ts";

/** One end of a conversation. */
export interface Endpoint {
  /** 4 or 16 bytes; ANY for the unspecified address. */
  readonly addr: InetAddr;
  readonly port: number;
  /** Index of the interface that a link-local address belongs to; 0: none given. */
  readonly scopeId: number;
  /** Flow label and traffic class, in host order. */
  readonly flowinfo: number;
}

export function familyOf(address: Uint8Array): number {
  return address.length < 2 ? AF_UNSPEC : address[0]! | (address[1]! << 8);
}

/** EINVAL for one that is too short; EAFNOSUPPORT for another family. */
export function parseSockaddrIn(address: Uint8Array): Endpoint | Errno {
  if (address.length < SockaddrIn.sizeof) return EINVAL;
  if (familyOf(address) !== AF_INET) return EAFNOSUPPORT;
  const addr = readAddr(address, SockaddrIn.sin_addr.offset, 4);
  const port = (address[2]! << 8) | address[3]!;
  return { addr: addr === ANY4 ? ANY : addr, port, scopeId: 0, flowinfo: 0 };
}

/** As `parseSockaddrIn`; an IPv4-mapped address comes out as the IPv4 address. */
export function parseSockaddrIn6(address: Uint8Array): Endpoint | Errno {
  if (address.length < SIN6_LEN_RFC2133) return EINVAL;
  if (familyOf(address) !== AF_INET6) return EAFNOSUPPORT;
  const view = new DataView(address.buffer, address.byteOffset, address.length);
  const raw = readAddr(address, SockaddrIn6.sin6_addr.offset, 16);
  const isLong = address.length >= SockaddrIn6.sizeof;
  return {
    addr: /^\0*$/.test(raw) ? ANY : unmapped(raw),
    port: SockaddrIn6.sin6_port.get(view, 0),
    scopeId: isLong ? SockaddrIn6.sin6_scope_id.get(view, 0) : 0,
    flowinfo: SockaddrIn6.sin6_flowinfo.get(view, 0),
  };
}

/** As programs at a socket of `family` see an endpoint. */
export function makeSockaddr(
  family: number,
  addr: InetAddr,
  port: number,
  scopeId = 0,
  flowinfo = 0,
): Uint8Array {
  if (family === AF_INET) {
    const out = new Uint8Array(SockaddrIn.sizeof);
    out[0] = AF_INET;
    out[2] = port >> 8;
    out[3] = port;
    writeAddr(out, SockaddrIn.sin_addr.offset, addr, 4);
    return out;
  }
  const out = new Uint8Array(SockaddrIn6.sizeof);
  const view = new DataView(out.buffer);
  SockaddrIn6.sin6_family.set(view, 0, AF_INET6);
  SockaddrIn6.sin6_port.set(view, 0, port);
  SockaddrIn6.sin6_flowinfo.set(view, 0, flowinfo);
  writeAddr(out, SockaddrIn6.sin6_addr.offset, mapped(addr), 16);
  SockaddrIn6.sin6_scope_id.set(view, 0, scopeId);
  return out;
}
