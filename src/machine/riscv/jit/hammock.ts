/**
 * Short branches round a few instructions become straight code, in which those instructions are done under a condition: they
 * compute in any case, and a select takes the new value of the register or keeps the old one.
 *
 * RV64GC has no conditional move, so its compilers write a branch over one; processors fuse the two. What a branch costs that depends
 * on data is mispredictions, some 20 cycles each. One that is predicted well is better left: behind
 * it nothing waits for what it skips. So only branches are made straight that were seen to change their mind (ways.ts).
 *
 * The branch stays in its place as an instruction that notes which way it would go, so there is one for each
 * address as before. What is done under a condition can neither leave the region nor be seen from outside, and whoever leaves behind
 * it stores what was selected.
 */
import type { Traits } from "../traits.ts";
import { gone } from "./fuse.ts";
import { type Block, type Op, rdOf } from "./graph.ts";
import { readsOf, writesOf } from "./regs.ts";

/** Instructions that a way may have. */
const MAX_INSNS = 3;

/** Those that cost next to nothing, leave nothing but rd behind, and never trap. */
const CHEAP: ReadonlySet<string> = new Set([
  ..."lui auipc addi slti sltiu xori ori andi slli srli srai addiw slliw srliw sraiw".split(" "),
  ..."add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulw".split(" "),
  ..."extract extractu shift shiftu gone".split(" "),
]);

/** From a branch to where its ways meet: a block of its own, if anything, that nobody else comes to. */
interface Way {
  readonly block: number | undefined;
  readonly ops: readonly Op[];
  readonly to: number;
}

/** Makes code straight where `isErratic` says of a branch that it is worth it. */
export function straighten(
  blocks: Map<number, Block>,
  entry: number,
  isErratic: (branch: Op) => boolean,
): void {
  const preds = new Map([[entry, 1]]);
  for (const b of blocks.values()) {
    for (const s of b.succ) preds.set(s, (preds.get(s) ?? 0) + 1);
  }
  for (const [key, b] of blocks) {
    for (;;) {
      const branch = b.ops.at(-1)!;
      if (branch.traits.flow !== "branch" || b.succ.length !== 2 || !isErratic(branch)) break;
      const ways = waysOf(b, blocks, preds);
      if (!ways) break;
      const { to } = ways[0];
      mergeWays(b, ...ways);
      for (const { block } of ways) if (block !== undefined) blocks.delete(block);
      b.end = blocks.get(to)!.pc;
      b.succ = [to];
      preds.set(to, preds.get(to)! - 1);
      if (preds.get(to) !== 1 || to === key) break;
      append(b, blocks.get(to)!);
      blocks.delete(to);
    }
  }
}

/** The ways of the branch at the end of `b`, on and taken, if they meet. */
function waysOf(
  b: Block,
  blocks: ReadonlyMap<number, Block>,
  preds: ReadonlyMap<number, number>,
): [Way, Way] | undefined {
  const branch = b.ops.at(-1)!;
  const waysTo = (pc: number): Way[] => {
    const key = b.succ.find((s) => blocks.get(s)!.pc === pc)!;
    const direct: Way = { block: undefined, ops: [], to: key };
    const block = blocks.get(key)!;
    const ops = preds.get(key) === 1 ? cheapOps(block) : undefined;
    return ops ? [direct, { block: key, ops, to: block.succ[0]! }] : [direct];
  };
  for (const on of waysTo(b.end)) {
    for (const taken of waysTo(branch.pc + branch.imm)) if (on.to === taken.to) return [on, taken];
  }
  return undefined;
}

/** What a block does, if all of that may be done under a condition. */
function cheapOps({ ops, succ }: Block): Op[] | undefined {
  if (succ.length !== 1) return undefined;
  const last = ops.at(-1)!;
  const isJump = last.traits.flow === "jump" && rdOf(last) === 0;
  const rest = isJump ? ops.slice(0, -1) : ops;
  // A branch that is none any more is not among them: what is done under one condition is not put under another.
  if (rest.some((op) => !CHEAP.has(op.insn.name))) return undefined;
  if (rest.filter((op) => op.insn.name !== "gone").length > MAX_INSNS) return undefined;
  return isJump ? [...rest, gone(last)] : rest;
}

/** Puts both ways of the branch at the end of `b` there, one after the other. */
function mergeWays(b: Block, on: Way, taken: Way): void {
  const branch = b.ops.pop()!;
  b.ops.push({ ...branch, guard: "test", traits: asTest(branch.traits) });
  const replaced = on.ops.map((op) => isReplaced(op, taken.ops));
  b.ops.push(...guarded(on.ops, "on").map((op, i) => (replaced[i] ? on.ops[i]! : op)));
  b.ops.push(...guarded(taken.ops, "taken"));
}

/** The instructions, to be done under a condition. With so few, there is only one register that several of them may write. */
function guarded(ops: readonly Op[], guard: "on" | "taken"): Op[] {
  return ops.map((op, i) => {
    const { x } = writesOf(op);
    const isSame = (other: Op): boolean => (writesOf(other).x & x) !== 0;
    const isFirst = !ops.slice(0, i).some(isSame);
    const isLast = !ops.slice(i + 1).some(isSame);
    if (isLast) return isFirst ? { ...op, guard } : { ...op, guard, aside: "got" };
    return isFirst ? { ...op, aside: "put" } : op;
  });
}

/** True if nobody on the other way finds what `op` writes: then it needs no condition. */
function isReplaced(op: Op, others: readonly Op[]): boolean {
  const { x } = writesOf(op);
  const first = others.find((other) => (readsOf(other).x | writesOf(other).x) & x);
  return first !== undefined && (readsOf(first).x & x) === 0;
}

const asTest = (branch: Traits): Traits => ({ ...branch, flow: "next" });

/** Lets `b` go on with what comes next, which only it leads to. */
function append(b: Block, next: Block): void {
  b.ops.push(...next.ops);
  b.end = next.end;
  b.succ = next.succ;
  b.back = next.back;
  b.target = next.target;
  b.unseen = next.unseen;
  b.isInlined = next.isInlined ?? false;
}
