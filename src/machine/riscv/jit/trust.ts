/**
 * What compiled code knows of its floating-point results within a block, and on from there into blocks that can
 * only be reached from it.
 *
 * Optimistic code does not look at each result. An operation on an infinity or a NaN yields an infinity
 * or a NaN (but for divisors and comparisons), so of a chain only the last result is looked at,
 * before anything happens that cannot be taken back; of several such results, their sum. If
 * one is not finite, all is done again with care: see jit/segments.ts.
 *
 * What is finite as a single is a NaN as a double.
 * Invariant: a register in `#of` holds a finite number, or the check at the end of the segment fails.
 */
import { type Asm, F32, F64, type ValType } from "../../wasm/asm.ts";
import { F64X2_ADD, I32X4_EXTRACT_LANE } from "../../wasm/simd.ts";

type Format = typeof F32 | typeof F64;

interface Result {
  /** Of type F32, or V128 for a double. */
  readonly local: number;
  readonly type: Format;
  /** Another result is finite only if this one is. */
  isImplied: boolean;
}

/** What is known where a block ends. */
export interface Known {
  readonly of: ReadonlyMap<number, Result>;
  readonly singles: ReadonlySet<number>;
  /** Results that nobody has looked at yet. */
  readonly pending: readonly Result[];
  readonly taken: ReadonlyMap<ValType, number>;
}

export class Trust {
  readonly #newLocal: (type: ValType) => number;
  readonly #pools = new Map<ValType, { locals: number[]; taken: number }>();
  /** Results of this block, by the register that holds them. */
  #of = new Map<number, Result>();
  /** The local that holds an f register's single unboxed, if it is one of `#singles`. */
  readonly #singleLocals: number[] = [];
  #singles = new Set<number>();
  /** Results that nobody has looked at yet. */
  #pending: Result[] = [];

  constructor(newLocal: (type: ValType) => number) {
    this.#newLocal = newLocal;
  }

  /** Begins a block that knows nothing, or what was known where its only predecessor ends. */
  startBlock(known?: Known): void {
    // Several may start with the same, and mark its results.
    const copies = new Map(known?.pending.map((p) => [p, { ...p }]));
    this.#of = new Map();
    for (const [r, result] of known?.of ?? []) this.#of.set(r, copies.get(result) ?? result);
    this.#singles = new Set(known?.singles);
    this.#pending = [...copies.values()];
    for (const [type, pool] of this.#pools) pool.taken = known?.taken.get(type) ?? 0;
  }

  /** What is known here, where a block ends. */
  known(): Known {
    return {
      of: new Map(this.#of),
      singles: new Set(this.#singles),
      pending: [...this.#pending],
      taken: new Map([...this.#pools].map(([type, { taken }]) => [type, taken])),
    };
  }

  /** A local that keeps its value to the next check. */
  local(type: ValType): number {
    let pool = this.#pools.get(type);
    if (!pool) {
      pool = { locals: [], taken: 0 };
      this.#pools.set(type, pool);
    }
    if (pool.taken === pool.locals.length) pool.locals.push(this.#newLocal(type));
    return pool.locals[pool.taken++]!;
  }

  /** f[r] is about to be written. */
  forget(r: number): void {
    this.#of.delete(r);
    this.#singles.delete(r);
  }

  /** f[r] holds a boxed single: the local that is about to be set to it. */
  noteSingle(r: number): number {
    this.#singles.add(r);
    this.#singleLocals[r] ??= this.#newLocal(F32);
    return this.#singleLocals[r];
  }

  /** The local that holds the single in f[r], if one does. */
  single(r: number): number | undefined {
    return this.#singles.has(r) ? this.#singleLocals[r] : undefined;
  }

  /** True if f[r] is finite as a double or as a single, unless the segment fails. */
  isFinite(r: number, type: Format): boolean {
    return this.#of.get(r)?.type === type;
  }

  /** The next result will be finite only if these registers are. */
  imply(registers: readonly number[]): void {
    for (const r of registers) {
      const result = this.#of.get(r);
      if (result) result.isImplied = true;
    }
  }

  /** f[r] was set to a result in a local; it still has to be looked at unless it is `sure` to be finite. */
  add(r: number, local: number, type: Format, sure: boolean): void {
    const result = { local, type, isImplied: sure };
    this.#of.set(r, result);
    this.#pending.push(result);
  }

  #drop(): void {
    this.#pending = [];
    for (const pool of this.#pools.values()) pool.taken = 0;
  }

  /** Emits the look at all pending results: `fail` branches if the i32 on the stack is nonzero. */
  check(asm: Asm, fail: () => void): void {
    const rest = this.#pending.filter((p) => !p.isImplied);
    this.#drop();
    for (const type of [F64, F32] as const) {
      const locals = rest.filter((p) => p.type === type).map((p) => p.local);
      if (locals.length === 0) continue;
      // A sum that overflows is a false alarm.
      locals.forEach((local, i) => {
        asm.local_get(local);
        if (i > 0) type === F64 ? asm.simd(F64X2_ADD) : asm.f32_add();
      });
      if (type === F64) asm.simdLane(I32X4_EXTRACT_LANE, 1);
      else asm.i32_reinterpret_f32();
      const infinity2 = type === F64 ? 0xffe0_0000 : 0xff00_0000;
      asm
        .i32_const(1)
        .i32_shl()
        .i32_const(infinity2 | 0)
        .i32_ge_u();
      fail();
    }
  }
}
