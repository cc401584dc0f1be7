/**
 * /proc/sys: the sysctl tree as directories and files.
 */
import { EINVAL, ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFDIR, S_IFREG } from "../../abi/stat.ts";
import { SysctlDir, type SysctlLeaf } from "../../kern/sysctl.ts";
import type { Thread } from "../../kern/thread.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";
import type { ProcFs } from "./procfs.ts";

export class SysctlDirNode extends ProcDir {
  readonly #dir: SysctlDir;

  constructor(fs: ProcFs, key: string, dir: SysctlDir) {
    super(fs, key);
    this.#dir = dir;
  }

  child(name: string): ProcNode | Errno {
    const found = this.#dir.children.get(name);
    if (!found) return ENOENT;
    const key = `${this.key}/${name}`;
    return found instanceof SysctlDir
      ? this.fs.node(key, (k) => new SysctlDirNode(this.fs, k, found))
      : this.fs.node(key, (k) => new SysctlText(this.fs, k, found));
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    for (const [name, node] of this.#dir.children) {
      const type = node instanceof SysctlDir ? S_IFDIR : S_IFREG;
      yield { name, type, key: `${this.key}/${name}`, position: position++ };
    }
  }
}

class SysctlText extends ProcText {
  readonly #leaf: SysctlLeaf;

  constructor(fs: ProcFs, key: string, leaf: SysctlLeaf) {
    super(fs, key, leaf.mode);
    this.#leaf = leaf;
  }

  /** The root of a name space may set what is its own. */
  override owner(): Owner {
    const { caller } = this.fs;
    const userns = caller && this.#leaf.userns(caller);
    if (!userns) return { uid: 0, gid: 0 };
    return { uid: Math.max(userns.rootUid, 0), gid: Math.max(userns.rootGid, 0) };
  }

  text(td: Thread): string {
    return `${this.#leaf.read(td)}\n`;
  }

  override writeText(td: Thread, text: string): number {
    if (text.includes("\0")) return EINVAL;
    return this.#leaf.write(text.trim(), td.cred, td);
  }
}
