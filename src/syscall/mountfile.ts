/**
 * The file that fsmount(2) and open_tree(2) hand out: the root of a mount that
 * is in no tree. If it still is in none when the file is closed, it goes.
 */
import { O_PATH } from "../abi/fcntl.ts";
import type { Mount } from "../vfs/mount.ts";
import { holdPath } from "../vfs/path.ts";
import { PathFile } from "../vfs/vnodefile.ts";

export class MountFile extends PathFile {
  readonly #mount: Mount;

  constructor(m: Mount) {
    super(O_PATH, holdPath({ mount: m, entry: m.root }));
    this.#mount = m;
  }

  override onLastClose(): void {
    const m = this.#mount;
    if (!m.isAttached) m.table.dissolve(m);
  }
}
