/**
 * Shapes a region's graph for WebAssembly, which has no goto: reverse postorder, dominators,
 * loop headers and merge points.
 *
 * In a reducible graph every loop has one entry, so that a dominator-tree walk can put each
 * block inside the `loop` or after the `block` its predecessors branch out of. A graph
 * that is not reducible is made so by letting some edges leave the region.
 * Source: N. Ramsey, "Beyond Relooper", ICFP 2022; Cooper, Harvey, Kennedy,
 * "A Simple, Fast Dominance Algorithm".
 */
import { type Block, type Graph, isSwitch } from "./graph.ts";

/** A block in its place. Numbers are positions in reverse postorder. */
export interface Node {
  readonly block: Block;
  readonly succ: number[];
  readonly preds: number[];
  /** Dominator-tree children that several forward edges lead to, last first. */
  merges: number[];
  /** Target of a back edge. */
  isHeader: boolean;
  /** Reached by several forward edges, or by a jump table. */
  isMerge: boolean;
}

export interface Structure {
  readonly nodes: Node[];
  /** The node that control in `from` goes to for an address; undefined if that leaves the region. */
  edge(from: number, pc: number): number | undefined;
}

/**
 * The shape of a graph, made reducible: an edge into the middle of a loop leaves the region.
 *
 * Such an edge is common where a region starts inside a nest of loops: a rotated inner loop
 * is entered at its test, but its hot address is its body. The address it leads to becomes
 * hot by that, and the region made there starts outside the loop and has no such edge.
 */
export function structure(graph: Graph): Structure {
  const cut = new Set<string>();
  for (;;) {
    const { nodes, position, bad } = structureWithout(graph, cut);
    if (bad.length === 0) {
      const edge = (from: number, pc: number): number | undefined => {
        const to = position.get(pc);
        return to !== undefined && nodes[from]!.succ.includes(to) ? to : undefined;
      };
      return { nodes, edge };
    }
    for (const key of bad) cut.add(key);
  }
}

const edgeKey = (from: Block, to: number): string => `${from.pc}:${to}`;

/** The shape without some edges, and which of the others still lead into the middle of a loop. */
function structureWithout(
  graph: Graph,
  cut: ReadonlySet<string>,
): { nodes: Node[]; position: Map<number, number>; bad: string[] } {
  const succOf = (b: Block): number[] =>
    cut.size === 0 ? [...b.succ] : b.succ.filter((pc) => !cut.has(edgeKey(b, pc)));
  const order = reversePostorder(graph, succOf);
  const position = new Map(order.map((b, i) => [b.pc, i]));
  const nodes: Node[] = order.map((block) => ({
    block,
    succ: succOf(block).map((pc) => position.get(pc)!),
    preds: [],
    merges: [],
    isHeader: false,
    isMerge: false,
  }));
  nodes.forEach((n, i) => {
    for (const s of n.succ) nodes[s]!.preds.push(i);
  });
  const idom = dominators(nodes);
  const bad: string[] = [];
  nodes.forEach((n, i) => {
    n.isMerge = n.preds.filter((p) => p < i).length >= 2;
    for (const s of n.succ) {
      if (s > i) continue;
      nodes[s]!.isHeader = true;
      if (!dominates(idom, s, i)) bad.push(edgeKey(n.block, nodes[s]!.block.pc));
    }
  });
  // A jump table needs a label to branch to for each of its targets.
  nodes.forEach((n, i) => {
    if (isSwitch(n.block.ops.at(-1)!)) for (const s of n.succ) nodes[s]!.isMerge ||= s > i;
  });
  for (let i = nodes.length - 1; i > 0; i--) {
    if (nodes[i]!.isMerge) nodes[idom[i]!]!.merges.push(i);
  }
  return { nodes, position, bad };
}

/** Depth first, with an explicit stack: the graph is the guest's, our stack is not. */
function reversePostorder(graph: Graph, succOf: (b: Block) => number[]): Block[] {
  const order: Block[] = [];
  const first = graph.blocks.get(graph.entry)!;
  const seen = new Set([first]);
  const visit = (block: Block): { block: Block; rest: number[] } => ({
    block,
    rest: succOf(block),
  });
  const stack = [visit(first)];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const pc = top.rest.pop();
    if (pc === undefined) {
      order.push(top.block);
      stack.pop();
      continue;
    }
    const succ = graph.blocks.get(pc)!;
    if (seen.has(succ)) continue;
    seen.add(succ);
    stack.push(visit(succ));
  }
  return order.reverse();
}

function dominators(nodes: readonly Node[]): Int32Array {
  const idom = new Int32Array(nodes.length).fill(-1);
  idom[0] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < nodes.length; i++) {
      let d = -1;
      for (const p of nodes[i]!.preds) {
        if (idom[p]! >= 0) d = d < 0 ? p : intersect(idom, p, d);
      }
      if (d !== idom[i]) {
        idom[i] = d;
        changed = true;
      }
    }
  }
  return idom;
}

function intersect(idom: Int32Array, p: number, q: number): number {
  let [a, b] = [p, q];
  while (a !== b) {
    while (a > b) a = idom[a]!;
    while (b > a) b = idom[b]!;
  }
  return a;
}

function dominates(idom: Int32Array, a: number, b: number): boolean {
  let at = b;
  while (at > a) at = idom[at]!;
  return at === a;
}
