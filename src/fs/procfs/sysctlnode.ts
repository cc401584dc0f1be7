/**
 * /proc/sys: the sysctl tree as directories and files.
 */
import { EACCES, ENOENT, type Errno, failed } from "../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY, O_WRONLY } from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import { SysctlDir, type SysctlLeaf } from "../../kern/sysctl.ts";
import type { Thread } from "../../kern/thread.ts";
import { WRITES_STRICT } from "../../proc/settings.ts";
import { MAY_READ, MAY_WRITE } from "../../vfs/access.ts";
import type { File } from "../../vfs/file.ts";
import type { Uio } from "../../vm/uio.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import { ProcTextFile } from "./textfile.ts";

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

  get isText(): boolean {
    return this.#leaf.isText;
  }

  /** The bits hold for everybody, whatever he may do elsewhere. See sysctl_perm() in Linux. */
  override mayOpen(td: Thread, flags: number): number {
    if (this.#leaf.userns(td)) return 0;
    const mode = flags & O_ACCMODE;
    const wanted = (mode === O_WRONLY ? 0 : MAY_READ) | (mode === O_RDONLY ? 0 : MAY_WRITE);
    const shift = td.cred.euid === 0 ? 6 : td.cred.isMember(0) ? 3 : 0;
    return (wanted & ~(this.#leaf.mode >> shift)) === 0 ? 0 : EACCES;
  }

  override open(td: Thread, flags: number): File | Errno {
    const denied = this.mayOpen(td, flags);
    return failed(denied) ? denied : new SysctlFile(this, flags, td.cred);
  }

  text(td: Thread): string {
    return `${this.#leaf.read(td)}\n`;
  }

  /**
   * As kernel.sysctl_writes_strict says: a number that does not come first is passed over, a text goes
   * on from what is there, if it does so without a gap. Or each write is a value of its own.
   */
  override writeText(td: Thread, text: string, _opener: Cred, offset: number): number {
    const leaf = this.#leaf;
    const isStrict = this.fs.table.settings.sysctlWritesStrict === WRITES_STRICT;
    if (!leaf.isText) {
      if (offset > 0 && isStrict) return 0;
      const end = text.indexOf("\0");
      return leaf.write((end < 0 ? text : text.slice(0, end)).trim(), td.cred, td);
    }
    const line = text.split(/[\0\n]/, 1)[0]!;
    if (offset === 0 || !isStrict) return leaf.write(line.trimEnd(), td.cred, td);
    const before = leaf.read(td);
    if (offset > before.length) return 0;
    return leaf.write((before.slice(0, offset) + line).trimEnd(), td.cred, td);
  }
}

/** Writing moves on, as in a file. */
class SysctlFile extends ProcTextFile {
  readonly #text: SysctlText;

  constructor(node: SysctlText, flags: number, opener: Cred) {
    super(node, flags, opener);
    this.#text = node;
  }

  override pread(td: Thread, uio: Uio, offset: number): number {
    return offset > 0 && !this.#text.isText ? 0 : super.pread(td, uio, offset);
  }

  override write(td: Thread, uio: Uio): number {
    const n = this.pwrite(td, uio, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }
}
