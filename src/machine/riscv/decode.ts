/**
 * Decoding: from an instruction word to its definition.
 *
 * A slot is opcode[6:2], funct3 and funct7: it tells nearly all instructions apart. Where
 * it does not, a second table goes by the rs2 field. The interpreter's tables in machine
 * memory and the JIT's lookup are the same ones.
 */
import {
  DECODE_TABLE,
  EXPAND_TABLE,
  HALF_HANDLERS,
  SECOND_TABLES,
  SECOND_TABLES_END,
} from "../layout.ts";
import type { PhysMem } from "../physmem.ts";
import type { Asm } from "../wasm/asm.ts";
import { expand } from "./isa/c.ts";
import type { Insn } from "./isa/insn.ts";

const SLOTS = 0x2_0000;
/** Words that no slot knows: a reserved 16-bit instruction, and one that was not expanded yet. */
const ILLEGAL = 0x7fff_ffff;
export const UNEXPANDED = 0xffff_ffff;
/** What a slot's position in the table says about the word. */
const SLOT_BITS = 0xfe00_707f;
const RS2_BITS = 0x01f0_0000;
// Turned left by 7, a word has funct7 and the opcode beside each other at its end, and funct3 from bit 19 on.
const TURN = 7;
const LOW_MASK = 0x3fff;
const FUNCT3_SHIFT = 5;
const FUNCT3_MASK = 0x1_c000;

/** Slot number of a word. The interpreter computes the same. */
export function slotOf(w: number): number {
  const turned = (w << TURN) | (w >>> (32 - TURN));
  return (turned & LOW_MASK) | ((turned >>> FUNCT3_SHIFT) & FUNCT3_MASK);
}

/** Pushes the slot number of the word in a local. */
export function emitSlot(a: Asm, word: number, scratch: number): Asm {
  a.local_get(word).i32_const(TURN).i32_rotl().local_tee(scratch);
  a.i32_const(LOW_MASK).i32_and().local_get(scratch).i32_const(FUNCT3_SHIFT).i32_shr_u();
  return a.i32_const(FUNCT3_MASK).i32_and().i32_or();
}

/** The word with all slot bits of slot `s` and nothing else. */
function wordOf(s: number): number {
  const turned = (s & LOW_MASK) | ((s & FUNCT3_MASK) << FUNCT3_SHIFT);
  return ((turned >>> TURN) | (turned << (32 - TURN))) >>> 0;
}

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
    let at = SECOND_TABLES;
    for (const table of this.seconds) {
      mem.u8.set(table, at);
      at += 32;
    }
    if (at > SECOND_TABLES_END) throw new RangeError("decode tables overflow");
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
export const secondTableAt = (i: number): number => SECOND_TABLES + i * 32;
