/**
 * Changes to the layers below an overlay, made by way of the name cache, so
 * that who looks at a layer directly sees them at once.
 *
 * Entries that come back are not held; they stay good until the next walk.
 */
import { EEXIST, EINVAL, ENOENT, type Errno, failed } from "../../abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from "../../abi/fcntl.ts";
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import { lookupEntry } from "../../vfs/namei.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";

/** What to make: a directory, a symlink (with `target`) or any other file, by the type in `mode`. */
export interface NewFile {
  readonly mode: number;
  readonly rdev: number;
  readonly target: string;
}

export const WHITEOUT: NewFile = { mode: S_IFCHR, rdev: 0, target: "" };

/** A character device 0/0 says: this name is gone, whatever lies below. */
export function isWhiteout(vp: Vnode): boolean {
  if (vp.type !== S_IFCHR) return false;
  const a = vp.getattr();
  return !failed(a) && a.rdev === 0;
}

/** The entry `name` in `dir`; null if there is none. */
export function lookupReal(vfs: Vfs, dir: NameEntry, name: string): NameEntry | null | Errno {
  const e = lookupEntry(vfs, dir, name);
  if (failed(e)) return e === ENOENT ? null : e;
  return e.vnode ? e : null;
}

export function makeReal(
  vfs: Vfs,
  dir: NameEntry,
  name: string,
  what: NewFile,
  cred: Cred,
): NameEntry | Errno {
  const there = lookupReal(vfs, dir, name);
  if (there !== null) return failed(there) ? there : EEXIST;
  const vp = makeVnode(dir.vnode!, name, what, cred);
  return failed(vp) ? vp : vfs.names.enter(dir, name, vp);
}

function makeVnode(dir: Vnode, name: string, what: NewFile, cred: Cred): Vnode | Errno {
  const type = what.mode & S_IFMT;
  if (type === S_IFLNK) return dir.symlink(name, what.target, cred);
  if (type === S_IFDIR) return dir.mkdir(name, what.mode & 0o7777, cred);
  return dir.mknod(name, what.mode, what.rdev, cred);
}

export function linkReal(vfs: Vfs, dir: NameEntry, name: string, vp: Vnode): NameEntry | Errno {
  const there = lookupReal(vfs, dir, name);
  if (there !== null) return failed(there) ? there : EEXIST;
  const r = dir.vnode!.link(name, vp);
  return r < 0 ? (r as Errno) : vfs.names.enter(dir, name, vp);
}

/** Removes the file or empty directory at `e`. */
export function removeReal(vfs: Vfs, e: NameEntry): number {
  const dir = e.parent!.vnode!;
  const vp = e.vnode!;
  const r = vp.isDir ? dir.rmdir(e.name, vp) : dir.unlink(e.name, vp);
  if (r >= 0) vfs.names.removed(e);
  return r;
}

/** Moves `e` to `toName` in `toDir`, over what is there. `flags`: RENAME_EXCHANGE or RENAME_WHITEOUT. */
export function renameReal(
  vfs: Vfs,
  e: NameEntry,
  toDir: NameEntry,
  toName: string,
  flags: number,
): number {
  const over = lookupEntry(vfs, toDir, toName);
  if (failed(over)) return over;
  if ((flags & RENAME_EXCHANGE) !== 0 && !over.vnode) return ENOENT;
  const fromDir = e.parent;
  if (!fromDir) return EINVAL;
  const fromName = e.name;
  const r = fromDir.vnode!.rename(fromName, e.vnode!, toDir.vnode!, toName, over.vnode, flags);
  if (r < 0) return r;
  if ((flags & RENAME_EXCHANGE) !== 0) vfs.names.exchanged(e, over);
  else vfs.names.moved(e, toDir, toName);
  if ((flags & RENAME_WHITEOUT) !== 0) {
    const gone = vfs.names.find(fromDir, fromName);
    if (gone && !gone.vnode) vfs.names.drop(gone);
  }
  return 0;
}

/** Names in a directory, but "." and "..", with inode number and type. */
export interface RealName {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
}

export function listReal(vp: Vnode): RealName[] | Errno {
  const names: RealName[] = [];
  const r = vp.readdir(0, {
    entry(name, ino, type) {
      if (name !== "." && name !== "..") names.push({ name, ino, type });
      return true;
    },
  });
  return r < 0 ? (r as Errno) : names;
}
