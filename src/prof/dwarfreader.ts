/**
 * A cursor over bytes in DWARF's encodings. Reading past the end yields zeroes and sets `isOver`,
 * so that hostile data ends a loop instead of raising anything. See DWARF 5, section 7.6.
 */
import { viewOf } from "./elflayout.ts";

/** Encodings of pointers in .eh_frame, from the LSB specification. */
const DW_EH_PE_UDATA4 = 0x03;
const DW_EH_PE_UDATA8 = 0x04;
const DW_EH_PE_SDATA4 = 0x0b;
const DW_EH_PE_SDATA8 = 0x0c;
const DW_EH_PE_ABSPTR = 0x00;
const DW_EH_PE_PCREL = 0x10;
const FORMAT = 0x0f;
const RELATION = 0x70;

const TWO32 = 0x1_0000_0000;

export class DwarfReader {
  readonly #view: DataView;
  readonly #end: number;
  /** Address of byte 0, for pc-relative pointers. */
  readonly #vaddr: number;
  at = 0;
  isOver = false;

  constructor(bytes: Uint8Array, vaddr: number) {
    this.#view = viewOf(bytes);
    this.#end = bytes.length;
    this.#vaddr = vaddr;
  }

  get isAtEnd(): boolean {
    return this.isOver || this.at >= this.#end;
  }

  u8(): number {
    return this.#take(1) ? this.#view.getUint8(this.at - 1) : 0;
  }

  u16(): number {
    return this.#take(2) ? this.#view.getUint16(this.at - 2, true) : 0;
  }

  u32(): number {
    return this.#take(4) ? this.#view.getUint32(this.at - 4, true) : 0;
  }

  i32(): number {
    return this.u32() | 0;
  }

  u64(): number {
    const low = this.u32();
    return this.u32() * TWO32 + low;
  }

  i64(): number {
    const low = this.u32();
    return this.i32() * TWO32 + low;
  }

  /** Unsigned, exact to 2^53. */
  uleb(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return value;
    }
    this.isOver = true;
    return 0;
  }

  sleb(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return byte & 0x40 ? value - scale * 128 : value;
    }
    this.isOver = true;
    return 0;
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** A pointer of one of the encodings that linkers use; others end the reading. */
  pointer(encoding: number): number {
    const base = (encoding & RELATION) === DW_EH_PE_PCREL ? this.#vaddr + this.at : 0;
    const isKnown = (encoding & RELATION) === DW_EH_PE_PCREL || (encoding & RELATION) === 0;
    if (!isKnown) this.isOver = true;
    return base + this.value(encoding);
  }

  /** A number in a pointer's format, relative to nothing. */
  value(encoding: number): number {
    switch (encoding & FORMAT) {
      case DW_EH_PE_UDATA4:
        return this.u32();
      case DW_EH_PE_SDATA4:
        return this.i32();
      case DW_EH_PE_ABSPTR:
      case DW_EH_PE_UDATA8:
        return this.u64();
      case DW_EH_PE_SDATA8:
        return this.i64();
      default:
        this.isOver = true;
        return 0;
    }
  }

  #take(count: number): boolean {
    if (this.isOver || !(count >= 0 && count <= this.#end - this.at)) {
      this.isOver = true;
      return false;
    }
    this.at += count;
    return true;
  }
}
