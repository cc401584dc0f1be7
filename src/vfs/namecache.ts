/**
 * The name cache: what names mean, and where an open file is.
 *
 * An entry is one name in one directory. It has its vnode, or none when the
 * name is known not to exist (a negative entry). Parents are held by their
 * children, so the chain to the root always exists: getcwd(2) and /proc/PID/fd
 * read it upwards. An entry taken out of its directory (unlinked, or stale)
 * lives on unhashed while somebody holds it.
 *
 * Invariant: an entry with `refs` 0 is hashed, has no children, and is on the
 * LRU list; the list is trimmed only by `trim`, so an entry just looked up
 * stays good until the next walk begins.
 */
import type { Vnode } from "./vnode.ts";
import { notifyGone } from "./watch.ts";

export class NameEntry {
  name: string;
  parent: NameEntry | null;
  /** Null: the name does not exist. */
  vnode: Vnode | null;
  /** Entries below that the cache knows; null where it knows none. */
  children: Map<string, NameEntry> | null = null;
  /** Held by open files, working directories, mounts and children. */
  refs = 0;
  /** How many mounts cover this entry, seen through whichever mount. */
  mountCount = 0;
  isHashed = true;
  /** Removed by unlink, rmdir or rename-over, while held: paths show "(deleted)". */
  isDeleted = false;
  /** A file without a name that link(2) may give one (O_TMPFILE without O_EXCL). */
  isLinkable = false;
  /** Looked up since the LRU scan passed it. */
  wasUsed = false;
  lruNext: NameEntry | null = null;
  lruPrev: NameEntry | null = null;

  constructor(name: string, parent: NameEntry | null, vnode: Vnode | null) {
    this.name = name;
    this.parent = parent;
    this.vnode = vnode;
  }
}

/** Unused entries kept at most. */
const DEFAULT_CAPACITY = 32768;
const NORMAL_PRESSURE = 100;
/** Less has no effect: memory for names is not the page cache's to give. */
const MIN_PRESSURE = 25;

export class NameCache {
  readonly #base: number;
  #capacity: number;
  /** vm.vfs_cache_pressure: at 200 half as many names are kept, at 50 twice as many. */
  #pressure = NORMAL_PRESSURE;
  /** Sentinel of the ring of unused entries; next = oldest. */
  readonly #lru = new NameEntry("", null, null);
  #unused = 0;
  /** Entries that exist, and those of names that do not. */
  count = 0;
  negative = 0;

  constructor(capacity = DEFAULT_CAPACITY) {
    this.#base = capacity;
    this.#capacity = capacity;
    this.#lru.lruNext = this.#lru.lruPrev = this.#lru;
  }

  get pressure(): number {
    return this.#pressure;
  }

  set pressure(percent: number) {
    this.#pressure = percent;
    this.#capacity = Math.floor((this.#base * NORMAL_PRESSURE) / Math.max(percent, MIN_PRESSURE));
    this.trim();
  }

  get unused(): number {
    return this.#unused;
  }

  /** The root of a file system, or an entry without a place (a pipe's); returned held. */
  makeRoot(name: string, vnode: Vnode): NameEntry {
    const e = this.#make(name, null, vnode);
    e.isHashed = false;
    e.refs = 1;
    vnode.refs++;
    return e;
  }

  /** A file in `dir` that has no name yet (O_TMPFILE); returned held, shown as deleted. */
  makeUnnamed(dir: NameEntry, vnode: Vnode, isLinkable = true): NameEntry {
    const e = this.#make(`#${vnode.ino}`, dir, vnode);
    e.isHashed = false;
    e.isDeleted = true;
    e.isLinkable = isLinkable;
    e.refs = 1;
    vnode.refs++;
    this.hold(dir);
    return e;
  }

  /**
   * An entry that no lookup finds, for a file without a name. Not held: it
   * goes with the first release.
   */
  makeLoose(name: string, vnode: Vnode): NameEntry {
    const e = this.#make(name, null, vnode);
    e.isHashed = false;
    vnode.refs++;
    return e;
  }

  /** The cached entry, positive or negative; null where the file system must be asked. */
  find(dir: NameEntry, name: string): NameEntry | null {
    const e = dir.children?.get(name);
    if (e === undefined) return null;
    e.wasUsed = true;
    return e;
  }

  /** Adds what the file system said: a vnode, or null for "no such name". Not held. */
  enter(dir: NameEntry, name: string, vnode: Vnode | null): NameEntry {
    const old = dir.children?.get(name);
    if (old) this.#replaced(old);
    const e = this.#make(name, dir, vnode);
    dir.children ??= new Map();
    dir.children.set(name, e);
    this.hold(dir);
    if (vnode) {
      vnode.refs++;
      vnode.entry = e;
    }
    this.#park(e);
    return e;
  }

  hold(e: NameEntry): void {
    if (e.refs++ === 0 && e.isHashed) this.#unpark(e);
  }

  release(e: NameEntry): void {
    if (--e.refs > 0) return;
    if (e.isHashed) this.#park(e);
    else this.#destroy(e);
  }

