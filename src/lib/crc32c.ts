/**
 * CRC-32C (Castagnoli), the checksum of ext4 metadata and jbd2 records.
 *
 * The sum is *raw*: the caller gives the seed (usually 0xffffffff) and nothing
 * is inverted at the end, so that sums can be continued piece by piece, which
 * is how ext4 uses them. Source: RFC 3720 appendix B.4, lib/crc32.c of Linux.
 */

const CASTAGNOLI_REVERSED = 0x82f63b78;

const table = makeTable();

/** Continues the raw sum `seed` over `bytes[start..end)`. */
export function crc32c(
  seed: number,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  let crc = seed;
  for (let i = start; i < end; i++) {
    crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  }
  return crc >>> 0;
}

function makeTable(): Uint32Array {
  const t = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ CASTAGNOLI_REVERSED : c >>> 1;
    t[n] = c >>> 0;
  }
  return t;
}
