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
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNREACHABLE,
} from "../abi/route.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { ANY, type InetAddr, prefixOf } from "./address.ts";
import type { Ifnet } from "./ifnet.ts";
import type { RouteEntry } from "./routeentry.ts";
import { fits, type RouteKey, type RouteRule, RouteRules } from "./routerule.ts";
import { RouteTable } from "./routetable.ts";

/** Most routes of a NetStack, and answers that are remembered. */
const MAX_ROUTES = 65536;
const MAX_TABLES = 256;
/** What a route takes of the kernel's memory, about. */
const ROUTE_BYTES = 320;
const MAX_CACHED = 1024;

/** Hears of routes that come and go. */
export interface FibObserver {
  routeChanged(entry: RouteEntry, isGone: boolean): void;
}

/** The routes of one family. */
export class Fib {
  observer: FibObserver | null = null;
  /** Pays for the routes. */
  kmem: KernelMemory | null = null;
  /** Counts changes. */
  generation = 0;
  readonly rules: RouteRules;
  readonly #tables = new Map<number, RouteTable>();
  /** Those whose packets leave from an address of their own. */
  readonly #bySource = new Map<InetAddr, Set<RouteEntry>>();
  readonly #byInterface = new Map<Ifnet, Set<RouteEntry>>();
  readonly #cache = new Map<InetAddr, RouteEntry | Errno>();
  #count = 0;

  constructor(isV6: boolean) {
    this.rules = new RouteRules(isV6);
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
    let table = this.#tables.get(entry.table);
    if (table?.hasRoom(entry) === false) return ENOBUFS;
    if (this.kmem?.take(ROUTE_BYTES) === false) return ENOBUFS;
    if (!table) {
      table = new RouteTable();
      this.#tables.set(entry.table, table);
    }
    table.add(entry);
    if (entry.src !== ANY) addTo(this.#bySource, entry.src, entry);
    if (entry.ifp) addTo(this.#byInterface, entry.ifp, entry);
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
    removeFrom(this.#bySource, entry.src, entry);
    if (entry.ifp) removeFrom(this.#byInterface, entry.ifp, entry);
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
    for (const table of this.#tables.values()) yield* table.all();
  }

  /** Every route, tables in order of number, prefixes in order of length and address. */
  *entries(table?: number): Generator<RouteEntry> {
    for (const id of [...this.#tables.keys()].sort((a, b) => a - b)) {
      if (table === undefined || id === table) yield* this.#tables.get(id)!.inOrder();
    }
  }

  /** ENOBUFS. */
  addRule(rule: RouteRule): number {
    const r = this.rules.add(rule, this.kmem);
    if (r === 0) this.changed();
    return r;
  }

  removeRule(rule: RouteRule): void {
    this.rules.remove(rule, this.kmem);
    this.changed();
  }

  /** The network ends. */
  end(): void {
    this.observer = null;
    for (const e of [...this.#all()]) this.remove(e);
    for (const rule of [...this.rules.all]) this.removeRule(rule);
  }

  /** Forgets every route over `ifp`. */
  removeInterface(ifp: Ifnet): RouteEntry[] {
    const gone = [...(this.#byInterface.get(ifp) ?? [])];
    for (const e of gone) this.remove(e);
    return gone;
  }

  /** The generation moves on: also for what changes the answers without a route (an interface up or down). */
  changed(): void {
    this.generation++;
    this.#cache.clear();
  }

  /** The route that decides: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL. */
  lookup(key: RouteKey): RouteEntry | Errno {
    const isPlain = !key.oif && !key.iif && !key.mark && !key.tos && !this.rules.hasOwn;
    if (!isPlain) return this.#lookup(key);
    const known = this.#cache.get(key.dst);
    if (known !== undefined) return known;
    const found = this.#lookup(key);
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear();
    this.#cache.set(key.dst, found);
    return found;
  }

  #lookup(key: RouteKey): RouteEntry | Errno {
    for (const rule of this.rules.all) {
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

function addTo<K>(index: Map<K, Set<RouteEntry>>, key: K, entry: RouteEntry): void {
  const others = index.get(key);
  if (others) others.add(entry);
  else index.set(key, new Set([entry]));
}

function removeFrom<K>(index: Map<K, Set<RouteEntry>>, key: K, entry: RouteEntry): void {
  const others = index.get(key);
  if (others?.delete(entry) && others.size === 0) index.delete(key);
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
