/**
 * ioctl(2) about interfaces, at sockets of any family; and about their IPv4
 * addresses and routes, at those of IP and packet sockets. See netdevice(7), rtnetlink's older brother.
 */
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  failed,
} from "../abi/errno.ts";
import * as io from "../abi/ifioctl.ts";
import { ARPHRD_LOOPBACK, IFF_BROADCAST, IFNAMSIZ } from "../abi/netdevice.ts";
import { AF_INET } from "../abi/socket.ts";
import { CAP_NET_ADMIN } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { byteString } from "../lib/bytes.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { ANY, type InetAddr, netmask4, num4, readAddr } from "./address.ts";
import { IfAddr } from "./ifaddr.ts";
import { changeFlags } from "./ifchange.ts";
import type { Ifnet } from "./ifnet.ts";
import { lastOf } from "./ifroutes.ts";
import { setAddress } from "./netlink/route/linkset.ts";
import type { NetStack } from "./netstack.ts";
import { routeIoctl } from "./routeioctl.ts";
import { makeSockaddr } from "./sockaddr.ts";

const FLAGS_MASK = 0xffff;
const RT_SCOPE_HOST = 254;

/** Interfaces as such: ENOTTY for requests of another kind. */
export function interfaceIoctl(
  td: Thread,
  stack: NetStack,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  if (request === io.SIOCGIFCONF) return ifconf(stack, arg, mem);
  if (!INTERFACE_REQUESTS.has(request)) return ENOTTY;
  const r = new IfReq(mem, arg);
  if (!r.load()) return EFAULT;
  if (request === io.SIOCGIFNAME) {
    const found = stack.byIndex(r.int);
    return found ? r.storeName(found.name) : ENODEV;
  }
  const ifp = stack.byName(r.device);
  if (!ifp) return ENODEV;
  if (SETTING.has(request) && !td.cred.hasCapIn(stack.ns.owner, CAP_NET_ADMIN)) return EPERM;
  switch (request) {
    case io.SIOCGIFFLAGS:
      return r.storeShort(ifp.dynamicFlags & FLAGS_MASK);
    case io.SIOCSIFFLAGS:
      changeFlags(ifp, r.int & FLAGS_MASK, FLAGS_MASK);
      stack.netisr.drain();
      return 0;
    case io.SIOCGIFMETRIC:
      return r.storeInt(0);
    case io.SIOCGIFMTU:
      return r.storeInt(ifp.mtu);
    case io.SIOCSIFMTU:
      return stack.setMtu(ifp, r.int);
    case io.SIOCGIFINDEX:
      return r.storeInt(ifp.index);
    case io.SIOCGIFTXQLEN:
      return r.storeInt(ifp.txQueueLen);
    case io.SIOCSIFTXQLEN:
      if (r.int < 0) return EINVAL;
      ifp.txQueueLen = r.int;
      return 0;
    case io.SIOCGIFHWADDR: {
      const out = new Uint8Array(16);
      new DataView(out.buffer).setUint16(0, ifp.type, true);
      out.set(ifp.hwaddr.subarray(0, 14), 2);
      return r.storeBytes(out);
    }
    case io.SIOCSIFHWADDR:
      if (r.short !== ifp.type) return EINVAL;
      return setAddress(ifp, r.data(2, 14));
    case io.SIOCGIFMAP:
      return r.storeBytes(new Uint8Array(24));
    case io.SIOCSIFNAME:
      return stack.rename(ifp, r.newName);
    default:
      return ethtool(ifp, r, mem);
  }
}

const SETTING = new Set([
  io.SIOCSIFFLAGS,
  io.SIOCSIFMTU,
  io.SIOCSIFTXQLEN,
  io.SIOCSIFHWADDR,
  io.SIOCSIFNAME,
]);
const INTERFACE_REQUESTS = new Set([
  ...SETTING,
  io.SIOCGIFNAME,
  io.SIOCGIFFLAGS,
  io.SIOCGIFMETRIC,
  io.SIOCGIFMTU,
  io.SIOCGIFINDEX,
  io.SIOCGIFTXQLEN,
  io.SIOCGIFHWADDR,
  io.SIOCGIFMAP,
  io.SIOCETHTOOL,
]);

