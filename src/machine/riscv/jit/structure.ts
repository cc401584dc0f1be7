/**
 * Shapes a region's graph for WebAssembly, which has no goto: reverse postorder, dominators,
 * loop headers and merge points.
 *
 * In a reducible graph every loop has one entry, so that a dominator-tree walk can put each
 * block inside the `loop` or after the `block` its predecessors branch out of.
 * Source: N. Ramsey, "Beyond Relooper", ICFP 2022; Cooper, Harvey, Kennedy,
 * "A Simple, Fast Dominance Algorithm".
 */
import type { Block, Graph } from "./graph.ts";

/** A block in its place. Numbers are positions in reverse postorder. */
export interface Node {
  readonly block: Block;
  readonly succ: number[];
  readonly preds: number[];
  /** Dominator-tree children that several forward edges lead to, last first. */
  merges: number[];
  /** Target of a back edge. */
  isHeader: boolean;
  /** Reached by several forward edges. */
  isMerge: boolean;
}

export interface Structure {
  readonly nodes: Node[];
  /** The node that a jump to an address goes to. */
  readonly at: ReadonlyMap<number, number>;
  readonly isReducible: boolean;
}

/**
 * A region often starts inside a loop that its outer loop enters elsewhere: a rotated loop is
 * entered at its test, but its hot address is its body. Executing a copy of the first block
 * on entry leaves the loop with one way in.
 */
export function structure(graph: Graph): Structure {
  const plain = structureFrom(graph, graph.blocks.get(graph.entry)!);
  if (plain.isReducible) return plain;
  const split = structureFrom(graph, { ...graph.blocks.get(graph.entry)! });
  return split.isReducible ? split : plain;
}

function structureFrom(graph: Graph, first: Block): Structure {
  const order = reversePostorder(graph, first);
  const position = new Map<number, number>();
  order.forEach((b, i) => {
    if (graph.blocks.get(b.pc) === b) position.set(b.pc, i);
  });
  const nodes: Node[] = order.map((block) => ({
    block,
    succ: block.succ.map((pc) => position.get(pc)!),
    preds: [],
    merges: [],
    isHeader: false,
    isMerge: false,
  }));
  nodes.forEach((n, i) => {
    for (const s of n.succ) nodes[s]!.preds.push(i);
  });
  const idom = dominators(nodes);
  let isReducible = true;
  nodes.forEach((n, i) => {
    n.isMerge = n.preds.filter((p) => p < i).length >= 2;
    for (const s of n.succ) {
      if (s > i) continue;
      nodes[s]!.isHeader = true;
      if (!dominates(idom, s, i)) isReducible = false;
    }
  });
  for (let i = nodes.length - 1; i > 0; i--) {
    if (nodes[i]!.isMerge) nodes[idom[i]!]!.merges.push(i);
  }
  return { nodes, at: position, isReducible };
}

/** Depth first, with an explicit stack: the graph is the guest's, our stack is not. */
function reversePostorder(graph: Graph, first: Block): Block[] {
  const order: Block[] = [];
  const seen = new Set([first]);
  const stack: { block: Block; next: number }[] = [{ block: first, next: first.succ.length - 1 }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    if (top.next < 0) {
      order.push(top.block);
      stack.pop();
      continue;
    }
    const succ = graph.blocks.get(top.block.succ[top.next--]!)!;
    if (seen.has(succ)) continue;
    seen.add(succ);
    stack.push({ block: succ, next: succ.succ.length - 1 });
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
