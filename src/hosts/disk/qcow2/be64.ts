/** 64-bit big-endian numbers, exact to 2^53, and the entries of L1 and L2 tables made of them. */
const TWO32 = 2 ** 32;

/** In the high word of an entry: the refcount of what it refers to is exactly one. */
export const COPIED = 0x80000000;
/** In the high word of an L2 entry. */
export const COMPRESSED = 0x40000000;
/** In the low word of an L2 entry: reads as zeroes. */
export const ZERO = 1;

export function be64(view: DataView, at: number): number {
  return view.getUint32(at) * TWO32 + view.getUint32(at + 4);
}

export function setBe64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / TWO32));
  view.setUint32(at + 4, value >>> 0);
}

/** The offset in an entry, bits 9 to 55; 0 is none. */
export function entryOffset(view: DataView, at: number): number {
  return (view.getUint32(at) & 0xffffff) * TWO32 + ((view.getUint32(at + 4) & 0xfffffe00) >>> 0);
}

export function isCopied(view: DataView, at: number): boolean {
  return (view.getUint32(at) & COPIED) !== 0;
}

/** An entry for what is referred to once. */
export function setCopied(view: DataView, at: number, offset: number): void {
  setBe64(view, at, offset);
  view.setUint32(at, (view.getUint32(at) | COPIED) >>> 0);
}
