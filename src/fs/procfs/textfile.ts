/**
 * An open text of procfs: a snapshot that is taken when reading starts, whole
 * or, of a long text, piece by piece.
 *
 * Reading from offset 0 takes it anew, so a program that rewinds sees the
 * present, and one that reads in pieces sees one moment. See seq_file in Linux.
 */
import { EFAULT, EINVAL, ENOMEM, failed } from "../../abi/errno.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { byteString, bytesOf } from "../../lib/bytes.ts";
import { File } from "../../vfs/file.ts";
import type { PollTable } from "../../vfs/poll.ts";
import { seekWithoutEnd } from "../../vfs/seek.ts";
import type { Uio } from "../../vm/uio.ts";
import type { ProcText } from "./node.ts";
import { TEXT_END } from "./textpiece.ts";

/** Most that one write is looked at, as for Linux's sysctls. */
const WRITE_MAX = 4096;
/** Up to here a snapshot comes with the open file. */
const FREE_BYTES = 4096;

export class ProcTextFile extends File {
  readonly #node: ProcText;
  protected offset = 0;
  #snapshot: Uint8Array | null = null;
  /** Offset of the snapshot in the whole text, and where the piece after it begins. */
  #start = 0;
  #next = TEXT_END;
  #seen: number;
  /** Bytes of the snapshot that were paid for. */
  #paid = 0;

  readonly #opener: Cred;

  constructor(node: ProcText, flags: number, opener: Cred) {
    super(flags);
    this.#opener = opener;
    this.#node = node;
    this.#seen = node.announced()?.generation ?? 0;
  }

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
    if (offset === 0 || offset < this.#start || !this.#snapshot) {
      const r = this.#load(td, 0, 0);
      if (failed(r)) return r;
    }
    let done = 0;
    for (let at = offset; uio.resid > 0; at = offset + done) {
      const bytes = this.#snapshot!;
      if (at >= this.#start + bytes.length) {
        if (this.#next === TEXT_END) break;
        const r = this.#load(td, this.#next, this.#start + bytes.length);
        if (failed(r)) return done > 0 ? done : r;
        continue;
      }
      const n = uio.copyout(bytes.subarray(at - this.#start));
      if (n < 0) return done > 0 ? done : n;
      done += n;
    }
    return done;
  }

  /** Takes the piece at `cursor`, which begins at offset `start` of the text. */
  #load(td: Thread, cursor: number, start: number): number {
    const made = this.#node.text(td, cursor);
    if (typeof made === "number") return made;
    const isWhole = typeof made === "string";
    if (!this.#keep(isWhole ? made : made.text)) return ENOMEM;
    this.#start = start;
    this.#next = isWhole ? TEXT_END : made.next;
    return 0;
  }

  /** Large texts are paid for: many descriptors could each keep one. */
  #keep(text: string): boolean {
    const more = Math.max(0, text.length - FREE_BYTES) - this.#paid;
    if (this.kmem && more > 0 && !this.kmem.take(more)) return false;
    if (this.kmem && more < 0) this.kmem.give(-more);
    if (this.kmem) this.#paid += more;
    this.#snapshot = bytesOf(text);
    return true;
  }

  override onLastClose(): void {
    this.kmem?.give(this.#paid);
  }

  override write(td: Thread, uio: Uio): number {
    return this.pwrite(td, uio, this.offset);
  }

  override pwrite(td: Thread, uio: Uio, offset: number): number {
    const bytes = new Uint8Array(Math.min(uio.resid, WRITE_MAX));
    const count = uio.resid;
    const got = uio.copyin(bytes);
    if (failed(got)) return EFAULT;
    const r = this.#node.writeText(td, byteString(bytes, 0, got), this.#opener, offset);
    return failed(r) ? r : count;
  }

  override seek(offset: number, whence: number): number {
    const to = seekWithoutEnd(this.offset, offset, whence);
    if (!failed(to)) this.offset = to;
    return to;
  }

  override truncate(_sizeBytes: number): number {
    return 0;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    const state = this.#node.announced();
    if (!state) return ready;
    table?.watch(state.changed);
    if (state.generation === this.#seen) return POLLIN | POLLRDNORM;
    this.#seen = state.generation;
    return POLLIN | POLLRDNORM | POLLERR | POLLPRI;
  }
}
