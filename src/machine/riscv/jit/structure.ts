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
import { splitLatches } from "./latches.ts";
import { innerLoopsOf, loopsOf } from "./loops.ts";
import { unroll, type Vertex } from "./unroll.ts";

/** A block in its place. Numbers are positions in reverse postorder. */
export interface Node {
  readonly block: Block;
  readonly succ: number[];
  readonly preds: number[];
  /** The successor that control mostly goes to, if that is known. */
  usual: number | undefined;
  /** Immediate dominator; the entry's is itself. */
  idom: number;
  /** Dominator-tree children that several forward edges lead to, last first. */
  merges: number[];
  /** The loops with this header, outermost first; there are two at most: see loops.ts. */
  loops: Nest[];
  /** Reached by several forward edges, by a jump table, or from inside a loop that it is behind. */
  isMerge: boolean;
}

/** A loop in its place. */
export interface Nest {
  readonly body: ReadonlySet<number>;
  /** Nodes behind it, and behind no loop around it, that nodes in it are the immediate dominators of; last first. */
  readonly exits: number[];
}

export interface Structure {
  readonly nodes: Node[];
  /** Where the loops begin that lie in others. */
  readonly innerLoops: readonly number[];
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
  const entry = verticesOf(graph);
  let nodes = place(entry);
  if (badEdges(nodes).length > 0) {
    nearestLast(entry);
    nodes = place(entry);
  }
  for (let bad = badEdges(nodes); bad.length > 0; bad = badEdges(nodes)) {
    for (const { from, to } of bad) from.succ.splice(from.succ.indexOf(to), 1);
    nodes = place(entry);
  }
  const inward = nodes[0]!.preds.length > 0 ? rotated(entry) : undefined;
  if (inward) nodes = place(inward);
  if (splitLatches(nodes)) nodes = place(inward ?? entry);
  if (unroll(nodes)) nodes = place(inward ?? entry);
  const innerLoops = innerLoopsOf(nodes).map((i) => nodes[i]!.block.pc);
  return {
    nodes: shape(nodes),
    innerLoops,
    edge: (from, pc) => nodes[from]!.succ.find((s) => nodes[s]!.block.pc === pc),
  };
}

/**
 * Puts the successor last of each vertex, so that it is searched first, from which it is the shortest way back to the
 * entry. That is the hottest address, mostly a loop's header, so edges that lead from it into other
 * loops stay, and those from there into the middle of its loop are cut.
 */
function nearestLast(entry: Vertex): void {
  const preds = new Map<Vertex, Vertex[]>([[entry, []]]);
  const found = [entry];
  for (const v of found) {
    for (const s of v.succ) {
      if (!preds.has(s)) found.push(s);
      preds.set(s, [...(preds.get(s) ?? []), v]);
    }
  }
  const distance = new Map([[entry, 0]]);
  const work = [entry];
  for (const v of work) {
    for (const p of preds.get(v)!) {
      if (distance.has(p)) continue;
      distance.set(p, distance.get(v)! + 1);
      work.push(p);
    }
  }
  const far = (v: Vertex): number => distance.get(v) ?? Number.POSITIVE_INFINITY;
  for (const v of found) v.succ.sort((a, b) => far(b) - far(a) || 0);
}

/** The graph's blocks as vertices: the entry's. */
function verticesOf(graph: Graph): Vertex {
  const byKey = new Map<number, Vertex>();
  for (const [key, block] of graph.blocks) byKey.set(key, { block, succ: [] });
  for (const v of byKey.values()) v.succ.push(...v.block.succ.map((key) => byKey.get(key)!));
  return byKey.get(graph.entry)!;
}

/** A node while the graph still changes. */
interface Placed extends Node {
  readonly vertex: Vertex;
}

/** Instructions of a block that is worth a copy in front of a loop. */
const MAX_ROTATED = 8;

/**
 * A copy of the entry as a new one, if that makes an outer loop an inner one: where a region starts at the latch of a small
 * loop whose header is the next block, which other loops lead back to, these would lie inside.
 * Other ways from the copy leave the region, as they may lead into the middle of one.
 */
