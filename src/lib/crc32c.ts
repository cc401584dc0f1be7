/**
 * CRC-32C (Castagnoli), the checksum of ext4 metadata and jbd2 records.
 *
 * The sum is *raw*: the caller gives the seed (usually 0xffffffff) and nothing
 * is inverted at the end, so that sums can be continued piece by piece, which
 * is how ext4 uses them. Eight bytes go at once, through eight tables.
 * Source: RFC 3720 appendix B.4, lib/crc32.c of Linux; Kounavis and Berry,
 * "A Systematic Approach to Building High Performance, Software-based, CRC Generators".
 */

const CASTAGNOLI_REVERSED = 0x82f63b78;

/** Table k says what a byte does to the sum k bytes later; one after the other. */
const tables = makeTables();

/** Continues the raw sum `seed` over `bytes[start..end)`. */
export function crc32c(
  seed: number,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  const t = tables;
  let crc = seed;
  let i = start;
  for (const whole = end - 7; i < whole; i += 8) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!;
  }
  for (; i < end; i++) crc = t[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

/** Continues the raw sum `seed` over the four bytes of `value`, the lowest first. */
export function crc32cWord(seed: number, value: number): number {
  const x = seed ^ value;
  return (
    (tables[768 + (x & 0xff)]! ^
      tables[512 + ((x >>> 8) & 0xff)]! ^
      tables[256 + ((x >>> 16) & 0xff)]! ^
      tables[x >>> 24]!) >>>
    0
  );
}

/** Continues the raw sum `seed` over `count` zeroes. */
export function crc32cZeroes(seed: number, count: number): number {
  let crc = seed;
  for (let i = 0; i < count; i++) crc = tables[crc & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

function makeTables(): Int32Array {
  const t = new Int32Array(2048);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ CASTAGNOLI_REVERSED : c >>> 1;
    t[n] = c;
  }
  for (let k = 256; k < 2048; k++) {
    const before = t[k - 256]!;
    t[k] = t[before & 0xff]! ^ (before >>> 8);
  }
  return t;
}
