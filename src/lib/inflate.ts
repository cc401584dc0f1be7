/**
 * Inflate: the bytes that a zlib stream stands for.
 *
 * The stream is hostile input: it is read within its bounds and written within
 * the room it is given, and what does not fit the format ends it. Source: RFC
 * 1950 (zlib), RFC 1951 (deflate).
 */

const MAX_BITS = 15;
const LITERALS = 288;
const DISTANCES = 32;
const END_OF_BLOCK = 256;
/** The order in which lengths of code lengths are sent. */
const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Bytes written to `into`; -1 if `from` is no whole stream or has more than there is room for. */
export function inflateZlib(from: Uint8Array, into: Uint8Array): number {
  if (from.length < 6 || (from[0]! & 15) !== 8 || from[0]! >> 4 > 7) return -1;
  if (((from[0]! << 8) | from[1]!) % 31 !== 0 || (from[1]! & 32) !== 0) return -1;
  const inflater = new Inflater(from, 2, into);
  if (!inflater.run()) return -1;
  const at = inflater.endOfInput;
  if (at + 4 > from.length) return -1;
  const sum =
    ((from[at]! << 24) | (from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!) >>> 0;
  return sum === adler32(into, inflater.written) ? inflater.written : -1;
}

/** A prefix code as a table by the next `bits` bits of input: symbol × 16 + length; 0 is no code. */
interface Code {
  readonly bits: number;
  readonly table: Uint16Array;
}

class Inflater {
  written = 0;
  readonly #from: Uint8Array;
  readonly #into: Uint8Array;
  #at: number;
  #hold = 0;
  #held = 0;
  /** The input ended before the stream did. */
  #isShort = false;

  constructor(from: Uint8Array, at: number, into: Uint8Array) {
    this.#from = from;
    this.#at = at;
    this.#into = into;
  }

  /** Where the stream ended: bits that fill its last byte are part of it. */
  get endOfInput(): number {
    return this.#at - (this.#held >> 3);
  }

  run(): boolean {
    for (;;) {
      const isLast = this.#bits(1) === 1;
      const type = this.#bits(2);
      const isGood =
        type === 0
          ? this.#stored()
          : type === 1
            ? this.#coded(fixedLiterals(), fixedDistances())
            : type === 2 && this.#dynamic();
      if (!isGood || this.#isShort) return false;
      if (isLast) return true;
    }
  }

  #need(count: number): void {
    while (this.#held < count) {
      const byte = this.#from[this.#at++];
      // What comes after the end is zeroes, so that a code may be looked up that ends there.
      this.#hold |= (byte ?? 0) << this.#held;
      this.#held += 8;
    }
  }

  #drop(count: number): void {
    this.#hold >>>= count;
    this.#held -= count;
    if (this.endOfInput > this.#from.length) this.#isShort = true;
  }

  /** The next `count` bits, 16 at most. */
  #bits(count: number): number {
    this.#need(count);
    const value = this.#hold & ((1 << count) - 1);
    this.#drop(count);
    return value;
  }

  /** The next symbol of `code`; -1 if the bits are none. */
  #symbol({ bits, table }: Code): number {
    this.#need(bits);
    const entry = table[this.#hold & ((1 << bits) - 1)]!;
    if (entry === 0) return -1;
    this.#drop(entry & 15);
    return entry >> 4;
  }

  #stored(): boolean {
    this.#drop(this.#held & 7);
    const length = this.#bits(16);
    if ((this.#bits(16) ^ 0xffff) !== length || this.#isShort) return false;
    const start = this.endOfInput;
    const end = start + length;
    if (end > this.#from.length || this.written + length > this.#into.length) return false;
    this.#into.set(this.#from.subarray(start, end), this.written);
    this.written += length;
    this.#at = end;
    this.#hold = 0;
    this.#held = 0;
    return true;
  }

  #dynamic(): boolean {
    const literals = this.#bits(5) + 257;
    const distances = this.#bits(5) + 1;
    const count = this.#bits(4) + 4;
    const lengths = new Uint8Array(19);
    for (let i = 0; i < count; i++) lengths[LENGTH_ORDER[i]!] = this.#bits(3);
    const lengthCode = makeCode(lengths);
    if (!lengthCode || literals > LITERALS) return false;
    const all = new Uint8Array(literals + distances);
    for (let i = 0; i < all.length; ) {
      const symbol = this.#symbol(lengthCode);
      if (symbol < 0 || this.#isShort) return false;
      if (symbol < 16) {
        all[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) return false;
      const value = symbol === 16 ? all[i - 1]! : 0;
      const repeat =
        symbol === 16 ? this.#bits(2) + 3 : symbol === 17 ? this.#bits(3) + 3 : this.#bits(7) + 11;
      if (i + repeat > all.length) return false;
      all.fill(value, i, i + repeat);
      i += repeat;
    }
    const literalCode = makeCode(all.subarray(0, literals));
    const distanceCode = makeCode(all.subarray(literals));
    if (!literalCode || !distanceCode) return false;
    return this.#coded(literalCode, distanceCode);
  }

  #coded(literals: Code, distances: Code): boolean {
    const into = this.#into;
    while (!this.#isShort) {
      const symbol = this.#symbol(literals);
      if (symbol === END_OF_BLOCK) return true;
      if (symbol < 0) return false;
      if (symbol < END_OF_BLOCK) {
        if (this.written >= into.length) return false;
        into[this.written++] = symbol;
        continue;
      }
      const length = this.#length(symbol - 257);
      const distance = this.#distance(this.#symbol(distances));
      if (length < 0 || distance < 0 || distance > this.written) return false;
      if (this.written + length > into.length) return false;
      // Byte by byte: what is copied may be what was just written.
      for (let n = length; n > 0; n--) {
        into[this.written] = into[this.written - distance]!;
        this.written++;
      }
    }
    return false;
  }

  #length(code: number): number {
    if (code < 8) return code + 3;
    if (code === 28) return 258;
    if (code > 28) return -1;
    const extra = (code >> 2) - 1;
    return ((4 + (code & 3)) << extra) + 3 + this.#bits(extra);
  }

  #distance(code: number): number {
    if (code < 0 || code > 29) return -1;
    if (code < 4) return code + 1;
    const extra = (code >> 1) - 1;
    return ((2 + (code & 1)) << extra) + 1 + this.#bits(extra);
  }
}

