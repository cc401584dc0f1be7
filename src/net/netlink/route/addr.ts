/** RTM_GETADDR, RTM_NEWADDR, RTM_DELADDR: addresses of interfaces. See rtnetlink(7), ip-address(8). */
import {
  EADDRNOTAVAIL,
  EEXIST,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  type Errno,
  failed,
} from "../../../abi/errno.ts";
import { NLM_F_EXCL, NLM_F_REPLACE } from "../../../abi/netlink.ts";
import { IFA_F_PERMANENT, IFA_F_SECONDARY } from "../../../abi/route.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import {
  ANY,
  type InetAddr,
  isInPrefix,
  isLoopback,
  isMulticast,
  prefixOf,
} from "../../address.ts";
import { IfAddr, LIFETIME_FOREVER } from "../../ifaddr.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { Attrs, Policy } from "../attributes.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { writeAddr } from "./addrmsg.ts";
import { FamilyDump } from "./familydump.ts";

const IFNAMSIZ = 16;
const CACHEINFO_BYTES = 16;
/** What a program may set. */
const SETTABLE_FLAGS = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_HOST = 254;

const policyOf = (addrBytes: number): Policy => ({
  [rt.IFA_ADDRESS]: { bytes: addrBytes },
  [rt.IFA_LOCAL]: { bytes: addrBytes },
  [rt.IFA_BROADCAST]: { bytes: addrBytes },
  [rt.IFA_LABEL]: { string: IFNAMSIZ - 1 },
  [rt.IFA_CACHEINFO]: { bytes: CACHEINFO_BYTES },
  [rt.IFA_FLAGS]: "u32",
  [rt.IFA_RT_PRIORITY]: "u32",
  [rt.IFA_TARGET_NETNSID]: "u32",
  [rt.IFA_PROTO]: "u8",
});
const POLICY4 = policyOf(4);
const POLICY6 = policyOf(16);

/** What a request says about an address. */
interface Asked {
  readonly is4: boolean;
  readonly ifp: Ifnet;
  readonly attrs: Attrs;
  readonly bits: number;
  readonly scope: number;
  readonly flags: number;
  readonly addr: InetAddr | null;
  readonly peer: InetAddr | null;
}

function parse(request: Request, isNew: boolean): Asked | number {
  const at = request.fixed(rt.IfAddrMsg.sizeof);
  if (at < 0) return EINVAL;
  const { view } = request;
  const family = rt.IfAddrMsg.ifa_family.get(view, at);
  if (family !== AF_INET && family !== AF_INET6) return EOPNOTSUPP;
  const is4 = family === AF_INET;
  const attrs = request.attrs(rt.IfAddrMsg.sizeof, is4 ? POLICY4 : POLICY6);
  if (typeof attrs === "number") return attrs;
  const bits = rt.IfAddrMsg.ifa_prefixlen.get(view, at);
  const name = is4 ? "ipv4: " : "IPv6: ";
  if (isNew && bits > (is4 ? 32 : 128)) return request.fail(EINVAL, `${name}Invalid prefix length`);
  const size = is4 ? 4 : 16;
  const local = addressIn(attrs, rt.IFA_LOCAL, size);
  const address = addressIn(attrs, rt.IFA_ADDRESS, size);
  if (isNew && is4 && local === null) {
    return request.fail(EINVAL, "ipv4: Local address is not supplied");
  }
  if (!is4 && local === null && address === null) return EINVAL;
  const ifp = request.socket.stack.byIndex(rt.IfAddrMsg.ifa_index.get(view, at));
  if (!ifp) return request.fail(ENODEV, `${is4 ? "ipv4: D" : "IPv6: d"}evice not found`);
  return {
    is4,
    ifp,
    attrs,
    bits,
    scope: rt.IfAddrMsg.ifa_scope.get(view, at),
    flags: attrs.u32(rt.IFA_FLAGS) ?? rt.IfAddrMsg.ifa_flags.get(view, at),
    addr: is4 ? local : (local ?? address),
    peer: address,
  };
}

function addressIn(attrs: Attrs, type: number, size: number): InetAddr | null {
  return attrs.chars(type)?.slice(0, size) ?? null;
}

