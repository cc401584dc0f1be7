/**
 * Natural loops of a reducible graph, whose nodes are numbered in reverse postorder: an edge that
 * leads back leads to a loop's header, which dominates the loop.
 */
interface Linked {
  readonly succ: readonly number[];
  readonly preds: readonly number[];
  /** Of several successors, the one that control mostly goes to, if that is known. */
  readonly usual?: number | undefined;
}

export interface Loop {
  readonly header: number;
  readonly body: ReadonlySet<number>;
  /** No other loop lies inside. */
  readonly isInnermost: boolean;
}

/**
 * All loops; the nodes of inner ones are among those of outer ones.
 *
 * Where a region starts at the header of an inner loop, the outer ones lead back to it as well. One latch whose
 * loop lies inside those of all others tells them apart, or that control mostly comes back by: then these are two
 * loops with one header.
 */
export function loopsOf(nodes: readonly Linked[]): Loop[] {
  const latches = new Map<number, Set<number>>();
  nodes.forEach((n, i) => {
    for (const s of n.succ) if (s <= i) latches.set(s, (latches.get(s) ?? new Set()).add(i));
  });
  const headers = [...latches.keys()];
  const loops: Loop[] = [];
  for (const [header, from] of latches) {
    const bodies = [...from].map((latch) => withLatch(nodes, latch, header));
    const all = new Set(bodies.flatMap((body) => [...body]));
    const least = bodies.reduce((least, body) => (body.size < least.size ? body : least));
    const inner = [...least];
    const isInAll = bodies.every((body) => inner.every((i) => body.has(i)));
    const usual = isInAll ? undefined : usualLatch(nodes, header);
    const core = usual === undefined ? least : withLatch(nodes, usual, header);
    const isNest = core.size < all.size && (isInAll || usual !== undefined);
    const isInnermost = (body: ReadonlySet<number>) =>
      headers.every((h) => h === header || !body.has(h));
    if (isNest) loops.push({ header, body: core, isInnermost: isInnermost(core) });
    loops.push({ header, body: all, isInnermost: !isNest && isInnermost(all) });
  }
  return loops;
}

/** The latch that control mostly comes back to the header by. */
function usualLatch(nodes: readonly Linked[], header: number): number | undefined {
  for (let i = header, left = nodes.length; left > 0; left--) {
    const { succ, usual } = nodes[i]!;
    const next = succ.length === 1 ? succ[0]! : usual;
    // Before the header, it is a loop around this one that control comes back by.
    if (next === undefined || i < header) return undefined;
    if (next === header) return i;
    i = next;
  }
  return undefined;
}

function withLatch(nodes: readonly Linked[], latch: number, header: number): ReadonlySet<number> {
  const body = new Set([header]);
  const work = [latch];
  for (let i = work.pop(); i !== undefined; i = work.pop()) {
    if (body.has(i)) continue;
    body.add(i);
    work.push(...nodes[i]!.preds);
  }
  return body;
}

/** Headers of loops that lie in a loop with another header. */
export function innerLoopsOf(nodes: readonly Linked[]): number[] {
  const loops = loopsOf(nodes);
  const headers = new Set(loops.map(({ header }) => header));
  return [...headers].filter((h) => loops.some((loop) => loop.header !== h && loop.body.has(h)));
}

/** For each node, the innermost loop around it. */
export function innermostLoops(
  nodes: readonly Linked[],
  loops: readonly Loop[],
): (Loop | undefined)[] {
  const innermost: (Loop | undefined)[] = nodes.map(() => undefined);
  const outerFirst = [...loops].sort((a, b) => b.body.size - a.body.size);
  for (const loop of outerFirst) for (const i of loop.body) innermost[i] = loop;
  return innermost;
}
