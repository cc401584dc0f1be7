/**
 * Decoding: from an instruction word to its definition.
 *
 * A slot is opcode[6:2], funct3 and funct7: it tells nearly all instructions apart. Where
 * it does not, a second table goes by the rs2 field. The interpreter's tables in machine
 * memory and the JIT's lookup are the same ones.
 */
import { DECODE_TABLE, DECODE_TABLE_END, EXPAND_TABLE, HALF_HANDLERS } from "../layout.ts";
import type { PhysMem } from "../physmem.ts";
import { expand } from "./isa/c.ts";
import type { Insn } from "./isa/insn.ts";

const SLOTS = 0x8000;
/** Words that no slot knows: a reserved 16-bit instruction, and one that was not expanded yet. */
const ILLEGAL = 0x7fff_ffff;
export const UNEXPANDED = 0xffff_ffff;
/** What a slot's position in the table says about the word. */
const SLOT_BITS = 0xfe00_707f;
const RS2_BITS = 0x01f0_0000;

/** Slot number of a word. The interpreter computes the same. */
export const slotOf = (w: number): number =>
  ((w >>> 2) & 0x1f) | ((w >>> 7) & 0xe0) | ((w >>> 17) & 0x7f00);

/** The word with all slot bits of slot `s` and nothing else. */
const wordOf = (s: number): number =>
  (3 | ((s & 0x1f) << 2) | ((s & 0xe0) << 7) | ((s & 0x7f00) << 17)) >>> 0;

export class Decoder {
  readonly insns: readonly Insn[];
  /** Handler number of each slot: 0 illegal, then instructions from 1, then second tables. */
  readonly slots = new Uint8Array(SLOTS);
  /** Second tables, 32 entries each, by the rs2 field. */
  readonly seconds: Uint8Array[] = [];

  constructor(insns: readonly Insn[]) {
    this.insns = insns;
    const contested = new Set<number>();
    insns.forEach(({ match, mask }, i) => {
      // From the instruction to its slots: the other way round is ten times the work, at every start.
      const free = ~mask & SLOT_BITS;
      let bits = 0;
      do {
        const s = slotOf(match | bits);
        if (this.slots[s] !== 0) contested.add(s);
        this.slots[s] = i + 1;
        bits = (bits - free) & free;
      } while (bits !== 0);
    });
    for (const s of contested) this.slots[s] = this.#chooseByRs2(wordOf(s));
  }

  /** Number of the first second table among handlers. */
  get firstSecond(): number {
    return this.insns.length + 1;
  }

  /** The definition of a 32-bit word; undefined if illegal. */
  decode(w: number): Insn | undefined {
    const insn = this.insns[this.#handlerOf(w) - 1];
    return insn && (w & insn.mask) >>> 0 === insn.match ? insn : undefined;
  }

  /** Number of the instruction that a word may be; 0 for none. */
  #handlerOf(w: number): number {
    if ((w & 3) !== 3) return 0;
    const n = this.slots[slotOf(w)]!;
    return n < this.firstSecond ? n : this.seconds[n - this.firstSecond]![(w >>> 20) & 31]!;
  }

  /** Bits of the word that reaching this instruction's handler does not prove. */
  unproven(insn: Insn): number {
    const n = this.insns.indexOf(insn) + 1;
    const isDirect = this.slots.includes(n);
    return (insn.mask & ~(isDirect ? SLOT_BITS : SLOT_BITS | RS2_BITS)) >>> 0;
  }

  /** Writes the tables where the interpreter reads them. */
  install(mem: PhysMem): void {
    mem.u8.set(this.slots, DECODE_TABLE);
    let at = DECODE_TABLE + SLOTS;
    for (const table of this.seconds) {
      mem.u8.set(table, at);
      at += 32;
    }
    if (at > DECODE_TABLE_END) throw new RangeError("decode tables overflow");
    mem.u32.set(new Uint32Array(0x10000).fill(UNEXPANDED), EXPAND_TABLE >>> 2);
  }

  /** Puts the 32-bit form of a 16-bit instruction, and its handler, where the interpreter looks for them. */
  expandInto(mem: PhysMem, half: number): void {
    const word = expand(half);
    mem.u32[(EXPAND_TABLE >>> 2) + half] = word || ILLEGAL;
    mem.u8[HALF_HANDLERS + half] = this.#handlerOf(word);
  }

  /** The handler of a slot that several instructions share, with `word` in it. */
  #chooseByRs2(word: number): number {
    const candidates = this.insns.filter(
      ({ match, mask }) => ((word ^ match) & mask & SLOT_BITS) === 0,
    );
    const table = new Uint8Array(32);
    for (let rs2 = 0; rs2 < 32; rs2++) {
      const w = word | (rs2 << 20);
      const found = candidates.filter(
        ({ match, mask }) => ((w ^ match) & mask & (SLOT_BITS | RS2_BITS)) === 0,
      );
      if (found.length > 1) throw new RangeError(`ambiguous encoding ${w.toString(16)}`);
      table[rs2] = found[0] ? this.insns.indexOf(found[0]) + 1 : 0;
    }
    const same = this.seconds.findIndex((t) => t.every((n, i) => n === table[i]));
    const at = same >= 0 ? same : this.seconds.push(table) - 1;
    const n = this.firstSecond + at;
    if (n > 255) throw new RangeError("too many handlers for a byte");
    return n;
  }
}

/** Address of second table `i` in machine memory. */
export const secondTableAt = (i: number): number => DECODE_TABLE + SLOTS + i * 32;
