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
 * Invariant: a register in `#of` holds what its entry's local holds, and that is finite, or the check at the
 * end of the segment fails.
 */
import { type Asm, F32, F64, type ValType } from "../../wasm/asm.ts";

interface Result {
  readonly local: number;
  readonly type: ValType;
  /** Another result is finite only if this one is. */
  isImplied: boolean;
}

/** What is known where a block ends. */
export interface Known {
  readonly of: ReadonlyMap<number, Result>;
  readonly singles: ReadonlyMap<number, number>;
  readonly vectors: ReadonlyMap<number, number>;
  readonly taken: ReadonlyMap<ValType, number>;
}

export class Trust {
  readonly #newLocal: (type: ValType) => number;
  readonly #pools = new Map<ValType, { locals: number[]; taken: number }>();
  /** Results of this block, by the register that holds them. */
  #of = new Map<number, Result>();
  /** f registers that hold a single, and the local that holds it unboxed. */
  #singles = new Map<number, number>();
  /** f registers whose value is the first lane of a V128 local. */
  #vectors = new Map<number, number>();
  /** Results that nobody has looked at yet. */
  #pending: Result[] = [];

  constructor(newLocal: (type: ValType) => number) {
    this.#newLocal = newLocal;
  }

  /** Begins a block that knows nothing, or what was known where its only predecessor ends. */
  startBlock(known?: Known): void {
    for (const [type, pool] of this.#pools) pool.taken = known?.taken.get(type) ?? 0;
    this.#of = new Map(known?.of);
    this.#singles = new Map(known?.singles);
    this.#vectors = new Map(known?.vectors);
    this.#pending = [];
  }

  /** What is known here, where a block ends. */
  known(): Known {
    const taken = new Map([...this.#pools].map(([type, pool]) => [type, pool.taken]));
    return {
      of: new Map(this.#of),
      singles: new Map(this.#singles),
      vectors: new Map(this.#vectors),
      taken,
    };
  }

  /** A local that keeps its value to the end of the block, and of those that know what it knows. */
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
    this.#vectors.delete(r);
  }

  /** f[r] now holds the boxed single of a local. */
  noteSingle(r: number, local: number): void {
    this.#singles.set(r, local);
  }

  /** The local that holds the single in f[r], if one does. */
  single(r: number): number | undefined {
    return this.#singles.get(r);
  }

  /** f[r] now holds the first lane of a V128 local. */
  noteVector(r: number, local: number): void {
    this.#vectors.set(r, local);
  }

  /** The V128 local whose first lane is f[r], of that type, if there is one. */
  vector(r: number, type: ValType): number | undefined {
    return this.isFinite(r, type) ? this.#vectors.get(r) : undefined;
  }

  /** True if f[r] is finite as a double or as a single, unless the segment fails. */
  isFinite(r: number, type: ValType): boolean {
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
  add(r: number, local: number, type: ValType, sure: boolean): void {
    const result = { local, type, isImplied: sure };
    this.#of.set(r, result);
    this.#pending.push(result);
  }

  /** Emits the look at all pending results: `fail` branches if the i32 on the stack is nonzero. */
  check(asm: Asm, fail: () => void): void {
    const rest = this.#pending.filter((p) => !p.isImplied);
    this.#pending = [];
    for (const type of [F64, F32] as const) {
      const locals = rest.filter((p) => p.type === type).map((p) => p.local);
      if (locals.length === 0) continue;
      // A sum that overflows is a false alarm.
      locals.forEach((local, i) => {
        asm.local_get(local);
        if (i > 0) type === F64 ? asm.f64_add() : asm.f32_add();
      });
      if (type === F64) {
        asm.i64_reinterpret_f64().i64_const(1).i64_shl().i64_const(0xffe0_0000_0000_0000n);
        asm.i64_ge_u();
      } else {
        asm
          .i32_reinterpret_f32()
          .i32_const(1)
          .i32_shl()
          .i32_const(0xff00_0000 | 0)
          .i32_ge_u();
      }
      fail();
    }
  }
}
