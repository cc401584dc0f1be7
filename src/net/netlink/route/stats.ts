/** RTM_GETSTATS: counters of interfaces, as nstat and ifstat ask for them. See rtnetlink(7), linux/if_link.h. */
import { EINVAL, ENODEV } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { writeStats64 } from "./linkmsg.ts";

const LINK_64_BIT = 1 << (rt.IFLA_STATS_LINK_64 - 1);

export function getStats(request: Request): number {
  const mask = maskOf(request);
  if (mask < 0) return mask;
  const at = request.fixed(rt.IfStatsMsg.sizeof);
  const index = rt.IfStatsMsg.ifindex.get(request.view, at);
  if (index === 0) return request.fail(EINVAL, "Invalid device index");
  const ifp = request.socket.stack.byIndex(index);
  if (!ifp) return ENODEV;
  const w = request.answer(rt.RTM_NEWSTATS);
  writeBody(w, ifp, mask);
  return request.reply(w);
}

export function dumpStats(request: Request): number {
  const mask = maskOf(request);
  return mask < 0 ? mask : request.dump(new StatsDump(request, mask));
}

/** IFLA_STATS_* that are wanted, as bits; an errno. */
function maskOf(request: Request): number {
  const at = request.fixed(rt.IfStatsMsg.sizeof);
  if (at < 0) return request.fail(EINVAL, "Invalid header for stats dump");
  const mask = rt.IfStatsMsg.filter_mask.get(request.view, at);
  return mask === 0
    ? request.fail(EINVAL, "Filter mask must be set for stats dump")
    : mask & LINK_64_BIT;
}

class StatsDump extends ListDump<Ifnet> {
  readonly #stack: NetStack;
  readonly #mask: number;

  constructor(request: Request, mask: number) {
    super(request);
    this.#stack = request.socket.stack;
    this.#mask = mask;
  }

  protected items(): Iterable<Ifnet> {
    return this.#stack.inOrder();
  }

  protected write(w: NetlinkWriter, ifp: Ifnet): boolean {
    writeBody(this.begin(w, rt.RTM_NEWSTATS), ifp, this.#mask);
    return w.end();
  }
}

function writeBody(w: NetlinkWriter, ifp: Ifnet, mask: number): void {
  const { view, at } = w.fixed(rt.IfStatsMsg.sizeof);
  rt.IfStatsMsg.ifindex.set(view, at, ifp.index);
  rt.IfStatsMsg.filter_mask.set(view, at, mask);
  if ((mask & LINK_64_BIT) !== 0) writeStats64(w, rt.IFLA_STATS_LINK_64, ifp.counters);
}
