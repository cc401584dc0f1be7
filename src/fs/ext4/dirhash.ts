/**
 * Hashes of file names, as directory indexes are sorted by: legacy, half MD4
 * and TEA, each with signed or unsigned characters.
 * Source: fs/ext4/hash.c; RFC 1320 for MD4; Wheeler and Needham's TEA.
 */
const LEGACY = 0;
const HALF_MD4 = 1;
const LEGACY_UNSIGNED = 3;
const HALF_MD4_UNSIGNED = 4;
const TEA_UNSIGNED = 5;

/** Marks the end of a directory; a hash that came out as it steps aside. */
const HTREE_EOF = 0x7fffffff;

export function isKnownHash(version: number): boolean {
  return version >= LEGACY && version <= TEA_UNSIGNED;
}

/** The hash of `name`, with its lowest bit clear. `seed`: 16 bytes of the superblock. */
export function dirHash(name: Uint8Array, version: number, seed: Uint8Array): number {
  const hash = (rawHash(name, version, seed) & ~1) >>> 0;
  return hash === (HTREE_EOF << 1) >>> 0 ? ((HTREE_EOF - 1) << 1) >>> 0 : hash;
}

function rawHash(name: Uint8Array, version: number, seed: Uint8Array): number {
  const isSigned = version < LEGACY_UNSIGNED;
  if (version === LEGACY || version === LEGACY_UNSIGNED) return legacyHash(name, isSigned);
  const state = initialState(seed);
  const isMd4 = version === HALF_MD4 || version === HALF_MD4_UNSIGNED;
  const words = new Int32Array(isMd4 ? 8 : 4);
  for (let at = 0; at < name.length; at += words.length * 4) {
    fillWords(name, at, words, isSigned);
    if (isMd4) halfMd4(state, words);
    else tea(state, words);
  }
  return isMd4 ? state[1]! : state[0]!;
}

function initialState(seed: Uint8Array): Int32Array {
  const state = new Int32Array(4);
  let all = 0;
  for (let i = 0; i < 16; i++) {
    state[i >> 2]! |= seed[i]! << ((i & 3) * 8);
    all |= seed[i]!;
  }
  if (all !== 0) return state;
  return new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
}

function charAt(name: Uint8Array, at: number, isSigned: boolean): number {
  const c = name[at]!;
  return isSigned && c > 127 ? c - 256 : c;
}

function legacyHash(name: Uint8Array, isSigned: boolean): number {
  let hash0 = 0x12a3fe2d;
  let hash1 = 0x37abe8f9;
  for (let i = 0; i < name.length; i++) {
    let hash = (hash1 + (hash0 ^ Math.imul(charAt(name, i, isSigned), 7152373))) | 0;
    if (hash & 0x80000000) hash = (hash - 0x7fffffff) | 0;
    hash1 = hash0;
    hash0 = hash;
  }
  return hash0 << 1;
}

/** The rest of the name from `at`, packed into words and padded with its length. */
function fillWords(name: Uint8Array, at: number, words: Int32Array, isSigned: boolean): void {
  const rest = name.length - at;
  let pad = rest | (rest << 8);
  pad |= pad << 16;
  const length = Math.min(rest, words.length * 4);
  let word = pad;
  let n = 0;
  for (let i = 0; i < length; i++) {
    word = (charAt(name, at + i, isSigned) + (word << 8)) | 0;
    if ((i & 3) === 3) {
      words[n++] = word;
      word = pad;
    }
  }
  if (n < words.length) words[n++] = word;
  while (n < words.length) words[n++] = pad;
}

function tea(state: Int32Array, words: Int32Array): void {
  const a = words[0]!;
  const b = words[1]!;
  const c = words[2]!;
  const d = words[3]!;
  let b0 = state[0]!;
  let b1 = state[1]!;
  let sum = 0;
  for (let n = 0; n < 16; n++) {
    sum = (sum + 0x9e3779b9) | 0;
    b0 = (b0 + (((b1 << 4) + a) ^ (b1 + sum) ^ ((b1 >>> 5) + b))) | 0;
    b1 = (b1 + (((b0 << 4) + c) ^ (b0 + sum) ^ ((b0 >>> 5) + d))) | 0;
  }
  state[0]! += b0;
  state[1]! += b1;
}

const K2 = 0x5a827999;
const K3 = 0x6ed9eba1;

/** All steps side by side and without a loop, because this is what a listing spends its time on. */
function halfMd4(state: Int32Array, words: Int32Array): void {
  const w0 = words[0]!;
  const w1 = words[1]!;
  const w2 = words[2]!;
  const w3 = words[3]!;
  const w4 = words[4]!;
  const w5 = words[5]!;
  const w6 = words[6]!;
  const w7 = words[7]!;
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;

  a = rotated(a + (d ^ (b & (c ^ d))) + w0, 3);
  d = rotated(d + (c ^ (a & (b ^ c))) + w1, 7);
  c = rotated(c + (b ^ (d & (a ^ b))) + w2, 11);
  b = rotated(b + (a ^ (c & (d ^ a))) + w3, 19);
  a = rotated(a + (d ^ (b & (c ^ d))) + w4, 3);
  d = rotated(d + (c ^ (a & (b ^ c))) + w5, 7);
  c = rotated(c + (b ^ (d & (a ^ b))) + w6, 11);
  b = rotated(b + (a ^ (c & (d ^ a))) + w7, 19);

  a = rotated(a + (b & c) + ((b ^ c) & d) + w1 + K2, 3);
  d = rotated(d + (a & b) + ((a ^ b) & c) + w3 + K2, 5);
  c = rotated(c + (d & a) + ((d ^ a) & b) + w5 + K2, 9);
  b = rotated(b + (c & d) + ((c ^ d) & a) + w7 + K2, 13);
  a = rotated(a + (b & c) + ((b ^ c) & d) + w0 + K2, 3);
  d = rotated(d + (a & b) + ((a ^ b) & c) + w2 + K2, 5);
  c = rotated(c + (d & a) + ((d ^ a) & b) + w4 + K2, 9);
  b = rotated(b + (c & d) + ((c ^ d) & a) + w6 + K2, 13);

  a = rotated(a + (b ^ c ^ d) + w3 + K3, 3);
  d = rotated(d + (a ^ b ^ c) + w7 + K3, 9);
  c = rotated(c + (d ^ a ^ b) + w2 + K3, 11);
  b = rotated(b + (c ^ d ^ a) + w6 + K3, 15);
  a = rotated(a + (b ^ c ^ d) + w1 + K3, 3);
  d = rotated(d + (a ^ b ^ c) + w5 + K3, 9);
  c = rotated(c + (d ^ a ^ b) + w0 + K3, 11);
  b = rotated(b + (c ^ d ^ a) + w4 + K3, 15);

  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

function rotated(sum: number, by: number): number {
  return (sum << by) | ((sum | 0) >>> (32 - by));
}
