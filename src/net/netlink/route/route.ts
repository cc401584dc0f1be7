/** RTM_NEWROUTE, RTM_DELROUTE, and dumps of routes. See rtnetlink(7), ip-route(8). */
import {
  EEXIST,
  EINVAL,
  ENETDOWN,
  ENETUNREACH,
  ENODEV,
  ENOENT,
  EOPNOTSUPP,
  ESRCH,
} from "../../../abi/errno.ts";
import * as nl from "../../../abi/netlink.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from "../../../abi/route.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { byteString } from "../../../lib/bytes.ts";
import { ANY, ANY4, ANY6, type InetAddr, prefixOf } from "../../address.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import type { Fib } from "../../route.ts";
import { RouteEntry } from "../../routeentry.ts";
import { type Attr, type Attrs, each, type Policy } from "../attributes.ts";
import { FailedDump, ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { nothingThere } from "./qdisc.ts";
import { writeRoute } from "./routemsg.ts";

/** Where ip-route(8) puts routes of IPv6 that say nothing. */
const METRIC6_USER = 1024;
const RTNH_BYTES = 8;
const RTNH_IFINDEX = 4;

const policyOf = (size: number): Policy => ({
  [rt.RTA_DST]: { bytes: size },
  [rt.RTA_SRC]: { bytes: size },
  [rt.RTA_IIF]: "u32",
  [rt.RTA_OIF]: "u32",
  [rt.RTA_GATEWAY]: { bytes: size },
  [rt.RTA_PRIORITY]: "u32",
  [rt.RTA_PREFSRC]: { bytes: size },
  [rt.RTA_METRICS]: "nested",
  [rt.RTA_MULTIPATH]: { bytes: RTNH_BYTES },
  [rt.RTA_TABLE]: "u32",
  [rt.RTA_MARK]: "u32",
  [rt.RTA_VIA]: { bytes: 2 },
  [rt.RTA_PREF]: "u8",
  [rt.RTA_ENCAP]: "nested",
  [rt.RTA_NH_ID]: "u32",
});
export const ROUTE_POLICY4 = policyOf(4);
export const ROUTE_POLICY6 = policyOf(16);
const METRICS_POLICY: Policy = { [rt.RTAX_MTU]: "u32" };

const REFUSING: ReadonlySet<number> = new Set([
  RTN_BLACKHOLE,
  RTN_UNREACHABLE,
  RTN_PROHIBIT,
  RTN_THROW,
]);

/** What a request says about a route, before it is clear whether it makes sense. */
interface Asked {
  readonly is4: boolean;
  readonly fib: Fib;
  readonly dst: InetAddr;
  readonly bits: number;
  readonly table: number;
  readonly tos: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly metric: number | null;
  readonly gateway: InetAddr;
  readonly ifindex: number;
  readonly src: InetAddr;
  readonly mtu: number;
  readonly flags: number;
}

function parse(request: Request): Asked | number {
  const at = request.fixed(rt.RtMsg.sizeof);
  if (at < 0) return EINVAL;
  const { view } = request;
  const family = rt.RtMsg.rtm_family.get(view, at);
  if (family !== AF_INET && family !== AF_INET6) return EOPNOTSUPP;
  const is4 = family === AF_INET;
  const attrs = request.attrs(rt.RtMsg.sizeof, is4 ? ROUTE_POLICY4 : ROUTE_POLICY6);
  if (typeof attrs === "number") return attrs;
  const bits = rt.RtMsg.rtm_dst_len.get(view, at);
  if (bits > (is4 ? 32 : 128)) {
    return request.fail(EINVAL, "Invalid prefix length");
  }
  if (attrs.has(rt.RTA_ENCAP))
    return request.fail(EOPNOTSUPP, "lwtunnels are not supported", attrs.offsetOf(rt.RTA_ENCAP));
  if (attrs.has(rt.RTA_NH_ID)) return request.fail(EINVAL, "Nexthop id does not exist");
  const size = is4 ? 4 : 16;
  const hop = hopOf(request, attrs, size);
  if (typeof hop === "number") return hop;
  const metrics = attrs.nested(rt.RTA_METRICS, METRICS_POLICY, request.ack);
  if (typeof metrics === "number") return metrics;
  const dst = addressIn(attrs, rt.RTA_DST, size);
  if (is4 && bits < 32 && dst !== ANY && prefixOf(dst, bits) !== dst) {
    return request.fail(EINVAL, "Invalid prefix for given prefix length");
  }
  const any = is4 ? ANY4 : ANY6;
  const { stack } = request.socket;
  return {
    is4,
    fib: is4 ? stack.fib4 : stack.fib6,
    dst: prefixOf(dst === ANY ? any : dst, bits),
    bits,
    table: attrs.u32(rt.RTA_TABLE) ?? rt.RtMsg.rtm_table.get(view, at),
    tos: is4 ? rt.RtMsg.rtm_tos.get(view, at) : 0,
    protocol: rt.RtMsg.rtm_protocol.get(view, at),
    scope: rt.RtMsg.rtm_scope.get(view, at),
    type: rt.RtMsg.rtm_type.get(view, at),
    metric: attrs.u32(rt.RTA_PRIORITY),
    ...hop,
    src: addressIn(attrs, rt.RTA_PREFSRC, size),
    mtu: metrics.u32(rt.RTAX_MTU) ?? 0,
    flags: rt.RtMsg.rtm_flags.get(view, at) & rt.RTNH_F_ONLINK,
  };
}

interface Hop {
  readonly gateway: InetAddr;
  readonly ifindex: number;
}

/** Where the route leads: of several next hops there must be one. */
function hopOf(request: Request, attrs: Attrs, size: number): Hop | number {
  const bytes = attrs.bytes(rt.RTA_MULTIPATH);
  if (bytes && bytes.length > 0) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const length = view.getUint16(0, true);
    if (length < RTNH_BYTES || length > bytes.length) {
      return request.fail(EINVAL, "Invalid nexthop configuration - extra data after nexthop");
    }
    if (bytes.length - length >= RTNH_BYTES) {
      return request.fail(EOPNOTSUPP, "Multipath routes are not supported");
    }
    const of: (a: Attr) => InetAddr = (a) =>
      byteString(bytes, a.from, Math.min(a.to, a.from + size));
    let gateway = ANY;
    for (const a of each(bytes, RTNH_BYTES, length)) if (a.type === rt.RTA_GATEWAY) gateway = of(a);
    return {
      gateway: gateway.length === size ? gateway : ANY,
      ifindex: view.getInt32(RTNH_IFINDEX, true),
    };
  }
  let gateway = addressIn(attrs, rt.RTA_GATEWAY, size);
  const via = attrs.bytes(rt.RTA_VIA);
  if (via) {
    if (gateway !== ANY) {
      return request.fail(EINVAL, "Nexthop configuration can not contain both GATEWAY and VIA");
    }
    const family = via[0]! | (via[1]! << 8);
    const viaSize = family === AF_INET ? 4 : 16;
    if ((family !== AF_INET && family !== AF_INET6) || via.length < 2 + viaSize) {
      return request.fail(EINVAL, "Invalid attribute in RTA_VIA");
    }
    if (viaSize === 4 && size === 16) {
      return request.fail(EINVAL, "IPv6 does not support RTA_VIA attribute");
    }
    gateway = byteString(via, 2, 2 + viaSize);
  }
  return { gateway: isAnyBytes(gateway) ? ANY : gateway, ifindex: attrs.u32(rt.RTA_OIF) ?? 0 };
}

