/**
 * Natural loops of a reducible graph, whose nodes are numbered in reverse postorder: an edge that
 * leads back leads to a loop's header, which dominates the loop.
 */
interface Linked {
  readonly succ: readonly number[];
  readonly preds: readonly number[];
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
 * loop lies inside those of all others tells them apart: then these are two loops with one header.
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
    const core = bodies.reduce((least, body) => (body.size < least.size ? body : least));
    const inner = [...core];
    const isNest = core.size < all.size && bodies.every((body) => inner.every((i) => body.has(i)));
    const isInnermost = (body: ReadonlySet<number>) =>
      headers.every((h) => h === header || !body.has(h));
    if (isNest) loops.push({ header, body: core, isInnermost: isInnermost(core) });
    loops.push({ header, body: all, isInnermost: !isNest && isInnermost(all) });
  }
  return loops;
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
