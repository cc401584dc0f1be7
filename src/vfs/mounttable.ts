/**
 * The mounts of a machine: made, placed, moved, copied, taken away.
 * See mount(2), umount(2), pivot_root(2), mount_namespaces(7).
 *
 * An operation that can fail for want of mounts makes all its copies first
 * and places them when nothing can fail any more.
 */
import { EBUSY, EINVAL, ENOSPC, type Errno, failed } from "../abi/errno.ts";
import { type Charge, INITIAL_INO } from "../kern/namespace.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { FileSystem } from "./filesystem.ts";
import { hasLockedBelow, lockTree } from "./lockedmounts.ts";
import type { LockTable } from "./lockf.ts";
import { type Mount, mountFlags } from "./mount.ts";
import { copyMounts } from "./mountcopy.ts";
import { MAX_MOUNTS, MountedFileSystems } from "./mountedfs.ts";
import { moveMount, pivotRoot } from "./mountmove.ts";
import { MountNamespace } from "./mountns.ts";
import type { NameCache, NameEntry } from "./namecache.ts";
import type { Path } from "./path.ts";
import { changePropagation, joinGroup, leaveGroup, leaveGroups, PeerGroup } from "./peergroup.ts";
import { type Copied, type CopyKind, propagateMount, propagateUnmount } from "./propagate.ts";

const MAX_NAMESPACES = 1024;

export class MountTable {
  readonly names: NameCache;
  readonly locks: LockTable;
  /** The name space of the first process. */
  readonly initial: MountNamespace;
  /** All that are in a tree, in the order in which they were made. */
  readonly #mounts = new Set<Mount>();
  readonly fileSystems: MountedFileSystems;
  readonly #freeGroupIds: number[] = [];
  /** Marked by MNT_EXPIRE, and not used since. */
  readonly expiring = new Set<Mount>();
  /** fs.mount-max: of one name space. */
  mountMax = MAX_MOUNTS;
  #lastGroupId = 0;
  #namespaces = 1;

  constructor(names: NameCache, locks: LockTable, userns: UserNamespace) {
    this.names = names;
    this.fileSystems = new MountedFileSystems(this, names);
    this.locks = locks;
    this.initial = new MountNamespace(this, INITIAL_INO.mnt, userns, null);
  }