  /** Takes an entry out of its directory: the name means something else, or nothing, now. */
  drop(e: NameEntry): void {
    if (!e.isHashed) return;
    this.#unhash(e);
    if (e.refs === 0) {
      this.#unpark(e);
      this.#destroy(e);
    }
  }

  /** After a successful unlink or rmdir: the old entry goes, a negative one takes its place. */
  removed(e: NameEntry): void {
    const dir = e.parent;
    const name = e.name;
    e.isDeleted = true;
    if (!dir) return;
    this.hold(dir);
    this.#gone(e);
    if (dir.vnode?.fs.isNameCacheable && !dir.isDeleted) this.enter(dir, name, null);
    this.release(dir);
  }

  /** After a successful rename: `e` is now `name` in `dir`; what was there is gone. */
  moved(e: NameEntry, dir: NameEntry, name: string): void {
    this.hold(dir);
    this.hold(e);
    const over = dir.children?.get(name);
    if (over && over !== e) {
      if (over.vnode) this.#gone(over);
      else this.drop(over);
    }
    const from = e.parent!;
    this.hold(from);
    const fromName = e.name;
    this.#unhash(e);
    e.name = name;
    this.release(from);
    e.parent = dir;
    dir.children ??= new Map();
    dir.children.set(name, e);
    e.isHashed = true;
    if (e.vnode) e.vnode.entry = e;
    if (from.vnode?.fs.isNameCacheable && !(from === dir && fromName === name)) {
      this.enter(from, fromName, null);
    }
    this.release(from);
    this.release(e);
  }

  /** After RENAME_EXCHANGE: two entries trade places. */
  exchanged(a: NameEntry, b: NameEntry): void {
    const { parent: aDir, name: aName } = a;
    const { parent: bDir, name: bName } = b;
    a.parent = bDir;
    a.name = bName;
    b.parent = aDir;
    b.name = aName;
    aDir!.children!.set(aName, b);
    bDir!.children!.set(bName, a);
  }

  /** Forgets everything below `e` that nobody holds; used before unmounting. */
  prune(e: NameEntry): void {
    const stack = [e];
    const order: NameEntry[] = [];
    for (let at = stack.pop(); at; at = stack.pop()) {
      order.push(at);
      for (const below of at.children?.values() ?? []) stack.push(below);
    }
    for (let i = order.length - 1; i > 0; i--) {
      const at = order[i]!;
      if (at.refs === 0) this.drop(at);
    }
  }

  /** Drops the longest unused entries until the cache is within its capacity. */
  trim(): void {
    if (this.#unused <= this.#capacity) return;
    for (let tries = 2 * this.#unused; tries > 0 && this.#unused > this.#capacity; tries--) {
      const e = this.#lru.lruNext!;
      if (e.wasUsed) {
        e.wasUsed = false;
        this.#unpark(e);
        this.#park(e);
      } else {
        this.drop(e);
      }
    }
  }

  /** Drops every unused entry; drop_caches, and memory pressure. */
  clear(): void {
    while (this.#unused > 0) this.drop(this.#lru.lruNext!);
  }

  /** What was removed takes along what was known not to be in it. */
  #gone(e: NameEntry): void {
    e.isDeleted = true;
    this.hold(e);
    for (const below of [...(e.children?.values() ?? [])]) if (below.refs === 0) this.drop(below);
    this.drop(e);
    this.release(e);
  }

  /** A name that means something else now, such as a process's that ended, takes all below it along. */
  #replaced(e: NameEntry): void {
    this.hold(e);
    this.prune(e);
    this.drop(e);
    this.release(e);
  }

  #make(name: string, parent: NameEntry | null, vnode: Vnode | null): NameEntry {
    this.count++;
    if (!vnode) this.negative++;
    return new NameEntry(name, parent, vnode);
  }

  #unhash(e: NameEntry): void {
    const children = e.parent?.children;
    if (children?.get(e.name) === e) {
      children.delete(e.name);
      if (children.size === 0) e.parent!.children = null;
    }
    e.isHashed = false;
    if (e.vnode?.entry === e) e.vnode.entry = null;
  }

  /** Gives back what an unhashed, unheld entry holds: its vnode and its parent, and so on up. */
  #destroy(e: NameEntry): void {
    let at: NameEntry | null = e;
    while (at) {
      const vp: Vnode | null = at.vnode;
      at.vnode = null;
      this.count--;
      if (vp) {
        if (at.isDeleted) notifyGone(vp);
        vp.release();
      } else this.negative--;
      const up: NameEntry | null = at.parent;
      at.parent = null;
      if (!up || --up.refs > 0) return;
      if (up.isHashed) {
        this.#park(up);
        return;
      }
      at = up;
    }
  }

  #park(e: NameEntry): void {
    const ring = this.#lru;
    e.lruPrev = ring.lruPrev;
    e.lruNext = ring;
    ring.lruPrev!.lruNext = e;
    ring.lruPrev = e;
    this.#unused++;
  }

  #unpark(e: NameEntry): void {
    if (!e.lruNext) return;
    e.lruPrev!.lruNext = e.lruNext;
    e.lruNext.lruPrev = e.lruPrev;
    e.lruNext = e.lruPrev = null;
    this.#unused--;
  }
}
