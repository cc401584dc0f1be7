/**
 * Path names to places: the walk down the tree. See path_resolution(7), openat2(2).
 *
 * A walk goes component by component through name cache and mounts; a symlink
 * is spliced in front of what remains of the path, so there is no recursion.
 * Paths are byte strings. A Path that comes back is not held: it stays good
 * until the next walk begins (`Vfs.hold` keeps it longer).
 */
import {
  EINVAL,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  type Errno,
  EXDEV,
  failed,
} from "../abi/errno.ts";
import { S_IFLNK } from "../abi/stat.ts";
import type { Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import { access, MAY_EXEC } from "./access.ts";
import type { FsContext } from "./fscontext.ts";
import { type Mount, MS_NOSYMFOLLOW } from "./mount.ts";
import type { NameEntry } from "./namecache.ts";
import type { Path } from "./path.ts";
import { mayFollow } from "./protectedlinks.ts";
import type { Vfs } from "./vfs.ts";

export const NAME_MAX = 255;
export const PATH_MAX = 4096;
const MAX_SYMLINKS = 40;

/** Follow a symlink in the last component. */
export const WALK_FOLLOW = 0x1;
/** The last component must be a directory. */
export const WALK_DIRECTORY = 0x2;
/** An empty path means the start itself (AT_EMPTY_PATH). */
export const WALK_EMPTY = 0x4;
export const WALK_NO_SYMLINKS = 0x10;
export const WALK_NO_MAGICLINKS = 0x20;
export const WALK_NO_XDEV = 0x40;
export const WALK_BENEATH = 0x80;
export const WALK_IN_ROOT = 0x100;

/** What the last component of a path for creating or removing is. */
export const LAST_NORM = 0;
const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

/** Where a path leads, except for its last component. */
export interface ParentPath {
  readonly mount: Mount;
  /** The directory. */
  readonly dir: NameEntry;
  /** The last component, as written. */
  readonly name: string;
  /** LAST_*: anything but LAST_NORM has no name to create or remove. */
  readonly last: number;
  /** The path ended in a slash. */
  readonly hasTrailingSlash: boolean;
}

/**
 * The place that `path` names, starting from `start` (null: the working directory).
 * Errors: ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EXDEV and those of the file system.
 */
export function namei(
  ctx: FsContext,
  td: Thread,
  path: string,
  flags: number,
  start: Path | null = null,
): Path | Errno {
  const w = new Walk(ctx, td, td.cred, flags, start);
  return w.whole(path);
}

/** As `namei`, with other credentials than the thread's (access(2)). */
export function nameiAs(
  ctx: FsContext,
  td: Thread,
  cred: Cred,
  path: string,
  flags: number,
  start: Path | null,
): Path | Errno {
  return new Walk(ctx, td, cred, flags, start).whole(path);
}

/** The directory and name for creating, removing or renaming the last component of `path`. */
export function nameiParent(
  ctx: FsContext,
  td: Thread,
  path: string,
  start: Path | null = null,
): ParentPath | Errno {
  return new Walk(ctx, td, td.cred, 0, start).parent(path);
}

/** The entry `name` in `dir`: cached or asked for; its vnode is null where nothing has that name. */
export function lookupEntry(vfs: Vfs, dir: NameEntry, name: string): NameEntry | Errno {
  const known = vfs.names.find(dir, name);
  const vp = dir.vnode!;
  if (known && (vp.fs.isNameCacheable || known.mountCount > 0)) return known;
  if (name.length > NAME_MAX) return ENAMETOOLONG;
  // Nothing is to be remembered of a directory that is gone.
  if (dir.isDeleted) return ENOENT;
  const found = vp.lookup(name);
  if (failed(found) && found !== ENOENT) return found;
  const child = failed(found) ? null : found;
  if (known && known.vnode === child) return known;
  return vfs.names.enter(dir, name, child);
}

/** Down into what is mounted on `entry`. */
function crossMounts(vfs: Vfs, mount: Mount, entry: NameEntry): Path {
  let m = mount;
  let e = entry;
  while (e.mountCount > 0) {
    const over = m.children.get(e);
    if (!over) break;
    vfs.mounts.expiring.delete(over);
    m = over;
    e = over.root;
  }
  return { mount: m, entry: e };
}

/** One walk: where it is, and what remains of the path. */
export class Walk {
  readonly #ctx: FsContext;
  readonly #vfs: Vfs;
  readonly #td: Thread;
  readonly #cred: Cred;
  readonly #flags: number;
  readonly #root: Path;
  mount: Mount;
  entry: NameEntry;
  #rest = "";
  #at = 0;
  #links = 0;
  /** The last component, once the walk has come to it, and its kind. */
  name = "";
  last = LAST_ROOT;
  hasTrailingSlash = false;

  constructor(ctx: FsContext, td: Thread, cred: Cred, flags: number, start: Path | null) {
    this.#ctx = ctx;
    this.#vfs = ctx.vfs;
    this.#td = td;
    this.#cred = cred;
    this.#flags = flags;
    const from = start ?? ctx.cwd;
    this.#root = (flags & (WALK_BENEATH | WALK_IN_ROOT)) !== 0 ? from : ctx.root;
    this.mount = from.mount;
    this.entry = from.entry;
    ctx.vfs.names.trim();
  }

  whole(path: string): Path | Errno {
    if (path.length === 0) {
      if ((this.#flags & WALK_EMPTY) === 0) return ENOENT;
      return this.#finish();
    }
    let r = this.begin(path);
    if (r < 0) return r as Errno;
    for (;;) {
      r = this.toLast();
      if (r < 0) return r as Errno;
      r = this.enterLast((this.#flags & WALK_FOLLOW) !== 0);
      if (r < 0) return r as Errno;
      if (r === ENTERED) return this.entry.vnode ? this.#finish() : ENOENT;
    }
  }

  parent(path: string): ParentPath | Errno {
    if (path.length === 0) return ENOENT;
    let r = this.begin(path);
    if (r === 0) r = this.toLast();
    if (r < 0) return r as Errno;
    return {
      mount: this.mount,
      dir: this.entry,
      name: this.name,
      last: this.last,
      hasTrailingSlash: this.hasTrailingSlash,
    };
  }

  /** Sets out on `path`; an absolute one starts at the root. */
  begin(path: string): number {
    if (path.length >= PATH_MAX) return ENAMETOOLONG;
    this.#rest = path;
    this.#at = 0;
    return path.charCodeAt(0) === SLASH ? this.#toRoot() : 0;
  }

  /** Walks until only the last component remains: `name` and `last` tell which. */
  toLast(): number {
    for (;;) {
      const rest = this.#rest;
      let at = this.#at;
      while (rest.charCodeAt(at) === SLASH) at++;
      if (at >= rest.length) {
        this.name = "";
        this.last = LAST_ROOT;
        this.hasTrailingSlash = false;
        return 0;
      }
      let end = rest.indexOf("/", at);
      if (end < 0) end = rest.length;
      let next = end;
      while (rest.charCodeAt(next) === SLASH) next++;
      const vp = this.entry.vnode!;
      if (!vp.isDir) return ENOTDIR;
      const denied = access(vp, this.#cred, MAY_EXEC);
      if (denied < 0) return denied;
      this.name = rest.slice(at, end);
      this.last = kindOf(this.name);
      this.#at = next;
      if (next >= rest.length) {
        this.hasTrailingSlash = next > end;
        return 0;
      }
      const r = this.#step(true);
      if (r < 0) return r;
      if (r === ENTERED && !this.entry.vnode) return ENOENT;
    }
  }

  /**
   * Enters the last component: ENTERED, with `entry.vnode` null if nothing has that name;
   * or SPLICED when it was a symlink to follow: then `toLast` again.
   */
  enterLast(isFollowing: boolean): number {
    if (this.last === LAST_ROOT) return ENTERED;
    const wantsDir = this.hasTrailingSlash || (this.#flags & WALK_DIRECTORY) !== 0;
    const slash = this.hasTrailingSlash;
    const r = this.#step(isFollowing || slash);
    if (r === SPLICED && slash) this.#rest += "/";
    if (r === ENTERED && wantsDir && this.entry.vnode && !this.entry.vnode.isDir) return ENOTDIR;
    return r;
  }

  #finish(): Path {
    return { mount: this.mount, entry: this.entry };
  }

  /** Moves to `this.name`. */
  #step(isFollowing: boolean): number {
    if (this.last === LAST_DOT) return ENTERED;
    if (this.last === LAST_DOTDOT) return this.#up();
    const found = lookupEntry(this.#vfs, this.entry, this.name);
    if (failed(found)) return found;
    const vp = found.vnode;
    if (vp && vp.type === S_IFLNK && isFollowing) return this.#follow(found);
    if (found.mountCount > 0) {
      const down = crossMounts(this.#vfs, this.mount, found);
      if (down.mount !== this.mount && (this.#flags & WALK_NO_XDEV) !== 0) return EXDEV;
      this.mount = down.mount;
      this.entry = down.entry;
      return ENTERED;
    }
    this.entry = found;
    return ENTERED;
  }

  #up(): number {
    let m = this.mount;
    let e = this.entry;
    const root = this.#root;
    if (m === root.mount && e === root.entry) {
      return (this.#flags & WALK_BENEATH) !== 0 ? EXDEV : ENTERED;
    }
    while (e === m.root && m.parent) {
      if ((this.#flags & WALK_NO_XDEV) !== 0) return EXDEV;
      e = m.mountpoint!;
      m = m.parent;
      if (m === root.mount && e === root.entry) break;
    }
    if (e !== m.root && !(m === root.mount && e === root.entry)) e = e.parent ?? e;
    const down = crossMounts(this.#vfs, m, e);
    this.mount = down.mount;
    this.entry = down.entry;
    return ENTERED;
  }

  #follow(link: NameEntry): number {
    const vp = link.vnode!;
    if ((this.#flags & WALK_NO_SYMLINKS) !== 0 || ++this.#links > MAX_SYMLINKS) return ELOOP;
    if ((this.mount.flags & MS_NOSYMFOLLOW) !== 0) return ELOOP;
    if (this.#vfs.settings.protectedSymlinks && this.#at >= this.#rest.length) {
      const r = mayFollow(this.entry.vnode!, vp, this.#cred);
      if (r < 0) return r;
    }
    const jump = vp.followLink(this.#td);
    if (jump !== null) {
      if (failed(jump)) return jump;
      if ((this.#flags & WALK_NO_MAGICLINKS) !== 0) return ELOOP;
      if ((this.#flags & (WALK_BENEATH | WALK_IN_ROOT)) !== 0) return EXDEV;
      if ((this.#flags & WALK_NO_XDEV) !== 0 && jump.mount !== this.mount) return EXDEV;
      this.mount = jump.mount;
      this.entry = jump.entry;
      return ENTERED;
    }
    const target = vp.readlink();
    if (failed(target)) return target;
    if (target.length === 0) return ENOENT;
    const tail = this.#rest.slice(this.#at);
    this.#rest = tail.length > 0 ? `${target}/${tail}` : target;
    this.#at = 0;
    if (target.charCodeAt(0) === SLASH) {
      const r = this.#toRoot();
      if (r < 0) return r;
    }
    return SPLICED;
  }

  #toRoot(): number {
    if ((this.#flags & WALK_BENEATH) !== 0) return EXDEV;
    const root = this.#root;
    if ((this.#flags & WALK_NO_XDEV) !== 0 && root.mount !== this.mount) return EXDEV;
    this.mount = root.mount;
    this.entry = root.entry;
    const ctx = this.#ctx;
    if (root === ctx.root && root.entry.mountCount > 0) {
      const down = crossMounts(this.#vfs, root.mount, root.entry);
      this.mount = down.mount;
      this.entry = down.entry;
    }
    return 0;
  }
}

/** Results of a step besides errors. */
export const ENTERED = 0;
const SPLICED = 1;

const SLASH = 0x2f;

function kindOf(name: string): number {
  if (name.charCodeAt(0) !== 0x2e) return LAST_NORM;
  if (name.length === 1) return LAST_DOT;
  return name.length === 2 && name.charCodeAt(1) === 0x2e ? LAST_DOTDOT : LAST_NORM;
}

/** True if `e` is `above` or below it, in the tree of its file system. */
export function isWithin(e: NameEntry, above: NameEntry): boolean {
  for (let at: NameEntry | null = e; at; at = at.parent) if (at === above) return true;
  return false;
}

/**
 * The absolute path of a place as seen from `root`: byte string, "/"-separated.
 * A place outside the root is shown from its own top, after "(unreachable)".
 */
export function pathString(root: Path, place: Path): string {
  return pathFrom(root, place, "(unreachable)");
}

/** As `pathString`, but without "(unreachable)": as /proc shows places, which says no more than that. */
export function shownPath(root: Path, place: Path): string {
  return pathFrom(root, place, "");
}

function pathFrom(root: Path, place: Path, elsewhere: string): string {
  let m = place.mount;
  let e = place.entry;
  let s = "";
  const isDeleted = e.isDeleted;
  for (let steps = 0; steps < 100000; steps++) {
    if (m === root.mount && e === root.entry) return finish(s, isDeleted, "");
    if (e === m.root) {
      if (!m.parent) return finish(s, isDeleted, m === root.mount ? "" : elsewhere);
      e = m.mountpoint!;
      m = m.parent;
      continue;
    }
    if (!e.parent) {
      return e.name.length > 0
        ? finish(e.name + s, isDeleted, "")
        : finish(s, isDeleted, elsewhere);
    }
    s = `/${e.name}${s}`;
    e = e.parent;
  }
  return finish(s, isDeleted, elsewhere);
}

/** The path of an entry within its own file system: "/" for its root. */
export function pathWithin(entry: NameEntry): string {
  let s = "";
  for (let e: NameEntry | null = entry; e?.parent; e = e.parent) s = `/${e.name}${s}`;
  return s === "" ? "/" : s;
}

function finish(s: string, isDeleted: boolean, prefix: string): string {
  return `${prefix}${s.length === 0 ? "/" : s}${isDeleted ? " (deleted)" : ""}`;
}

/** EINVAL for names no file system takes; ENAMETOOLONG past NAME_MAX. */
export function checkName(name: string): number {
  if (name.length > NAME_MAX) return ENAMETOOLONG;
  return name.length === 0 || name.includes("/") ? EINVAL : 0;
}
