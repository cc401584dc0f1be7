/** What a request of rtnetlink(7) says about a route: RTM_NEWROUTE, RTM_DELROUTE. */
import { EINVAL, EOPNOTSUPP } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { byteString } from "../../../lib/bytes.ts";
import { ANY, ANY4, ANY6, type InetAddr, prefixOf } from "../../address.ts";
import type { Fib } from "../../route.ts";
import { type Attr, type Attrs, each, type Policy } from "../attributes.ts";
import type { Request } from "../request.ts";

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

/** What a request says about a route, before it is clear whether it makes sense. */
export interface AskedRoute {
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

/** As it was asked for: EINVAL, EOPNOTSUPP. */
export function parseRoute(request: Request): AskedRoute | number {
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
