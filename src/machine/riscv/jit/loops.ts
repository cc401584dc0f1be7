/**
 * Natural loops of a reducible graph, whose nodes are numbered in reverse postorder: an edge that
 * leads back leads to a loop's header, which dominates the loop.
 */
interface Linked {
  readonly succ: readonly number[];
  readonly preds: readonly number[];
}

/** The nodes of each loop, by header; those of inner loops are among those of outer ones. */
export function loopsOf(nodes: readonly Linked[]): Map<number, ReadonlySet<number>> {
  const loops = new Map<number, Set<number>>();
  nodes.forEach((n, i) => {
    for (const s of n.succ) if (s <= i) loops.set(s, withLatch(nodes, i, loops.get(s), s));
  });
  return loops;
}

function withLatch(
  nodes: readonly Linked[],
  latch: number,
  known: Set<number> | undefined,
  header: number,
): Set<number> {
  const body = known ?? new Set([header]);
  const work = [latch];
  for (let i = work.pop(); i !== undefined; i = work.pop()) {
    if (body.has(i)) continue;
    body.add(i);
    work.push(...nodes[i]!.preds);
  }
  return body;
}

/**
 * The loop at `header` without those around it. Where a region starts at the header of an inner loop, the
 * outer ones lead back to it as well; one latch whose loop lies inside those of all others tells them apart.
 */
export function innermostAt(nodes: readonly Linked[], header: number): ReadonlySet<number> {
  const latches = [...new Set(nodes[header]!.preds)].filter((p) => p >= header);
  const bodies = latches.map((latch) => withLatch(nodes, latch, undefined, header));
  const core = bodies.reduce((least, body) => (body.size < least.size ? body : least));
  const inner = [...core];
  if (bodies.every((body) => inner.every((i) => body.has(i)))) return core;
  return new Set(bodies.flatMap((body) => [...body]));
}

/** For each node, the header of the innermost loop around it; undefined outside of loops. */
export function innermostLoops(
  nodes: readonly Linked[],
  loops: ReadonlyMap<number, ReadonlySet<number>>,
): (number | undefined)[] {
  const innermost: (number | undefined)[] = nodes.map(() => undefined);
  const outerFirst = [...loops].sort(([, a], [, b]) => b.size - a.size);
  for (const [header, body] of outerFirst) for (const i of body) innermost[i] = header;
  return innermost;
}
