/** RTM_NEWROUTE: a route as netlink tells of it. See rtnetlink(7); Linux fib_dump_info, rt6_fill_node. */
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { bytesOf } from "../../../lib/bytes.ts";
import { ANY } from "../../address.ts";
import type { RouteEntry } from "../../routeentry.ts";
import type { NetlinkWriter } from "../writer.ts";

const CACHEINFO_BYTES = 32;

export interface RouteAnswer {
  /** RTM_NEWROUTE or RTM_DELROUTE. */
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly pid: number;
}

export function writeRoute(w: NetlinkWriter, e: RouteEntry, answer: RouteAnswer): boolean {
  const is4 = e.dst.length === 4;
  w.begin(answer.type, answer.flags, answer.seq, answer.pid);
  const { view, at } = w.fixed(rt.RtMsg.sizeof);
  rt.RtMsg.rtm_family.set(view, at, is4 ? AF_INET : AF_INET6);
  rt.RtMsg.rtm_dst_len.set(view, at, e.bits);
  rt.RtMsg.rtm_tos.set(view, at, is4 ? e.tos : 0);
  rt.RtMsg.rtm_table.set(view, at, e.table < 256 ? e.table : rt.RT_TABLE_COMPAT);
  rt.RtMsg.rtm_protocol.set(view, at, e.protocol);
  rt.RtMsg.rtm_scope.set(view, at, is4 ? e.scope : 0);
  rt.RtMsg.rtm_type.set(view, at, e.type);
  let flags = e.flags;
  if (e.ifp && !e.ifp.hasCarrier) flags |= rt.RTNH_F_LINKDOWN;
  if (e.ifp && !e.ifp.isUp) flags |= rt.RTNH_F_DEAD;
  rt.RtMsg.rtm_flags.set(view, at, flags);
  w.u32(rt.RTA_TABLE, e.table);
  if (e.bits > 0) w.attr(rt.RTA_DST, bytesOf(e.dst));
  if (!is4 || e.metric !== 0) w.u32(rt.RTA_PRIORITY, e.metric);
  if (e.mtu !== 0) {
    const metrics = w.plainNest(rt.RTA_METRICS);
    w.u32(rt.RTAX_MTU, e.mtu);
    w.endNest(metrics);
  }
  if (e.src !== ANY) w.attr(rt.RTA_PREFSRC, bytesOf(e.src));
  if (e.gateway !== ANY) writeGateway(w, e);
  if (e.ifp) w.u32(rt.RTA_OIF, e.ifp.index);
  if (!is4) {
    w.attr(rt.RTA_CACHEINFO, new Uint8Array(CACHEINFO_BYTES));
    w.u8(rt.RTA_PREF, 0);
  }
  return w.end();
}

/** The next hop; where it is of the other family, RTA_VIA. */
function writeGateway(w: NetlinkWriter, e: RouteEntry): void {
  const gateway = bytesOf(e.gateway);
  if (e.gateway.length === e.dst.length) {
    w.attr(rt.RTA_GATEWAY, gateway);
    return;
  }
  const via = new Uint8Array(2 + gateway.length);
  via[0] = e.gateway.length === 4 ? AF_INET : AF_INET6;
  via.set(gateway, 2);
  w.attr(rt.RTA_VIA, via);
}
