/**
 * Where a region leaves to the interpreter: a place for each set of registers that may be dirty there.
 *
 * Most sets are another and a few registers more, as code writes one after the other. So each place stores only
 * what a smaller set has not, and goes on to the place of that; the last, of the empty set, does
 * what all have in common. A region has some ten places and some twelve registers in each.
 */
import type { Label } from "../../wasm/asm.ts";
import { emptySet, isWithin, type RegSet, sizeOf, without } from "./regs.ts";

export interface Exit {
  readonly dirty: RegSet;
  /** What this place stores, before it goes on to the next; there is none behind that of the empty set. */
  readonly stores: RegSet;
  readonly next: Exit | undefined;
  label: Label;
}

export class Exits {
  readonly #sets = new Map<string, RegSet>();
  readonly #exits = new Map<string, Exit>();

  /** Registers that may be dirty somewhere. */
  add(dirty: RegSet): void {
    this.#sets.set(keyOf(dirty), { ...dirty });
  }

  /** All places, each after the one that it goes on to. To be called once, when all sets are added. */
  inOrder(): Exit[] {
    if (this.#sets.size === 0) return [];
    this.add(emptySet());
    const list: Exit[] = [];
    for (const dirty of [...this.#sets.values()].sort((a, b) => sizeOf(a) - sizeOf(b))) {
      const next = list.findLast((e) => isWithin(e.dirty, dirty));
      const stores = next ? without(dirty, next.dirty) : dirty;
      const exit: Exit = { dirty, stores, next, label: 0 };
      list.push(exit);
      this.#exits.set(keyOf(dirty), exit);
    }
    return list;
  }

  /** The place for a set that was added. */
  of(dirty: RegSet): Exit {
    return this.#exits.get(keyOf(dirty))!;
  }
}

const keyOf = (set: RegSet): string => `${set.x},${set.f}`;
