/** One routing table: prefixes, of which the longest that fits decides. See ip-route(8). */
import type { InetAddr } from "./address.ts";
import type { RouteEntry } from "./routeentry.ts";

/** Each interface may bring one, and who goes is looked for among them. */
const MAX_SAME_PREFIX = 8192;

/** The prefixes of one table: by length, then by the prefix itself. */
export class RouteTable {
  readonly byBits = new Map<number, Map<InetAddr, RouteEntry[]>>();
  /** Lengths that occur, longest first. */
  bits: readonly number[] = [];
  /** All, as programs are told them; null after a change, until somebody asks. */
  #inOrder: readonly RouteEntry[] | null = null;

  /** By prefix, the shorter first; but of IPv6 the default routes last. */
  inOrder(): readonly RouteEntry[] {
    this.#inOrder ??= [...this.all()].sort(compareInTree);
    return this.#inOrder;
  }

  /** In no order. */
  *all(): Generator<RouteEntry> {
    for (const byDst of this.byBits.values()) for (const list of byDst.values()) yield* list;
  }

  /** Not too many have the same prefix. */
  hasRoom(entry: RouteEntry): boolean {
    const list = this.byBits.get(entry.bits)?.get(entry.dst);
    return !list || list.length < MAX_SAME_PREFIX;
  }

  add(entry: RouteEntry): void {
    this.#inOrder = null;
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
    this.#inOrder = null;
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

/** As Linux walks its tree. */
function compareInTree(a: RouteEntry, b: RouteEntry): number {
  if (a.dst.length === 16 && (a.bits === 0) !== (b.bits === 0)) return a.bits === 0 ? 1 : -1;
  return a.dst < b.dst ? -1 : a.dst > b.dst ? 1 : a.bits - b.bits;
}
