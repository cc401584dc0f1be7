/**
 * CRC-32 as zip, gzip and GPT use it: IEEE 802.3, inverted before and after.
 */

const IEEE_REVERSED = 0xedb88320;

const table = makeTable();

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

function makeTable(): Uint32Array {
  const t = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ IEEE_REVERSED : c >>> 1;
    t[n] = c >>> 0;
  }
  return t;
}
