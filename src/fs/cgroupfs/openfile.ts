/**
 * An open control file. Reading from the start takes the text anew; poll(2)
 * reports POLLPRI when it changed since, for files that announce it.
 */
import { E2BIG, EFAULT, ENODEV, ENOMEM, EPERM, failed } from "../../abi/errno.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { PollTable } from "../../vfs/poll.ts";
import { TextFile } from "../../vfs/textfile.ts";
import type { Uio } from "../../vm/uio.ts";
import type { ControlNode } from "./nodes.ts";

const WRITE_MAX = 4096;

export class OpenControlFile extends TextFile {
  readonly #node: ControlNode;
  readonly #cred: Cred;
  /** What its opener sees as the root; null: the root itself. */
  readonly #top: Cgroup | null;
  #seen: number;

  constructor(node: ControlNode, td: Lwp, flags: number) {
    super(flags);
    this.#node = node;
    this.#cred = td.cred;
    this.#top = td.ns.cgroup.root;
    this.#seen = node.changes;
  }

  override pread(td: Thread, uio: Uio, offset: number): number {
    return this.#node.isGone && offset >= 0 ? ENODEV : super.pread(td, uio, offset);
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
    this.offset += count;
    return count;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    table?.watch(this.#node.changed);
    const isNews = this.#node.changes !== this.#seen || this.#node.isGone;
    return isNews ? ready | POLLERR | POLLPRI : ready;
  }

  protected override load(td: Thread): number {
    const { group, file, fs } = this.#node;
    this.#seen = this.#node.changes;
    const text = file.text(group, fs, td as Lwp);
    if (typeof text === "number") return text;
    return this.keep(text) ? 0 : ENOMEM;
  }
}
