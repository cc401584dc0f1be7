/**
 * Routing: tables of prefixes, of which the longest that fits decides, and rules which table is asked.
 *
 * Every change counts `generation` up: a route that somebody kept is good as
 * long as that number stands. See route(4), ip-route(8), ip-rule(8).
 */
import {
  EACCES,
  EEXIST,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  ENOBUFS,
  type Errno,
  ESRCH,
} from "../abi/errno.ts";
import {
  FR_ACT_TO_TBL,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTPROT_BOOT,
} from "../abi/route.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { ANY, type InetAddr, isInPrefix, prefixOf } from "./address.ts";
import type { Ifnet } from "./ifnet.ts";

/** Most routes of a NetStack, and answers that are remembered. */
const MAX_ROUTES = 65536;
const MAX_TABLES = 256;
/** What a route takes of the kernel's memory, about. */
const ROUTE_BYTES = 320;
const MAX_CACHED = 1024;

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

/** ip rule: packets that fit look into `table`. */
export interface RouteRule {
  readonly priority: number;
  /** FR_ACT_*. */
  readonly action: number;
  readonly table: number;
  readonly src: InetAddr;
  readonly srcBits: number;
  readonly dst: InetAddr;
  readonly dstBits: number;
  readonly iif: string;
  readonly oif: string;
  readonly mark: number;
  readonly markMask: number;
  readonly tos: number;
  readonly isInverted: boolean;
}

/** What is asked of the tables. */
export interface RouteKey {
  readonly dst: InetAddr;
  /** ANY while it is not chosen yet. */
  readonly src?: InetAddr;
  /** Only over this interface. */
  readonly oif?: Ifnet | null;
  /** For packets that came in: from here. */
  readonly iif?: Ifnet | null;
  readonly mark?: number;
  readonly tos?: number;
}

export function plainRule(priority: number, table: number): RouteRule {
  return {
    priority,
    action: FR_ACT_TO_TBL,
    table,
    src: ANY,
    srcBits: 0,
    dst: ANY,
    dstBits: 0,
    iif: "",
    oif: "",
    mark: 0,
    markMask: 0,
    tos: 0,
    isInverted: false,
  };
}

/** The prefixes of one table: by length, then by the prefix itself. */
class RouteTable {
  readonly byBits = new Map<number, Map<InetAddr, RouteEntry[]>>();
  /** Lengths that occur, longest first. */
  bits: readonly number[] = [];

  add(entry: RouteEntry): void {
    let byDst = this.byBits.get(entry.bits);
    if (!byDst) {
      byDst = new Map();
      this.byBits.set(entry.bits, byDst);
      this.bits = [...this.byBits.keys()].sort((a, b) => b - a);
    }
    const list = byDst.get(entry.dst);
    if (!list) {
      byDst.set(entry.dst, [entry]);
      return;
    }
    // A particular type of service first, then the better metric; among equals the older.
    let at = 0;
    while (at < list.length && !isBefore(entry, list[at]!)) at++;
    list.splice(at, 0, entry);
  }

  remove(entry: RouteEntry): boolean {
    const byDst = this.byBits.get(entry.bits);
    const list = byDst?.get(entry.dst);
    const at = list?.indexOf(entry) ?? -1;
    if (at < 0) return false;
    list!.splice(at, 1);
    if (list!.length === 0) byDst!.delete(entry.dst);
    if (byDst!.size === 0) {
      this.byBits.delete(entry.bits);
      this.bits = this.bits.filter((b) => b !== entry.bits);
    }
    return true;
  }
}

function isBefore(a: RouteEntry, b: RouteEntry): boolean {
  if (a.tos !== b.tos) return a.tos > b.tos;
  return a.metric < b.metric;
}

/** Hears of routes that come and go. */
export interface FibObserver {
  routeChanged(entry: RouteEntry, isGone: boolean): void;
}

/** By prefix, the shorter first; but of IPv6 the default routes last, as Linux walks its tree. */
function isBeforeInTree(a: RouteEntry, b: RouteEntry): number {
  if (a.dst.length === 16 && (a.bits === 0) !== (b.bits === 0)) return a.bits === 0 ? 1 : -1;
  return a.dst < b.dst ? -1 : a.dst > b.dst ? 1 : a.bits - b.bits;
}