function isAnyBytes(a: InetAddr): boolean {
  return a === ANY4 || a === ANY6;
}

function addressIn(attrs: Attrs, type: number, size: number): InetAddr {
  return attrs.chars(type)?.slice(0, size) ?? ANY;
}

export function newRoute(request: Request): number {
  const asked = parse(request);
  if (typeof asked === "number") return asked;
  const entry = entryOf(request, asked);
  if (typeof entry === "number") return entry;
  const { fib } = asked;
  const { flags } = request;
  const old = firstLike(fib, entry);
  if (old) {
    if ((flags & nl.NLM_F_EXCL) !== 0) return EEXIST;
    if ((flags & nl.NLM_F_REPLACE) !== 0) {
      if (isSame(old, entry)) return 0;
      fib.remove(old);
      return fib.add(entry);
    }
    for (const e of like(fib, entry)) if (isSame(e, entry)) return EEXIST;
    const isFirst = (flags & nl.NLM_F_APPEND) === 0;
    return isFirst && asked.is4 && (flags & nl.NLM_F_CREATE) === 0 ? ENOENT : fib.append(entry);
  }
  if ((flags & nl.NLM_F_CREATE) === 0) return asked.is4 ? ENOENT : fib.add(entry);
  return fib.add(entry);
}

/** The route as it will be: EINVAL, ENODEV, ENETDOWN, ENETUNREACH. As fib_create_info and fib_check_nh. */
function entryOf(request: Request, asked: Asked): RouteEntry | number {
  const { is4, gateway, table } = asked;
  const type = asked.type === RTN_UNSPEC ? RTN_UNICAST : asked.type;
  if (type > RTN_THROW) return request.fail(EINVAL, "Invalid route type");
  const { stack } = request.socket;
  const common = {
    dst: asked.dst,
    bits: asked.bits,
    table: table === 0 ? RT_TABLE_MAIN : table,
    tos: asked.tos,
    type,
    protocol: asked.protocol,
    metric: asked.metric ?? (is4 ? 0 : METRIC6_USER),
    src: asked.src,
    mtu: asked.mtu,
    flags: asked.flags,
  };
  if (REFUSING.has(type)) {
    if (is4 && (asked.ifindex !== 0 || gateway !== ANY)) {
      return request.fail(EINVAL, "Route with this type can not specify a nexthop");
    }
    const scope = is4 ? asked.scope : RT_SCOPE_UNIVERSE;
    return new RouteEntry({ ...common, scope, ifp: is4 ? null : stack.lo });
  }
  let ifp: Ifnet | null = null;
  if (asked.ifindex !== 0) {
    ifp = stack.byIndex(asked.ifindex);
    if (!ifp) return request.fail(ENODEV, "Device for nexthop is not found");
    if (!ifp.isUp) return request.fail(ENETDOWN, "Nexthop device is not up");
  }
  if (gateway !== ANY) {
    const via = gatewayInterface(request, asked, ifp);
    if (typeof via === "number") return via;
    ifp = via;
  }
  if (!ifp) {
    if (is4) return request.fail(ENODEV, "No nexthop device given");
    return request.fail(ENODEV, "Device for nexthop is not found");
  }
  if (asked.src !== ANY && !stack.isLocal(asked.src)) {
    return request.fail(EINVAL, "Invalid prefsrc address");
  }
  let scope = is4 ? asked.scope : RT_SCOPE_UNIVERSE;
  if (is4 && type === RTN_LOCAL && scope < RT_SCOPE_HOST) scope = RT_SCOPE_HOST;
  if (is4 && gateway !== ANY && scope >= RT_SCOPE_LINK) {
    return request.fail(EINVAL, "Scope of nexthop is invalid");
  }
  if (is4 && scope === RT_SCOPE_NOWHERE) return request.fail(EINVAL, "Invalid scope");
  return new RouteEntry({ ...common, scope, gateway, ifp });
}

