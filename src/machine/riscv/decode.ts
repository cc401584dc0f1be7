/**
 * Decoding: from an instruction word to its definition, 16-bit ones included.
 *
 * A table by some of the low 16 bits tells most instructions, of either length, without asking for the length first; where
 * it does not, it names a further table, by funct7, rs2 or rd. The interpreter's tables in machine memory and the
 * JIT's lookup are the same ones.
 */
import { DECODE_TABLE, DECODE_TABLES, DECODE_TABLES_END } from "../layout.ts";
import type { PhysMem } from "../physmem.ts";
import { C_INSNS, type HalfInsn } from "./isa/c.ts";
import type { Insn } from "./isa/insn.ts";

/** Bits of the word that choose an entry: opcode and funct3 of a long one, all but 7 to 9 of a short one. */
export const FIRST_BITS = 0xfc7f;
/** Bits that choose an entry of a further table, in the order in which they are asked for. */
export const FIELDS = [
  { at: 25, width: 7 },
  { at: 20, width: 5 },
  { at: 7, width: 5 },
] as const;
interface Field {
  readonly at: number;
  readonly width: number;
}
const FIRST_FIELD: Field = { at: 0, width: 16 };
/** Bytes of a further table. */
export const TABLE_BYTES = 128;

const maskOf = ({ at, width }: Field): number => (2 ** width - 1) << at;

/** What is decided by one look: how to look on. */
interface Table {
  readonly field: (typeof FIELDS)[number];
  readonly entries: Uint8Array;
}

export class Decoder {
  readonly insns: readonly Insn[];
  /** What a handler is for, from number 1 on: long instructions, then short ones. Further tables are numbered behind them. */
  readonly forms: readonly (Insn | HalfInsn)[];
  readonly tables: Table[] = [];
  /** Handler number by FIRST_BITS; 0 is illegal. */
  readonly #first: Uint8Array;
  /** Bits that all ways to a handler have looked at. */
  readonly #proven: number[];
  readonly #tableOf = new Map<string, number>();

  constructor(insns: readonly Insn[]) {
    this.insns = insns;
    this.forms = [...insns, ...C_INSNS];
    this.#proven = this.forms.map(() => FIRST_BITS);
    const all = this.forms.map((_, i) => i + 1);
    this.#first = this.#entries(all, FIRST_BITS, FIRST_FIELD);
  }

  /** Number of the first further table among handlers. */
  get firstTable(): number {
    return this.forms.length + 1;
  }

  /** The definition of a 32-bit word; undefined if illegal. */
  decode(w: number): Insn | undefined {
    let n = (w & 3) === 3 ? this.#first[w & FIRST_BITS]! : 0;
    while (n >= this.firstTable) {
      const { field, entries } = this.tables[n - this.firstTable]!;
      n = entries[(w & maskOf(field)) >>> field.at]!;
    }
    const insn = this.insns[n - 1];
    return insn && (w & insn.mask) >>> 0 === insn.match ? insn : undefined;
  }

  /** Bits of the word that reaching this instruction's handler does not prove. */
  unproven(form: Insn | HalfInsn): number {
    return (form.mask & ~this.#proven[this.forms.indexOf(form)]!) >>> 0;
  }

  /** Writes the tables where the interpreter reads them. */
  install(mem: PhysMem): void {
    mem.u8.set(this.#first, DECODE_TABLE);
    this.tables.forEach(({ entries }, i) => {
      mem.u8.set(entries, tableAt(i));
    });
    if (tableAt(this.tables.length) > DECODE_TABLES_END)
      throw new RangeError("decode tables overflow");
  }

  /** Handler numbers by a field, of words that agree with all of `found` in the bits of `proven`, which has that field. */
  #entries(found: readonly number[], proven: number, { at, width }: Field): Uint8Array {
    // Many entries have the same few candidates: each such set is looked at once.
    const sets: number[][] = [[]];
    const larger = new Map<number, number>();
    const setOf = new Uint16Array(2 ** width);
    const bits = maskOf({ at, width }) & proven;
    for (const n of found) {
      const { match, mask } = this.forms[n - 1]!;
      const free = bits & ~mask;
      let rest = 0;
      do {
        const value = ((match & bits) | rest) >>> at;
        const key = setOf[value]! * 256 + n;
        let set = larger.get(key);
        if (set === undefined) {
          set = sets.push([...sets[setOf[value]!]!, n]) - 1;
          larger.set(key, set);
        }
        setOf[value] = set;
        rest = (rest - free) & free;
      } while (rest !== 0);
    }
    const chosen = sets.map(() => -1);
    const entries = new Uint8Array(setOf.length);
    const asked = bits >>> at;
    let i = 0;
    do {
      const set = setOf[i]!;
      if (chosen[set] === -1) chosen[set] = this.#choose(sets[set]!, proven);
      entries[i] = chosen[set]!;
      i = (i - asked) & asked;
    } while (i !== 0);
    return entries;
  }

  /** The handler for words that agree with all of `found` in the bits of `proven`: of two that fit, the one before. */
  #choose(found: readonly number[], proven: number): number {
    const best = found[0];
    if (best === undefined) return 0;
    const unproven = (n: number) => this.forms[n - 1]!.mask & ~proven;
    if (found.length === 1 || unproven(best) === 0) {
      this.#proven[best - 1]! &= proven;
      return best;
    }
    const field = FIELDS.find((f) => found.some((n) => (unproven(n) & maskOf(f)) !== 0));
    if (!field) throw new RangeError("ambiguous encodings");
    const key = `${found} ${field.at}`;
    const n = this.#tableOf.get(key) ?? this.#addTable(field, found, proven | maskOf(field));
    this.#tableOf.set(key, n);
    return n;
  }

  #addTable(field: Table["field"], found: readonly number[], proven: number): number {
    const entries = this.#entries(found, proven, field);
    const n = this.firstTable + this.tables.push({ field, entries }) - 1;
    if (n > 255) throw new RangeError("too many handlers for a byte");
    return n;
  }
}

/** Address of further table `i` in machine memory. */
export const tableAt = (i: number): number => DECODE_TABLES + i * TABLE_BYTES;
