/**
 * An open control file. Reading from the start takes the text anew; poll(2)
 * reports POLLPRI when it changed since, for files that announce it.
 */
import { E2BIG, EFAULT, EINVAL, ENODEV, ENOMEM, EPERM, failed } from "../../abi/errno.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { byteString, bytesOf } from "../../lib/bytes.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { File } from "../../vfs/file.ts";
import type { PollTable } from "../../vfs/poll.ts";
import { seekWithoutEnd } from "../../vfs/seek.ts";
import type { Uio } from "../../vm/uio.ts";
import type { ControlNode } from "./nodes.ts";

const WRITE_MAX = 4096;
/** A snapshot up to here comes with the open file. */
const FREE_BYTES = 4096;

export class OpenControlFile extends File {
  readonly #node: ControlNode;
  readonly #cred: Cred;
  /** What its opener sees as the root; null: the root itself. */
  readonly #top: Cgroup | null;
  #offset = 0;
  #snapshot: Uint8Array | null = null;
  #seen: number;
  #paid = 0;

  constructor(node: ControlNode, td: Lwp, flags: number) {
    super(flags);
    this.#node = node;
    this.#cred = td.cred;
    this.#top = td.ns.cgroup.root;
    this.#seen = node.changes;
  }

  describe(): string {
    return this.path?.entry.name ?? "";
  }

  override read(td: Thread, uio: Uio): number {
    const n = this.pread(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override pread(td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    if (this.#node.isGone) return ENODEV;
    if (offset === 0 || !this.#snapshot) {
      const r = this.#load(td as Lwp);
      if (failed(r)) return r;
    }
    const bytes = this.#snapshot!;
    return offset >= bytes.length ? 0 : uio.copyout(bytes.subarray(offset));
  }

  override write(td: Thread, uio: Uio): number {
    return this.pwrite(td, uio, this.#offset);
  }

  override pwrite(td: Thread, uio: Uio, _offset: number): number {
    const { group, file, fs } = this.#node;
    const count = uio.resid;
    if (count > WRITE_MAX) return E2BIG;
    const bytes = new Uint8Array(count);
    const got = uio.copyin(bytes);
    if (failed(got) || got < count) return EFAULT;
    if (this.#node.isGone) return ENODEV;
    // What a group as a whole may is its maker's to say, not that of those whose root it is.
    if (fs.isDelegating && group === this.#top && !file.isDelegated) return EPERM;
    const text = byteString(bytes, 0, got).replace(/^[\s\0]+|[\s\0]+$/g, "");
    const r = file.write({ fs, group, text, td: td as Lwp, cred: this.#cred, top: this.#top });
    if (failed(r)) return r;
    this.#offset += count;
    return count;
  }

  override seek(offset: number, whence: number): number {
    const to = seekWithoutEnd(this.#offset, offset, whence);
    if (!failed(to)) this.#offset = to;
    return to;
  }

  override truncate(_sizeBytes: number): number {
    return 0;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    table?.watch(this.#node.changed);
    const isNews = this.#node.changes !== this.#seen || this.#node.isGone;
    return isNews ? ready | POLLERR | POLLPRI : ready;
  }

  override onLastClose(): void {
    this.kmem?.give(this.#paid);
  }

  #load(td: Lwp): number {
    const { group, file, fs } = this.#node;
    this.#seen = this.#node.changes;
    const text = file.text(group, fs, td);
    if (typeof text === "number") return text;
    const more = Math.max(0, text.length - FREE_BYTES) - this.#paid;
    if (this.kmem && more > 0 && !this.kmem.take(more)) return ENOMEM;
    if (this.kmem && more < 0) this.kmem.give(-more);
    if (this.kmem) this.#paid += more;
    this.#snapshot = bytesOf(text);
    return 0;
  }
}
