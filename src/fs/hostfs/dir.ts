/**
 * Directories of a share.
 *
 * Its handle is found again when it is needed, from the nearest directory
 * above it that is open still, name by name, each checked to be the one it was.
 */
import {
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTDIR,
  EPERM,
  EROFS,
  type Errno,
  ESTALE,
  EXDEV,
  failed,
} from "../../abi/errno.ts";
import { RENAME_NOREPLACE } from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { DirSink, Vnode } from "../../vfs/vnode.ts";
import type { HandleHolder } from "./handles.ts";
import { FIRST_KEY } from "./listing.ts";
import { HostNode } from "./node.ts";
import { HostRegular } from "./regular.ts";

const NONE = -1;
/** Directories above each other that may have to be found again at once. */
const MAX_CHAIN = 4096;

export class HostDir extends HostNode implements HandleHolder {
  #handle = NONE;

  /** The root's handle is the share's own, and stays. */
  setRoot(handle: number): void {
    this.#handle = handle;
  }

  /** Its handle, good until the next directory is asked for its own. */
  handle(): number {
    const { handles, share } = this.fs;
    if (this.#handle === NONE) {
      const chain: HostDir[] = [];
      for (let at: HostDir | null = this; at && at.#handle === NONE; at = at.parent) {
        if (at.isGone || chain.length === MAX_CHAIN) return ESTALE;
        chain.push(at);
      }
      for (const dir of chain.reverse()) {
        const r = dir.findAgain();
        if (r < 0) return r;
        dir.#handle = r;
        handles.used(dir);
      }
    } else if (this.#handle !== share.root) handles.used(this);
    return this.#handle;
  }

  protected override openHandle(): number {
    return this.#handle;
  }

  override closeHandles(): void {
    const { share, handles } = this.fs;
    if (this.#handle === NONE || this.#handle === share.root) return;
    share.close(this.#handle);
    this.#handle = NONE;
    handles.gone(this);
  }

  override inactive(): void {
    this.fs.listings.drop(this);
    super.inactive();
  }

  override lookup(name: string): HostNode | Errno {
    const dir = this.handle();
    if (dir < 0) return dir as Errno;
    const stat = this.fs.share.statAt(dir, name);
    return typeof stat === "number" ? (stat as Errno) : this.fs.node(stat, this, name);
  }

  override readdir(offset: number, sink: DirSink): number {
    const { fs } = this;
    const up = this.parent ?? this;
    if (offset <= 0 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset <= 1 && !sink.entry("..", up.ino, S_IFDIR, FIRST_KEY)) return 0;
    const dir = this.handle();
    if (dir < 0) return dir;
    const listing = fs.listings.of(this, offset <= FIRST_KEY, dir);
    if (typeof listing === "number") return listing;
    for (let i = listing.indexOf(offset); i < listing.length; i++) {
      const name = listing.nameAt(i);
      const stat = fs.share.statAt(dir, name);
      if (typeof stat === "number") continue;
      if (!sink.entry(name, stat.ino, stat.mode & S_IFMT, listing.keyAt(i) + 1)) return 0;
    }
    return 0;
  }

  override mknod(name: string, mode: number, _rdev: number, _cred: Cred): Vnode | Errno {
    const { fs } = this;
    if (fs.share.isReadOnly) return EROFS;
    if ((mode & S_IFMT) !== S_IFREG) return EPERM;
    const handle = fs.handles.opened(() => {
      const dir = this.handle();
      return dir < 0 ? dir : fs.share.create(dir, name, mode);
    });
    if (handle < 0) return handle as Errno;
    const stat = fs.share.stat(handle);
    const node = typeof stat === "number" ? (stat as Errno) : fs.node(stat, this, name);
    if (node instanceof HostRegular) {
      node.adopt(handle);
      this.changed();
      return node;
    }
    fs.share.close(handle);
    return failed(node) ? node : ESTALE;
  }

  override mkdir(name: string, mode: number, _cred: Cred): Vnode | Errno {
    return this.#made(name, S_IFDIR, (dir) => this.fs.share.mkdir(dir, name, mode));
  }

  override symlink(name: string, target: string, _cred: Cred): Vnode | Errno {
    return this.#made(name, S_IFLNK, (dir) => this.fs.share.symlink(dir, name, target));
  }

  #made(name: string, type: number, make: (dir: number) => number): Vnode | Errno {
    const dir = this.handle();
    if (dir < 0) return dir as Errno;
    const r = make(dir);
    if (r < 0) return r as Errno;
    this.changed();
    const made = this.lookup(name);
    if (failed(made)) return made;
    // Somebody on the host was faster.
    return made.type === type ? made : ESTALE;
  }

  override link(name: string, vp: Vnode): number {
    const { share } = this.fs;
    const node = vp as HostNode;
    const from = node.parent;
    if (share.isReadOnly) return EROFS;
    if (!from || node.isGone) return ESTALE;
    return this.#withBoth(from, (to, source) => {
      const stat = share.statAt(source, node.name);
      if (typeof stat === "number") return stat;
      if (stat.id !== node.id) return ESTALE;
      const r = share.link(source, node.name, to, name);
      if (r < 0) return r;
      node.moved(this, name);
      return 0;
    });
  }

  override unlink(name: string, vp: Vnode): number {
    const dir = this.handle();
    if (dir < 0) return dir;
    return this.#removed(name, vp as HostNode, this.fs.share.unlink(dir, name));
  }

  override rmdir(name: string, vp: Vnode): number {
    const dir = this.handle();
    if (dir < 0) return dir;
    return this.#removed(name, vp as HostNode, this.fs.share.rmdir(dir, name));
  }

  #removed(name: string, node: HostNode, result: number): number {
    if (result < 0) return result;
    this.changed();
    node.lostName(this, name);
    return 0;
  }

  /** The host has no atomic exchange for us: RENAME_EXCHANGE is EINVAL, as on Linux where a file system lacks it. */
  override rename(
    name: string,
    vp: Vnode,
    toDir: Vnode,
    toName: string,
    over: Vnode | null,
    flags: number,
  ): number {
    const { share } = this.fs;
    const to = toDir as HostDir;
    if (share.isReadOnly) return EROFS;
    if ((flags & ~RENAME_NOREPLACE) !== 0) return EINVAL;
    return this.#withBoth(to, (source, target) => {
      if ((flags & RENAME_NOREPLACE) !== 0) {
        const there = share.statAt(target, toName);
        if (there !== ENOENT) return typeof there === "number" ? there : EEXIST;
      }
      const r = share.rename(source, name, target, toName);
      if (r < 0) return r;
      (over as HostNode | null)?.lostName(to, toName);
      (vp as HostNode).moved(to, toName);
      this.changed();
      to.changed();
      return 0;
    });
  }

  /** `use` with the handles of this directory and of another. */
  #withBoth(other: HostDir, use: (mine: number, its: number) => number): number {
    if (other.fs !== this.fs) return EXDEV;
    this.handle();
    const its = other.handle();
    if (its < 0) return its;
    // Finding the other may have closed this one; this time it is near.
    const mine = this.handle();
    if (mine < 0) return mine;
    return other.openHandle() === its ? use(mine, its) : ESTALE;
  }

  override fsync(dataOnly: boolean): number {
    const { share } = this.fs;
    if (share.isReadOnly) return 0;
    const dir = this.handle();
    return dir < 0 ? dir : share.fsync(dir, dataOnly);
  }

  protected override resize(): number {
    return ENOTDIR;
  }
}
