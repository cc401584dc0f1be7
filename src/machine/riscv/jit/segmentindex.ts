/**
 * Where in a segment of translations what is (archive.ts): its last part.
 *
 *   index entry, sorted by entry: f64 entry, u32 hash of the code there, u32 offset of the record
 *   footer: u32 magic, u32 kind of machine, u32 entries, u32 sum of the index
 *
 * Little-endian, as every host of WebAssembly that there is.
 */
import { failed } from "../../../abi/errno.ts";
import { wordSum } from "../../../lib/wordsum.ts";
import type { TranslationSegment } from "../../../platform/translations.ts";

const MAGIC = 0x32544b56;
const ENTRY_BYTES = 16;
const ENTRY_F64S = ENTRY_BYTES / 8;
const ENTRY_WORDS = ENTRY_BYTES / 4;
const FOOTER_WORDS = 4;
/** Bits of which one tells for sure that there is nothing at an address. */
const FILTER_BITS = 1 << 14;

export interface IndexEntry {
  readonly entry: number;
  readonly hash: number;
  readonly offset: number;
}

/** Index and footer of these; sorts them. */
export function encodeIndex(list: IndexEntry[], kind: number): Uint8Array {
  list.sort((a, b) => a.entry - b.entry || a.offset - b.offset);
  const words = new Uint32Array(list.length * ENTRY_WORDS + FOOTER_WORDS);
  const f64 = new Float64Array(words.buffer);
  list.forEach(({ entry, hash, offset }, i) => {
    f64[i * ENTRY_F64S] = entry;
    words.set([hash, offset], i * ENTRY_WORDS + 2);
  });
  const bytes = new Uint8Array(words.buffer);
  const sum = wordSum(bytes.subarray(0, list.length * ENTRY_BYTES));
  words.set([MAGIC, kind, list.length, sum], list.length * ENTRY_WORDS);
  return bytes;
}

export class SegmentIndex {
  /** Bytes of the segment before its index. */
  readonly start: number;
  readonly #count: number;
  readonly #f64: Float64Array;
  readonly #u32: Uint32Array;
  readonly #filter = new Uint32Array(FILTER_BITS / 32);

  private constructor(start: number, count: number, buffer: ArrayBuffer) {
    this.start = start;
    this.#count = count;
    this.#f64 = new Float64Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    for (let i = 0; i < count; i++) {
      const bit = bitOf(this.#f64[i * ENTRY_F64S]!);
      this.#filter[bit >>> 5]! |= 1 << (bit & 31);
    }
  }

  /** Undefined if the segment is damaged, has more than `most` entries, or is for machines of another kind. */
  static read(segment: TranslationSegment, kind: number, most: number): SegmentIndex | undefined {
    const footerAt = segment.sizeBytes - FOOTER_WORDS * 4;
    const footer = new Uint32Array(FOOTER_WORDS);
    if (footerAt < 0 || failed(segment.read(footerAt, new Uint8Array(footer.buffer)))) {
      return undefined;
    }
    const [magic, ofKind, count = 0, sum] = footer;
    const start = footerAt - count * ENTRY_BYTES;
    if (magic !== MAGIC || ofKind !== kind || count > most || start < 0) return undefined;
    const bytes = new Uint8Array(count * ENTRY_BYTES);
    if (failed(segment.read(start, bytes)) || wordSum(bytes) !== sum) return undefined;
    return new SegmentIndex(start, count, bytes.buffer);
  }

  /** All entries, in the order of their records. */
  entries(): IndexEntry[] {
    const list = Array.from({ length: this.#count }, (_, i) => {
      const at = i * ENTRY_WORDS + 2;
      const [hash, offset] = [this.#u32[at]!, this.#u32[at + 1]!];
      return { entry: this.#f64[i * ENTRY_F64S]!, hash, offset };
    });
    return list.sort((a, b) => a.offset - b.offset);
  }

  /** False for most of the entries that are not here. */
  mayHave(entry: number): boolean {
    const bit = bitOf(entry);
    return (this.#filter[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }

  /** True if there is a region at an entry, of code with that hash. */
  has({ entry, hash }: IndexEntry): boolean {
    return this.mayHave(entry) && this.find(entry, hash).length > 0;
  }

  /** Offsets of the records of regions that may be the one at `entry`, the one made last first. */
  find(entry: number, hash: number): readonly number[] {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#f64[middle * ENTRY_F64S]! <= entry) low = middle + 1;
      else high = middle;
    }
    const found: number[] = [];
    while (--low >= 0 && this.#f64[low * ENTRY_F64S] === entry) {
      const at = low * ENTRY_WORDS + 2;
      if (this.#u32[at] === hash) found.push(this.#u32[at + 1]!);
    }
    return found;
  }
}

/** Code is at even addresses, and libraries lie pages apart. */
const bitOf = (entry: number): number => ((entry | 0) >>> 1) & (FILTER_BITS - 1);
