/**
 * A file that holds a disk image, as the formats see it: bytes that can grow.
 *
 * Calls are whole or fail with a negative errno; none throws.
 */
export interface ImageFile {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** What lies past the end reads as zeroes. 0, or EIO. */
  read(offset: number, into: Uint8Array): number;
  /** Grows the file as needed. 0, ENOSPC or EIO. */
  write(offset: number, from: Uint8Array): number;
  /** Afterwards the bytes, which lie within the file, read as zeroes. */
  zero(offset: number, length: number): number;
  /** Blocks that `punch` can give back to the host are of this size; 0 if it cannot. */
  readonly punchBytes: number;
  /** The bytes are of no use: sooner or later, or never, they are given back. What is written meanwhile stays. */
  punch(offset: number, length: number): void;
  /** Returns when all writes are on stable storage. */
  flush(): number;
  close(): void;
}

/** Why an image cannot be used, in words that follow its name and a colon. */
export class DiskImageError extends Error {
  override readonly name = "DiskImageError";
}
