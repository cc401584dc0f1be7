/**
 * An image's bytes: an ordinary file or a block device of the host.
 *
 * Reads and writes are synchronous: the kernel's Worker has nothing better to
 * do for the ~10 µs that a cached page takes.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  type Stats,
  writeSync,
} from "node:fs";
import { EIO, ENOSPC } from "../../../abi/errno.ts";
import type { ImageFile } from "../../disk/imagefile.ts";
import { HolePunch } from "./holepunch.ts";

const ZERO_CHUNK = 1 << 20;
/** From here on a hole is made sooner than zeroes are written. */
const HOLE_SOONER = 32 << 20;

export class HostFile implements ImageFile {
  readonly isReadOnly: boolean;
  readonly #fd: number;
  readonly #punch: HolePunch | null;
  #sizeBytes: number;

  /** Throws Node's error if the file cannot be opened: the command reports it. */
  constructor(path: string, isReadOnly: boolean) {
    this.#fd = openSync(path, isReadOnly ? "r" : "r+");
    this.isReadOnly = isReadOnly;
    const st = fstatSync(this.#fd);
    this.#sizeBytes = sizeOf(this.#fd, st);
    this.#punch = isReadOnly ? null : HolePunch.of(this.#fd, st);
  }

  /** The descriptor, for locking. */
  get fd(): number {
    return this.#fd;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get punchBytes(): number {
    return this.#punch?.blockBytes ?? 0;
  }

  read(offset: number, into: Uint8Array): number {
    try {
      let done = 0;
      while (done < into.length) {
        const n = readSync(this.#fd, into, done, into.length - done, offset + done);
        if (n === 0) break;
        done += n;
      }
      if (done === into.length) return 0;
      // Past the end are zeroes; short of it, somebody has cut the file.
      if (offset + done < this.#sizeBytes) return EIO;
      into.fill(0, done);
      return 0;
    } catch {
      return EIO;
    }
  }

  write(offset: number, from: Uint8Array): number {
    this.#punch?.cancel(offset, from.length);
    try {
      let done = 0;
      while (done < from.length) {
        done += writeSync(this.#fd, from, done, from.length - done, offset + done);
      }
      this.#sizeBytes = Math.max(this.#sizeBytes, offset + from.length);
      return 0;
    } catch (e) {
      return writeErrno(e);
    }
  }

  zero(offset: number, length: number): number {
    if (length >= HOLE_SOONER && this.#punch?.now(offset, length)) return 0;
    const zeroes = new Uint8Array(Math.min(ZERO_CHUNK, length));
    for (let done = 0; done < length; done += ZERO_CHUNK) {
      const r = this.write(offset + done, zeroes.subarray(0, length - done));
      if (r < 0) return r;
    }
    return 0;
  }

  punch(offset: number, length: number): void {
    this.#punch?.later(offset, length);
  }

  flush(): number {
    if (this.isReadOnly) return 0;
    this.#punch?.flush(false);
    try {
      fsyncSync(this.#fd);
      return 0;
    } catch {
      return EIO;
    }
  }

  close(): void {
    this.#punch?.flush(true);
    closeSync(this.#fd);
  }
}

/** What the guest is told: a full disk or quota is one that it can understand. */
function writeErrno(e: unknown): number {
  const { code } = e as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG" ? ENOSPC : EIO;
}

/** Block devices have no size in stat: find their end by reading. */
function sizeOf(fd: number, st: Stats): number {
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
