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
  for (let i = 0; i < 16; i++) state[i >> 2]! |= seed[i]! << ((i & 3) * 8);
  if (state.some((w) => w !== 0)) return state;
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
  const [a, b, c, d] = words as unknown as [number, number, number, number];
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

const ROUND1 = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const ROUND2 = [1, 3, 5, 7, 0, 2, 4, 6] as const;
const ROUND3 = [3, 7, 2, 6, 1, 5, 0, 4] as const;
const SHIFT1 = [3, 7, 11, 19] as const;
const SHIFT2 = [3, 5, 9, 13] as const;
const SHIFT3 = [3, 9, 11, 15] as const;
const K2 = 0x5a827999;
const K3 = 0x6ed9eba1;

function halfMd4(state: Int32Array, words: Int32Array): void {
  const s = Int32Array.from(state);
  for (let i = 0; i < 8; i++) {
    step(s, i, (b, c, d) => d ^ (b & (c ^ d)), words[ROUND1[i]!]!, SHIFT1[i & 3]!);
  }
  for (let i = 0; i < 8; i++) {
    step(s, i, (b, c, d) => (b & c) + ((b ^ c) & d), words[ROUND2[i]!]! + K2, SHIFT2[i & 3]!);
  }
  for (let i = 0; i < 8; i++) {
    step(s, i, (b, c, d) => b ^ c ^ d, words[ROUND3[i]!]! + K3, SHIFT3[i & 3]!);
  }
  for (let i = 0; i < 4; i++) state[i]! += s[i]!;
}

/** One step on register a, then d, c, b in turn, each from the three that follow it. */
function step(
  s: Int32Array,
  i: number,
  mix: (b: number, c: number, d: number) => number,
  word: number,
  shift: number,
): void {
  const a = (4 - (i & 3)) & 3;
  const sum = (s[a]! + mix(s[(a + 1) & 3]!, s[(a + 2) & 3]!, s[(a + 3) & 3]!) + word) | 0;
  s[a] = (sum << shift) | (sum >>> (32 - shift));
}