/** Whether the link is there; nothing else of ethtool(8) makes sense for virtual interfaces. */
function ethtool(ifp: Ifnet, r: IfReq, mem: UserMemory): number {
  const at = r.pointer;
  const command = mem.loadU32(at);
  if (failed(command)) return EFAULT;
  if (command !== io.ETHTOOL_GLINK) return EOPNOTSUPP;
  return mem.storeU32(at + 4, ifp.isUp && ifp.hasCarrier ? 1 : 0);
}

/** SIOCGIFCONF: an ifreq for each IPv4 address, or how many bytes they would take. */
function ifconf(stack: NetStack, arg: number, mem: UserMemory): number {
  const head = new Uint8Array(io.IFCONF_BYTES);
  if (failed(mem.copyin(arg, head))) return EFAULT;
  const view = new DataView(head.buffer);
  const room = view.getInt32(0, true);
  const buffer = Number(view.getBigUint64(io.IFCONF_BUFFER, true));
  if (room < 0) return EINVAL;
  let used = 0;
  for (const ifp of stack.inOrder()) {
    for (const ia of ifp.addrs4) {
      if (buffer !== 0 && used + io.IFREQ_BYTES > room) break;
      if (buffer !== 0) {
        const out = new Uint8Array(io.IFREQ_BYTES);
        const label = ia.label || ifp.name;
        for (let i = 0; i < label.length && i < IFNAMSIZ - 1; i++) out[i] = label.charCodeAt(i);
        out.set(makeSockaddr(AF_INET, ia.addr, 0), io.IFREQ_DATA);
        if (failed(mem.copyout(buffer + used, out))) return EFAULT;
      }
      used += io.IFREQ_BYTES;
    }
  }
  return mem.storeU32(arg, used);
}

/** IPv4 addresses and routes: ENOTTY for requests of another kind. */
export function inetIoctl(
  td: Thread,
  stack: NetStack,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  if (request === io.SIOCADDRT || request === io.SIOCDELRT) {
    if (!td.cred.hasCapIn(stack.ns.owner, CAP_NET_ADMIN)) return EPERM;
    return routeIoctl(stack, request === io.SIOCADDRT, arg, mem);
  }
  if (!ADDRESS_REQUESTS.has(request)) return ENOTTY;
  const r = new IfReq(mem, arg);
  if (!r.load()) return EFAULT;
  const ifp = stack.byName(r.device);
  const isSetting = ADDRESS_SETTING.has(request);
  if (isSetting && !td.cred.hasCapIn(stack.ns.owner, CAP_NET_ADMIN)) return EPERM;
  if (!ifp) return ENODEV;
  const ia = ifp.addrs4.find((a) => (a.label || ifp.name) === r.name) ?? null;
  if (isSetting) return setInet(stack, ifp, ia, request, r);
  if (!ia) return EADDRNOTAVAIL;
  switch (request) {
    case io.SIOCGIFADDR:
      return r.storeAddress(ia.addr);
    case io.SIOCGIFDSTADDR:
      return r.storeAddress(ia.peer);
    case io.SIOCGIFBRDADDR:
      return r.storeAddress(ia.broadcast);
    default:
      return r.storeAddress(netmask4(ia.bits));
  }
}

const ADDRESS_SETTING = new Set([io.SIOCSIFADDR, io.SIOCSIFBRDADDR, io.SIOCSIFNETMASK]);
const ADDRESS_REQUESTS = new Set([
  ...ADDRESS_SETTING,
  io.SIOCGIFADDR,
  io.SIOCGIFDSTADDR,
  io.SIOCGIFBRDADDR,
  io.SIOCGIFNETMASK,
]);

