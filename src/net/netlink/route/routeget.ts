/** RTM_GETROUTE of one address: where a packet to it would go. See ip-route(8), "ip route get". */
import { EINVAL, ENODEV, EOPNOTSUPP, type Errno, failed } from "../../../abi/errno.ts";
import { RT_TABLE_LOCAL, RT_TABLE_MAIN, RTN_BROADCAST, RTN_LOCAL } from "../../../abi/route.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { bytesOf } from "../../../lib/bytes.ts";
import { ANY, ANY4, ANY6 } from "../../address.ts";
import type { Ifnet } from "../../ifnet.ts";
import { findPath } from "../../ip/path.ts";
import type { RouteEntry } from "../../routeentry.ts";
import type { Request } from "../request.ts";
import { ROUTE_POLICY4, ROUTE_POLICY6 } from "./routeasked.ts";
import { writeRoute } from "./routemsg.ts";

/** The answer is for the moment, and of an address of this host. */
const RTCF_LOCAL = 0x80000000;
const RTCF_BROADCAST = 0x10000000;
const FLAGS: ReadonlyMap<number, number> = new Map([
  [RTN_LOCAL, RTCF_LOCAL],
  [RTN_BROADCAST, RTCF_LOCAL | RTCF_BROADCAST],
]);
const CACHEINFO_BYTES = 32;

export function getRoute(request: Request): number {
  const at = request.fixed(rt.RtMsg.sizeof);
  if (at < 0) return request.fail(EINVAL, "Invalid header for route get request");
  const { view } = request;
  const family = rt.RtMsg.rtm_family.get(view, at);
  if (family !== AF_INET && family !== AF_INET6) return EOPNOTSUPP;
  const is4 = family === AF_INET;
  const attrs = request.attrs(rt.RtMsg.sizeof, is4 ? ROUTE_POLICY4 : ROUTE_POLICY6);
  if (typeof attrs === "number") return attrs;
  const size = is4 ? 4 : 16;
  const { stack } = request.socket;
  const dst = attrs.chars(rt.RTA_DST)?.slice(0, size) ?? (is4 ? ANY4 : ANY6);
  const asked = attrs.chars(rt.RTA_SRC)?.slice(0, size) ?? ANY;
  const oif = interfaceIn(request, attrs.u32(rt.RTA_OIF));
  const iif = interfaceIn(request, attrs.u32(rt.RTA_IIF));
  if (failed(oif)) return oif;
  if (failed(iif)) return iif;
  const mark = attrs.u32(rt.RTA_MARK) ?? 0;
  const tos = is4 ? rt.RtMsg.rtm_tos.get(view, at) : 0;
  const found = (is4 ? stack.fib4 : stack.fib6).lookup({ dst, src: asked, oif, iif, mark, tos });
  if (failed(found)) return found;
  const flags = rt.RtMsg.rtm_flags.get(view, at);
  if ((flags & rt.RTM_F_FIB_MATCH) !== 0) {
    const w = request.answer(0);
    w.cancel();
    const { seq, pid } = request;
    writeRoute(w, found, { type: rt.RTM_NEWROUTE, flags: 0, seq, pid });
    return request.reply(w);
  }
  return answer(request, { found, dst, asked, oif, tos, mark });
}

function interfaceIn(request: Request, index: number | null): Ifnet | null | Errno {
  if (index === null || index === 0) return null;
  return request.socket.stack.byIndex(index) ?? ENODEV;
}

interface Found {
  readonly found: RouteEntry;
  readonly dst: string;
  readonly asked: string;
  readonly oif: Ifnet | null;
  readonly tos: number;
  readonly mark: number;
}

function answer(request: Request, { found, dst, asked, oif, tos, mark }: Found): number {
  const is4 = dst.length === 4;
  const { stack } = request.socket;
  const w = request.answer(rt.RTM_NEWROUTE);
  const { view, at } = w.fixed(rt.RtMsg.sizeof);
  const isLocal = found.type === RTN_LOCAL;
  // Linux keeps its local and main tables in one, as long as nobody adds rules.
  const table = is4 && found.table === RT_TABLE_LOCAL ? RT_TABLE_MAIN : found.table;
  rt.RtMsg.rtm_family.set(view, at, is4 ? AF_INET : AF_INET6);
  rt.RtMsg.rtm_dst_len.set(view, at, is4 ? 32 : 128);
  rt.RtMsg.rtm_src_len.set(view, at, asked === ANY ? 0 : is4 ? 32 : 128);
  rt.RtMsg.rtm_tos.set(view, at, tos);
  rt.RtMsg.rtm_table.set(view, at, table < 256 ? table : rt.RT_TABLE_COMPAT);
  rt.RtMsg.rtm_protocol.set(view, at, found.protocol);
  rt.RtMsg.rtm_type.set(view, at, found.type);
  if (is4) rt.RtMsg.rtm_flags.set(view, at, rt.RTM_F_CLONED | (FLAGS.get(found.type) ?? 0));
  w.u32(rt.RTA_TABLE, table);
  w.attr(rt.RTA_DST, bytesOf(dst));
  if (asked !== ANY) w.attr(rt.RTA_SRC, bytesOf(asked));
  const via = is4 && isLocal ? stack.lo : found.ifp;
  if (via) w.u32(rt.RTA_OIF, via.index);
  if (asked === ANY && found.ifp) {
    const path = findPath(stack, { dst, oif, mark, tos });
    const src = failed(path) ? ANY : path.src;
    if (src.length === dst.length) w.attr(rt.RTA_PREFSRC, bytesOf(src));
  }
  if (found.gateway !== ANY && found.gateway.length === dst.length) {
    w.attr(rt.RTA_GATEWAY, bytesOf(found.gateway));
  }
  if (!is4) w.u32(rt.RTA_PRIORITY, found.metric);
  if (mark !== 0) w.u32(rt.RTA_MARK, mark);
  if (is4) w.u32(rt.RTA_UID, request.td.cred.uid);
  w.attr(rt.RTA_CACHEINFO, new Uint8Array(CACHEINFO_BYTES));
  if (!is4) w.u8(rt.RTA_PREF, 0);
  return request.reply(w);
}
