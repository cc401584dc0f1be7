/**
 * Open files whose text is made when reading starts: of procfs, sysfs, control groups.
 *
 * Reading from offset 0 takes it anew, so a program that rewinds sees the present,
 * and one that reads in pieces sees one moment. See seq_file in Linux.
 */
import { EINVAL, failed } from "../abi/errno.ts";
import type { Thread } from "../kern/thread.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Uio } from "../vm/uio.ts";
import { File } from "./file.ts";
import { seekWithoutEnd } from "./seek.ts";

/** Up to here a snapshot comes with the open file. */
const FREE_BYTES = 4096;

export abstract class TextFile extends File {
  protected offset = 0;
  protected snapshot: Uint8Array | null = null;
  /** Bytes of the snapshot that were paid for. */
  #paid = 0;

  /** Makes the text, for `keep`: 0, or why it cannot be read. */
  protected abstract load(td: Thread): number;

  describe(): string {
    return this.path?.entry.name ?? "";
  }

  override read(td: Thread, uio: Uio): number {
    const n = this.pread(td, uio, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override pread(td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    if (offset === 0 || !this.snapshot) {
      const r = this.load(td);
      if (failed(r)) return r;
    }
    const bytes = this.snapshot!;
    return offset >= bytes.length ? 0 : uio.copyout(bytes.subarray(offset));
  }

  override write(td: Thread, uio: Uio): number {
    return this.pwrite(td, uio, this.offset);
  }

  override seek(offset: number, whence: number): number {
    const to = seekWithoutEnd(this.offset, offset, whence);
    if (!failed(to)) this.offset = to;
    return to;
  }

  override truncate(_sizeBytes: number): number {
    return 0;
  }

  override onLastClose(): void {
    this.kmem?.give(this.#paid);
  }

  /** Large texts are paid for, as many descriptors could each keep one: false if there is no memory. */
  protected keep(text: string): boolean {
    const more = Math.max(0, text.length - FREE_BYTES) - this.#paid;
    if (this.kmem && more > 0 && !this.kmem.take(more)) return false;
    if (this.kmem && more < 0) this.kmem.give(-more);
    if (this.kmem) this.#paid += more;
    this.snapshot = bytesOf(text);
    return true;
  }
}
