/**
 * The compiled regions that are alive: found by entry address, dropped by physical page.
 *
 * A region belongs to no address space: it is valid wherever its virtual pages map the
 * physical pages it was read from, which is checked whenever a jump cache takes it in.
 * Slots of the function table are used again, so no jump cache may name a dropped region's.
 */
import type { PageTable } from "../../mmu/pagetable.ts";
import { PTE_V, PTE_X } from "../../mmu/pagetable.ts";

export interface Region {
  readonly entry: number;
  /** Function table slot. */
  readonly slot: number;
  /** Virtual page address → physical page address. */
  readonly pages: ReadonlyMap<number, number>;
  /** Where its loops begin that lie in others. */
  readonly innerLoops: readonly number[];
  /** Its accesses that do not hope for home: see away.ts. */
  readonly aways: readonly number[];
  /** Nobody came to it since `markIdle`. */
  isIdle: boolean;
}

export class Regions {
  readonly #byEntry = new Map<number, Region[]>();
  readonly #byPage = new Map<number, Set<Region>>();
  readonly #byInnerLoop = new Map<number, Set<Region>>();
  /** In order of age. */
  readonly #all = new Set<Region>();

  get size(): number {
    return this.#all.size;
  }

  /** A region at `pc` that is valid in `pt`. */
  find(pt: PageTable, pc: number): Region | undefined {
    const candidates = this.#byEntry.get(pc);
    if (!candidates) return undefined;
    const found = candidates.find((r) => isValidIn(pt, r));
    if (found) found.isIdle = false;
    return found;
  }

  /** True if in a region that is valid in `pt` there is, in another loop, a loop that begins at `pc`. */
  haveInnerLoop(pt: PageTable, pc: number): boolean {
    for (const r of this.#byInnerLoop.get(pc) ?? []) if (isValidIn(pt, r)) return true;
    return false;
  }

  /** From now on `find` tells who is asked for. */
  markIdle(): void {
    for (const region of this.#all) region.isIdle = true;
  }

  add(region: Region): void {
    this.#all.add(region);
    const same = this.#byEntry.get(region.entry);
    if (same) same.push(region);
    else this.#byEntry.set(region.entry, [region]);
    for (const pa of region.pages.values()) addTo(this.#byPage, pa >>> 12, region);
    for (const pc of region.innerLoops) addTo(this.#byInnerLoop, pc, region);
  }

  remove(region: Region): void {
    this.#all.delete(region);
    const rest = (this.#byEntry.get(region.entry) ?? []).filter((r) => r !== region);
    if (rest.length === 0) this.#byEntry.delete(region.entry);
    else this.#byEntry.set(region.entry, rest);
    for (const pa of region.pages.values()) removeFrom(this.#byPage, pa >>> 12, region);
    for (const pc of region.innerLoops) removeFrom(this.#byInnerLoop, pc, region);
  }

  /** Regions made from a physical page (number). */
  onPage(page: number): Region[] {
    return [...(this.#byPage.get(page) ?? [])];
  }

  /** The `n` oldest regions, of all or of the idle ones. */
  oldest(n: number, onlyIdle: boolean): Region[] {
    const list: Region[] = [];
    for (const r of this.#all) {
      if (list.length === n) break;
      if (r.isIdle || !onlyIdle) list.push(r);
    }
    return list;
  }
}

function addTo(map: Map<number, Set<Region>>, key: number, region: Region): void {
  let set = map.get(key);
  if (!set) {
    set = new Set();
    map.set(key, set);
  }
  set.add(region);
}

function removeFrom(map: Map<number, Set<Region>>, key: number, region: Region): void {
  const set = map.get(key);
  set?.delete(region);
  if (set?.size === 0) map.delete(key);
}

function isValidIn(pt: PageTable, region: Region): boolean {
  for (const [va, pa] of region.pages) {
    const pte = pt.get(va);
    if ((pte & (PTE_V | PTE_X)) !== (PTE_V | PTE_X) || (pte & ~0xfff) >>> 0 !== pa) return false;
  }
  return true;
}
