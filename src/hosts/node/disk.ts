/**
 * Disk images: a BlockStore on an ordinary file or block device.
 *
 * Reads and writes are synchronous: the kernel's Worker has nothing better to
 * do for the ~10 µs that a cached page takes.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { EIO, ENOSPC } from "../../abi/errno.ts";
import type { BlockStore } from "../../platform/host.ts";

export class FileDisk implements BlockStore {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly #fd: number;

  /** Throws Node's error if the image cannot be opened: the command reports it. */
  constructor(path: string, isReadOnly: boolean) {
    this.#fd = openSync(path, isReadOnly ? "r" : "r+");
    this.isReadOnly = isReadOnly;
    this.sizeBytes = sizeOf(this.#fd);
  }

  /** The descriptor, for locking. */
  get fd(): number {
    return this.#fd;
  }

  read(offset: number, into: Uint8Array): number {
    try {
      let done = 0;
      while (done < into.length) {
        const n = readSync(this.#fd, into, done, into.length - done, offset + done);
        if (n === 0) return EIO;
        done += n;
      }
      return 0;
    } catch {
      return EIO;
    }
  }

  write(offset: number, from: Uint8Array): number {
    try {
      let done = 0;
      while (done < from.length) {
        done += writeSync(this.#fd, from, done, from.length - done, offset + done);
      }
      return 0;
    } catch (e) {
      return (e as NodeJS.ErrnoException).code === "ENOSPC" ? ENOSPC : EIO;
    }
  }

  flush(): number {
    try {
      if (!this.isReadOnly) fsyncSync(this.#fd);
      return 0;
    } catch {
      return EIO;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Block devices have no size in stat: find their end by reading. */
function sizeOf(fd: number): number {
  const st = fstatSync(fd);
  if (!st.isBlockDevice()) return st.size;
  const probe = new Uint8Array(1);
  let low = 0;
  let high = 2 ** 50;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (readSync(fd, probe, 0, 1, middle) === 1) low = middle + 1;
    else high = middle;
  }
  return low;
}