export function newAddr(request: Request): number {
  const asked = parse(request, true);
  if (typeof asked === "number") return asked;
  const { ifp, attrs, is4 } = asked;
  const addr = asked.addr!;
  const { stack } = request.socket;
  const life = lifetimes(attrs);
  if (!life) return request.fail(EINVAL, `${is4 ? "ipv4" : "IPv6"}: Invalid lifetime`);
  if (!is4 && isMulticast(addr))
    return request.fail(EINVAL, "IPv6: Cannot assign multicast address");
  const old = findSame(ifp, addr, asked.bits);
  if (old) {
    const isReplacing = (request.flags & (NLM_F_EXCL | NLM_F_REPLACE)) === NLM_F_REPLACE;
    if (!isReplacing) {
      return request.fail(
        EEXIST,
        is4 ? "ipv4: Address already assigned" : "IPv6: address already assigned",
      );
    }
    old.preferredSec = life.preferredSec;
    old.validSec = life.validSec;
    old.proto = attrs.u8(rt.IFA_PROTO) ?? 0;
    stack.addressTouched(ifp, old);
    return 0;
  }
  const isSecondary =
    is4 &&
    ifp.addrs4.some(
      (o) => o.bits === asked.bits && isInPrefix(addr, prefixOf(o.addr, o.bits), o.bits),
    );
  const isForEver = life.validSec === LIFETIME_FOREVER;
  const ia = new IfAddr({
    addr,
    bits: asked.bits,
    peer: asked.peer ?? addr,
    broadcast: (is4 ? addressIn(attrs, rt.IFA_BROADCAST, 4) : null) ?? ANY,
    scope: is4 ? asked.scope : scopeOf(addr),
    flags:
      (asked.flags & SETTABLE_FLAGS) |
      (isForEver ? IFA_F_PERMANENT : 0) |
      (isSecondary ? IFA_F_SECONDARY : 0),
    label: is4 ? (attrs.string(rt.IFA_LABEL) ?? ifp.name) : "",
    proto: attrs.u8(rt.IFA_PROTO) ?? 0,
  });
  ia.metric = attrs.u32(rt.IFA_RT_PRIORITY) ?? 0;
  ia.preferredSec = life.preferredSec;
  ia.validSec = life.validSec;
  return stack.addAddress(ifp, ia);
}

/** An address that is in the way: of IPv6 the same, of IPv4 the same with the same mask. */
function findSame(ifp: Ifnet, addr: InetAddr, bits: number): IfAddr | null {
  const list = addr.length === 4 ? ifp.addrs4 : ifp.addrs6;
  return list.find((o) => o.addr === addr && (addr.length === 16 || o.bits === bits)) ?? null;
}

function scopeOf(addr: InetAddr): number {
  if (isLoopback(addr)) return RT_SCOPE_HOST;
  return addr.startsWith("\xfe") && (addr.charCodeAt(1) & 0xc0) === 0x80 ? RT_SCOPE_LINK : 0;
}

/** struct ifa_cacheinfo; null if it makes no sense. */
function lifetimes(attrs: Attrs): { preferredSec: number; validSec: number } | null {
  const bytes = attrs.bytes(rt.IFA_CACHEINFO);
  if (!bytes) return { preferredSec: LIFETIME_FOREVER, validSec: LIFETIME_FOREVER };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const preferredSec = view.getUint32(0, true);
  const validSec = view.getUint32(4, true);
  return validSec === 0 || preferredSec > validSec ? null : { preferredSec, validSec };
}

