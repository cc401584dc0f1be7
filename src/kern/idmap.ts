/**
 * A map of ids between a user name space and the kernel, which knows all users
 * and groups by their numbers in the first one. See user_namespaces(7), "User
 * and group ID mappings".
 *
 * Extents do not overlap on either side; lookups are by halving.
 */
export interface IdExtent {
  /** First id as seen inside. */
  readonly first: number;
  /** First id outside: of the kernel once installed, of the parent as it is written. */
  readonly lower: number;
  readonly count: number;
}

/** No id: what a map without the id answers, and (uid_t)-1 made a number that cannot be one. */
export const NO_ID = -1;
/** As Linux allows. */
export const ID_EXTENTS_MAX = 340;
const ID_END = 2 ** 32;

export class IdMap {
  readonly extents: readonly IdExtent[];
  readonly #byFirst: readonly IdExtent[];
  readonly #byLower: readonly IdExtent[];

  constructor(extents: readonly IdExtent[]) {
    this.extents = extents;
    this.#byFirst = [...extents].sort((a, b) => a.first - b.first);
    this.#byLower = [...extents].sort((a, b) => a.lower - b.lower);
  }

  get isEmpty(): boolean {
    return this.extents.length === 0;
  }

  /** From inside to the kernel; NO_ID if there is no such id. */
  down(id: number): number {
    const e = lastNotAfter(this.#byFirst, id, (x) => x.first);
    return e && id < e.first + e.count ? id - e.first + e.lower : NO_ID;
  }

  /** From the kernel to inside. */
  up(kid: number): number {
    const e = lastNotAfter(this.#byLower, kid, (x) => x.lower);
    return e && kid < e.lower + e.count ? kid - e.lower + e.first : NO_ID;
  }

  /** Where a whole run of ids is in the kernel; NO_ID unless one extent has it all. */
  downRange(first: number, count: number): number {
    const e = lastNotAfter(this.#byFirst, first, (x) => x.first);
    return e && first + count <= e.first + e.count ? first - e.first + e.lower : NO_ID;
  }
}

export const IDENTITY = new IdMap([{ first: 0, lower: 0, count: ID_END - 1 }]);
export const NO_IDS = new IdMap([]);

function lastNotAfter(
  sorted: readonly IdExtent[],
  id: number,
  key: (e: IdExtent) => number,
): IdExtent | null {
  if (sorted.length === 1) return key(sorted[0]!) <= id ? sorted[0]! : null;
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (key(sorted[mid]!) <= id) low = mid + 1;
    else high = mid;
  }
  return sorted[low - 1] ?? null;
}

/** The extents that a text for uid_map or gid_map says; null if it is not well formed. */
export function parseIdMap(text: string): IdExtent[] | null {
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length > ID_EXTENTS_MAX) return null;
  const extents: IdExtent[] = [];
  for (const line of lines) {
    const m = /^\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*$/.exec(line);
    if (!m) return null;
    const [first, lower, count] = m.slice(1).map(Number) as [number, number, number];
    if (first >= ID_END - 1 || lower >= ID_END - 1 || count === 0) return null;
    // The last number is no id.
    if (first + count > ID_END - 1 || lower + count > ID_END - 1) return null;
    if (extents.some((e) => overlaps(e, first, lower, count))) return null;
    extents.push({ first, lower, count });
  }
  return extents;
}

function overlaps(e: IdExtent, first: number, lower: number, count: number): boolean {
  const meets = (a: number, b: number): boolean => a < b + count && b < a + e.count;
  return meets(e.first, first) || meets(e.lower, lower);
}
