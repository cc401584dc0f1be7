/**
 * Which registers a region keeps in locals, where: bit sets with bit r of `x` for x[r], of `f` for f[r].
 *
 * *Dirty* at a point: some path there wrote the register since it was last in the context, so
 * whoever leaves must store it. *Needed* at a point: its local must hold the value,
 * because the register is read later, or stored by an exit. A call stores everything
 * and leaves every local stale.
 */
import type { Op } from "./graph.ts";
import { rdOf, rs1Of, rs2Of, rs3Of } from "./graph.ts";
import { type Access, type Eager, mayLeave } from "./groups.ts";
import type { Parking } from "./parking.ts";
import type { Node } from "./structure.ts";

export interface RegSet {
  x: number;
  f: number;
}

export const emptySet = (): RegSet => ({ x: 0, f: 0 });

/** Adds `from` to `into`; true if that changed anything. */
export function join(into: RegSet, from: RegSet): boolean {
  if ((from.x & ~into.x) === 0 && (from.f & ~into.f) === 0) return false;
  into.x |= from.x;
  into.f |= from.f;
  return true;
}

export const without = (set: RegSet, less: RegSet): RegSet => ({
  x: set.x & ~less.x,
  f: set.f & ~less.f,
});

export const both = (a: RegSet, b: RegSet): RegSet => ({ x: a.x & b.x, f: a.f & b.f });

/** True if all of `set` is in `other`. */
export const isWithin = (set: RegSet, other: RegSet): boolean =>
  (set.x & ~other.x) === 0 && (set.f & ~other.f) === 0;

/** How many registers there are in a set. */
export function sizeOf({ x, f }: RegSet): number {
  let n = 0;
  for (let rest = x; rest !== 0; rest &= rest - 1) n++;
  for (let rest = f; rest !== 0; rest &= rest - 1) n++;
  return n;
}

/** True if `op` may give to rd what was there. */
export const isConditional = (op: Op): boolean => op.guard === "on" || op.guard === "taken";

/** Registers that `op` reads. x0 is not a register. */
export function readsOf(op: Op): RegSet {
  const keepsRd = isConditional(op) || op.aside === "put";
  const [t, set] = [op.traits, keepsRd ? writesOf(op) : emptySet()];
  if (t.rs1) set.x |= 1 << rs1Of(op);
  if (t.rs2) set.x |= 1 << rs2Of(op);
  if (t.frs1) set.f |= 1 << rs1Of(op);
  if (t.frs2) set.f |= 1 << rs2Of(op);
  if (t.frs3) set.f |= 1 << rs3Of(op);
  set.x &= ~1;
  return set;
}

/** Registers that `op` writes. */
export function writesOf(op: Op): RegSet {
  const set = emptySet();
  if (op.traits.rd) set.x |= 1 << rdOf(op);
  if (op.traits.frd) set.f |= 1 << rdOf(op);
  set.x &= ~1;
  return set;
}

const endsInCall = (n: Node): boolean => n.block.back !== undefined;

/** For each node, what is dirty at its start. */
export function dirtyAtEntry(nodes: readonly Node[], parking: Parking): RegSet[] {
  const into = nodes.map(emptySet);
  const own = nodes.map((n) => {
    const set = emptySet();
    for (const op of n.block.ops) join(set, writesOf(op));
    return set;
  });
  for (let changed = true; changed; ) {
    changed = false;
    nodes.forEach((n, i) => {
      if (endsInCall(n)) return;
      const out = { x: into[i]!.x | own[i]!.x, f: into[i]!.f | own[i]!.f };
      for (const s of n.succ) {
        if (join(into[s]!, without(out, parking.parkedOn(i, s)))) changed = true;
      }
    });
  }
  return into;
}

/** For each node, what is needed at its start. */
export function neededAtEntry(
  nodes: readonly Node[],
  dirty: readonly RegSet[],
  accesses: readonly ReadonlyMap<Op, Access>[],
  eager: readonly (readonly Eager[])[],
  parking: Parking,
): RegSet[] {
  const own = nodes.map((n, i) => ownNeeds(n, dirty[i]!, accesses[i]!, eager[i]!));
  const into = own.map(({ needs }) => ({ ...needs }));
  const dirtyAt = (i: number): RegSet => {
    const { writes } = own[i]!;
    return { x: dirty[i]!.x | writes.x, f: dirty[i]!.f | writes.f };
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const n = nodes[i]!;
      if (endsInCall(n)) continue;
      const { writes } = own[i]!;
      for (const s of n.succ) {
        const later = without(into[s]!, parking.fetchedOn(i, s));
        join(later, both(dirtyAt(i), parking.parkedOn(i, s)));
        const through = { x: later.x & ~writes.x, f: later.f & ~writes.f };
        if (join(into[i]!, through)) changed = true;
      }
    }
  }
  return into;
}

/** What a node itself needs at its start, and what it writes: later needs of that it does not pass on. */
function ownNeeds(
  n: Node,
  dirtyIn: RegSet,
  accesses: ReadonlyMap<Op, Access>,
  eager: readonly Eager[],
): { needs: RegSet; writes: RegSet } {
  const { ops } = n.block;
  const needs = emptySet();
  const dirty = { ...dirtyIn };
  const writes = emptySet();
  /** Adds what is needed here, unless the node writes it before. */
  const need = (set: RegSet): void => {
    needs.x |= set.x & ~writes.x;
    needs.f |= set.f & ~writes.f;
  };
  if (eager.length > 0) need(dirty);
  for (const { base } of eager) needs.x |= (1 << base.register) & ~1;
  for (const op of ops) {
    if (mayLeave(op, accesses) || op.traits.doubtful) need(dirty);
    need(readsOf(op));
    const base = accesses.get(op)?.base;
    if (base) need({ x: (1 << base.register) & ~1, f: 0 });
    const written = writesOf(op);
    join(writes, written);
    join(dirty, written);
  }
  const last = ops.at(-1)!;
  // Leaving stores all that is dirty; a branch may leave one way and stay the other.
  const stays = last.traits.flow === "next" || n.block.isInlined === true;
  if (!stays || n.succ.length === 0) need(dirty);
  // Running out of fuel at a header leaves too.
  if (n.loops.length > 0) join(needs, dirtyIn);
  return { needs, writes };
}