function rotated(entry: Vertex): Vertex | undefined {
  if (entry.block.ops.length > MAX_ROTATED) return undefined;
  for (const next of entry.succ.filter((s) => s !== entry)) {
    const copy: Vertex = { block: entry.block, succ: [next] };
    const nodes = place(copy);
    const latch = nodes.findIndex(({ vertex }) => vertex === entry);
    const [inner, outer] = loopsOf(nodes).filter(({ header }) => header === nodes[0]!.succ[0]);
    if (outer && inner!.body.has(latch) && badEdges(nodes).length === 0) return copy;
  }
  return undefined;
}

/** The vertices in reverse postorder, with their dominators. */
function place(entry: Vertex): Placed[] {
  const order = reversePostorder(entry);
  const position = new Map(order.map((v, i) => [v, i]));
  const nodes: Placed[] = order.map((vertex) => ({
    vertex,
    block: vertex.block,
    succ: vertex.succ.map((v) => position.get(v)!),
    preds: [],
    idom: 0,
    merges: [],
    loops: [],
    usual: undefined,
    isMerge: false,
  }));
  nodes.forEach((n, i) => {
    for (const s of n.succ) nodes[s]!.preds.push(i);
    n.usual = n.succ.find((s) => nodes[s]!.block.pc === n.block.usual);
  });
  setDominators(nodes);
  return nodes;
}

/** Edges into the middle of a loop. */
function badEdges(nodes: readonly Placed[]): { from: Vertex; to: Vertex }[] {
  const bad: { from: Vertex; to: Vertex }[] = [];
  nodes.forEach((n, i) => {
    for (const s of n.succ) {
      if (s <= i && !dominates(nodes, s, i)) bad.push({ from: n.vertex, to: nodes[s]!.vertex });
    }
  });
  return bad;
}

/** Finds loops and merges. */
function shape(nodes: Placed[]): Node[] {
  nodes.forEach((n, i) => {
    n.isMerge = n.preds.filter((p) => p < i).length >= 2;
  });
  const nests: Nest[] = [];
  for (const { header, body } of loopsOf(nodes).sort((a, b) => b.body.size - a.body.size)) {
    const nest = { body, exits: [] };
    nodes[header]!.loops.push(nest);
    nests.push(nest);
  }
  // A jump table needs a label to branch to for each of its targets.
  nodes.forEach((n, i) => {
    if (isSwitch(n.block.ops.at(-1)!)) for (const s of n.succ) nodes[s]!.isMerge ||= s > i;
  });
  for (let i = nodes.length - 1; i > 0; i--) {
    const { idom, isMerge } = nodes[i]!;
    const left = nests.find(({ body }) => body.has(idom) && !body.has(i));
    if (left) {
      nodes[i]!.isMerge = true;
      left.exits.push(i);
    } else if (isMerge) nodes[idom]!.merges.push(i);
  }
  return nodes;
}

/** Depth first, with an explicit stack: the graph is the guest's, our stack is not. */
function reversePostorder(first: Vertex): Vertex[] {
  const order: Vertex[] = [];
  const seen = new Set([first]);
  const stack = [{ vertex: first, rest: [...first.succ] }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const succ = top.rest.pop();
    if (succ === undefined) {
      order.push(top.vertex);
      stack.pop();
    } else if (!seen.has(succ)) {
      seen.add(succ);
      stack.push({ vertex: succ, rest: [...succ.succ] });
    }
  }
  return order.reverse();
}

function setDominators(nodes: readonly Placed[]): void {
  for (const n of nodes) n.idom = -1;
  nodes[0]!.idom = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < nodes.length; i++) {
      let d = -1;
      for (const p of nodes[i]!.preds) {
        if (nodes[p]!.idom >= 0) d = d < 0 ? p : intersect(nodes, p, d);
      }
      if (d !== nodes[i]!.idom) {
        nodes[i]!.idom = d;
        changed = true;
      }
    }
  }
}

function intersect(nodes: readonly Node[], p: number, q: number): number {
  let [a, b] = [p, q];
  while (a !== b) {
    while (a > b) a = nodes[a]!.idom;
    while (b > a) b = nodes[b]!.idom;
  }
  return a;
}

function dominates(nodes: readonly Node[], a: number, b: number): boolean {
  let at = b;
  while (at > a) at = nodes[at]!.idom;
  return at === a;
}
