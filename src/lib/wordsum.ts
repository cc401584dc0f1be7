/**
 * A fast sum of bytes that finds what was cut short, zeroed or mixed up; no defence against anybody.
 *
 * FNV-1a over 32-bit little-endian words, the last one filled up with zeroes, begun with the length.
 */
export function wordSum(bytes: Uint8Array): number {
  const words = bytes.length >>> 2;
  let sum = 0x811c9dc5 ^ bytes.length;
  if ((bytes.byteOffset & 3) === 0) {
    const u32 = new Uint32Array(bytes.buffer, bytes.byteOffset, words);
    for (let i = 0; i < words; i++) sum = Math.imul(sum ^ u32[i]!, 0x01000193);
  } else {
    for (let i = 0; i < words; i++) sum = Math.imul(sum ^ wordAt(bytes, i * 4), 0x01000193);
  }
  if (bytes.length & 3) sum = Math.imul(sum ^ wordAt(bytes, words * 4), 0x01000193);
  return sum >>> 0;
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) |
  ((bytes[at + 1] ?? 0) << 8) |
  ((bytes[at + 2] ?? 0) << 16) |
  ((bytes[at + 3] ?? 0) << 24);
