/**
 * The file systems that are mounted, and how many mounts there are of each:
 * one begins with its first mount and ends with its last, be they in a tree or
 * not. Where mounts are is the MountTable's.
 */
import { ENOSPC, type Errno, failed } from "../abi/errno.ts";
import type { FileSystem } from "./filesystem.ts";
import { Mount } from "./mount.ts";
import type { MountTable } from "./mounttable.ts";
import type { NameCache, NameEntry } from "./namecache.ts";
import { endAllWatches } from "./watch.ts";

/** Mounts a machine may have: a bound on what a hostile guest can pile up. */
export const MAX_MOUNTS = 4096;

/** Who must hear that a file system is no longer used. */
export interface UnmountObserver {
  unmounted(fs: FileSystem): void;
}

export class MountedFileSystems {
  readonly observers: UnmountObserver[] = [];
  readonly #table: MountTable;
  readonly #names: NameCache;
  /** Root entry and mounts of each. */
  readonly #roots = new Map<FileSystem, { root: NameEntry; mounts: Set<Mount> }>();
  #lastId = 0;
  /** Mounts of all. */
  #count = 0;

  constructor(table: MountTable, names: NameCache) {
    this.#table = table;
    this.#names = names;
  }

  /** True if the one on device `dev` is in use. */
  isMounted(dev: number): boolean {
    for (const fs of this.#roots.keys()) if (fs.dev === dev) return true;
    return false;
  }

  /** The root of a mounted one. */
  rootEntry(fs: FileSystem): NameEntry | null {
    return this.#roots.get(fs)?.root ?? null;
  }

  /** fanotify(7) marks `fs` as a whole, or not any more. */
  markedChanged(fs: FileSystem): void {
    const isMarked = (fs.marks?.length ?? 0) > 0;
    for (const m of this.#roots.get(fs)?.mounts ?? []) m.isWatched = isMarked || m.marks.length > 0;
  }

  /** True if there is one mount of it, which may go. */
  hasOneMount(fs: FileSystem): boolean {
    return this.#roots.get(fs)?.mounts.size === 1;
  }

  /** A mount of `fs`, or of what `names` lead to in it, that is nowhere yet. Who makes it places or discards it. */
  mount(
    fs: FileSystem,
    names: readonly string[],
    flags: number,
    source: string,
    id?: number,
  ): Mount | Errno {
    const top = this.#rootOf(fs);
    if (failed(top)) return top;
    const root = this.#descend(top, names);
    const m = failed(root) ? root : this.mountAt(fs, root, flags, source, id);
    if (failed(m) && this.#roots.get(fs)!.mounts.size === 0) this.#end(fs, top);
    return m;
  }

  /** As `mount`, of the part below `root` of a file system that is mounted already. */
  mountAt(
    fs: FileSystem,
    root: NameEntry,
    flags: number,
    source: string,
    id = this.#nextId(),
  ): Mount | Errno {
    if (this.#count >= MAX_MOUNTS) return ENOSPC;
    this.#count++;
    const m = new Mount(this.#table, id, fs, root, flags, source);
    this.#names.hold(root);
    root.vnode?.becameRoot();
    this.#roots.get(fs)!.mounts.add(m);
    m.isWatched = (fs.marks?.length ?? 0) > 0;
    return m;
  }

  /** A mount that nobody has any more. */
  finish(m: Mount): void {
    this.#count--;
    for (const mark of [...m.marks]) mark.group.remove(mark);
    m.root.vnode?.ceasedAsRoot();
    this.#names.release(m.root);
    const uses = this.#roots.get(m.fs);
    uses?.mounts.delete(m);
    if (!uses || uses.mounts.size > 0) return;
    this.#end(m.fs, uses.root);
  }

  #end(fs: FileSystem, root: NameEntry): void {
    this.#roots.delete(fs);
    endAllWatches(fs);
    this.#names.prune(root);
    fs.sync();
    this.#names.release(root);
    fs.unmount();
    for (const o of this.observers) o.unmounted(fs);
  }

  #nextId(): number {
    return ++this.#lastId;
  }

  /** The root entry, however often it is mounted; held until the last mount goes. */
  #rootOf(fs: FileSystem): NameEntry | Errno {
    const known = this.#roots.get(fs);
    if (known) return known.root;
    const vnode = fs.root();
    if (failed(vnode)) return vnode;
    const root = this.#names.makeRoot("", vnode);
    this.#roots.set(fs, { root, mounts: new Set() });
    return root;
  }

  /** The entry that `names` lead to, each in the one before. */
  #descend(top: NameEntry, names: readonly string[]): NameEntry | Errno {
    let at = top;
    for (const name of names) {
      const known = this.#names.find(at, name);
      if (known?.vnode) at = known;
      else {
        const vp = at.vnode!.lookup(name);
        if (failed(vp)) return vp;
        at = this.#names.enter(at, name, vp);
      }
    }
    return at;
  }
}
