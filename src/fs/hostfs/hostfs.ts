/**
 * hostfs: a directory of the host, shared with the guest.
 *
 * Confinement is the Share's (platform/share.ts): it takes handles and single
 * names, and ".." never reaches it, because the way up is the guest's own.
 * Here it becomes a file system, with one vnode per file that the guest has
 * in use. See docs/sharing.md, and hostfs of User Mode Linux.
 */
import { EINVAL, EROFS, type Errno } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { KernelClock } from "../../kern/clock.ts";
import type { Share, ShareStat } from "../../platform/share.ts";
import type { FileSystem, FileSystemType, MountRequest, StatFs } from "../../vfs/filesystem.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { DirtyDomain } from "../../vm/writeback.ts";
import { HostDir } from "./dir.ts";
import { Handles } from "./handles.ts";
import { Listings } from "./listing.ts";
import type { HostNode } from "./node.ts";
import { HostRegular } from "./regular.ts";
import { HostLink, HostSpecial } from "./special.ts";

/** As User Mode Linux's hostfs says in statfs(2). */
const HOSTFS_MAGIC = 0x00c0ffee;
const BUFFER_BYTES = 256 * 1024;

/** A share and how the guest sees it. */
export interface SharedDirectory {
  readonly share: Share;
  /** Who owns all of it, as the guest sees it. */
  readonly uid: number;
  readonly gid: number;
}

export class Hostfs implements FileSystem {
  readonly typeName = "hostfs";
  readonly dev: number;
  /** The host makes and removes names behind the guest's back. */
  readonly isNameCacheable = false;
  readonly share: Share;
  readonly uid: number;
  readonly gid: number;
  readonly clock: KernelClock;
  readonly frames: PageAllocator;
  readonly dirty: DirtyDomain;
  readonly handles: Handles;
  readonly listings: Listings;
  /** On its way between guest and host. */
  readonly buffer = new Uint8Array(BUFFER_BYTES);
  readonly #type: HostfsType;
  readonly #root: HostDir;
  /** Files in use, by `ShareStat.id`. */
  readonly #nodes = new Map<string, HostNode>();

  constructor(
    type: HostfsType,
    vfs: Vfs,
    frames: PageAllocator,
    { share, uid, gid }: SharedDirectory,
    root: ShareStat,
    handles = new Handles(),
  ) {
    this.#type = type;
    this.dev = vfs.anonymousDev();
    this.clock = vfs.clock;
    this.frames = frames;
    this.share = share;
    this.uid = uid;
    this.gid = gid;
    this.dirty = new DirtyDomain(frames.writeback);
    this.handles = handles;
    this.listings = new Listings(share, frames.kmem);
    this.#root = new HostDir(this, root);
    this.#root.setRoot(share.root);
    this.#nodes.set(root.id, this.#root);
  }

  get isReadOnly(): boolean {
    return this.share.isReadOnly;
  }

  get nodes(): number {
    return this.#nodes.size;
  }

  root(): Vnode {
    return this.#root;
  }

  /** The vnode of the file that was found as `name` in `dir`. */
  node(stat: ShareStat, dir: HostDir, name: string): HostNode {
    const type = stat.mode & S_IFMT;
    let node = this.#nodes.get(stat.id);
    // The same number for something else: the file that had it is gone.
    if (node?.type !== type) {
      node = this.#make(stat, type);
      this.#nodes.set(stat.id, node);
    }
    if (node !== this.#root) node.found(dir, name, stat);
    return node;
  }

  #make(stat: ShareStat, type: number): HostNode {
    switch (type) {
      case S_IFREG:
        return new HostRegular(this, stat);
      case S_IFDIR:
        return new HostDir(this, stat);
      case S_IFLNK:
        return new HostLink(this, stat);
      default:
        return new HostSpecial(this, stat);
    }
  }

  forget(node: HostNode): void {
    if (this.#nodes.get(node.id) === node && node !== this.#root) this.#nodes.delete(node.id);
  }

  statfs(): StatFs | Errno {
    const s = this.share.statfs(this.share.root);
    if (typeof s === "number") return s as Errno;
    const { bsize, blocks, bfree, bavail, files, ffree } = s;
    return { type: HOSTFS_MAGIC, bsize, blocks, bfree, bavail, files, ffree, namelen: 255 };
  }

  /** The host gets all that it does not have yet; getting it to disk is the host's affair, or fsync(2)'s. */
  sync(): number {
    return this.dirty.sync();
  }

  unmount(): number {
    for (const node of [...this.#nodes.values()]) node.inactive();
    this.#type.forget(this);
    return 0;
  }

  showOptions(): string {
    const { uid, gid } = this;
    return [uid > 0 ? `uid=${uid}` : "", gid > 0 ? `gid=${gid}` : ""].filter(Boolean).join(",");
  }

  remount(isReadOnly: boolean, data: string): number {
    if (data !== "" && data !== this.showOptions()) return EINVAL;
    return !isReadOnly && this.share.isReadOnly ? EROFS : 0;
  }
}

/** `mount -t hostfs TAG DIR`: the tags are what the machine's maker named. */
export class HostfsType implements FileSystemType {
  readonly typeName = "hostfs";
  readonly needsDevice = false;
  readonly #vfs: Vfs;
  readonly #frames: PageAllocator;
  /** By tag. */
  readonly shared: ReadonlyMap<string, SharedDirectory>;
  readonly #mounted = new Map<Share, Hostfs>();

  constructor(vfs: Vfs, frames: PageAllocator, shared: ReadonlyMap<string, SharedDirectory>) {
    this.#vfs = vfs;
    this.#frames = frames;
    this.shared = shared;
  }

  /** EINVAL for a tag that is none, and for options: they are the embedder's. */
  mount({ source, data, isReadOnly }: MountRequest): FileSystem | Errno {
    const shared = this.shared.get(source);
    if (!shared || data !== "") return EINVAL;
    const { share } = shared;
    if (share.isReadOnly && !isReadOnly) return EROFS;
    const known = this.#mounted.get(share);
    if (known) return known;
    const root = share.stat(share.root);
    if (typeof root === "number") return root as Errno;
    const fs = new Hostfs(this, this.#vfs, this.#frames, shared, root);
    this.#mounted.set(share, fs);
    return fs;
  }

  /** What is mounted of a share; undefined while nothing is. */
  mounted(tag: string): Hostfs | undefined {
    const shared = this.shared.get(tag);
    return shared && this.#mounted.get(shared.share);
  }

  forget(fs: Hostfs): void {
    this.#mounted.delete(fs.share);
  }
}
