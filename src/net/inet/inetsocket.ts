/**
 * What sockets of AF_INET and AF_INET6 share, whatever they speak: ends, options of IP, ways out.
 *
 * An IPv6 socket speaks IPv4 too, unless it is v6-only; what it is told then looks IPv4-mapped. See ip(7), ipv6(7).
 */
import {
  EADDRNOTAVAIL,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { SOL_IP, SOL_IPV6 } from "../../abi/inet.ts";
import { IFNAMSIZ } from "../../abi/netdevice.ts";
import { RTN_BROADCAST } from "../../abi/route.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BROADCAST,
  SO_COOKIE,
  SO_DONTROUTE,
  SO_MARK,
  SO_NETNS_COOKIE,
  SO_PEERCRED,
  SO_PRIORITY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
} from "../../abi/socket.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { byteString, bytesOf } from "../../lib/bytes.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import { ANY, ANY4, ANY6, BROADCAST4, type InetAddr, isMulticast, needsScope } from "../address.ts";
import type { Ifnet } from "../ifnet.ts";
import { Inpcb, type PcbOwner } from "../inpcb.ts";
import type { IpHow } from "../ip/output.ts";
import { findPath, type IpPath, isFresh } from "../ip/path.ts";
import type { NetStack } from "../netstack.ts";
import {
  type Endpoint,
  familyOf,
  makeSockaddr,
  parseSockaddrIn,
  parseSockaddrIn6,
} from "../sockaddr.ts";
import { Socket } from "../socket.ts";
import { intOf, intValue, viewOf } from "../sockopt.ts";
import { ErrorQueue } from "./errorqueue.ts";
import { IpOptions } from "./ipoptions.ts";
import { Memberships } from "./memberships.ts";

/** struct ucred of whom nothing is known: pid 0, uid and gid -1. */
const NOBODY = Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255);

/** What a socket takes, about, beside what waits in it. Whoever makes one takes as much of the kernel's memory first. */
export const INET_SOCKET_BYTES = 2048;

export abstract class InetSocket extends Socket implements PcbOwner {
  readonly stack: NetStack;
  readonly pcb: Inpcb;
  /** SOL_IP and SOL_IPV6. */
  readonly ip: IpOptions;
  readonly groups = new Memberships();
  /** Its address is a group or a broadcast address. */
  isBoundToMany = false;
  readonly errors = new ErrorQueue();
  #isOver = false;
  #path: IpPath | null = null;

  constructor(td: Thread | null, stack: NetStack, family: number, type: number, protocol: number) {
    const { network } = stack;
    super(family, type, protocol, network.vfs.anonymousIno(), network.tunables);
    this.stack = stack;
    this.pcb = new Inpcb(this, td?.cred.euid ?? 0);
    this.pcb.isV6Only = family === AF_INET6 && stack.ip6.bindv6only.get() !== 0;
    this.ip = new IpOptions(stack, family);
    stack.ns.hold();
  }

