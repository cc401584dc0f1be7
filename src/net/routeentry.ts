/** A route: what a table says of one prefix. See ip-route(8). */
import { RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTN_UNICAST, RTPROT_BOOT } from "../abi/route.ts";
import { ANY, type InetAddr, prefixOf } from "./address.ts";
import type { Ifnet } from "./ifnet.ts";

export class RouteEntry {
  readonly dst: InetAddr;
  readonly bits: number;
  readonly table: number;
  readonly tos: number;
  /** RTN_*. */
  readonly type: number;
  readonly scope: number;
  /** RTPROT_*. */
  readonly protocol: number;
  /** Less is better. */
  readonly metric: number;
  /** ANY: the destination is on the link. */
  readonly gateway: InetAddr;
  /** Null for routes that say no. */
  readonly ifp: Ifnet | null;
  /** Preferred source; ANY: as the interface says. */
  readonly src: InetAddr;
  /** RTAX_MTU; 0: the interface's. */
  readonly mtu: number;
  /** RTNH_F_ONLINK and the like. */
  readonly flags: number;

  constructor(from: {
    readonly dst: InetAddr;
    readonly bits: number;
    readonly table?: number;
    readonly tos?: number;
    readonly type?: number;
    readonly scope?: number;
    readonly protocol?: number;
    readonly metric?: number;
    readonly gateway?: InetAddr;
    readonly ifp: Ifnet | null;
    readonly src?: InetAddr;
    readonly mtu?: number;
    readonly flags?: number;
  }) {
    this.dst = prefixOf(from.dst, from.bits);
    this.bits = from.bits;
    this.table = from.table ?? RT_TABLE_MAIN;
    this.tos = from.tos ?? 0;
    this.type = from.type ?? RTN_UNICAST;
    this.scope = from.scope ?? RT_SCOPE_UNIVERSE;
    this.protocol = from.protocol ?? RTPROT_BOOT;
    this.metric = from.metric ?? 0;
    this.gateway = from.gateway ?? ANY;
    this.ifp = from.ifp;
    this.src = from.src ?? ANY;
    this.mtu = from.mtu ?? 0;
    this.flags = from.flags ?? 0;
  }
}
