/**
 * From graphs to WebAssembly functions, and from such functions to modules: several to each, as a module costs V8 some
 * 150 µs and 18 KB beside its functions.
 *
 * A function depends on nothing but the instructions of its region and their addresses: it says by name what it calls,
 * and any machine can put it into a module with others.
 */

import { readAt, readSpan, writeAt, writeSpan } from "../../mmu/lookup.ts";
import type { PhysMem } from "../../physmem.ts";
import { Asm } from "../../wasm/asm.ts";
import { type FuncCode, type FuncSymbol, funcCode } from "../../wasm/funccode.ts";
import { MAX_MEMORY_PAGES, ModuleBuilder } from "../../wasm/module.ts";
import type { Helper } from "../helper.ts";
import type { Runtime } from "../runtime.ts";
import { REGION_PARAMS, REGION_RESULTS, TABLE_SIZE } from "../runtime.ts";
import type { Graph } from "./graph.ts";
import { type Hope, RegionCompiler } from "./region.ts";

/** A region's function. */
export interface RegionCode {
  readonly code: FuncCode;
  /** Where its loops begin that lie in others. */
  readonly innerLoops: readonly number[];
}

/** A module as bytes; its n-th function is exported as "rn". */
export interface Unlinked {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names of what it imports from the runtime. */
  readonly imports: readonly string[];
}

/** What a linked module exports. */
export type Functions = Readonly<Record<string, unknown>>;

/** What modules have copies of, by name. */
const LOCAL_HELPERS: ReadonlyMap<string, Helper> = new Map(
  [readAt, readSpan, writeAt, writeSpan].map((h) => [h.name, h]),
);

/** Compiles a graph, hoping for what `hope` says. */
export function compileRegion(graph: Graph, maxDepth: number, hope: Hope): RegionCode {
  const region = new RegionCompiler(graph, maxDepth, hope);
  const body = region.compile();
  return { code: funcCode(body.localTypes, body), innerLoops: region.innerLoops };
}

/** A module of these functions. */
export function assemble(codes: readonly FuncCode[]): Unlinked {
  const m = new ModuleBuilder();
  m.importMemory("memory", 1, MAX_MEMORY_PAGES);
  m.importTable("table", TABLE_SIZE);
  // The first of its types: REGION_TYPE.
  const regionType = m.type(REGION_PARAMS, REGION_RESULTS);
  const called = symbolsOf(codes);
  const local = [...called.keys()].flatMap((name) => LOCAL_HELPERS.get(name) ?? []);
  for (const h of local) for (const callee of h.uses ?? []) called.set(callee.name, callee);
  const index = new Map<string, number>();
  for (const [name, { params, results }] of called) {
    if (!LOCAL_HELPERS.has(name)) index.set(name, m.importFunc(name, params, results));
  }
  const imports = [...index.keys()];
  const indexOf = ({ name }: FuncSymbol): number => index.get(name)!;
  for (const h of local) index.set(h.name, addLocal(m, h, indexOf));
  codes.forEach((code, i) => {
    m.place(regionType, code, indexOf, `r${i}`);
  });
  return { bytes: m.build(), imports };
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

/** An error of `link`: the bytes are no such module. */
export const isRefusal = (e: unknown): boolean =>
  e instanceof WebAssembly.CompileError || e instanceof WebAssembly.LinkError;

/** What these functions call beside themselves, by name. */
function symbolsOf(codes: readonly FuncCode[]): Map<string, FuncSymbol> {
  const found = new Map<string, FuncSymbol>();
  for (const { refs } of codes) for (const { to } of refs) if (to) found.set(to.name, to);
  return found;
}

function addLocal(m: ModuleBuilder, h: Helper, indexOf: (h: FuncSymbol) => number): number {
  const a = new Asm();
  h.body!(a, (callee) => {
    a.call(indexOf(callee));
  });
  return m.func(m.type(h.params, h.results), h.locals ?? [], a);
}
