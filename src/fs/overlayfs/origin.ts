/**
 * The origin note: which inode of a lower layer a file was copied up from, so
 * that it keeps its inode number when it is looked up anew. The format is
 * Linux's struct ovl_fb around a handle of inode number and generation.
 */

const VERSION = 0;
const MAGIC = 0xfb;
const INO32_GEN = 1;
const UUID_BYTES = 16;
const HEADER = 5 + UUID_BYTES;
const LENGTH = HEADER + 8;

export function encodeOrigin(ino: number): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  bytes.set([VERSION, MAGIC, LENGTH, 0, INO32_GEN]);
  new DataView(bytes.buffer).setUint32(HEADER, ino, true);
  return bytes;
}

/** The inode number in an origin note; 0 if it is none that we know. */
export function decodeOrigin(bytes: Uint8Array | null): number {
  if (!bytes || bytes.length !== LENGTH) return 0;
  if (bytes[0] !== VERSION || bytes[1] !== MAGIC || bytes[2] !== LENGTH) return 0;
  if (bytes[3] !== 0 || bytes[4] !== INO32_GEN) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset, LENGTH).getUint32(HEADER, true);
}
