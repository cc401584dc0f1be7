/** RTM_NEWADDR: an address of an interface as netlink tells of it. See rtnetlink(7); Linux inet_fill_ifaddr. */
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { bytesOf } from "../../../lib/bytes.ts";
import { ANY } from "../../address.ts";
import { type IfAddr, LIFETIME_FOREVER } from "../../ifaddr.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetlinkWriter } from "../writer.ts";

const NS_PER_TICK = 1e7;
const NS_PER_SEC = 1e9;

export interface AddrAnswer {
  /** RTM_NEWADDR or RTM_DELADDR. */
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly pid: number;
}

export function writeAddr(w: NetlinkWriter, ifp: Ifnet, ia: IfAddr, answer: AddrAnswer): boolean {
  const is4 = ia.addr.length === 4;
  w.begin(answer.type, answer.flags, answer.seq, answer.pid);
  const { view, at } = w.fixed(rt.IfAddrMsg.sizeof);
  rt.IfAddrMsg.ifa_family.set(view, at, is4 ? AF_INET : AF_INET6);
  rt.IfAddrMsg.ifa_prefixlen.set(view, at, ia.bits);
  rt.IfAddrMsg.ifa_flags.set(view, at, ia.flags & 0xff);
  rt.IfAddrMsg.ifa_scope.set(view, at, ia.scope);
  rt.IfAddrMsg.ifa_index.set(view, at, ifp.index);
  w.attr(rt.IFA_ADDRESS, bytesOf(ia.peer));
  if (is4 || ia.peer !== ia.addr) w.attr(rt.IFA_LOCAL, bytesOf(ia.addr));
  if (ia.broadcast !== ANY) w.attr(rt.IFA_BROADCAST, bytesOf(ia.broadcast));
  if (is4 && ia.label !== "") w.string(rt.IFA_LABEL, ia.label);
  if (is4 && ia.proto !== 0) w.u8(rt.IFA_PROTO, ia.proto);
  w.u32(rt.IFA_FLAGS, ia.flags);
  if (ia.metric !== 0) w.u32(rt.IFA_RT_PRIORITY, ia.metric);
  w.attr(rt.IFA_CACHEINFO, cacheInfo(ifp, ia));
  if (!is4 && ia.proto !== 0) w.u8(rt.IFA_PROTO, ia.proto);
  return w.end();
}

/** struct ifa_cacheinfo: seconds left, and ticks of 10 ms when it was made and changed. */
function cacheInfo(ifp: Ifnet, ia: IfAddr): Uint8Array {
  const ageSec = Math.floor((ifp.stack.nowNs() - ia.updatedNs) / NS_PER_SEC);
  const left = (sec: number): number =>
    sec === LIFETIME_FOREVER ? LIFETIME_FOREVER : Math.max(0, sec - ageSec);
  const words = [
    left(ia.preferredSec),
    left(ia.validSec),
    Math.floor(ia.createdNs / NS_PER_TICK) % 2 ** 32,
    Math.floor(ia.updatedNs / NS_PER_TICK) % 2 ** 32,
  ];
  return new Uint8Array(Uint32Array.from(words).buffer);
}
