/**
 * Directory records: what a directory says of one file, or of one extent of it.
 *
 * A record that is handed out holds its name whole. Where it lies, block and
 * byte, is the file's identity: ISO 9660 has no inodes. Source: ECMA-119 9.1.
 */
import {
  DR_EXT_ATTR_LENGTH,
  DR_EXTENT,
  DR_FLAGS,
  DR_INTERLEAVE,
  DR_MIN_BYTES,
  DR_NAME,
  DR_NAME_LENGTH,
  DR_SIZE,
  u32At,
} from "./layout.ts";

export class DirRecord {
  readonly block: number;
  readonly offset: number;
  readonly bytes: Uint8Array;

  /** `bytes` is the whole record; see `isRecord`. */
  constructor(block: number, offset: number, bytes: Uint8Array) {
    this.block = block;
    this.offset = offset;
    this.bytes = bytes;
  }

  get length(): number {
    return this.bytes.length;
  }

  /** First block of the contents, past the extended attributes. */
  get start(): number {
    return u32At(this.bytes, DR_EXTENT) + this.bytes[DR_EXT_ATTR_LENGTH]!;
  }

  get sizeBytes(): number {
    return u32At(this.bytes, DR_SIZE);
  }

  get isInterleaved(): boolean {
    return this.bytes[DR_INTERLEAVE] !== 0;
  }

  has(flag: number): boolean {
    return (this.bytes[DR_FLAGS]! & flag) !== 0;
  }

  get name(): Uint8Array {
    return this.bytes.subarray(DR_NAME, DR_NAME + this.bytes[DR_NAME_LENGTH]!);
  }

  /** The record of the directory itself. */
  get isDot(): boolean {
    return this.bytes[DR_NAME_LENGTH] === 1 && this.bytes[DR_NAME] === 0;
  }

  get isDotDot(): boolean {
    return this.bytes[DR_NAME_LENGTH] === 1 && this.bytes[DR_NAME] === 1;
  }

  /** What follows the name and makes the length even: Rock Ridge's place. */
  get systemUse(): Uint8Array {
    const end = DR_NAME + this.bytes[DR_NAME_LENGTH]!;
    return this.bytes.subarray(Math.min(end + (end & 1), this.bytes.length));
  }
}

/** True if it has room for what it says it holds. */
export function isRecord(bytes: Uint8Array): boolean {
  if (bytes.length < DR_MIN_BYTES) return false;
  const nameLength = bytes[DR_NAME_LENGTH]!;
  return nameLength > 0 && DR_NAME + nameLength <= bytes.length;
}
