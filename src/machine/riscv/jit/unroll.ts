/**
 * Small innermost loops go round several times in one WebAssembly iteration.
 *
 * What an iteration costs beside its own work (fuel, V8's own check, moves between registers) is shared,
 * and accesses that step through memory become one group (groups.ts). Each copy keeps the
 * loop's exits, so nothing needs to be known about the number of iterations.
 */
import { type Block, isSwitch, type Op, rs1Of, rs2Of } from "./graph.ts";
import { loopsOf } from "./loops.ts";

/** A block and where control goes from it; several may share a block. */
export interface Vertex {
  readonly block: Block;
  readonly succ: Vertex[];
}

/** What copying needs of a node in reverse postorder. */
export interface Placed {
  readonly vertex: Vertex;
  readonly succ: readonly number[];
  readonly preds: readonly number[];
}

const MAX_COPIES = 4;
/** Instructions that all copies of a loop may have together. */
const MAX_INSNS = 72;
/** The same for a loop that hands values on from register to register, as SHA-256 does: copies need no moves for that. */
const MAX_ROTATING = 320;
/** Moves between registers of such a loop. */
const MIN_MOVES = 4;

/** Unrolls what is worth it in a reducible graph; true if anything was. */
export function unroll(nodes: readonly Placed[]): boolean {
  let changed = false;
  for (const { header, body, isInnermost } of loopsOf(nodes)) {
    if (isInnermost && copyLoop(nodes, header, body)) changed = true;
  }
  return changed;
}

function copyLoop(nodes: readonly Placed[], header: number, body: ReadonlySet<number>): boolean {
  let insns = 0;
  let moves = 0;
  for (const i of body) {
    const { ops, back } = nodes[i]!.vertex.block;
    const last = ops.at(-1)!;
    if (back !== undefined || isSwitch(last) || last.traits.flow === "trap") return false;
    insns += ops.length;
    moves += ops.filter(isMove).length;
  }
  const most = moves < MIN_MOVES ? MAX_INSNS : MAX_ROTATING;
  const copies = Math.min(MAX_COPIES, Math.floor(most / insns));
  if (copies < 2) return false;
  const originals = [...body].map((i) => nodes[i]!.vertex);
  const first = nodes[header]!.vertex;
  const sets = [new Map(originals.map((v) => [v, v]))];
  for (let c = 1; c < copies; c++) {
    sets.push(new Map(originals.map((v) => [v, { block: v.block, succ: [] }])));
  }
  const edges = new Map(originals.map((v) => [v, [...v.succ]]));
  sets.forEach((set, c) => {
    const next = sets[(c + 1) % copies]!;
    for (const [v, copy] of set) {
      const succ = edges.get(v)!.map((to) => (to === first ? next : set).get(to) ?? to);
      copy.succ.splice(0, copy.succ.length, ...succ);
    }
  });
  return true;
}

/** A register's value, or its low half extended, goes to another register. */
function isMove(op: Op): boolean {
  const { name } = op.insn;
  if (name === "addi" || name === "addiw") return op.imm === 0 && rs1Of(op) !== 0;
  return name === "add" && (rs1Of(op) === 0) !== (rs2Of(op) === 0);
}