/** The interface through which a gateway is reached: it must be a neighbour, unless the route says onlink. */
function gatewayInterface(request: Request, asked: Asked, ifp: Ifnet | null): Ifnet | number {
  const { stack } = request.socket;
  const { gateway, is4 } = asked;
  const is6 = gateway.length === 16;
  if (stack.isLocal(gateway) && (is4 || ifp === null)) {
    return request.fail(
      EINVAL,
      is6 ? "Gateway can not be a local address" : "Nexthop has invalid gateway",
    );
  }
  const isLinkLocal = is6 && gateway.startsWith("\xfe") && (gateway.charCodeAt(1) & 0xc0) === 0x80;
  if ((asked.flags & rt.RTNH_F_ONLINK) !== 0 || (isLinkLocal && ifp)) {
    return ifp ?? request.fail(EINVAL, "Nexthop device required for onlink");
  }
  const fib = is6 ? stack.fib6 : stack.fib4;
  const found = fib.lookup({ dst: gateway, oif: ifp });
  if (typeof found === "number" || !found.ifp) {
    return request.fail(ENETUNREACH, "Nexthop has invalid gateway");
  }
  const isDirect = found.gateway === ANY && (is6 || found.scope >= RT_SCOPE_LINK);
  if (!isDirect) return request.fail(ENETUNREACH, "Nexthop has invalid gateway");
  return found.ifp;
}

/** Entries that the kernel takes for the same place: prefix, tos and metric. */
function* like(fib: Fib, e: RouteEntry): Generator<RouteEntry> {
  for (const o of fib.at(e.table, e.dst, e.bits)) {
    if (o.tos === e.tos && o.metric === e.metric) yield o;
  }
}

function firstLike(fib: Fib, e: RouteEntry): RouteEntry | null {
  for (const o of like(fib, e)) return o;
  return null;
}

function isSame(a: RouteEntry, b: RouteEntry): boolean {
  return (
    a.type === b.type &&
    a.gateway === b.gateway &&
    a.ifp === b.ifp &&
    a.scope === b.scope &&
    a.src === b.src &&
    a.protocol === b.protocol
  );
}

export function delRoute(request: Request): number {
  const asked = parse(request);
  if (typeof asked === "number") return asked;
  const { fib, is4 } = asked;
  const table = asked.table === 0 ? RT_TABLE_MAIN : asked.table;
  for (const e of fib.at(table, asked.dst, asked.bits)) {
    const fits =
      (asked.type === RTN_UNSPEC || asked.type === e.type) &&
      (!is4 || asked.scope === RT_SCOPE_NOWHERE || asked.scope === e.scope) &&
      (asked.protocol === 0 || asked.protocol === e.protocol) &&
      (asked.src === ANY || asked.src === e.src) &&
      (asked.tos === 0 || asked.tos === e.tos) &&
      (asked.metric === null || asked.metric === 0 || asked.metric === e.metric) &&
      (asked.ifindex === 0 || e.ifp?.index === asked.ifindex) &&
      (asked.gateway === ANY || asked.gateway === e.gateway);
    if (fits) return fib.remove(e);
  }
  return ESRCH;
}

