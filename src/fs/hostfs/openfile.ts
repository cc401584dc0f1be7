/**
 * An open file of a share: keeps the host's file open, and appends where the host says the end is.
 */
import { EFBIG, failed } from "../../abi/errno.ts";
import { O_APPEND } from "../../abi/fcntl.ts";
import { IN_MODIFY } from "../../abi/inotify.ts";
import type { Thread } from "../../kern/thread.ts";
import { notifyEntry } from "../../vfs/inotify.ts";
import type { Path } from "../../vfs/path.ts";
import { MAX_FILE_BYTES, VnodeFile } from "../../vfs/vnodefile.ts";
import type { Uio } from "../../vm/uio.ts";
import type { HostRegular } from "./regular.ts";

export class HostFile extends VnodeFile {
  readonly #node: HostRegular;

  /** The node counts it as open already. Takes over the hold on `path`. */
  constructor(node: HostRegular, flags: number, path: Path) {
    super(node, flags, path);
    this.#node = node;
  }

  /** The host's end, not the one that was there when the guest looked: several may append at once. */
  override write(td: Thread, uio: Uio): number {
    if ((this.flags & O_APPEND) === 0) return super.write(td, uio);
    if (uio.resid === 0) return 0;
    const before = this.#node.getattr();
    if (failed(before)) return before;
    const limit = Math.min(td.fileSizeLimit, MAX_FILE_BYTES);
    if (before.sizeBytes >= limit) return EFBIG;
    uio.resid = Math.min(uio.resid, limit - before.sizeBytes);
    const r = this.#node.append(uio);
    if (r <= 0) return r;
    const after = this.#node.getattr();
    this.offset = failed(after) ? before.sizeBytes + r : after.sizeBytes;
    notifyEntry(this.path!.entry, IN_MODIFY);
    return r;
  }

  override onLastClose(): void {
    super.onLastClose();
    this.#node.closed();
  }
}
