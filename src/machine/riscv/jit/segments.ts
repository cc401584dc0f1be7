/**
 * Stretches of a block that optimistic code does as one, because all of it can be taken back: from an
 * instruction whose native result may be wrong (`doubtful`) to the last such one before a side effect.
 *
 * What a segment computes is looked at where it ends. If a result is in doubt, or a load in
 * between cannot be done, the registers are made again what they were at its start, and
 * the interpreter goes on from there: it is exact, and stops where there is something to stop for.
 */
import { writesCsr } from "../isa/zicsr.ts";
import type { Op } from "./graph.ts";
import { emptySet, join, type RegSet, writesOf } from "./regs.ts";

/** Doubtful instructions of a segment: each result is kept to its end, in a frame of the host's stack. */
const MAX_DOUBTFUL = 40;

export interface Segment {
  /** Indices of the first instruction, and of that after the last. */
  readonly from: number;
  readonly to: number;
  /** Registers that some instruction in it writes. */
  readonly writes: RegSet;
}

/** Segments of a block by the index of their first instruction. */
export function segmentsOf(ops: readonly Op[]): Map<number, Segment> {
  const found = new Map<number, Segment>();
  for (let from = 0; from < ops.length; from++) {
    if (!isFirst(ops[from]!)) continue;
    let to = from + 1;
    let doubtful = 1;
    for (let i = to; i < ops.length && !hasSideEffect(ops[i]!); i++) {
      if (!ops[i]!.traits.doubtful) continue;
      if (++doubtful > MAX_DOUBTFUL) break;
      to = i + 1;
    }
    const writes = emptySet();
    for (let i = from; i < to; i++) join(writes, writesOf(ops[i]!));
    found.set(from, { from, to, writes });
    from = to - 1;
  }
  return found;
}

const isFirst = (op: Op): boolean => op.traits.doubtful && !hasSideEffect(op);

const hasSideEffect = (op: Op): boolean =>
  op.traits.flow !== "next" || op.traits.stores || writesCsr(op.word);
