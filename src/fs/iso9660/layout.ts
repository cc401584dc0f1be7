/**
 * ISO 9660 on the disc: where the fields of its structures are.
 *
 * Most numbers are there twice, least and most significant byte first; the
 * first form is read. They are not aligned, so this is no `struct`.
 * Source: ECMA-119; IEEE P1281 (SUSP) and P1282 (Rock Ridge); Microsoft's Joliet.
 */

/** Volume descriptors, and the steps of a directory, whatever the block size. */
export const SECTOR_BYTES = 2048;
/** What precedes the descriptors: the system area. */
export const FIRST_DESCRIPTOR = 16;
/** Linux looks no further for the end of the descriptors. */
export const LAST_DESCRIPTOR = 100;

export const VD_PRIMARY = 1;
export const VD_SUPPLEMENTARY = 2;
export const VD_TERMINATOR = 255;

/** Of a volume descriptor. */
export const VD_TYPE = 0;
export const VD_ID = 1;
export const VD_SPACE_SIZE = 80;
export const VD_ESCAPES = 88;
export const VD_BLOCK_SIZE = 128;
export const VD_ROOT_RECORD = 156;

/** Of a directory record. */
export const DR_EXT_ATTR_LENGTH = 1;
export const DR_EXTENT = 2;
export const DR_SIZE = 10;
export const DR_DATE = 18;
export const DR_FLAGS = 25;
export const DR_INTERLEAVE = 27;
export const DR_NAME_LENGTH = 32;
export const DR_NAME = 33;
/** Nothing shorter is a record: the name has at least a byte. */
export const DR_MIN_BYTES = 34;

/** File flags of a directory record. */
export const FLAG_HIDDEN = 0x01;
export const FLAG_DIRECTORY = 0x02;
export const FLAG_ASSOCIATED = 0x04;
/** The file goes on with the next record. */
export const FLAG_MULTI_EXTENT = 0x80;

/** The number at `at`, which is there least significant byte first. */
export function u32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}
