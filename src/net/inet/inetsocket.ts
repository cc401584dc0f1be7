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
  ENOTCONN,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { SOL_IP, SOL_IPV6 } from "../../abi/inet.ts";
import { RTN_BROADCAST } from "../../abi/route.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  SO_BROADCAST,
  SO_DONTROUTE,
  SO_MARK,
  SO_PRIORITY,
} from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import { ANY, ANY4, ANY6, type InetAddr, isMulticast, needsScope } from "../address.ts";
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
import { ErrorQueue } from "./errorqueue.ts";
import { IpOptions } from "./ipoptions.ts";
import { Memberships } from "./memberships.ts";

export abstract class InetSocket extends Socket implements PcbOwner {
  readonly stack: NetStack;
  readonly pcb: Inpcb;
  /** SOL_IP and SOL_IPV6. */
  readonly ip: IpOptions;
  readonly groups = new Memberships();
  readonly errors = new ErrorQueue();
  #path: IpPath | null = null;

  constructor(td: Thread | null, stack: NetStack, family: number, type: number, protocol: number) {
    const { network } = stack;
    super(family, type, protocol, network.vfs.anonymousIno(), network.tunables);
    this.stack = stack;
    this.pcb = new Inpcb(this, td?.cred.euid ?? 0);
    this.pcb.isV6Only = family === AF_INET6 && stack.ip6.bindv6only.get() !== 0;
    this.ip = new IpOptions(stack, family);
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
    if (!isStream && addr.length === 4) {
      const e4 = stack.fib4.lookup({ dst: addr });
      if (addr === "\xff\xff\xff\xff" || (!failed(e4) && e4.type === RTN_BROADCAST)) return 0;
    }
    return EADDRNOTAVAIL;
  }

  /** The interface that it is bound to, or that the scope of an address names; null for any; ENODEV. */
  boundInterface(scopeId: number): Ifnet | null | Errno {
    const index = this.pcb.ifindex || scopeId;
    if (index === 0) return null;
    return this.stack.byIndex(index) ?? ENODEV;
  }

  /** The way to `dst` from here; one is remembered. Errors of `findPath`. */
  pathTo(dst: InetAddr, scopeId = 0, src: InetAddr = this.pcb.laddr): IpPath | Errno {
    const known = this.#path;
    if (
      known &&
      known.dst === dst &&
      scopeId === 0 &&
      (src === ANY || known.src === src) &&
      src === this.pcb.laddr &&
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
      if (from !== ANY && isMulticast(from)) from = ANY;
    } else if (!oif) oif = this.stack.byIndex(is4 ? this.ip.unicastIf4 : this.ip.unicastIf6);
    if (from.length !== dst.length) from = ANY;
    const path = findPath(this.stack, {
      dst,
      src: from,
      oif,
      mark: this.options.kept.get(SO_MARK) ?? 0,
      tos: is4 ? this.ip.tos : this.ip.tclass,
      isDirect: this.options.kept.get(SO_DONTROUTE) === 1,
    });
    if (!failed(path) && src === this.pcb.laddr && scopeId === 0) this.#path = path;
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
    if (level === SOL_IP) return this.ip.setIp(td, this, name, value);
    if (level === SOL_IPV6 && this.family === AF_INET6)
      return this.ip.setIp6(td, this, name, value);
    return super.setOption(td, level, name, value);
  }

  override getOption(td: Thread, level: number, name: number, room: number): Uint8Array | Errno {
    if (level === SOL_IP) return this.ip.getIp(this, name, room);
    if (level === SOL_IPV6 && this.family === AF_INET6) return this.ip.getIp6(this, name, room);
    return super.getOption(td, level, name, room);
  }
}

/** True for the address that ends a connection: connect(2) with AF_UNSPEC. */
export function isDisconnect(address: Uint8Array): boolean {
  return address.length >= 2 && familyOf(address) === AF_UNSPEC;
}