/** The code whose symbols have these lengths; null if there is none. One code of one bit may stand alone. */
function makeCode(lengths: Uint8Array): Code | null {
  const counts = new Uint16Array(MAX_BITS + 1);
  for (const n of lengths) counts[n] = counts[n]! + 1;
  counts[0] = 0;
  const next = new Uint16Array(MAX_BITS + 2);
  let bits = 1;
  let left = 1;
  for (let n = 1; n <= MAX_BITS; n++) {
    left = left * 2 - counts[n]!;
    if (left < 0) return null;
    if (counts[n]! > 0) bits = n;
    next[n + 1] = (next[n]! + counts[n]!) << 1;
  }
  const table = new Uint16Array(1 << bits);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const n = lengths[symbol]!;
    if (n === 0) continue;
    const code = next[n]!;
    next[n] = code + 1;
    for (let i = reversed(code, n); i < table.length; i += 1 << n) table[i] = symbol * 16 + n;
  }
  return { bits, table };
}

/** Codes are sent from their highest bit on. */
function reversed(code: number, bits: number): number {
  let r = 0;
  for (let i = 0; i < bits; i++) r = (r << 1) | ((code >> i) & 1);
  return r;
}

function fixedLiterals(): Code {
  const lengths = new Uint8Array(LITERALS).fill(8);
  lengths.fill(9, 144, 256);
  lengths.fill(7, 256, 280);
  return makeCode(lengths)!;
}

function fixedDistances(): Code {
  return makeCode(new Uint8Array(DISTANCES).fill(5))!;
}

function adler32(bytes: Uint8Array, length: number): number {
  let a = 1;
  let b = 0;
  for (let i = 0; i < length; ) {
    // As many as leave both sums below 2^32.
    const end = Math.min(length, i + 5552);
    for (; i < end; i++) {
      a += bytes[i]!;
      b += a;
    }
    a %= 65521;
    b %= 65521;
  }
  return ((b << 16) | a) >>> 0;
}