const GET_POLICY: Policy = {
  ...ROUTE_POLICY6,
  [rt.RTA_DST]: { bytes: 4 },
  [rt.RTA_GATEWAY]: { bytes: 4 },
  [rt.RTA_SRC]: { bytes: 4 },
  [rt.RTA_PREFSRC]: { bytes: 4 },
};

export function dumpRoutes(request: Request): number {
  const at = request.fixed(rt.RtMsg.sizeof);
  const { view, bytes } = request;
  const family = bytes[request.fixed(1)]!;
  // Multicast routes are a family of their own, and there are none.
  if (family !== 0 && family !== AF_INET && family !== AF_INET6) return nothingThere(request);
  if (at < 0) return request.dump(new RouteDump(request, { family }));
  const flags = rt.RtMsg.rtm_flags.get(view, at);
  const isCloned = (flags & rt.RTM_F_CLONED) !== 0;
  if (!request.isStrict) return request.dump(new RouteDump(request, { family, isCloned }));
  const isClean =
    rt.RtMsg.rtm_src_len.get(view, at) === 0 &&
    rt.RtMsg.rtm_dst_len.get(view, at) === 0 &&
    rt.RtMsg.rtm_tos.get(view, at) === 0 &&
    rt.RtMsg.rtm_scope.get(view, at) === 0;
  if (!isClean) return request.fail(EINVAL, "Invalid values in header for FIB dump request");
  const attrs = request.attrs(rt.RtMsg.sizeof, GET_POLICY, true);
  if (typeof attrs === "number") return attrs;
  const { stack } = request.socket;
  const ifindex = attrs.u32(rt.RTA_OIF) ?? 0;
  if (ifindex !== 0 && !stack.byIndex(ifindex)) return ENODEV;
  const table = attrs.u32(rt.RTA_TABLE) ?? rt.RtMsg.rtm_table.get(view, at);
  // The main and the local table are there though nothing be in them.
  const isUsual = table === RT_TABLE_MAIN || table === RT_TABLE_LOCAL;
  const isMissing =
    !isUsual &&
    table !== 0 &&
    family !== 0 &&
    !(family === AF_INET6 ? stack.fib6 : stack.fib4).hasTable(table);
  if (isMissing && family === AF_INET)
    return request.dump(
      new FailedDump(request, request.fail(ENOENT, "ipv4: FIB table does not exist")),
    );
  if (isMissing) {
    return request.dump(new FailedDump(request, request.fail(ENOENT, "FIB table does not exist")));
  }
  return request.dump(
    new RouteDump(request, {
      family,
      isCloned,
      table,
      ifindex,
      protocol: rt.RtMsg.rtm_protocol.get(view, at),
      type: rt.RtMsg.rtm_type.get(view, at),
    }),
  );
}

interface RouteWish {
  readonly family: number;
  /** Only what was made for the moment: there is none. */
  readonly isCloned?: boolean;
  readonly table?: number;
  readonly ifindex?: number;
  readonly protocol?: number;
  readonly type?: number;
}

class RouteDump extends ListDump<RouteEntry> {
  readonly #stack: NetStack;
  readonly #wish: RouteWish;

  constructor(request: Request, wish: RouteWish) {
    super(request);
    this.#stack = request.socket.stack;
    this.#wish = wish;
    if (wish.table || wish.ifindex || wish.protocol || wish.type) this.filtered();
  }

  protected *items(): Generator<RouteEntry> {
    const { family, isCloned, table, ifindex, protocol, type } = this.#wish;
    if (isCloned) return;
    const fibs: Fib[] = [];
    if (family === 0 || family === AF_INET) fibs.push(this.#stack.fib4);
    if (family === 0 || family === AF_INET6) fibs.push(this.#stack.fib6);
    for (const fib of fibs) {
      for (const e of fib.entries(table || undefined)) {
        if (ifindex && e.ifp?.index !== ifindex) continue;
        if (protocol && e.protocol !== protocol) continue;
        if (type && e.type !== type) continue;
        yield e;
      }
    }
  }

  protected override generation(): number {
    return this.#stack.fib4.generation + this.#stack.fib6.generation;
  }

  protected write(w: NetlinkWriter, e: RouteEntry): boolean {
    // Routes of IPv6 that refuse are shown over lo.
    return writeRoute(w, e, {
      type: rt.RTM_NEWROUTE,
      flags: this.flags,
      seq: this.seq,
      pid: this.pid,
    });
  }
}
