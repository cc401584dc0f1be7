/**
 * Mounts: which file system covers which place. See mount(2), umount(2), pivot_root(2).
 *
 * A mount shows a subtree (`root`) of a file system at `mountpoint` in its
 * parent mount; the first one has no parent. Bind mounts are further mounts of
 * a subtree of the same file system. `refs` counts open files, working
 * directories and child mounts: a mount in use is not unmounted, only detached.
 */
import { EBUSY, EINVAL, ELOOP, type Errno, failed } from "../abi/errno.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { FileSystem } from "./filesystem.ts";
import type { LockTable } from "./lockf.ts";
import type { NameCache, NameEntry } from "./namecache.ts";
import type { Path } from "./path.ts";

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_STRICTATIME = 1 << 24;

/** What a mount itself remembers of its flags; the rest are requests. */
const MOUNT_FLAGS =
  MS_RDONLY |
  MS_NOSUID |
  MS_NODEV |
  MS_NOEXEC |
  MS_NOSYMFOLLOW |
  MS_NOATIME |
  MS_NODIRATIME |
  MS_RELATIME;

/** What a mount keeps of the flags of mount(2); relatime is what one gets unless one asks otherwise. */
export function mountFlags(flags: number): number {
  const kept = flags & MOUNT_FLAGS;
  return (flags & (MS_NOATIME | MS_STRICTATIME)) === 0 ? kept | MS_RELATIME : kept;
}

/** Mounts a machine may have: a bound on what a hostile guest can pile up. */
const MAX_MOUNTS = 4096;

export class Mount {
  readonly table: MountTable;
  readonly id: number;
  readonly fs: FileSystem;
  readonly root: NameEntry;
  /** MS_RDONLY and the other flags of this mount alone. */
  flags: number;
  /** First field of /proc/mounts: the device, or what mount(2) was told. */
  readonly source: string;
  parent: Mount | null = null;
  mountpoint: NameEntry | null = null;
  refs = 0;
  /** Regular files open for writing through this mount: they forbid making it read-only. */
  writers = 0;

  constructor(
    table: MountTable,
    id: number,
    fs: FileSystem,
    root: NameEntry,
    flags: number,
    source: string,
  ) {
    this.table = table;
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.flags = flags;
    this.source = source;
  }

  get isReadOnly(): boolean {
    return (this.flags & MS_RDONLY) !== 0 || this.fs.isReadOnly;
  }
}

export class MountTable {
  readonly names: NameCache;
  readonly locks: LockTable;
  readonly #mounts: Mount[] = [];
  /** Root entry and number of mounts of each mounted file system. */
  readonly #roots = new Map<FileSystem, { root: NameEntry; mounts: number }>();
  #nextId = 1;
  /** Grows with every change, and wakes who polls /proc/mounts. */
  generation = 0;
  readonly changed = new WaitQueue();

  constructor(names: NameCache, locks: LockTable) {
    this.names = names;
    this.locks = locks;
  }

  /** True if files are open for writing through `m`, or through any mount of its file system. */
  isWritten(m: Mount, throughAny: boolean): boolean {
    if (!throughAny) return m.writers > 0;
    return this.#mounts.some((other) => other.fs === m.fs && other.writers > 0);
  }

  /** In the order in which they were made, as /proc/mounts shows them. */
  get all(): readonly Mount[] {
    return this.#mounts;
  }

  /** The mount that covers `entry` as seen through `mount`: the topmost if several do. */
  coveredBy(mount: Mount, entry: NameEntry): Mount | null {
    for (let i = this.#mounts.length - 1; i >= 0; i--) {
      const m = this.#mounts[i]!;
      if (m.mountpoint === entry && m.parent === mount) return m;
    }
    return null;
  }

