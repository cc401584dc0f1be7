/**
 * The runtime module: interpreter, helpers and the doors between JavaScript, interpreter and
 * compiled regions. Generated once per machine.
 *
 * Function 0 of the region table is `miss`: what compiled code calls when the jump cache
 * does not know a target, and what stands where a dropped region stood.
 */
import { BANK_JUMP, CTX_PC } from "../layout.ts";
import { fetchHigh, fetchSlow, loadSlow, spanSlow, storeSlow } from "../mmu/access.ts";
import type { PhysMem } from "../physmem.ts";
import { Asm, I32 } from "../wasm/asm.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import type { Decoder } from "./decode.ts";
import type { Helper } from "./helper.ts";
import {
  emitJumpOffset,
  expandHalf,
  InterpEmit,
  interpret,
  JUMP_BESIDE,
  NO_VISIT,
  visit,
} from "./interp.ts";
import { traitsOf } from "./traits.ts";

/** Capacity of the region table. */
export const TABLE_SIZE = 65536;

const REGION_PARAMS = [I32, I32, I32, I32] as const;
const REGION_RESULTS = [I32] as const;

/** (ctx, bank, fuel, depth) → result, see jit/region.ts. */
export type RegionFunc = (ctx: number, bank: number, fuel: number, depth: number) => number;

export interface Runtime {
  readonly enter: RegionFunc;
  readonly miss: RegionFunc;
  /** Everything that compiled modules may import, by helper name. */
  readonly exports: Record<string, unknown>;
}

/** What the host provides: functions by helper name. */
export type HostFunctions = Record<string, (...args: never[]) => unknown>;

/** What a runtime is built from; `host` has a function for every helper without a body. */
export interface RuntimeParts {
  readonly mem: PhysMem;
  readonly table: WebAssembly.Table;
  readonly decoder: Decoder;
  readonly host: HostFunctions;
  readonly threshold: number;
  readonly maxDepth: number;
}

/** Builds and instantiates the runtime. */
export function buildRuntime(parts: RuntimeParts): Runtime {
  const exports = instantiate(parts, (m, regionType, interpAs) => {
    const interp = interpAs("interp", false);
    m.func(regionType, [I32], missBody(regionType, interp), "miss");
    m.func(regionType, [I32], enterBody(regionType, interp), "enter");
    const careful = new Asm().local_get(0).local_get(1).local_get(2).local_get(3);
    careful.i32_const(NO_VISIT).i32_or().return_call(interp);
    m.func(regionType, [], careful, interpret.name);
  });
  return { ...(exports as unknown as Runtime), exports: { ...parts.host, ...exports } };
}

/** The interpreter that stops after each instruction, which only debuggers need. */
export function buildStep(parts: RuntimeParts): RegionFunc {
  const exports = instantiate(parts, (_m, _regionType, interpAs) => {
    interpAs("step", true);
  });
  return exports["step"] as RegionFunc;
}

/** A module of all helpers and what `add` adds to it: its exports. */
function instantiate(
  { mem, table, decoder, host, threshold, maxDepth }: RuntimeParts,
  add: (
    m: ModuleBuilder,
    regionType: number,
    interpAs: (name: string, single: boolean) => number,
  ) => void,
): Record<string, unknown> {
  const m = new ModuleBuilder();
  m.importMemory("memory", mem.wasmPages, mem.wasmPages);
  m.importTable("table", TABLE_SIZE);
  const helpers = allHelpers(decoder);
  const index = new Map<Helper, number>();
  for (const h of helpers) {
    if (!h.body) index.set(h, m.importFunc(h.name, h.params, h.results));
  }
  const indexOf = (h: Helper): number => {
    const i = index.get(h);
    if (i === undefined) throw new RangeError(`helper ${h.name} is not declared`);
    return i;
  };
  for (const h of helpers) {
    if (!h.body) continue;
    const a = new Asm();
    h.body(a, (callee) => {
      a.call(indexOf(callee));
    });
    index.set(h, m.func(m.type(h.params, h.results), h.locals ?? [], a, h.name));
  }
  const regionType = m.type(REGION_PARAMS, REGION_RESULTS);
  add(m, regionType, (name, single) => {
    const e = new InterpEmit({ single, threshold, maxDepth, indexOf, regionType });
    e.generate(decoder);
    return m.func(regionType, e.localTypes, e, name);
  });
  const imports = { e: { memory: mem.memory, table, ...host } };
  return new WebAssembly.Instance(new WebAssembly.Module(m.build()), imports).exports;
}

/** Every helper that some instruction uses, callees before callers. */
function allHelpers(decoder: Decoder): Helper[] {
  const list: Helper[] = [];
  const add = (h: Helper): void => {
    if (list.includes(h)) return;
    for (const callee of h.uses ?? []) add(callee);
    list.push(h);
  };
  for (const h of [visit, expandHalf, loadSlow, storeSlow, spanSlow, fetchSlow, fetchHigh]) add(h);
  for (const insn of decoder.insns) for (const h of traitsOf(insn).helpers) add(h);
  return list;
}

/**
 * Looks beside the jump cache entry of the context's pc, where what gave way to another lies;
 * otherwise it is the interpreter's turn.
 */
function missBody(regionType: number, interp: number): Asm {
  const [ctx, bank, fuel, depth, slot] = [0, 1, 2, 3, 4];
  const a = new Asm();
  const args = () => a.local_get(ctx).local_get(bank).local_get(fuel).local_get(depth);
  jumpSlot(a, slot).i32_const(JUMP_BESIDE).i32_xor().local_tee(slot).i64_load(BANK_JUMP);
  a.local_get(ctx).i64_load(CTX_PC).i64_eq().if_();
  a.local_get(slot)
    .i32_load(BANK_JUMP + 8)
    .local_tee(slot)
    .if_();
  args().local_get(slot).return_call_indirect(regionType);
  a.end().end();
  return args().return_call(interp);
}

/** Pushes bank + offset of the jump cache entry of the context's pc. */
function jumpSlot(a: Asm, scratch: number): Asm {
  a.local_get(1).local_get(0).i32_load(CTX_PC);
  return emitJumpOffset(a, scratch).i32_add();
}

/** From JavaScript: to the region at the context's pc if the jump cache has one. */
function enterBody(regionType: number, interp: number): Asm {
  const [ctx, bank, fuel, depth, slot] = [0, 1, 2, 3, 4];
  const a = new Asm();
  jumpSlot(a, slot).local_tee(slot).i64_load(BANK_JUMP);
  a.local_get(ctx).i64_load(CTX_PC).i64_eq().if_();
  a.local_get(slot)
    .i32_load(BANK_JUMP + 8)
    .local_tee(slot)
    .if_();
  a.local_get(ctx).local_get(bank).local_get(fuel).local_get(depth).local_get(slot);
  a.return_call_indirect(regionType).end().end();
  a.local_get(ctx).local_get(bank).local_get(fuel).local_get(depth).return_call(interp);
  return a;
}
