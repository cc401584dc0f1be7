/**
 * An open file of a share: keeps the host's file open, and appends where the host says the end is.
 */
import type { Thread } from "../../kern/thread.ts";
import type { Path } from "../../vfs/path.ts";
import { VnodeFile } from "../../vfs/vnodefile.ts";
import type { Uio } from "../../vm/uio.ts";
import type { HostRegular } from "./regular.ts";

export class HostFile extends VnodeFile {
  readonly #node: HostRegular;

  /** The node counts it as open already. Takes over the hold on `path`. */
  constructor(node: HostRegular, flags: number, path: Path) {
    super(node, flags, path);
    this.#node = node;
  }

  override write(td: Thread, uio: Uio): number {
    if (!this.isAppending(uio)) return super.write(td, uio);
    const r = this.#append(() => super.write(td, uio));
    if (r > 0) this.offset = this.#node.endOfAppend;
    return r;
  }

  override pwrite(td: Thread, uio: Uio, offset: number): number {
    if (!this.isAppending(uio)) return super.pwrite(td, uio, offset);
    return this.#append(() => super.pwrite(td, uio, offset));
  }

  /** At the host's end of the file, not the one that there was when the guest looked: several may append at once. */
  #append(write: () => number): number {
    this.#node.isAppending = true;
    const r = write();
    this.#node.isAppending = false;
    return r;
  }

  override onLastClose(): void {
    super.onLastClose();
    this.#node.closed();
  }
}
