/**
 * A device seen through the journal on it: reads of blocks that the journal
 * holds newer are redirected into the journal. Nothing can be written until
 * `settle` has brought those blocks home; then it is the device below.
 */
import { EROFS, failed } from "../../abi/errno.ts";
import type { BlockDevice, DiskCounts } from "../../vfs/blockdevice.ts";
import { JBD2_MAGIC } from "./jbd2.ts";

/** Where the newest contents of a block are. */
export interface Redirect {
  /** Block of the volume inside the journal. */
  readonly pblk: number;
  /** The block began with the journal's magic, which was blanked. */
  readonly isEscaped: boolean;
  /** Transaction that wrote it; a later revocation undoes it. */
  readonly sequence: number;
}

export class RecoveredDevice implements BlockDevice {
  readonly name: string;
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly counts: DiskCounts;
  /** Sequence of the first transaction that is not in the log. */
  readonly endSequence: number;
  readonly #below: BlockDevice;
  readonly #blockSize: number;
  #blocks: ReadonlyMap<number, Redirect>;
  #isSettled = false;

  constructor(
    below: BlockDevice,
    blockSize: number,
    blocks: ReadonlyMap<number, Redirect>,
    endSequence: number,
  ) {
    this.name = below.name;
    this.rdev = below.rdev;
    this.sizeBytes = below.sizeBytes;
    this.counts = below.counts;
    this.endSequence = endSequence;
    this.#below = below;
    this.#blockSize = blockSize;
    this.#blocks = blocks;
  }

  get isReadOnly(): boolean {
    return this.#below.isReadOnly;
  }

  get isVolatile(): boolean {
    return this.#below.isVolatile ?? false;
  }

  /** Writes every block home; the log may be emptied then. 0 or EIO, and it can be tried again. */
  settle(): number {
    const block = new Uint8Array(this.#blockSize);
    for (const blkno of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const offset = blkno * this.#blockSize;
      let r = this.read(offset, block);
      if (!failed(r)) r = this.#below.write(offset, block);
      if (failed(r)) return r;
    }
    const r = this.#below.flush();
    if (failed(r)) return r;
    this.#blocks = new Map();
    this.#isSettled = true;
    return 0;
  }

  read(offset: number, into: Uint8Array): number {
    if (this.#blocks.size === 0) return this.#below.read(offset, into);
    const size = this.#blockSize;
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const block = Math.floor(at / size);
      const redirect = this.#blocks.get(block);
      let end = (block + 1) * size;
      if (!redirect) {
        while (end < offset + into.length && !this.#blocks.has(end / size)) end += size;
      }
      const part = into.subarray(done, Math.min(into.length, end - offset));
      const from = redirect ? redirect.pblk * size + (at % size) : at;
      const r = this.#below.read(from, part);
      if (failed(r)) return r;
      if (redirect?.isEscaped) restoreMagic(part, at % size);
      done += part.length;
    }
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    return this.#isSettled ? this.#below.write(offset, from) : EROFS;
  }

  flush(): number {
    return this.#isSettled ? this.#below.flush() : 0;
  }
}

/** Puts the journal's magic back where it was blanked; `part` begins `inBlock` bytes into the block. */
function restoreMagic(part: Uint8Array, inBlock: number): void {
  for (let i = 0; i < 4 && i - inBlock < part.length; i++) {
    if (i >= inBlock) part[i - inBlock] = (JBD2_MAGIC >>> (24 - 8 * i)) & 0xff;
  }
}
