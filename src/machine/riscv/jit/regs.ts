/**
 * Which registers a region reads and writes, as bit sets: bit r of `x` for x[r], of `f` for f[r].
 */
import type { Op } from "./graph.ts";
import { rdOf, rs1Of, rs2Of, rs3Of } from "./graph.ts";
import type { Node } from "./structure.ts";

export interface RegSet {
  x: number;
  f: number;
}

export const emptySet = (): RegSet => ({ x: 0, f: 0 });

/** Registers that `op` reads, added to `into`. x0 is not a register. */
export function addReads(into: RegSet, op: Op): void {
  const t = op.traits;
  if (t.rs1) into.x |= 1 << rs1Of(op);
  if (t.rs2) into.x |= 1 << rs2Of(op);
  if (t.frs1) into.f |= 1 << rs1Of(op);
  if (t.frs2) into.f |= 1 << rs2Of(op);
  if (t.frs3) into.f |= 1 << rs3Of(op);
  into.x &= ~1;
}

/** Registers that `op` writes, added to `into`. */
export function addWrites(into: RegSet, op: Op): void {
  if (op.traits.rd) into.x |= 1 << rdOf(op);
  if (op.traits.frd) into.f |= 1 << rdOf(op);
  into.x &= ~1;
}

/**
 * For each node, the registers that some path from the entry may have written before it:
 * what must be stored if control leaves there.
 */
export function dirtyAtEntry(nodes: readonly Node[]): RegSet[] {
  const into = nodes.map(emptySet);
  const own = nodes.map((n) => {
    const set = emptySet();
    for (const op of n.block.ops) addWrites(set, op);
    return set;
  });
  for (let changed = true; changed; ) {
    changed = false;
    nodes.forEach((n, i) => {
      const x = into[i]!.x | own[i]!.x;
      const f = into[i]!.f | own[i]!.f;
      for (const s of n.succ) {
        const to = into[s]!;
        if ((x & ~to.x) === 0 && (f & ~to.f) === 0) continue;
        to.x |= x;
        to.f |= f;
        changed = true;
      }
    });
  }
  return into;
}
