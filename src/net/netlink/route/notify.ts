/**
 * What NETLINK_ROUTE tells its groups: interfaces, addresses, routes and rules
 * that come, change and go. `ip monitor` listens, and so do network managers.
 */
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET } from "../../../abi/socket.ts";
import type { IfAddr } from "../../ifaddr.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetObserver } from "../../netstack.ts";
import type { RouteEntry } from "../../routeentry.ts";
import type { RouteRule } from "../../routerule.ts";
import type { NetlinkPorts } from "../ports.ts";
import { NetlinkWriter } from "../writer.ts";
import { writeAddr } from "./addrmsg.ts";
import { writeLink } from "./linkmsg.ts";
import { writeRoute } from "./routemsg.ts";
import { writeRule } from "./rule.ts";

const NOBODY = { flags: 0, seq: 0, pid: 0 } as const;
const ALL_FLAGS = 0xffffffff;

export class RouteNotifier implements NetObserver {
  readonly #ports: NetlinkPorts;

  constructor(ports: NetlinkPorts) {
    this.#ports = ports;
  }

  linkChanged(ifp: Ifnet): void {
    this.#tellLink(ifp, rt.RTM_NEWLINK, 0);
  }

  linkGone(ifp: Ifnet): void {
    this.#tellLink(ifp, rt.RTM_DELLINK, ALL_FLAGS);
  }

  #tellLink(ifp: Ifnet, type: number, change: number): void {
    if (!this.#ports.hasListeners(rt.RTNLGRP_LINK)) return;
    const w = new NetlinkWriter();
    writeLink(w, ifp, { ...NOBODY, type, change, extMask: 0 });
    this.#ports.multicast(w.bytes(), rt.RTNLGRP_LINK);
  }

  addressChanged(ifp: Ifnet, ia: IfAddr, isGone: boolean): void {
    const group = ia.addr.length === 4 ? rt.RTNLGRP_IPV4_IFADDR : rt.RTNLGRP_IPV6_IFADDR;
    if (!this.#ports.hasListeners(group)) return;
    const w = new NetlinkWriter();
    writeAddr(w, ifp, ia, { ...NOBODY, type: isGone ? rt.RTM_DELADDR : rt.RTM_NEWADDR });
    this.#ports.multicast(w.bytes(), group);
  }

  routeChanged(entry: RouteEntry, isGone: boolean): void {
    const group = entry.dst.length === 4 ? rt.RTNLGRP_IPV4_ROUTE : rt.RTNLGRP_IPV6_ROUTE;
    if (!this.#ports.hasListeners(group)) return;
    const w = new NetlinkWriter();
    writeRoute(w, entry, { ...NOBODY, type: isGone ? rt.RTM_DELROUTE : rt.RTM_NEWROUTE });
    this.#ports.multicast(w.bytes(), group);
  }

  ruleChanged(family: number, rule: RouteRule, isGone: boolean): void {
    const group = family === AF_INET ? rt.RTNLGRP_IPV4_RULE : rt.RTNLGRP_IPV6_RULE;
    if (!this.#ports.hasListeners(group)) return;
    const w = new NetlinkWriter();
    writeRule(w, family, rule, { ...NOBODY, type: isGone ? rt.RTM_DELRULE : rt.RTM_NEWRULE });
    this.#ports.multicast(w.bytes(), group);
  }
}
