/** An image's file kept in memory, which remembers what was written between which syncs. */
import { ENOSPC } from "../../src/abi/errno.ts";
import type { ImageFile } from "../../src/hosts/disk/imagefile.ts";
import type { Decompressor } from "../../src/hosts/disk/qcow2/compressed.ts";

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class MemoryFile implements ImageFile {
  readonly isReadOnly = false;
  readonly punchBytes = 0;
  /** The host's disk has room for the file up to here. */
  roomBytes = 64 << 20;
  /** Writes in order; null is a sync. */
  readonly log: (Write | null)[] = [];
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  read(offset: number, into: Uint8Array): number {
    into.fill(0);
    if (offset < this.#bytes.length) {
      into.set(this.#bytes.subarray(offset, offset + into.length));
    }
    return 0;
  }

  write(offset: number, from: Uint8Array): number {
    const end = offset + from.length;
    // Without a limit nothing in these tests is so large: a damaged image led there.
    if (end > this.roomBytes) return ENOSPC;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(end);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(from, offset);
    this.log.push({ offset, bytes: from.slice() });
    return 0;
  }

  zero(offset: number, length: number): number {
    return this.write(offset, new Uint8Array(length));
  }

  punch(): void {}

  flush(): number {
    this.log.push(null);
    return 0;
  }

  close(): void {}
}

/**
 * The file after a crash at `cut`: all up to the last sync before it, and of what came later any part, each write
 * whole or torn at a sector.
 */
export function crashed(
  before: Uint8Array,
  log: MemoryFile["log"],
  cut: number,
  random: (n: number) => number,
): Uint8Array {
  let synced = cut;
  while (synced > 0 && log[synced - 1] !== null) synced--;
  const file = new MemoryFile(before.slice());
  for (const [i, w] of log.slice(0, cut).entries()) {
    if (w === null || (i >= synced && random(2) === 0)) continue;
    const isTorn = i >= synced && random(4) === 0;
    const length = isTorn ? random(w.bytes.length / 512) * 512 : w.bytes.length;
    if (length > 0) file.write(w.offset, w.bytes.subarray(0, length));
  }
  return file.bytes;
}

export const noDecompressor: Decompressor = { inflate: () => null };
