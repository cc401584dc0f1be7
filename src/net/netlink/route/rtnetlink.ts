/**
 * NETLINK_ROUTE: interfaces, addresses, routes, neighbours and rules, to be
 * asked for and to be changed. See rtnetlink(7).
 *
 * Gets are for everybody, changes for who has CAP_NET_ADMIN over the network.
 */
import { EOPNOTSUPP, EPERM } from "../../../abi/errno.ts";
import { NETLINK_ROUTE, NLM_F_DUMP } from "../../../abi/netlink.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { CAP_NET_ADMIN } from "../../../kern/cred.ts";
import type { NetStack } from "../../netstack.ts";
import type { NetlinkPorts } from "../ports.ts";
import type { NetlinkProtocol } from "../protocol.ts";
import type { Request } from "../request.ts";
import { delAddr, dumpAddrs, getAddr, newAddr } from "./addr.ts";
import { dumpLinks, getLink } from "./linkget.ts";
import { delLink, newLink, setLink } from "./linkset.ts";
import { changeNeighbour, dumpNeighbours, getNeighbour } from "./neigh.ts";
import { dumpNeighbourTables } from "./neightbl.ts";
import { dumpNetconf, getNetconf } from "./netconf.ts";
import { RouteNotifier } from "./notify.ts";
import { getNsid } from "./nsid.ts";
import { dumpQdiscs, nothingThere } from "./qdisc.ts";
import { delRoute, dumpRoutes, newRoute } from "./route.ts";
import { getRoute } from "./routeget.ts";
import { delRule, dumpRules, newRule } from "./rule.ts";
import { dumpStats, getStats } from "./stats.ts";

type Handler = (request: Request) => number;

interface Handlers {
  readonly serve?: Handler;
  readonly dump?: Handler;
}

const HANDLERS: ReadonlyMap<number, Handlers> = new Map<number, Handlers>([
  [rt.RTM_NEWLINK, { serve: newLink }],
  [rt.RTM_DELLINK, { serve: delLink }],
  [rt.RTM_GETLINK, { serve: getLink, dump: dumpLinks }],
  [rt.RTM_SETLINK, { serve: setLink }],
  [rt.RTM_NEWADDR, { serve: newAddr }],
  [rt.RTM_DELADDR, { serve: delAddr }],
  [rt.RTM_GETADDR, { serve: getAddr, dump: dumpAddrs }],
  [rt.RTM_NEWROUTE, { serve: newRoute }],
  [rt.RTM_DELROUTE, { serve: delRoute }],
  [rt.RTM_GETROUTE, { serve: getRoute, dump: dumpRoutes }],
  [rt.RTM_NEWNEIGH, { serve: changeNeighbour }],
  [rt.RTM_DELNEIGH, { serve: changeNeighbour }],
  [rt.RTM_GETNEIGH, { serve: getNeighbour, dump: dumpNeighbours }],
  [rt.RTM_NEWRULE, { serve: newRule }],
  [rt.RTM_DELRULE, { serve: delRule }],
  [rt.RTM_GETRULE, { dump: dumpRules }],
  [rt.RTM_GETNEIGHTBL, { dump: dumpNeighbourTables }],
  [rt.RTM_GETNETCONF, { serve: getNetconf, dump: dumpNetconf }],
  [rt.RTM_GETQDISC, { dump: dumpQdiscs }],
  [rt.RTM_GETTCLASS, { dump: nothingThere }],
  [rt.RTM_GETTFILTER, { dump: nothingThere }],
  [rt.RTM_GETCHAIN, { dump: nothingThere }],
  [rt.RTM_GETNEXTHOP, { dump: nothingThere }],
  [rt.RTM_GETANYCAST, { dump: nothingThere }],
  [rt.RTM_GETSTATS, { serve: getStats, dump: dumpStats }],
  [rt.RTM_GETNSID, { serve: getNsid, dump: nothingThere }],
]);

const KIND_MASK = 3;
const KIND_GET = 2;

export class RouteProtocol implements NetlinkProtocol {
  readonly protocol = NETLINK_ROUTE;
  readonly groups = rt.RTNL_GROUPS;
  readonly mayAnyoneListen = true;
  readonly mayAnyoneSend = false;
  readonly hasKernelEnd = true;

  attached(stack: NetStack, ports: NetlinkPorts): void {
    stack.observers.add(new RouteNotifier(ports));
  }

  serve(request: Request): number {
    const { type } = request;
    if (type > rt.RTM_MAX) return EOPNOTSUPP;
    // A message without even a family is no question.
    if (request.payloadBytes < 1) return 0;
    const isGet = (type & KIND_MASK) === KIND_GET;
    const { socket, td } = request;
    if (!isGet && !socket.mayAdminister(td, CAP_NET_ADMIN)) return EPERM;
    const handlers = HANDLERS.get(type);
    if (!handlers) return EOPNOTSUPP;
    const isDump = isGet && (request.flags & NLM_F_DUMP) !== 0;
    const handler = isDump ? handlers.dump : handlers.serve;
    const r = handler ? handler(request) : EOPNOTSUPP;
    socket.stack.netisr.drain();
    return r;
  }
}
