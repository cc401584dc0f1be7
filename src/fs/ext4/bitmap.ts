/**
 * Bitmaps of blocks and inodes: bit n is bit n % 8 of byte n / 8, set is in use.
 */

export function testBit(bits: Uint8Array, n: number): boolean {
  return (bits[n >>> 3]! & (1 << (n & 7))) !== 0;
}

/** Sets bits [from, end). */
export function setBits(bits: Uint8Array, from: number, end: number): void {
  for (let n = from; n < end; ) {
    if ((n & 7) === 0 && end - n >= 8) {
      const whole = n + ((end - n) & ~7);
      bits.fill(0xff, n >>> 3, whole >>> 3);
      n = whole;
    } else {
      bits[n >>> 3] = bits[n >>> 3]! | (1 << (n & 7));
      n++;
    }
  }
}

/** Clears bits [from, end). */
export function clearBits(bits: Uint8Array, from: number, end: number): void {
  for (let n = from; n < end; ) {
    if ((n & 7) === 0 && end - n >= 8) {
      const whole = n + ((end - n) & ~7);
      bits.fill(0, n >>> 3, whole >>> 3);
      n = whole;
    } else {
      bits[n >>> 3] = bits[n >>> 3]! & ~(1 << (n & 7));
      n++;
    }
  }
}

/** The first clear bit in [from, end), or `end`. */
export function nextClear(bits: Uint8Array, from: number, end: number): number {
  let n = from;
  while (n < end) {
    const byte = bits[n >>> 3]!;
    if (byte === 0xff) n = (n | 7) + 1;
    else if ((byte & (1 << (n & 7))) === 0) return n;
    else n++;
  }
  return end;
}

/** The first set bit in [from, end), or `end`. */
export function nextSet(bits: Uint8Array, from: number, end: number): number {
  let n = from;
  while (n < end) {
    const byte = bits[n >>> 3]!;
    if (byte === 0) n = (n | 7) + 1;
    else if ((byte & (1 << (n & 7))) !== 0) return n;
    else n++;
  }
  return end;
}

/** How many of the bits [from, end) are clear. */
export function countClear(bits: Uint8Array, from: number, end: number): number {
  let clear = 0;
  for (let n = from; n < end; ) {
    const byte = bits[n >>> 3]!;
    if ((n & 7) === 0 && end - n >= 8) {
      clear += 8 - onesIn(byte);
      n += 8;
    } else {
      if ((byte & (1 << (n & 7))) === 0) clear++;
      n++;
    }
  }
  return clear;
}

function onesIn(byte: number): number {
  const pairs = byte - ((byte >>> 1) & 0x55);
  const fours = (pairs & 0x33) + ((pairs >>> 2) & 0x33);
  return (fours + (fours >>> 4)) & 0xf;
}
