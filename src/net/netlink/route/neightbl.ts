/** RTM_GETNEIGHTBL: the neighbour tables and their parameters: ip ntable. See arp(7). */
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import type { Ifnet } from "../../ifnet.ts";
import type { NetStack } from "../../netstack.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";

const NAMES: ReadonlyMap<number, string> = new Map([
  [AF_INET, "arp_cache"],
  [AF_INET6, "ndisc_cache"],
]);
const GC_INTERVAL_MS = 30000;
const GC_THRESHOLDS = [128, 512, 1024];
/** Linux's: counts, and times in milliseconds. */
const PARAMETERS_32: readonly (readonly [number, number])[] = [
  [rt.NDTPA_QUEUE_LENBYTES, 212992],
  [rt.NDTPA_QUEUE_LEN, 101],
  [rt.NDTPA_PROXY_QLEN, 64],
  [rt.NDTPA_APP_PROBES, 0],
  [rt.NDTPA_UCAST_PROBES, 3],
  [rt.NDTPA_MCAST_PROBES, 3],
  [rt.NDTPA_MCAST_REPROBES, 0],
];
const PARAMETERS_MS: readonly (readonly [number, number])[] = [
  [rt.NDTPA_REACHABLE_TIME, 30000],
  [rt.NDTPA_BASE_REACHABLE_TIME, 30000],
  [rt.NDTPA_GC_STALETIME, 60000],
  [rt.NDTPA_DELAY_PROBE_TIME, 5000],
  [rt.NDTPA_RETRANS_TIME, 1000],
  [rt.NDTPA_ANYCAST_DELAY, 1000],
  [rt.NDTPA_PROXY_DELAY, 800],
  [rt.NDTPA_LOCKTIME, 1000],
];

export function dumpNeighbourTables(request: Request): number {
  return request.dump(new TableDump(request, request.bytes[request.fixed(1)]!));
}

interface Table {
  readonly family: number;
  /** Null: the table itself, with its defaults. */
  readonly ifp: Ifnet | null;
}

class TableDump extends ListDump<Table> {
  readonly #stack: NetStack;
  readonly #family: number;

  constructor(request: Request, family: number) {
    super(request);
    this.#stack = request.socket.stack;
    this.#family = family;
  }

  protected *items(): Generator<Table> {
    for (const family of NAMES.keys()) {
      if (this.#family !== 0 && this.#family !== family) continue;
      yield { family, ifp: null };
      for (const ifp of this.#stack.inOrder()) yield { family, ifp };
    }
  }

  protected write(w: NetlinkWriter, { family, ifp }: Table): boolean {
    this.begin(w, rt.RTM_NEWNEIGHTBL);
    const { view, at } = w.fixed(rt.NdtMsg.sizeof);
    rt.NdtMsg.ndtm_family.set(view, at, family);
    w.string(rt.NDTA_NAME, NAMES.get(family)!);
    if (!ifp) {
      w.u64(rt.NDTA_GC_INTERVAL, GC_INTERVAL_MS);
      for (const [i, n] of GC_THRESHOLDS.entries()) w.u32(rt.NDTA_THRESH1 + i, n);
    }
    const parms = w.plainNest(rt.NDTA_PARMS);
    if (ifp) w.u32(rt.NDTPA_IFINDEX, ifp.index);
    w.u32(rt.NDTPA_REFCNT, 1);
    for (const [type, value] of PARAMETERS_32) w.u32(type, value);
    for (const [type, ms] of PARAMETERS_MS) w.u64(type, ms);
    w.endNest(parms);
    return w.end();
  }
}
