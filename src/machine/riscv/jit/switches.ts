/**
 * Where indirect jumps were seen to go, so that a `switch` can stay inside its region.
 *
 * The interpreter leaves the last indirect jump and its target in the bank; the translator
 * notes the pair when the target turns up. A hint, never a fact: code at an address may
 * differ between processes, and a jump that goes elsewhere just leaves the region.
 */
const MAX_SITES = 4096;
const MAX_TARGETS = 64;

export class Switches {
  readonly #targets = new Map<number, Set<number>>();

  note(site: number, target: number): void {
    let set = this.#targets.get(site);
    if (!set) {
      if (this.#targets.size >= MAX_SITES) this.#targets.clear();
      set = new Set();
      this.#targets.set(site, set);
    }
    if (set.size < MAX_TARGETS) set.add(target);
  }

  targetsOf(site: number): readonly number[] {
    return [...(this.#targets.get(site) ?? [])];
  }
}
