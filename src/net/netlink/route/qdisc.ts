/**
 * RTM_GETQDISC: queueing disciplines. An interface here has none (noqueue), or,
 * before it first comes up, one that takes nothing (noop). See tc(8).
 */
import { EINVAL } from "../../../abi/errno.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";

const BASIC_BYTES = 16;
const QUEUE_BYTES = 20;
const STATS_BYTES = 40;
const REFERENCES = 2;

export function dumpQdiscs(request: Request): number {
  const at = request.fixed(rt.TcMsg.sizeof);
  if (at < 0) return request.fail(EINVAL, "Invalid header for qdisc dump");
  return request.dump(new QdiscDump(request, rt.TcMsg.tcm_ifindex.get(request.view, at)));
}

class QdiscDump extends ListDump<Ifnet> {
  readonly #stack: NetStack;
  readonly #index: number;

  constructor(request: Request, index: number) {
    super(request);
    this.#stack = request.socket.stack;
    this.#index = index;
  }

  /** Linux tells of all, whatever interface is asked for: tc(8) picks. */
  protected *items(): Generator<Ifnet> {
    for (const ifp of this.#stack.inOrder()) {
      if (ifp.wasUp && (this.#index === 0 || this.#index === ifp.index)) yield ifp;
    }
  }

  protected write(w: NetlinkWriter, ifp: Ifnet): boolean {
    this.begin(w, rt.RTM_NEWQDISC);
    const { view, at } = w.fixed(rt.TcMsg.sizeof);
    rt.TcMsg.tcm_ifindex.set(view, at, ifp.index);
    rt.TcMsg.tcm_parent.set(view, at, rt.TC_H_ROOT);
    rt.TcMsg.tcm_info.set(view, at, REFERENCES);
    w.string(rt.TCA_KIND, "noqueue");
    const stats = w.plainNest(rt.TCA_STATS2);
    w.attr(rt.TCA_STATS_BASIC, new Uint8Array(BASIC_BYTES));
    w.attr(rt.TCA_STATS_QUEUE, new Uint8Array(QUEUE_BYTES));
    w.endNest(stats);
    w.attr(rt.TCA_STATS, new Uint8Array(STATS_BYTES));
    return w.end();
  }
}

/** Dumps of what there is none of: classes, filters, next-hop objects. */
export function nothingThere(request: Request): number {
  return request.dump(new NothingDump(request));
}

class NothingDump extends ListDump<never> {
  protected items(): readonly never[] {
    return [];
  }

  protected write(): boolean {
    return true;
  }
}
