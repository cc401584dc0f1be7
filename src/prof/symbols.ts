/**
 * The functions of an ELF file by address, from .symtab or, in a stripped file, .dynsym.
 *
 * Of several names for one address the plainest is kept: global before weak before local, then
 * the one with fewest leading underscores. See elf(5), nm(1).
 */
import { ElfSym, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE } from "../abi/elf.ts";
import { byteString } from "../lib/bytes.ts";
import { type ByteSource, type ElfLayout, type SymbolSection, viewOf } from "./elflayout.ts";

/** What is larger than that is not read: no program that anybody profiles is. */
const MAX_SYMBOL_BYTES = 24 * 2 ** 20;
const MAX_STRING_BYTES = 64 * 2 ** 20;
const MAX_NAME = 512;
/** How far a symbol without a size may reach. */
const MAX_UNSIZED = 65_536;
/** Symbols before the nearest one that are asked whether they reach to an address. */
const MAX_NESTING = 8;

export interface Symbol {
  readonly name: string;
  readonly start: number;
}

export class Symbols {
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #names: Uint32Array;
  readonly #strings: Uint8Array;

  private constructor(
    starts: Float64Array,
    ends: Float64Array,
    names: Uint32Array,
    strings: Uint8Array,
  ) {
    this.#starts = starts;
    this.#ends = ends;
    this.#names = names;
    this.#strings = strings;
  }

  /** The symbols of a file; none if it has no table that can be read. */
  static read(file: ByteSource, layout: ElfLayout): Symbols {
    for (const section of layout.symbolSections) {
      const symbols = readSection(file, layout, section);
      if (symbols) return new Symbols(...symbols);
    }
    return Symbols.none();
  }

  static none(): Symbols {
    return new Symbols(
      new Float64Array(0),
      new Float64Array(0),
      new Uint32Array(0),
      new Uint8Array(0),
    );
  }

  get count(): number {
    return this.#starts.length;
  }

  /** Bytes it takes, about. */
  get sizeBytes(): number {
    return this.#starts.length * 20 + this.#strings.length;
  }

  /** The function that `vaddr` lies in; null if no symbol reaches there. */
  find(vaddr: number): Symbol | null {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= vaddr) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0 && i >= low - MAX_NESTING; i--) {
      if (vaddr < this.#ends[i]!) return { name: this.#name(i), start: this.#starts[i]! };
    }
    return null;
  }

  #name(i: number): string {
    return nameAt(this.#strings, this.#names[i]!);
  }
}

interface Candidate {
  readonly start: number;
  readonly size: number;
  readonly nameAt: number;
  /** The lower the plainer. */
  readonly rank: number;
}

function readSection(
  file: ByteSource,
  layout: ElfLayout,
  { symbols, strings }: SymbolSection,
): [Float64Array, Float64Array, Uint32Array, Uint8Array] | null {
  if (symbols.size > MAX_SYMBOL_BYTES || strings.size > MAX_STRING_BYTES) return null;
  const table = file.read(symbols.offset, symbols.size);
  const names = file.read(strings.offset, strings.size);
  if (!table || !names) return null;
  const all = candidates(table, names, layout);
  if (all.length === 0) return null;
  all.sort((a, b) => a.start - b.start || a.rank - b.rank);
  const kept = plainest(all);
  const starts = Float64Array.from(kept, (c) => c.start);
  const ends = Float64Array.from(kept, (c, i) => {
    if (c.size > 0) return c.start + c.size;
    const next = kept[i + 1]?.start ?? Number.POSITIVE_INFINITY;
    return Math.min(next, c.start + MAX_UNSIZED);
  });
  return [starts, ends, Uint32Array.from(kept, (c) => c.nameAt), names];
}

function candidates(table: Uint8Array, names: Uint8Array, layout: ElfLayout): Candidate[] {
  const v = viewOf(table);
  const found: Candidate[] = [];
  for (let at = 0; at + ElfSym.sizeof <= table.length; at += ElfSym.sizeof) {
    const info = ElfSym.st_info.get(v, at);
    const type = info & 15;
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC && type !== STT_NOTYPE) continue;
    if (ElfSym.st_shndx.get(v, at) === 0) continue;
    const start = ElfSym.st_value.get(v, at);
    const nameAt = ElfSym.st_name.get(v, at);
    if (nameAt >= names.length || !layout.isCode(start)) continue;
    const size = ElfSym.st_size.get(v, at);
    const first = names[nameAt]!;
    // "$x" and "$d" tell code from data, ".L…" are the assembler's own.
    if (first === 0 || first === DOLLAR || first === DOT) continue;
    let underscores = 0;
    while (names[nameAt + underscores] === UNDERSCORE) underscores++;
    // Binding: 1 is global, 2 weak, 0 local. A label is worse than any function.
    const binding = [2, 0, 1][info >> 4] ?? 3;
    const label = size === 0 ? 1 : 0;
    found.push({ start, size, nameAt, rank: label * 1000 + binding * 100 + underscores });
  }
  return found;
}

/** One for each address; labels inside of a function go. */
function plainest(sorted: readonly Candidate[]): Candidate[] {
  const kept: Candidate[] = [];
  let end = 0;
  for (const c of sorted) {
    if (kept.length > 0 && kept[kept.length - 1]!.start === c.start) continue;
    if (c.size === 0 && c.start < end) continue;
    kept.push(c);
    end = Math.max(end, c.start + c.size);
  }
  return kept;
}

const DOLLAR = 0x24;
const DOT = 0x2e;
const UNDERSCORE = 0x5f;

function nameAt(strings: Uint8Array, at: number): string {
  let end = at;
  while (end < strings.length && end - at < MAX_NAME && strings[end] !== 0) end++;
  return byteString(strings, at, end);
}
