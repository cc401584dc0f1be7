/**
 * CRC-32 of IEEE 802.3 with the highest bit first, raw: what journals of old
 * kernels sum up a transaction with. Source: crc32_be in lib/crc32.c of Linux.
 */

const IEEE = 0x04c11db7;

const table = makeTable();

/** Continues the raw sum `seed` over `bytes`. */
export function crc32be(seed: number, bytes: Uint8Array): number {
  let crc = seed;
  for (let i = 0; i < bytes.length; i++) {
    crc = table[((crc >>> 24) ^ bytes[i]!) & 0xff]! ^ (crc << 8);
  }
  return crc >>> 0;
}

function makeTable(): Uint32Array {
  const t = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n << 24;
    for (let k = 0; k < 8; k++) c = c < 0 ? (c << 1) ^ IEEE : c << 1;
    t[n] = c >>> 0;
  }
  return t;
}
