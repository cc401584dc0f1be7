/**
 * Registers that a small loop does not touch stay in the context while it runs.
 *
 * V8's register allocator does not put aside for the length of a loop what is only needed behind it: it moves
 * such values between registers and stack at each iteration. So on the way into an innermost loop
 * without calls, what is dirty of them is stored, and on the way out what is needed is loaded.
 *
 * That pays where a loop goes round often. Such a loop is the first to be hot of what is around it: its header is
 * a region's entry. Others go round once or twice, and are left alone.
 */
import { isSwitch } from "./graph.ts";
import { loopsOf } from "./loops.ts";
import { emptySet, join, type RegSet, readsOf, without, writesOf } from "./regs.ts";
import type { Node } from "./structure.ts";

/** Instructions of a loop that is worth it. */
const MAX_INSNS = 80;
const ALL: RegSet = { x: ~1, f: ~0 };

export class Parking {
  /** For each node, what stays in the context throughout its loop: null where that has none. */
  readonly #parked: (RegSet | null)[];

  constructor(nodes: readonly Node[]) {
    this.#parked = nodes.map(() => null);
    if (nodes[0]!.loops.length === 0) return;
    const loop = loopsOf(nodes).find(({ header, isInnermost }) => header === 0 && isInnermost);
    if (!loop || !isPlain(nodes, loop.body)) return;
    const parked = without(ALL, touchedIn(nodes, loop.body));
    for (const i of loop.body) this.#parked[i] = parked;
  }

  /** What has to be in the context on the way from one node to another. */
  parkedOn(from: number, to: number): RegSet {
    return this.#change(from, to);
  }

  /** What has to be loaded from there on that way, if it is needed. */
  fetchedOn(from: number, to: number): RegSet {
    return this.#change(to, from);
  }

  #change(outer: number, inner: number): RegSet {
    const parked = this.#parked[inner]!;
    return parked === null || parked === this.#parked[outer] ? NONE : parked;
  }
}

const NONE: RegSet = emptySet();

function touchedIn(nodes: readonly Node[], body: ReadonlySet<number>): RegSet {
  const touched = emptySet();
  for (const i of body) {
    for (const op of nodes[i]!.block.ops) {
      join(touched, readsOf(op));
      join(touched, writesOf(op));
    }
  }
  return touched;
}

/** Small, without calls, and nowhere entered or left by a jump table, whose ways have no room for loads. */
function isPlain(nodes: readonly Node[], body: ReadonlySet<number>): boolean {
  let insns = 0;
  for (const i of body) {
    const { ops, back } = nodes[i]!.block;
    insns += ops.length;
    if (back !== undefined || isSwitch(ops.at(-1)!) || insns > MAX_INSNS) return false;
  }
  return nodes[0]!.preds.every((p) => !isSwitch(nodes[p]!.block.ops.at(-1)!));
}
