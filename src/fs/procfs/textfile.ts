/**
 * An open text of procfs: a snapshot that is taken when reading starts, whole
 * or, of a long text, piece by piece.
 */
import { EFAULT, EINVAL, ENOMEM, failed } from "../../abi/errno.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { byteString } from "../../lib/bytes.ts";
import type { PollTable } from "../../vfs/poll.ts";
import { TextFile } from "../../vfs/textfile.ts";
import type { Uio } from "../../vm/uio.ts";
import type { ProcText } from "./node.ts";
import { TEXT_END } from "./textpiece.ts";

/** Most that one write is looked at, as for Linux's sysctls. */
const WRITE_MAX = 4096;

export class ProcTextFile extends TextFile {
  readonly #node: ProcText;
  /** Offset of the snapshot in the whole text, and where the piece after it begins. */
  #start = 0;
  #next = TEXT_END;
  #seen: number;
  readonly #opener: Cred;

  constructor(node: ProcText, flags: number, opener: Cred) {
    super(flags);
    this.#opener = opener;
    this.#node = node;
    this.#seen = node.announced()?.generation ?? 0;
  }

  override pread(td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    if (offset === 0 || offset < this.#start || !this.snapshot) {
      const r = this.load(td);
      if (failed(r)) return r;
    }
    let done = 0;
    for (let at = offset; uio.resid > 0; at = offset + done) {
      const bytes = this.snapshot!;
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

  protected override load(td: Thread): number {
    return this.#load(td, 0, 0);
  }

  /** Takes the piece at `cursor`, which begins at offset `start` of the text. */
  #load(td: Thread, cursor: number, start: number): number {
    const made = this.#node.text(td, cursor);
    if (typeof made === "number") return made;
    const isWhole = typeof made === "string";
    if (!this.keep(isWhole ? made : made.text)) return ENOMEM;
    this.#start = start;
    this.#next = isWhole ? TEXT_END : made.next;
    return 0;
  }

  override pwrite(td: Thread, uio: Uio, offset: number): number {
    const bytes = new Uint8Array(Math.min(uio.resid, WRITE_MAX));
    const count = uio.resid;
    const got = uio.copyin(bytes);
    if (failed(got)) return EFAULT;
    const r = this.#node.writeText(td, byteString(bytes, 0, got), this.#opener, offset);
    return failed(r) ? r : count;
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