  /** The end of it, once: it is not heard of again. */
  protected end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.groups.close(this);
    this.errors.purge(this);
    this.stack.kmem.give(INET_SOCKET_BYTES);
    this.stack.ns.release();
  }

  /** An address that a program gave: EINVAL, EAFNOSUPPORT; ENETUNREACH for IPv4 at a socket that is v6-only. */
  parse(address: Uint8Array): Endpoint | Errno {
    if (this.family === AF_INET) return parseSockaddrIn(address);
    const e = parseSockaddrIn6(address);
    if (!failed(e) && e.addr.length === 4 && this.pcb.isV6Only) return ENETUNREACH;
    return e;
  }

  name(): Uint8Array | Errno {
    const { pcb } = this;
    return makeSockaddr(this.family, pcb.laddr, pcb.lport, this.#scopeOf(pcb.laddr));
  }

  peerName(): Uint8Array | Errno {
    const { pcb } = this;
    if (pcb.fport === 0 && pcb.faddr === ANY) return ENOTCONN;
    return makeSockaddr(this.family, pcb.faddr, pcb.fport, this.#scopeOf(pcb.faddr));
  }

  #scopeOf(a: InetAddr): number {
    return needsScope(a) ? this.pcb.ifindex : 0;
  }

  /**
   * Whether bind(2) may give it this address: EADDRNOTAVAIL, EINVAL, ENODEV. Groups and broadcast addresses are for
   * those that do not listen (`isStream`).
   */
  checkLocal(e: Endpoint, isStream: boolean): number {
    const { addr } = e;
    const { stack } = this;
    if (addr === ANY || addr === ANY4 || addr === ANY6) return 0;
    if (addr.length === 16 && needsScope(addr)) {
      const index = e.scopeId || this.pcb.ifindex;
      if (index === 0) return EINVAL;
      if (this.pcb.ifindex !== 0 && e.scopeId !== 0 && this.pcb.ifindex !== e.scopeId)
        return EINVAL;
      if (!stack.byIndex(index)) return ENODEV;
    }
    if (isMulticast(addr)) return isStream ? EADDRNOTAVAIL : 0;
    if (stack.isLocal(addr) || this.ip.isTransparent || this.ip.isFreebind) return 0;
    const isLax = (addr.length === 4 ? stack.ip4.nonlocalBind : stack.ip6.nonlocalBind).get() !== 0;
    if (isLax) return 0;
    return !isStream && this.#isBroadcast(addr) ? 0 : EADDRNOTAVAIL;
  }

  #isBroadcast(addr: InetAddr): boolean {
    if (addr === BROADCAST4) return true;
    if (addr.length !== 4) return false;
    const entry = this.stack.fib4.lookup({ dst: addr });
    return !failed(entry) && entry.type === RTN_BROADCAST;
  }

  override get netns(): NetNamespace {
    return this.stack.ns;
  }

  /** Where its packets come from; ANY while that is open. Bound to a group it hears that, and speaks as itself. */
  get source(): InetAddr {
    return this.isBoundToMany ? ANY : this.pcb.laddr;
  }

  /** bind(2) gave it an address that passed `checkLocal`. */
  protected boundTo(addr: InetAddr): void {
    this.pcb.isAddrLocked = addr !== ANY;
    this.isBoundToMany = addr !== ANY && (isMulticast(addr) || this.#isBroadcast(addr));
    this.forgetPath();
  }

  /** The interface that it is bound to, or that the scope of an address names; null for any; ENODEV. */
  boundInterface(scopeId: number): Ifnet | null | Errno {
    const index = this.pcb.ifindex || scopeId;
    if (index === 0) return null;
    return this.stack.byIndex(index) ?? ENODEV;
  }

  /** The way to `dst` from here; one is remembered. Errors of `findPath`. */
  pathTo(dst: InetAddr, scopeId = 0, src: InetAddr = this.source): IpPath | Errno {
    const known = this.#path;
    if (
      known &&
      known.dst === dst &&
      scopeId === 0 &&
      (src === ANY || known.src === src) &&
      src === this.source &&
      isFresh(this.stack, known)
    ) {
      return known;
    }
    let oif = this.boundInterface(needsScope(dst) ? scopeId : 0);
    if (failed(oif)) return oif;
    let from = src;
    const is4 = dst.length === 4;
    if (isMulticast(dst)) {
      oif ??= this.stack.byIndex(is4 ? this.ip.multicastIf4 : this.ip.multicastIf6);
      if (from === ANY && is4) from = this.ip.multicastAddr4;
    } else if (!oif)
      oif = this.stack.byIndex(is4 ? this.ip.unicastIf4 : this.ip.unicastIf6 || this.ip.stickyIf6);
    if (from.length !== dst.length) from = ANY;
    const path = findPath(this.stack, {
      dst,
      src: from,
      oif,
      mark: this.options.kept.get(SO_MARK) ?? 0,
      tos: is4 ? this.ip.tos : this.ip.tclass,
      isDirect: this.options.kept.get(SO_DONTROUTE) === 1,
    });
    if (!failed(path) && src === this.source && scopeId === 0) this.#path = path;
    return path;
  }

  /** Errors that wait to be read with MSG_ERRQUEUE are not wanted any more. */
  purgeErrors(): void {
    this.errors.purge(this);
  }

  /** Forgets the remembered way: an option changed that decides it. */
  forgetPath(): void {
    this.#path = null;
  }

  /** What goes into the headers of its packets. */
  howTo(path: IpPath, src: InetAddr, dst: InetAddr, proto: number): IpHow {
    const { ip, options } = this;
    const is4 = dst.length === 4;
    return {
      src: src === ANY ? path.src : src,
      dst,
      proto,
      ttl: ip.ttlFor(path, is4),
      tos: is4 ? ip.tos : Math.max(ip.tclass, 0),
      isUncut: ip.isUncut(is4),
      options: is4 ? ip.options4 : ip.options6,
      firstHeader: is4 || !ip.options6 ? proto : ip.firstHeader6,
      flowlabel: is4 ? 0 : ip.flowlabel,
      isLooped: is4 ? ip.multicastLoop4 : ip.multicastLoop6,
      mark: options.kept.get(SO_MARK) ?? 0,
      priority: options.kept.get(SO_PRIORITY) ?? 0,
    };
  }

  /** Broadcast addresses are for those who said SO_BROADCAST. */
  mayBroadcast(path: IpPath): boolean {
    return path.type !== RTN_BROADCAST || this.options.kept.get(SO_BROADCAST) === 1;
  }

  override setOption(td: Thread, level: number, name: number, value: Uint8Array): number {
    if (level === SOL_SOCKET) return this.#setSocketOption(td, name, value);
    if (level === SOL_IP) return this.ip.setIp(td, this, name, value);
    if (level === SOL_IPV6 && this.family === AF_INET6)
      return this.ip.setIp6(td, this, name, value);
    return ENOPROTOOPT;
  }

  #setSocketOption(td: Thread, name: number, value: Uint8Array): number {
    if (name === SO_BINDTODEVICE) return this.#bindToDevice(td, value);
    const r = super.setOption(td, SOL_SOCKET, name, value);
    const { kept } = this.options;
    if (name === SO_REUSEADDR) this.pcb.reuseAddr = kept.get(name) === 1;
    else if (name === SO_REUSEPORT) this.pcb.reusePort = kept.get(name) === 1;
    else if (name === SO_MARK || name === SO_DONTROUTE) this.forgetPath();
    return r;
  }

  #bindToDevice(td: Thread, value: Uint8Array): number {
    if (this.pcb.ifindex !== 0 && !this.mayRaw(td)) return EPERM;
    const end = value.indexOf(0);
    const name = byteString(value, 0, Math.min(end < 0 ? value.length : end, IFNAMSIZ - 1));
    const ifp = name === "" ? null : this.stack.byName(name);
    if (name !== "" && !ifp) return ENODEV;
    this.pcb.ifindex = ifp?.index ?? 0;
    this.forgetPath();
    return 0;
  }

  /** CAP_NET_RAW over the network that it is in. */
  mayRaw(td: Thread): boolean {
    return td.cred.hasCapIn(this.stack.ns.owner, CAP_NET_RAW);
  }

  mayAdmin(td: Thread): boolean {
    return td.cred.hasCapIn(this.stack.ns.owner, CAP_NET_ADMIN);
  }

  override setOwnOption(td: Thread, name: number, value: Uint8Array): number {
    if (name !== SO_BINDTOIFINDEX) return super.setOwnOption(td, name, value);
    if (this.pcb.ifindex !== 0 && !this.mayRaw(td)) return EPERM;
    const index = intOf(value);
    if (index < 0) return EINVAL;
    if (index !== 0 && !this.stack.byIndex(index)) return ENODEV;
    this.pcb.ifindex = index;
    this.forgetPath();
    return 0;
  }

  override getOwnOption(td: Thread, name: number, room: number): Uint8Array | Errno {
    switch (name) {
      case SO_BINDTODEVICE: {
        const ifp = this.stack.byIndex(this.pcb.ifindex);
        if (!ifp) return new Uint8Array(0);
        return room < IFNAMSIZ ? EINVAL : bytesOf(`${ifp.name}\0`);
      }
      case SO_BINDTOIFINDEX:
        return intValue(this.pcb.ifindex);
      case SO_PEERCRED:
        return NOBODY.slice();
      case SO_COOKIE:
      case SO_NETNS_COOKIE: {
        const out = new Uint8Array(8);
        const n = name === SO_COOKIE ? this.ino : this.stack.cookie;
        viewOf(out).setBigUint64(0, BigInt(n), true);
        return room < 8 ? EINVAL : out;
      }
      default:
        return super.getOwnOption(td, name, room);
    }
  }

  override getOption(td: Thread, level: number, name: number, room: number): Uint8Array | Errno {
    if (level === SOL_IP) return this.ip.getIp(this, name, room);
    if (level === SOL_IPV6 && this.family === AF_INET6) return this.ip.getIp6(this, name, room);
    if (level === SOL_SOCKET) return super.getOption(td, level, name, room);
    return this.family === AF_INET6 ? ENOPROTOOPT : EOPNOTSUPP;
  }
}

/** True for the address that ends a connection: connect(2) with AF_UNSPEC. */
export function isDisconnect(address: Uint8Array): boolean {
  return address.length >= 2 && familyOf(address) === AF_UNSPEC;
}