  /** True if files are open for writing through `m`, or through any mount of its file system. */
  isWritten(m: Mount, throughAny: boolean): boolean {
    if (!throughAny || m.writers > 0) return m.writers > 0;
    for (const other of this.#mounts) if (other.fs === m.fs && other.writers > 0) return true;
    return false;
  }

  /** Of all name spaces, in the order in which they were made. */
  get all(): readonly Mount[] {
    return [...this.#mounts];
  }

  /** What is mounted on `entry` as seen through `mount`. */
  coveredBy(mount: Mount, entry: NameEntry): Mount | null {
    return mount.children.get(entry) ?? null;
  }

  /** The place itself, or the root of what covers it. */
  topmost(at: Path): Path {
    let { mount, entry } = at;
    for (let over = mount.children.get(entry); over; over = mount.children.get(entry)) {
      mount = over;
      entry = over.root;
    }
    return mount === at.mount ? at : { mount, entry };
  }

  /** A mount of `fs`, or of what `names` lead to in it, that is in no tree; `flags` are those of mount(2). */
  makeDetached(
    fs: FileSystem,
    flags: number,
    source: string,
    names: readonly string[] = [],
  ): Mount | Errno {
    return this.fileSystems.mount(fs, names, mountFlags(flags), source);
  }

  /** Mounts `fs` at `at`; null makes the root of the machine. */
  mount(fs: FileSystem, at: Path | null, flags: number, source: string): Mount | Errno {
    const m = this.makeDetached(fs, flags, source);
    if (failed(m)) return m;
    if (at) {
      const r = this.attach(m, at);
      if (r < 0) {
        this.discard(m);
        return r as Errno;
      }
      return m;
    }
    if (!this.initial.root) {
      this.initial.root = m;
      this.#enter(m, this.initial);
    }
    return m;
  }

  /** A mount outside the tree that nobody lists, for the kernel's own files. */
  mountInternal(fs: FileSystem): Mount | Errno {
    const m = this.fileSystems.mount(fs, [], mountFlags(0), "none", 0);
    if (!failed(m)) m.refs = 1;
    return m;
  }

  /** The subtree at `from` for a file system that lies on top of it; held, and in no tree. */
  clonePrivate(from: Path): Mount | Errno {
    const { fs, flags, source } = from.mount;
    const m = this.fileSystems.mountAt(fs, from.entry, flags, source);
    if (!failed(m)) m.refs = 1;
    return m;
  }

  /** Shows the subtree at `from` at `at`, too, with what is mounted below if `isRecursive`. */
  bind(from: Path, at: Path, isRecursive: boolean): number {
    const copy = this.copyTree(from, isRecursive);
    if (failed(copy)) return copy;
    const r = this.attach(copy, at);
    if (r < 0) this.dissolve(copy);
    return r;
  }

  /** A copy of the mount at `from`, in no tree; EINVAL if it may not be bound. */
  copyTree(from: Path, isRecursive: boolean): Mount | Errno {
    if (from.mount.isUnbindable) return EINVAL;
    if (!isRecursive && hasLockedBelow(from)) return EINVAL;
    const copy = copyMounts(this, from, isRecursive, "peer", false, null);
    // What one bound oneself can be taken away again.
    if (!failed(copy)) copy.isLocked = false;
    return copy;
  }

  newGroup(): PeerGroup {
    return new PeerGroup(this.#freeGroupIds.pop() ?? ++this.#lastGroupId);
  }

  freeGroupId(id: number): void {
    this.#freeGroupIds.push(id);
  }

  /**
   * Puts a tree that is in none on `at`, and copies of it wherever `at`
   * propagates to. ENOSPC for too many mounts; EINVAL for unbindable ones
   * where others would receive them. On an error nothing has changed.
   */
  attach(top: Mount, where: Path): number {
    const at = this.topmost(where);
    const { ns } = at.mount;
    if (ns?.root && ns.root.subtree().length + top.subtree().length > this.mountMax) return ENOSPC;
    const copies: Copied[] = [];
    if (at.mount.group) {
      const tree = top.subtree();
      if (tree.some((m) => m.isUnbindable)) return EINVAL;
      // The copies become peers of the original: so it needs a group.
      const alone = tree.filter((m) => !m.group);
      for (const m of alone) joinGroup(m, this.newGroup());
      const fresh = new Set(alone.map((m) => m.group!));
      const copyOf = (source: Mount, kind: CopyKind): Mount | Errno =>
        copyMounts(this, { mount: source, entry: source.root }, true, kind, true, null);
      const r = propagateMount(at.mount, at.entry, top, copyOf, fresh, copies);
      if (r < 0) {
        for (const c of copies) this.dissolve(c.top);
        for (const m of alone) leaveGroup(m);
        return r;
      }
    }
    this.#attachOne(top, at);
    for (const c of copies) {
      if (c.parent.ns && c.parent.ns.owner !== at.mount.ns?.owner) lockTree(c.top);
      this.#attachUnder(c, at.entry);
    }
    return 0;
  }

  #attachOne(top: Mount, at: Path): void {
    this.place(top, at);
    const { ns } = at.mount;
    if (ns) for (const m of top.subtree()) this.#enter(m, ns);
    ns?.change();
  }

  /** What a receiver has mounted there already goes on top of what comes. */
  #attachUnder({ top, parent }: Copied, entry: NameEntry): void {
    const over = parent.children.get(entry);
    if (over) {
      over.refs++;
      this.lift(over);
    }
    this.#attachOne(top, { mount: parent, entry });
    if (over) {
      this.place(over, this.topmost({ mount: top, entry: top.root }));
      over.refs--;
    }
  }

  #enter(m: Mount, ns: MountNamespace): void {
    m.ns = ns;
    this.#mounts.add(m);
  }

  /** Puts a mount on a place, and nothing else. */
  place(m: Mount, at: Path): void {
    m.parent = at.mount;
    m.mountpoint = at.entry;
    at.mount.children.set(at.entry, m);
    at.mount.refs++;
    this.names.hold(at.entry);
    at.entry.mountCount++;
  }

  /** Takes it off its place. */
  lift(m: Mount): void {
    const at = m.mountpoint;
    const up = m.parent;
    if (!at || !up) return;
    m.mountpoint = null;
    m.parent = null;
    up.children.delete(at);
    at.mountCount--;
    this.names.release(at);
    this.releaseMount(up);
  }

  /** MS_MOVE: see mountmove.ts. */
  move(from: Path, to: Path): number {
    return moveMount(this, from, to);
  }

  /** pivot_root(2): see mountmove.ts. */
  pivot(next: Mount, root: Mount, putOld: Path): void {
    pivotRoot(this, next, root, putOld);
  }