  /** The root entry of a file system, however often mounted; held until its last mount goes. */
  #rootOf(fs: FileSystem): NameEntry | Errno {
    const known = this.#roots.get(fs);
    if (known) return known.root;
    const vnode = fs.root();
    if (failed(vnode)) return vnode;
    const root = this.names.makeRoot("", vnode);
    this.#roots.set(fs, { root, mounts: 0 });
    return root;
  }

  /** Mounts `fs` at `at`; null makes the root of the machine or an internal mount. */
  mount(fs: FileSystem, at: Path | null, flags: number, source: string): Mount | Errno {
    const root = this.#rootOf(fs);
    if (failed(root)) return root;
    return this.#attach(fs, root, at, flags, source);
  }

  /** A mount outside the tree that nobody lists, for the kernel's own files. */
  mountInternal(fs: FileSystem): Mount | Errno {
    const root = this.#rootOf(fs);
    if (failed(root)) return root;
    const m = new Mount(this, 0, fs, root, 0, "none");
    m.refs = 1;
    this.names.hold(root);
    this.#roots.get(fs)!.mounts++;
    return m;
  }

  /** Shows the subtree at `from` at `at`, too. */
  bind(from: Path, at: Path, flags: number): Mount | Errno {
    return this.#attach(from.mount.fs, from.entry, at, flags, from.mount.source);
  }

  #attach(
    fs: FileSystem,
    root: NameEntry,
    at: Path | null,
    flags: number,
    source: string,
  ): Mount | Errno {
    if (this.#mounts.length >= MAX_MOUNTS) return EBUSY;
    const m = new Mount(this, this.#nextId++, fs, root, mountFlags(flags), source);
    this.names.hold(root);
    const uses = this.#roots.get(fs);
    if (uses) uses.mounts++;
    if (at) this.#place(m, at);
    this.#mounts.push(m);
    this.#change();
    return m;
  }

  #change(): void {
    this.generation++;
    this.changed.wakeup();
  }

  #place(m: Mount, at: Path): void {
    m.parent = at.mount;
    m.mountpoint = at.entry;
    at.mount.refs++;
    this.names.hold(at.entry);
    at.entry.mountCount++;
  }

  #lift(m: Mount): void {
    const at = m.mountpoint;
    const up = m.parent;
    if (!at || !up) return;
    m.mountpoint = null;
    m.parent = null;
    at.mountCount--;
    this.names.release(at);
    this.releaseMount(up);
  }

  /** MS_MOVE: the mount at `from` (which must be its root) goes to `to`. */
  move(from: Path, to: Path): number {
    const m = from.mount;
    if (from.entry !== m.root || !m.parent) return EINVAL;
    for (let up: Mount | null = to.mount; up; up = up.parent) if (up === m) return ELOOP;
    m.refs++;
    this.#lift(m);
    this.#place(m, to);
    m.refs--;
    this.#change();
    return 0;
  }

  /** pivot_root(2): `next` becomes the root, the old root moves to `putOld` below it. */
  pivot(next: Mount, root: Mount, putOld: Path): void {
    const at: Path | null = root.parent
      ? { mount: root.parent, entry: root.mountpoint as NameEntry }
      : null;
    next.refs++;
    root.refs++;
    this.#lift(next);
    if (at) {
      at.mount.refs++;
      this.#lift(root);
      this.#place(next, at);
      at.mount.refs--;
    }
    this.#place(root, putOld);
    next.refs--;
    root.refs--;
    this.#change();
  }

  hasChildren(m: Mount): boolean {
    return this.#mounts.some((c) => c.parent === m);
  }

  /** Takes a mount away; EBUSY while it is in use. */
  unmount(m: Mount): number {
    if (m.refs > 0) return EBUSY;
    this.#detach(m);
    return this.#finish(m);
  }

  /** MNT_DETACH: out of sight with all below it now, gone when nobody uses it. */
  detach(m: Mount): void {
    for (const gone of this.#subtree(m).reverse()) {
      gone.refs++;
      this.#detach(gone);
      this.releaseMount(gone);
    }
  }

  /** `top` and all mounts below it, parents first; a tree may be as deep as there are mounts. */
  #subtree(top: Mount): Mount[] {
    const children = new Map<Mount, Mount[]>();
    for (const m of this.#mounts) {
      if (!m.parent) continue;
      const siblings = children.get(m.parent);
      if (siblings) siblings.push(m);
      else children.set(m.parent, [m]);
    }
    const found = [top];
    for (let i = 0; i < found.length; i++) {
      for (const c of children.get(found[i]!) ?? []) found.push(c);
    }
    return found;
  }

  #detach(m: Mount): void {
    const i = this.#mounts.indexOf(m);
    if (i < 0) return;
    this.#mounts.splice(i, 1);
    this.#lift(m);
    this.#change();
  }

  /** One user less; a detached mount ends with its last one. */
  releaseMount(m: Mount): void {
    if (--m.refs === 0 && !m.parent && !this.#mounts.includes(m)) this.#finish(m);
  }

  #finish(m: Mount): number {
    this.names.release(m.root);
    const uses = this.#roots.get(m.fs);
    if (!uses || --uses.mounts > 0) return 0;
    this.#roots.delete(m.fs);
    this.names.prune(uses.root);
    const r = m.fs.sync();
    this.names.release(uses.root);
    m.fs.unmount();
    return r;
  }
}