export function delAddr(request: Request): number {
  const asked = parse(request, false);
  if (typeof asked === "number") return asked;
  const { ifp, is4, addr, peer, attrs, bits } = asked;
  const { stack } = request.socket;
  const label = attrs.string(rt.IFA_LABEL);
  const found = (is4 ? ifp.addrs4 : ifp.addrs6).find((ia) => {
    if (addr !== null && ia.addr !== addr) return false;
    if (label !== null && ia.label !== label) return false;
    if (is4 && peer === null) return true;
    return ia.bits === bits && (!is4 || isInPrefix(peer!, prefixOf(ia.peer, bits), bits));
  });
  if (!found) {
    return request.fail(EADDRNOTAVAIL, is4 ? "ipv4: Address not found" : "IPv6: address not found");
  }
  stack.removeAddress(ifp, found);
  // With a primary address go the others of its prefix.
  if (is4 && (found.flags & IFA_F_SECONDARY) === 0) {
    const prefix = prefixOf(found.addr, found.bits);
    for (const ia of [...ifp.addrs4]) {
      const isOfIt = ia.bits === found.bits && isInPrefix(ia.addr, prefix, ia.bits);
      if (isOfIt && (ia.flags & IFA_F_SECONDARY) !== 0) stack.removeAddress(ifp, ia);
    }
  }
  return 0;
}

export function getAddr(request: Request): number {
  const asked = parseGet(request);
  if (failed(asked)) return asked;
  for (const ifp of request.socket.stack.inOrder()) {
    if (asked.index !== 0 && ifp.index !== asked.index) continue;
    const ia = asked.addr === null ? null : ifp.findAddr(asked.addr);
    if (!ia) continue;
    const w = request.answer(0);
    w.cancel();
    writeAddr(w, ifp, ia, { type: rt.RTM_NEWADDR, flags: 0, seq: request.seq, pid: request.pid });
    return request.reply(w);
  }
  return EADDRNOTAVAIL;
}

function parseGet(request: Request): { index: number; addr: InetAddr | null } | Errno {
  const at = request.fixed(rt.IfAddrMsg.sizeof);
  if (at < 0) return EINVAL;
  const family = rt.IfAddrMsg.ifa_family.get(request.view, at);
  if (family !== AF_INET && family !== AF_INET6) return EOPNOTSUPP;
  const is4 = family === AF_INET;
  const attrs = request.attrs(rt.IfAddrMsg.sizeof, is4 ? POLICY4 : POLICY6);
  if (typeof attrs === "number") return attrs;
  const size = is4 ? 4 : 16;
  const addr = addressIn(attrs, rt.IFA_LOCAL, size) ?? addressIn(attrs, rt.IFA_ADDRESS, size);
  return { index: rt.IfAddrMsg.ifa_index.get(request.view, at), addr };
}

export function dumpAddrs(request: Request): number {
  const at = request.fixed(rt.IfAddrMsg.sizeof);
  const family = request.bytes[request.fixed(1)]!;
  if (!request.isStrict) return request.dump(new AddrDump(request, family, 0));
  if (at < 0) return request.fail(EINVAL, "ipv4: Invalid header for address dump request");
  const { view } = request;
  const isClean =
    rt.IfAddrMsg.ifa_prefixlen.get(view, at) === 0 &&
    rt.IfAddrMsg.ifa_flags.get(view, at) === 0 &&
    rt.IfAddrMsg.ifa_scope.get(view, at) === 0;
  if (!isClean) return request.fail(EINVAL, "Invalid values in header for address dump request");
  const attrs = request.attrs(rt.IfAddrMsg.sizeof, POLICY6, true);
  if (typeof attrs === "number") return attrs;
  const index = rt.IfAddrMsg.ifa_index.get(view, at);
  if (index !== 0 && !request.socket.stack.byIndex(index)) return ENODEV;
  return request.dump(new AddrDump(request, family, index));
}

interface Addr {
  readonly ifp: Ifnet;
  readonly ia: IfAddr;
}

class AddrDump extends FamilyDump<Addr> {
  protected *ofFamily(family: number): Generator<Addr> {
    for (const ifp of this.stack.inOrder()) {
      if (!this.isAskedFor(ifp.index)) continue;
      for (const ia of family === AF_INET ? ifp.addrs4 : ifp.addrs6) yield { ifp, ia };
    }
  }

  protected override generation(): number {
    return this.stack.linkGeneration;
  }

  protected write(w: NetlinkWriter, { ifp, ia }: Addr): boolean {
    return writeAddr(w, ifp, ia, {
      type: rt.RTM_NEWADDR,
      flags: this.flags,
      seq: this.seq,
      pid: this.pid,
    });
  }
}