  /** MS_SHARED and its kind for `m`, and for all below it if `isRecursive`. */
  changePropagation(m: Mount, type: number, isRecursive: boolean): void {
    for (const each of isRecursive ? m.subtree() : [m]) changePropagation(each, type);
    m.ns?.change();
  }

  /** Takes a mount away, and what propagation made of it elsewhere; EBUSY while one is in use. */
  unmount(m: Mount): number {
    if (m.refs > 0) return EBUSY;
    const going = new Set([m]);
    const also = propagateUnmount(going);
    for (const other of also)
      if (other.refs > (other.children.has(other.root) ? 1 : 0)) return EBUSY;
    const r = this.fileSystems.hasOneMount(m.fs) ? m.fs.sync() : 0;
    this.#takeAway(going, also);
    return r;
  }

  /** MNT_DETACH: out of sight with all below it now, gone when nobody uses it. */
  detach(m: Mount): void {
    const going = new Set(m.subtree());
    this.#takeAway(going, propagateUnmount(going));
  }

  /** A tree that belongs to nobody any more, such as that of a name space that ended. */
  dissolve(top: Mount): void {
    this.#takeAway(new Set(top.subtree()), new Set());
  }

  #takeAway(going: ReadonlySet<Mount>, also: ReadonlySet<Mount>): void {
    const all = [...also, ...going].reverse();
    // None ends before all are out of the tree.
    for (const m of all) m.refs++;
    for (const m of all) {
      // What is mounted right on top of it, and stays, comes down to its place.
      const over = also.has(m) ? m.children.get(m.root) : undefined;
      const at = m.parent && m.mountpoint ? { mount: m.parent, entry: m.mountpoint } : null;
      if (over && at?.mount.isAttached && !also.has(over) && !going.has(over)) {
        over.refs++;
        this.lift(over);
        this.#takeOut(m);
        this.place(over, at);
        over.refs--;
      } else this.#takeOut(m);
    }
    for (const m of all) this.releaseMount(m);
  }

  #takeOut(m: Mount): void {
    const { ns } = m;
    this.lift(m);
    this.#mounts.delete(m);
    this.expiring.delete(m);
    leaveGroups(m);
    if (ns?.root === m) ns.root = null;
    m.ns = null;
    ns?.change();
  }

  /** True if something is mounted on `entry` in the name space `ns`. */
  isMountpointIn(entry: NameEntry, ns: MountNamespace): boolean {
    if (entry.mountCount === 0) return false;
    for (const m of this.#mounts) if (m.mountpoint === entry && m.ns === ns) return true;
    return false;
  }

  /** A name went that is a mount point elsewhere: what is mounted there goes, too. */
  detachFrom(entry: NameEntry): void {
    if (entry.mountCount === 0) return;
    for (const m of [...this.#mounts]) if (m.mountpoint === entry) this.dissolve(m);
  }

  /** One user less; a mount that is in no tree ends with its last one. */
  releaseMount(m: Mount): void {
    if (--m.refs === 0 && !m.isAttached) this.fileSystems.finish(m);
  }

  /** A mount that was made and is not wanted after all. */
  discard(m: Mount): void {
    leaveGroups(m);
    this.fileSystems.finish(m);
  }

  endNamespace(ns: MountNamespace): void {
    this.#namespaces--;
    if (ns.root) this.dissolve(ns.root);
  }

  /**
   * CLONE_NEWNS: a name space with a copy of every mount of `ns`. `map` gets
   * the copy of each. ENOSPC for too many. Where it belongs to another user name
   * space, its mounts cannot be taken apart, nor do changes there reach `ns`.
   */
  copyNamespace(
    ns: MountNamespace,
    map: Map<Mount, Mount>,
    owner: UserNamespace = ns.owner,
    charge: Charge | null = null,
  ): MountNamespace | Errno {
    if (!ns.root) return EINVAL;
    if (this.#namespaces >= MAX_NAMESPACES) return ENOSPC;
    const isLess = owner !== ns.owner;
    const kind = isLess ? "slave" : "peer";
    const top = copyMounts(this, { mount: ns.root, entry: ns.root.root }, true, kind, true, map);
    if (failed(top)) return top;
    if (isLess) lockTree(top);
    this.#namespaces++;
    const made = new MountNamespace(this, owner.takeIno(), owner, charge);
    made.root = top;
    for (const m of top.subtree()) this.#enter(m, made);
    return made;
  }
}