/** The routes of one family. */
export class Fib {
  observer: FibObserver | null = null;
  /** Pays for the routes. */
  kmem: KernelMemory | null = null;
  /** Counts changes. */
  generation = 0;
  readonly rules: RouteRule[];
  /** There are more rules than there are from the beginning. */
  hasOwnRules = false;
  readonly #tables = new Map<number, RouteTable>();
  /** Those whose packets leave from an address of their own. */
  readonly #bySource = new Map<InetAddr, Set<RouteEntry>>();
  readonly #cache = new Map<InetAddr, RouteEntry | Errno>();
  #count = 0;

  constructor(isV6: boolean) {
    this.rules = [plainRule(0, RT_TABLE_LOCAL), plainRule(32766, RT_TABLE_MAIN)];
    if (!isV6) this.rules.push(plainRule(32767, RT_TABLE_DEFAULT));
  }

  get count(): number {
    return this.#count;
  }

  /** 0; EEXIST where the same prefix with the same tos and metric is there; ENOBUFS by the caller's measure is EINVAL here. */
  add(entry: RouteEntry): number {
    if (this.#count >= MAX_ROUTES) return EINVAL;
    return this.find(entry) ? EEXIST : this.append(entry);
  }

  /** Puts `entry` where one of the same kind may be already: NLM_F_APPEND. */
  append(entry: RouteEntry): number {
    if (this.#count >= MAX_ROUTES) return EINVAL;
    if (this.kmem?.take(ROUTE_BYTES) === false) return ENOBUFS;
    let table = this.#tables.get(entry.table);
    if (!table) {
      table = new RouteTable();
      this.#tables.set(entry.table, table);
    }
    table.add(entry);
    if (entry.src !== ANY) {
      const others = this.#bySource.get(entry.src);
      if (others) others.add(entry);
      else this.#bySource.set(entry.src, new Set([entry]));
    }
    this.#count++;
    this.changed();
    this.observer?.routeChanged(entry, false);
    return 0;
  }

  /** ESRCH if it is not there. */
  remove(entry: RouteEntry): number {
    const table = this.#tables.get(entry.table);
    if (!table?.remove(entry)) return ESRCH;
    // An empty table is still there, as programs see it; but not any number of them.
    if (table.bits.length === 0 && this.#tables.size > MAX_TABLES) this.#tables.delete(entry.table);
    this.kmem?.give(ROUTE_BYTES);
    const others = this.#bySource.get(entry.src);
    if (others?.delete(entry) && others.size === 0) this.#bySource.delete(entry.src);
    this.#count--;
    this.changed();
    this.observer?.routeChanged(entry, true);
    return 0;
  }

  /** The entry that would be in the way of this one. */
  find(like: RouteEntry): RouteEntry | null {
    const list = this.#tables.get(like.table)?.byBits.get(like.bits)?.get(like.dst);
    if (!list) return null;
    for (const e of list) {
      if (e.tos !== like.tos || e.metric !== like.metric) continue;
      // Addresses of a host may be on several interfaces.
      if (like.dst.length === 16 && (e.ifp !== like.ifp || e.gateway !== like.gateway)) continue;
      if (e.type !== like.type && like.dst.length === 16) continue;
      return e;
    }
    return null;
  }

  hasTable(table: number): boolean {
    return this.#tables.has(table);
  }

  /** The routes to one prefix in a table, best first. */
  at(table: number, dst: InetAddr, bits: number): readonly RouteEntry[] {
    return [...(this.#tables.get(table)?.byBits.get(bits)?.get(dst) ?? [])];
  }

  /** The routes of a table to just this prefix. */
  to(table: number, dst: InetAddr, bits: number): readonly RouteEntry[] {
    return this.#tables.get(table)?.byBits.get(bits)?.get(dst) ?? [];
  }

  /** Forgets the routes whose packets would leave from `src`. */
  removeSource(src: InetAddr): void {
    for (const e of [...(this.#bySource.get(src) ?? [])]) this.remove(e);
  }

  /** Every route, in no order. */
  *#all(): Generator<RouteEntry> {
    for (const table of this.#tables.values()) {
      for (const byDst of table.byBits.values()) for (const list of byDst.values()) yield* list;
    }
  }

  /** Every route, tables in order of number, prefixes in order of length and address. */
  *entries(table?: number): Generator<RouteEntry> {
    for (const id of [...this.#tables.keys()].sort((a, b) => a - b)) {
      if (table !== undefined && id !== table) continue;
      const all: RouteEntry[] = [];
      for (const byDst of this.#tables.get(id)!.byBits.values()) {
        for (const list of byDst.values()) for (const e of list) all.push(e);
      }
      all.sort(isBeforeInTree);
      yield* all;
    }
  }

  /** The network ends. */
  end(): void {
    this.observer = null;
    for (const e of [...this.entries()]) this.remove(e);
  }

  /** Forgets every route over `ifp`. */
  removeInterface(ifp: Ifnet): RouteEntry[] {
    const gone = [...this.#all()].filter((e) => e.ifp === ifp);
    for (const e of gone) this.remove(e);
    return gone;
  }

  /** The generation moves on: also for what changes the answers without a route (an interface up or down). */
  changed(): void {
    this.generation++;
    this.#cache.clear();
    this.hasOwnRules = this.rules.some((r) => r.priority > 0 && r.priority < 32766);
  }

  /** The route that decides: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL. */
  lookup(key: RouteKey): RouteEntry | Errno {
    const isPlain = !key.oif && !key.iif && !key.mark && !key.tos && !this.hasOwnRules;
    if (!isPlain) return this.#lookup(key);
    const known = this.#cache.get(key.dst);
    if (known !== undefined) return known;
    const found = this.#lookup(key);
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    this.#cache.set(key.dst, found);
    return found;
  }

  #lookup(key: RouteKey): RouteEntry | Errno {
    for (const rule of this.rules) {
      if (!fits(rule, key)) continue;
      if (rule.action !== FR_ACT_TO_TBL) {
        const no = refusal(rule.action);
        if (no !== null) return no;
        continue;
      }
      const found = this.lookupTable(rule.table, key);
      if (!found || found.type === RTN_THROW) continue;
      return refusal(found.type) ?? found;
    }
    return ENETUNREACH;
  }

  /** The longest prefix of one table that fits; null. */
  lookupTable(id: number, key: RouteKey): RouteEntry | null {
    const table = this.#tables.get(id);
    if (!table) return null;
    for (const bits of table.bits) {
      const list = table.byBits.get(bits)!.get(prefixOf(key.dst, bits));
      if (!list) continue;
      for (const e of list) {
        if (e.tos !== 0 && e.tos !== key.tos) continue;
        if (e.ifp && !e.ifp.isUp) continue;
        if (key.oif && e.ifp && e.ifp !== key.oif) continue;
        return e;
      }
    }
    return null;
  }
}

function refusal(type: number): Errno | null {
  switch (type) {
    case RTN_BLACKHOLE:
      return EINVAL;
    case RTN_UNREACHABLE:
      return EHOSTUNREACH;
    case RTN_PROHIBIT:
      return EACCES;
    default:
      return null;
  }
}

function fits(rule: RouteRule, key: RouteKey): boolean {
  const r = rule;
  const is =
    (r.srcBits === 0 || isInPrefix(key.src ?? ANY, prefixOf(r.src, r.srcBits), r.srcBits)) &&
    (r.dstBits === 0 || isInPrefix(key.dst, prefixOf(r.dst, r.dstBits), r.dstBits)) &&
    (r.markMask === 0 || ((key.mark ?? 0) & r.markMask) === (r.mark & r.markMask)) &&
    (r.tos === 0 || r.tos === key.tos) &&
    (r.iif === "" || (key.iif ? key.iif.name === r.iif : r.iif === "lo")) &&
    (r.oif === "" || key.oif?.name === r.oif);
  return is !== r.isInverted;
}
