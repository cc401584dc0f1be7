/**
 * A loop in which several ways end in one small latch: the shortest of them gets a copy of it.
 *
 * Compilers let ways that end alike end together. `while (a[i] < p) i++`, in a loop that goes on with i + 1 too, and
 * strlen, which goes on after eight bytes with or without a closer look, are one loop for that. With a latch of
 * its own, the short way is an inner loop (loops.ts), and can be unrolled.
 */
import { isSwitch } from "./graph.ts";
import { loopsOf } from "./loops.ts";
import type { Placed } from "./unroll.ts";

/** Instructions of a latch that is copied. */
const MAX_LATCH = 8;
/** Instructions of the short way. */
const MAX_WAY = 36;

/** Copies what latches are worth it in a reducible graph; true if any was. */
export function splitLatches(nodes: readonly Placed[]): boolean {
  let changed = false;
  for (const { header, body } of loopsOf(nodes)) {
    const [latch, ...others] = nodes[header]!.preds.filter((p) => body.has(p));
    if (latch === undefined || latch === header || others.length > 0) continue;
    const { preds, succ, vertex } = nodes[latch]!;
    const { ops, back } = vertex.block;
    if (preds.length < 2 || succ.length > 1 || back !== undefined || ops.length > MAX_LATCH)
      continue;
    const end = preds.find((p) => isShort(nodes, header, p));
    if (end === undefined) continue;
    const from = nodes[end]!.vertex.succ;
    from.splice(from.indexOf(vertex), 1, { block: vertex.block, succ: [...vertex.succ] });
    changed = true;
  }
  return changed;
}

/** True if control comes to `end` from the header alone, in a few instructions and without calls. */
function isShort(nodes: readonly Placed[], header: number, end: number): boolean {
  let insns = 0;
  for (let i = end; ; i = nodes[i]!.preds[0]!) {
    const { ops, back } = nodes[i]!.vertex.block;
    insns += ops.length;
    if (insns > MAX_WAY || back !== undefined || isSwitch(ops.at(-1)!)) return false;
    if (i === header) return true;
    if (nodes[i]!.preds.length > 1) return false;
  }
}
