/**
 * Puts a batch of regions into one WebAssembly module: a module costs some 30 µs, a function in
 * it a third of that.
 */

import { loadSlow, spanSlow, storeSlow } from "../../mmu/access.ts";
import { refill } from "../../mmu/refill.ts";
import type { PhysMem } from "../../physmem.ts";
import { I32 } from "../../wasm/asm.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import type { Helper } from "../helper.ts";
import { doubted, interpret } from "../interp.ts";
import type { Runtime } from "../runtime.ts";
import { TABLE_SIZE } from "../runtime.ts";
import type { Graph } from "./graph.ts";
import { RegionCompiler } from "./region.ts";

export interface Batch {
  /** The function of each graph, in order. */
  readonly funcs: unknown[];
  readonly bytes: number;
}

export function compileBatch(
  graphs: readonly Graph[],
  maxDepth: number,
  mem: PhysMem,
  table: WebAssembly.Table,
  runtime: Runtime,
  isOptimistic: (graph: Graph) => boolean,
): Batch {
  const m = new ModuleBuilder();
  m.importMemory("memory", mem.wasmPages);
  m.importTable("table", TABLE_SIZE);
  const index = new Map<Helper, number>();
  for (const h of helpersOf(graphs)) index.set(h, m.importFunc(h.name, h.params, h.results));
  const regionType = m.type([I32, I32, I32, I32], [I32]);
  graphs.forEach((graph, i) => {
    const indexOf = (h: Helper): number => index.get(h)!;
    const hope = isOptimistic(graph);
    const body = new RegionCompiler(graph, regionType, maxDepth, indexOf, hope).compile();
    m.func(regionType, body.localTypes, body, `r${i}`);
  });
  const bytes = m.build();
  const imports: Record<string, unknown> = { memory: mem.memory, table };
  for (const h of index.keys()) imports[h.name] = runtime.exports[h.name];
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: imports });
  return { funcs: graphs.map((_, i) => instance.exports[`r${i}`]), bytes: bytes.length };
}

function helpersOf(graphs: readonly Graph[]): Set<Helper> {
  const found = new Set<Helper>();
  for (const g of graphs) {
    for (const b of g.blocks.values()) {
      for (const op of b.ops) {
        for (const h of op.traits.helpers) found.add(h);
        if (op.traits.doubtful) found.add(doubted).add(interpret);
        if (op.traits.loads) found.add(loadSlow).add(spanSlow).add(refill);
        if (op.traits.stores) found.add(storeSlow).add(spanSlow).add(refill);
      }
    }
  }
  return found;
}
