/**
 * The heat table: how often jump targets were interpreted, and where there are regions. In TypeScript, and as generated code.
 *
 * Targets that share a bucket count their visits together until one of them has a region. Then the bucket is tagged with what it
 * does not tell of that one's low 32 bits: the interpreter looks it up in the jump cache, and reports it if it is not there, while the others
 * count at the same place of a second table. Where several have regions all are looked up and reported.
 * Invariant: a bucket is tagged if, and only if, a region begins in it, with that region's tag or as SEVERAL.
 */
import { HEAT_BESIDE, HEAT_BUCKETS, HEAT_TABLE } from "../layout.ts";
import type { PhysMem } from "../physmem.ts";
import type { Asm } from "../wasm/asm.ts";
import { heatOffset } from "./pchash.ts";

/** Visits that can be counted; what is above is a tag. */
export const MAX_HEAT = 0x7fff;
const TAGGED = 0x8000;
const SEVERAL = 0xffff;

/** Bits 19 and up of a pc, and 1 and 2: with its bucket, which has the others folded with these, all of the low 32. */
const tagOf = (low: number): number => TAGGED | ((low >>> 19) << 2) | ((low >>> 1) & 3);

/** `tagOf` at run time, of the pc (i32) in a local. */
function emitTag(a: Asm, low: number): Asm {
  a.local_get(low).i32_const(19).i32_shr_u().i32_const(2).i32_shl();
  a.local_get(low).i32_const(1).i32_shr_u().i32_const(3).i32_and();
  return a.i32_or().i32_const(TAGGED).i32_or();
}

/** Pushes whether what `heat` pushes, that of the pc (i32) in the local `low`, is the tag of somebody else alone. */
export function emitIsOfAnother(a: Asm, heat: () => void, low: number): Asm {
  heat();
  a.i32_const(TAGGED)
    .i32_sub()
    .i32_const(SEVERAL - TAGGED)
    .i32_lt_u();
  heat();
  return emitTag(a, low).i32_ne().i32_and();
}

export class HeatTable {
  readonly #u16: Uint16Array;
  /** Regions by the bucket of their entry. */
  readonly #regionsIn = new Uint16Array(HEAT_BUCKETS);

  constructor({ u16 }: PhysMem) {
    this.#u16 = u16;
  }

  /** True if each visit of `pc` is reported that the jump cache does not know. */
  isReported(pc: number): boolean {
    const heat = this.#u16[cellOf(pc)]!;
    return heat === SEVERAL || heat === tagOf(pc);
  }

  /** Visits of `pc` so far, and of what counts with it. */
  visits(pc: number): number {
    return this.isReported(pc) ? MAX_HEAT : this.#u16[this.#counterOf(pc)]!;
  }

  /** Sets that, if it is counted. */
  setVisits(pc: number, visits: number): void {
    if (!this.isReported(pc)) this.#u16[this.#counterOf(pc)] = visits;
  }

  /** There is a region more at `entry`. */
  regionMade(entry: number): void {
    const cell = cellOf(entry);
    const isFirst = this.#regionsIn[cell - FIRST]!++ === 0;
    if (isFirst) this.#u16[cell + BESIDE] = 0;
    if (isFirst || this.#u16[cell] === tagOf(entry)) this.#u16[cell] = tagOf(entry);
    else this.#u16[cell] = SEVERAL;
  }

  regionDropped(entry: number): void {
    const cell = cellOf(entry);
    if (--this.#regionsIn[cell - FIRST]! === 0) this.#u16[cell] = 0;
  }

  /** Halves all counts. */
  cool(): void {
    const u16 = this.#u16;
    for (let cell = FIRST; cell < FIRST + HEAT_BUCKETS; cell++) {
      const counter = u16[cell]! < TAGGED ? cell : cell + BESIDE;
      u16[counter] = u16[counter]! >>> 1;
    }
  }

  #counterOf(pc: number): number {
    const cell = cellOf(pc);
    return this.#u16[cell]! < TAGGED ? cell : cell + BESIDE;
  }
}

// Places in memory, in u16s.
const FIRST = HEAT_TABLE >>> 1;
const BESIDE = HEAT_BESIDE >>> 1;
const cellOf = (pc: number): number => (HEAT_TABLE + heatOffset(pc | 0)) >>> 1;
