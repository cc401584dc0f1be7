/** RTM_NEWROUTE, RTM_DELROUTE, and dumps of routes. See rtnetlink(7), ip-route(8). */
import {
  EEXIST,
  EINVAL,
  ENETDOWN,
  ENETUNREACH,
  ENODEV,
  ENOENT,
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
import { ANY } from "../../address.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import type { Fib } from "../../route.ts";
import { RouteEntry } from "../../routeentry.ts";
import type { Policy } from "../attributes.ts";
import { FailedDump, ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { nothingThere } from "./qdisc.ts";
import { type AskedRoute, parseRoute, ROUTE_POLICY6 } from "./routeasked.ts";
import { writeRoute } from "./routemsg.ts";

/** Where ip-route(8) puts routes of IPv6 that say nothing. */
const METRIC6_USER = 1024;

const REFUSING: ReadonlySet<number> = new Set([
  RTN_BLACKHOLE,
  RTN_UNREACHABLE,
  RTN_PROHIBIT,
  RTN_THROW,
]);

export function newRoute(request: Request): number {
  const asked = parseRoute(request);
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
function entryOf(request: Request, asked: AskedRoute): RouteEntry | number {
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
function gatewayInterface(request: Request, asked: AskedRoute, ifp: Ifnet | null): Ifnet | number {
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
  const asked = parseRoute(request);
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
