/**
 * Stretches of code that optimistic code does as one, because all of it can be taken back: from an
 * instruction whose native result may be wrong (`doubtful`) to the last such one before a side effect.
 *
 * A segment goes on behind a branch, into blocks that can only be reached from there: it is a tree. What it
 * computes is looked at wherever control leaves it. If a result is in doubt, or a load in
 * between cannot be done, the registers are made again what they were at its start, and
 * the interpreter goes on from there: it is exact, and stops where there is something to stop for. So it does not
 * matter that a branch may have gone astray by a result that was wrong.
 */
import { writesCsr } from "../isa/zicsr.ts";
import { type Op, rdOf, rs1Of } from "./graph.ts";
import { emptySet, join, type RegSet, writesOf } from "./regs.ts";
import type { Node } from "./structure.ts";

/** Doubtful instructions of a way through a segment: each result is kept to its end, in a frame of the host's stack. */
const MAX_DOUBTFUL = 40;

export interface Segment {
  /** Address of the first instruction. */
  readonly pc: number;
  /** Registers that some instruction in it writes. */
  readonly writes: RegSet;
}

/** What a node has of segments. */
export interface Plan {
  /** The one that goes on here from the node before. */
  incoming: Segment | undefined;
  /** Those that begin in front of an instruction, by its index. */
  readonly starts: Map<number, Segment>;
  /** Indices of the instructions in front of which one ends. */
  readonly ends: Set<number>;
  /** Indices of instructions that change nothing in code that hopes. */
  readonly idle: ReadonlySet<number>;
}

/** Plans for all nodes. */
export function segmentsOf(nodes: readonly Node[]): Plan[] {
  const plans = nodes.map(({ block }) => ({
    incoming: undefined as Segment | undefined,
    starts: new Map<number, Segment>(),
    ends: new Set<number>(),
    idle: idleIn(block.ops),
  }));
  /** Doubtful instructions on the way through the incoming segment. */
  const counts = nodes.map(() => 0);
  nodes.forEach(({ block: { ops }, succ }, i) => {
    const plan = plans[i]!;
    let segment = plan.incoming;
    let from = 0;
    for (;;) {
      if (!segment) {
        from = ops.findIndex((op, k) => k >= from && op.traits.doubtful && !hasSideEffect(op));
        if (from < 0) return;
        segment = { pc: ops[from]!.pc, writes: emptySet() };
        plan.starts.set(from, segment);
      }
      const { to, count, isOpen } = extentOf(ops, from, counts[i]!, plan.idle);
      const goOn = isOpen ? succ.filter((s) => isOnlyBehind(nodes, i, s) && begins(nodes[s]!)) : [];
      if (count < MAX_DOUBTFUL && goOn.length > 0) {
        for (const op of ops.slice(from)) join(segment.writes, writesOf(op));
        for (const s of goOn) {
          plans[s]!.incoming = segment;
          counts[s] = count;
        }
        return;
      }
      for (const op of ops.slice(from, to)) join(segment.writes, writesOf(op));
      plan.ends.add(to);
      counts[i] = 0;
      from = to;
      segment = undefined;
    }
  });
  return plans;
}

/**
 * Of a segment from `from` on, with `before` doubtful instructions in front of that: the index behind the last doubtful
 * one, how many there are then, and whether it could go on behind the block.
 */
function extentOf(
  ops: readonly Op[],
  from: number,
  before: number,
  idle: ReadonlySet<number>,
): { to: number; count: number; isOpen: boolean } {
  let [to, count] = [from, before];
  for (let k = from; k < ops.length; k++) {
    const op = ops[k]!;
    if (k === ops.length - 1 && (op.traits.flow === "branch" || isPlainJump(op))) break;
    if (hasSideEffect(op) && !idle.has(k)) return { to, count, isOpen: false };
    if (!op.traits.doubtful) continue;
    if (count === MAX_DOUBTFUL) return { to, count, isOpen: false };
    count++;
    to = k + 1;
  }
  return { to, count, isOpen: true };
}

/** True if node `s` is reached from node `i` alone. */
function isOnlyBehind(nodes: readonly Node[], i: number, s: number): boolean {
  const { loops, isMerge } = nodes[s]!;
  return s > i && loops.length === 0 && !isMerge;
}

/** True if a segment that goes on into the node has something to do there. */
function begins({ block: { ops } }: Node): boolean {
  const first = ops.findIndex((op) => op.traits.doubtful || hasSideEffect(op));
  return first >= 0 && !hasSideEffect(ops[first]!);
}

const isPlainJump = (op: Op): boolean => op.traits.flow === "jump" && rdOf(op) === 0;

const hasSideEffect = (op: Op): boolean =>
  op.traits.flow !== "next" || op.traits.stores || writesCsr(op.word);

const FFLAGS = 1;

/**
 * Writes of what was just read of fflags, as C compilers put around a comparison that must not raise a flag. No
 * instruction of optimistic code raises one that is not accrued.
 */
function idleIn(ops: readonly Op[]): Set<number> {
  const idle = new Set<number>();
  let holder = 0;
  ops.forEach((op, k) => {
    const isFlags = op.insn.name.startsWith("csr") && op.word >>> 20 === FFLAGS;
    if (writesCsr(op.word)) {
      const isBack = isFlags && op.insn.name === "csrrw" && rdOf(op) === 0 && rs1Of(op) === holder;
      if (isBack && holder !== 0) idle.add(k);
      else holder = 0;
    } else if (isFlags) {
      holder = rdOf(op);
    } else if (writesOf(op).x & (1 << holder)) {
      holder = 0;
    }
  });
  return idle;
}
