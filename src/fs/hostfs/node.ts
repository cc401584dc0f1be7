/**
 * Vnodes of a share: what a file of the host and the guest's view of it have in common.
 *
 * A node stands for one file, whatever it is called: `id` says which. Where it
 * was last found (`parent`, `name`) is how to get at it again; whoever finds
 * something else there by then has a stale node (ESTALE), as with NFS.
 */
import { ENOENT, EOPNOTSUPP, EPERM, EROFS, type Errno, ESTALE } from "../../abi/errno.ts";
import { S_IFLNK } from "../../abi/stat.ts";
import type { ShareStat } from "../../platform/share.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import { Vnode } from "../../vfs/vnode.ts";
import { HostAttr } from "./attr.ts";
import type { HostDir } from "./dir.ts";
import type { Hostfs } from "./hostfs.ts";

/** What a lookup told of a file is not asked again within the same system call, or about that. */
const FRESH_NS = 50_000;

export abstract class HostNode extends Vnode {
  declare readonly fs: Hostfs;
  readonly id: string;
  /** Null for the root, and for a file that has lost the name by which it was known. */
  parent: HostDir | null = null;
  name = "";
  /** It has no name left. */
  isGone = false;
  #last: ShareStat;
  #freshUntilNs = -1;

  constructor(fs: Hostfs, stat: ShareStat) {
    super(fs, stat.ino, stat.mode);
    this.id = stat.id;
    this.#last = stat;
  }

  /** A lookup found it. */
  found(dir: HostDir, name: string, stat: ShareStat): void {
    this.parent = dir;
    this.name = name;
    this.isGone = false;
    this.#freshUntilNs = this.fs.clock.monotonicNs() + FRESH_NS;
    this.seen(stat);
  }

  /** It is called otherwise from now on. */
  moved(dir: HostDir, name: string): void {
    this.parent = dir;
    this.name = name;
    this.changed();
  }

  /** `name` in `dir` is not its name any more. */
  lostName(dir: HostDir, name: string): void {
    const isLast = this.isDir || this.#last.nlink <= 1;
    this.changed();
    if (this.parent === dir && this.name === name) this.parent = null;
    if (!isLast) return;
    this.isGone = true;
    // The host may use the number again, for a file that has nothing to do with this one.
    this.fs.forget(this);
  }

  /** The host was asked. */
  protected seen(stat: ShareStat): void {
    this.#last = stat;
  }

  /** What was known of its attributes holds no more. */
  protected changed(): void {
    this.#freshUntilNs = -1;
  }

  override getattr(): Attr | Errno {
    const stat = this.stat();
    return typeof stat === "number" ? (stat as Errno) : new HostAttr(this, stat);
  }

  /** As the host has it now. */
  protected stat(): ShareStat | number {
    if (this.#freshUntilNs >= 0 && this.fs.clock.monotonicNs() < this.#freshUntilNs) {
      return this.#last;
    }
    this.changed();
    const stat = this.isGone ? this.#statGone() : this.#statNow();
    if (typeof stat !== "number") this.seen(stat);
    return stat;
  }

  #statGone(): ShareStat | number {
    const handle = this.openHandle();
    return handle < 0 ? this.#last : this.fs.share.stat(handle);
  }

  #statNow(): ShareStat | number {
    const { share } = this.fs;
    const handle = this.openHandle();
    if (handle >= 0) return share.stat(handle);
    if (!this.parent) return ESTALE;
    const dir = this.parent.handle();
    if (dir < 0) return dir;
    const stat = share.statAt(dir, this.name);
    if (typeof stat === "number") return stat === ENOENT ? ESTALE : stat;
    return stat.id === this.id ? stat : ESTALE;
  }

  /** A handle that is open already, else -1. */
  protected openHandle(): number {
    return -1;
  }

  /** A new handle of this very file, by its name. The caller closes it. */
  findAgain(): number {
    const { share, handles } = this.fs;
    const { parent, name } = this;
    if (!parent || this.isGone) return ESTALE;
    const handle = handles.opened(() => {
      const dir = parent.handle();
      return dir < 0 ? dir : share.find(dir, name);
    });
    if (handle < 0) return handle === ENOENT ? ESTALE : handle;
    const stat = share.stat(handle);
    if (typeof stat !== "number" && stat.id === this.id) return handle;
    share.close(handle);
    return typeof stat === "number" ? stat : ESTALE;
  }

  /** What `use` makes of a handle of this file, an open one or one just for this. */
  protected withHandle(use: (handle: number) => number): number {
    const open = this.openHandle();
    if (open >= 0) return use(open);
    const handle = this.findAgain();
    if (handle < 0) return handle;
    const r = use(handle);
    this.fs.share.close(handle);
    return r;
  }

  override setattr(change: AttrChange): number {
    const { share, uid, gid } = this.fs;
    if (share.isReadOnly) return EROFS;
    if ((change.uid ?? uid) !== uid || (change.gid ?? gid) !== gid) return EPERM;
    this.changed();
    if (change.sizeBytes !== undefined) {
      const r = this.resize(change.sizeBytes);
      if (r < 0) return r;
    }
    const { mode } = change;
    if (mode !== undefined) {
      const r = this.type === S_IFLNK ? EOPNOTSUPP : this.withHandle((h) => share.chmod(h, mode));
      if (r < 0) return r;
    }
    return change.atime || change.mtime ? this.#setTimes(change) : 0;
  }

  #setTimes({ atime, mtime }: AttrChange): number {
    const { share } = this.fs;
    const now = this.stat();
    if (typeof now === "number") return now;
    this.changed();
    const a = atime ?? now.atime;
    const m = mtime ?? now.mtime;
    if (this.type !== S_IFLNK) return this.withHandle((h) => share.setTimes(h, a, m));
    const dir = this.parent?.handle() ?? ESTALE;
    return dir < 0 ? dir : share.setTimesAt(dir, this.name, a, m);
  }

  protected resize(_sizeBytes: number): number {
    return EPERM;
  }

  override inactive(): void {
    this.closeHandles();
    this.fs.forget(this);
  }

  closeHandles(): void {}
}
