/**
 * Puts a batch of regions into one WebAssembly module: a module costs some 30 µs, a function in
 * it a third of that.
 *
 * A module depends on nothing but the instructions of its regions and their addresses: it says by name what it
 * imports, and any machine can link it.
 */

import { readAt, readSpan, writeAt, writeSpan } from "../../mmu/lookup.ts";
import type { PhysMem } from "../../physmem.ts";
import { Asm } from "../../wasm/asm.ts";
import { MAX_MEMORY_PAGES, ModuleBuilder } from "../../wasm/module.ts";
import type { Helper } from "../helper.ts";
import { doubted, interpret, missed, proceed } from "../hostcalls.ts";
import type { Runtime } from "../runtime.ts";
import { REGION_PARAMS, REGION_RESULTS, TABLE_SIZE } from "../runtime.ts";
import type { Graph } from "./graph.ts";
import { type Hope, RegionCompiler } from "./region.ts";

/** A module as bytes; the function of its n-th region is exported as "rn". */
export interface Unlinked {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names of what it imports from the runtime. */
  readonly imports: readonly string[];
}

/** A module that was just made. */
export interface Compiled extends Unlinked {
  /** For each region, where its loops begin that lie in others. */
  readonly innerLoops: readonly (readonly number[])[];
}

/** What a linked module exports. */
export type Functions = Readonly<Record<string, unknown>>;

/** Compiles each graph, hoping for what `hopes` says. */
export function compileBatch(
  graphs: readonly Graph[],
  maxDepth: number,
  hopes: readonly Hope[],
): Compiled {
  const m = new ModuleBuilder();
  m.importMemory("memory", 1, MAX_MEMORY_PAGES);
  m.importTable("table", TABLE_SIZE);
  const index = new Map<Helper, number>();
  const helpers = [...helpersOf(graphs, hopes)];
  const imported = helpers.filter((h) => !h.isLocal);
  for (const h of imported) index.set(h, m.importFunc(h.name, h.params, h.results));
  for (const h of helpers) if (h.isLocal) index.set(h, addLocal(m, h, index));
  const regionType = m.type(REGION_PARAMS, REGION_RESULTS);
  const innerLoops = graphs.map((graph, i) => {
    const indexOf = (h: Helper): number => index.get(h)!;
    const region = new RegionCompiler(graph, regionType, maxDepth, indexOf, hopes[i]!);
    const body = region.compile(m.nextFunc);
    m.func(regionType, body.localTypes, body, `r${i}`);
    return region.innerLoops;
  });
  return { bytes: m.build(), imports: imported.map((h) => h.name), innerLoops };
}

/** The functions of a module by name. Throws what WebAssembly throws if the bytes are no such module. */
export function link(
  { bytes, imports }: Unlinked,
  mem: PhysMem,
  table: WebAssembly.Table,
  runtime: Runtime,
): Functions {
  const e: Record<string, unknown> = { memory: mem.memory, table };
  for (const name of imports) e[name] = runtime.exports[name];
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { e }).exports;
}

function addLocal(m: ModuleBuilder, h: Helper, index: ReadonlyMap<Helper, number>): number {
  const a = new Asm();
  h.body!(a, (callee) => {
    a.call(index.get(callee)!);
  });
  return m.func(m.type(h.params, h.results), h.locals ?? [], a);
}

function helpersOf(graphs: readonly Graph[], hopes: readonly Hope[]): Set<Helper> {
  const found = new Set<Helper>();
  graphs.forEach((g, i) => {
    const callsLookups = !hopes[i]!.hits;
    for (const b of g.blocks.values()) {
      if (b.back !== undefined) found.add(proceed);
      if (b.unseen !== undefined) found.add(interpret).add(missed);
      for (const op of b.ops) {
        for (const h of op.traits.helpers) found.add(h);
        if (op.traits.doubtful) found.add(doubted);
        if (callsLookups && op.traits.loads) addWithUses(found, readAt, readSpan);
        if (callsLookups && op.traits.stores) addWithUses(found, writeAt, writeSpan);
        if (op.traits.mayTrap || op.traits.doubtful) found.add(interpret).add(missed);
      }
    }
  });
  return found;
}

function addWithUses(found: Set<Helper>, ...helpers: readonly Helper[]): void {
  for (const h of helpers) {
    for (const callee of h.uses ?? []) found.add(callee);
    found.add(h);
  }
}
