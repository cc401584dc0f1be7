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
  /** Nobody came to it since `markIdle`. */
  isIdle: boolean;
}

export class Regions {
  readonly #byEntry = new Map<number, Region[]>();
  readonly #byPage = new Map<number, Set<Region>>();
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

  /** From now on `find` tells who is asked for. */
  markIdle(): void {
    for (const region of this.#all) region.isIdle = true;
  }

  add(region: Region): void {
    this.#all.add(region);
    const same = this.#byEntry.get(region.entry);
    if (same) same.push(region);
    else this.#byEntry.set(region.entry, [region]);
    for (const pa of region.pages.values()) {
      const page = pa >>> 12;
      let set = this.#byPage.get(page);
      if (!set) {
        set = new Set();
        this.#byPage.set(page, set);
      }
      set.add(region);
    }
  }

  remove(region: Region): void {
    this.#all.delete(region);
    const rest = (this.#byEntry.get(region.entry) ?? []).filter((r) => r !== region);
    if (rest.length === 0) this.#byEntry.delete(region.entry);
    else this.#byEntry.set(region.entry, rest);
    for (const pa of region.pages.values()) {
      const set = this.#byPage.get(pa >>> 12);
      set?.delete(region);
      if (set?.size === 0) this.#byPage.delete(pa >>> 12);
    }
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

function isValidIn(pt: PageTable, region: Region): boolean {
  for (const [va, pa] of region.pages) {
    const pte = pt.get(va);
    if ((pte & (PTE_V | PTE_X)) !== (PTE_V | PTE_X) || (pte & ~0xfff) >>> 0 !== pa) return false;
  }
  return true;
}