function setInet(
  stack: NetStack,
  ifp: Ifnet,
  old: IfAddr | null,
  request: number,
  r: IfReq,
): number {
  if (r.short !== AF_INET) return r.short === 0 ? EINVAL : EAFNOSUPPORT;
  const given = readAddr(r.data(4, 4), 0, 4);
  if (request === io.SIOCSIFADDR) {
    if (old) stack.removeAddress(ifp, old);
    if (num4(given) === 0) return 0;
    const bits = classBits(given);
    const isBroadcast = (ifp.flags & IFF_BROADCAST) !== 0 && bits < 31;
    return add(stack, ifp, given, bits, isBroadcast ? lastOf(given, bits) : ANY, r.name);
  }
  if (!old) return EADDRNOTAVAIL;
  let { bits, broadcast } = old;
  if (request === io.SIOCSIFBRDADDR) broadcast = given;
  else {
    const mask = num4(given);
    bits = Math.clz32(~mask);
    if (netmask4(bits) !== given) return EINVAL;
    if (broadcast === lastOf(old.addr, old.bits)) broadcast = lastOf(old.addr, bits);
  }
  stack.removeAddress(ifp, old);
  return add(stack, ifp, old.addr, bits, broadcast, old.label);
}

function add(
  stack: NetStack,
  ifp: Ifnet,
  addr: InetAddr,
  bits: number,
  broadcast: InetAddr,
  label: string,
): number {
  const scope = ifp.type === ARPHRD_LOOPBACK ? RT_SCOPE_HOST : 0;
  return stack.addAddress(ifp, new IfAddr({ addr, bits, broadcast, scope, label }));
}

/** The prefix of an address by its class. */
function classBits(a: InetAddr): number {
  const first = a.charCodeAt(0);
  if (first < 128) return 8;
  return first < 192 ? 16 : first < 224 ? 24 : 32;
}

/** struct ifreq of a program. */
class IfReq {
  readonly #mem: UserMemory;
  readonly #at: number;
  readonly #bytes = new Uint8Array(io.IFREQ_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(mem: UserMemory, at: number) {
    this.#mem = mem;
    this.#at = at;
  }

  load(): boolean {
    return !failed(this.#mem.copyin(this.#at, this.#bytes));
  }

  /** As it was given: "eth0:1" names an address of eth0. */
  get name(): string {
    return stringIn(this.#bytes, 0);
  }

  get device(): string {
    return this.name.split(":")[0]!;
  }

  get newName(): string {
    return stringIn(this.#bytes, io.IFREQ_DATA);
  }

  get int(): number {
    return this.#view.getInt32(io.IFREQ_DATA, true);
  }

  get short(): number {
    return this.#view.getUint16(io.IFREQ_DATA, true);
  }

  get pointer(): number {
    return Number(this.#view.getBigUint64(io.IFREQ_DATA, true));
  }

  data(from: number, count: number): Uint8Array {
    return this.#bytes.slice(io.IFREQ_DATA + from, io.IFREQ_DATA + from + count);
  }

  storeInt(n: number): number {
    this.#view.setInt32(io.IFREQ_DATA, n, true);
    return this.#store();
  }

  storeShort(n: number): number {
    this.#view.setUint16(io.IFREQ_DATA, n, true);
    return this.#store();
  }

  storeAddress(a: InetAddr): number {
    return this.storeBytes(makeSockaddr(AF_INET, a, 0));
  }

  storeBytes(bytes: Uint8Array): number {
    this.#bytes.set(bytes, io.IFREQ_DATA);
    return this.#store();
  }

  storeName(name: string): number {
    this.#bytes.fill(0, 0, IFNAMSIZ);
    for (let i = 0; i < name.length; i++) this.#bytes[i] = name.charCodeAt(i);
    return this.#store();
  }

  #store(): number {
    return failed(this.#mem.copyout(this.#at, this.#bytes)) ? EFAULT : 0;
  }
}

function stringIn(bytes: Uint8Array, from: number): string {
  const s = byteString(bytes, from, from + IFNAMSIZ - 1);
  const end = s.indexOf("\0");
  return end < 0 ? s : s.slice(0, end);
}
