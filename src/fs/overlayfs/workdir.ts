/**
 * The work directory of an overlay: where files are made before they are
 * renamed to their place, and where what was taken out of its place is
 * removed. It is on the same file system as the upper layer.
 */
import { EINVAL, type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { listReal, lookupReal, makeReal, type NewFile, removeReal, WHITEOUT } from "./real.ts";

const WORK = "work";
/** In it: what says that the overlay was mounted volatile, and may be torn. */
const INCOMPAT = "incompat";
const VOLATILE = "volatile";

const DIRECTORY: NewFile = { mode: S_IFDIR | 0o700, rdev: 0, target: "" };
const FILE: NewFile = { mode: S_IFREG | 0o600, rdev: 0, target: "" };
/** How deep what an overlay left behind can be: a directory of whiteouts. */
const MAX_DEPTH = 3;

export class WorkDir {
  readonly #vfs: Vfs;
  readonly #cred: Cred;
  /** Held until `close`. */
  readonly #dir: NameEntry;
  #lastName = 0;

  constructor(vfs: Vfs, cred: Cred, dir: NameEntry) {
    this.#vfs = vfs;
    this.#cred = cred;
    this.#dir = dir;
    vfs.names.hold(dir);
  }

  /**
   * "work" in `base`, empty: what a crash left there is removed. EINVAL if a
   * volatile mount ended without anybody removing its mark.
   */
  static open(vfs: Vfs, cred: Cred, base: NameEntry, isVolatile: boolean): WorkDir | Errno {
    const old = lookupReal(vfs, base, WORK);
    if (failed(old)) return old;
    if (old) {
      const mark = old.vnode!.isDir ? lookupReal(vfs, old, INCOMPAT) : null;
      if (mark !== null) return failed(mark) ? mark : EINVAL;
      const r = removeTree(vfs, old, MAX_DEPTH);
      if (r < 0) return r as Errno;
    }
    const dir = makeReal(vfs, base, WORK, DIRECTORY, cred);
    if (failed(dir)) return dir;
    const work = new WorkDir(vfs, cred, dir);
    const r = isVolatile ? work.#mark() : 0;
    if (r >= 0) return work;
    work.close();
    return r as Errno;
  }

  #mark(): number {
    const incompat = makeReal(this.#vfs, this.#dir, INCOMPAT, DIRECTORY, this.#cred);
    if (failed(incompat)) return incompat;
    const mark = makeReal(this.#vfs, incompat, VOLATILE, DIRECTORY, this.#cred);
    if (failed(mark)) return mark;
    const dirty = makeReal(this.#vfs, mark, "dirty", FILE, this.#cred);
    return failed(dirty) ? dirty : 0;
  }

  get entry(): NameEntry {
    return this.#dir;
  }

  /** A name that nothing in it has. */
  freshName(): string {
    return `#${(++this.#lastName).toString(16)}`;
  }

  make(what: NewFile, cred: Cred): NameEntry | Errno {
    return makeReal(this.#vfs, this.#dir, this.freshName(), what, cred);
  }

  whiteout(): NameEntry | Errno {
    return this.make(WHITEOUT, this.#cred);
  }

  /** Removes what was moved here: a file, or a directory of whiteouts. */
  discard(e: NameEntry): void {
    removeTree(this.#vfs, e, MAX_DEPTH);
  }

  close(): void {
    this.#vfs.names.release(this.#dir);
  }
}

function removeTree(vfs: Vfs, e: NameEntry, depth: number): number {
  vfs.names.hold(e);
  let r = 0;
  if (e.vnode!.isDir && depth > 0) {
    const names = listReal(e.vnode!);
    if (failed(names)) r = names;
    else {
      for (const { name } of names) {
        const below = lookupReal(vfs, e, name);
        if (failed(below)) r = below;
        else if (below) r = removeTree(vfs, below, depth - 1);
        if (r < 0) break;
      }
    }
  }
  if (r >= 0) r = removeReal(vfs, e);
  vfs.names.release(e);
  return r;
}
