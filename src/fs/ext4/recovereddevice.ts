/**
 * A device seen through the journal on it: reads of blocks that the journal
 * holds newer are redirected into the journal. Nothing can be written.
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
  readonly isReadOnly = true;
  readonly counts: DiskCounts;
  readonly #below: BlockDevice;
  readonly #blockSize: number;
  readonly #blocks: ReadonlyMap<number, Redirect>;

  constructor(below: BlockDevice, blockSize: number, blocks: ReadonlyMap<number, Redirect>) {
    this.name = below.name;
    this.rdev = below.rdev;
    this.sizeBytes = below.sizeBytes;
    this.counts = below.counts;
    this.#below = below;
    this.#blockSize = blockSize;
    this.#blocks = blocks;
  }

  read(offset: number, into: Uint8Array): number {
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

  write(_offset: number, _from: Uint8Array): number {
    return EROFS;
  }

  flush(): number {
    return 0;
  }
}

/** Puts the journal's magic back where it was blanked; `part` begins `inBlock` bytes into the block. */
function restoreMagic(part: Uint8Array, inBlock: number): void {
  for (let i = 0; i < 4 && i - inBlock < part.length; i++) {
    if (i >= inBlock) part[i - inBlock] = (JBD2_MAGIC >>> (24 - 8 * i)) & 0xff;
  }
}
