/**
 * Who is told of what happens to files: by inotify(7), dnotify and fanotify(7).
 *
 * A Watch (inotify, dnotify) sits on a vnode, which it holds; a Mark
 * (mark.ts, fanotify) on a vnode, a mount or a file system. Whoever opens,
 * reads or changes a file calls one of the functions here, by what it knows of
 * the place; each costs a few null checks while nobody watches.
 * Compare fsnotify of Linux.
 */

import type { Errno } from "../abi/errno.ts";
import { FAN_ONDIR } from "../abi/fanotify.ts";
import {
  FS_RENAME,
  IN_ALL_EVENTS,
  IN_DELETE_SELF,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_ONESHOT,
  IN_UNMOUNT,
} from "../abi/inotify.ts";
import type { FileSystem } from "./filesystem.ts";
import { type FileEvent, forgetIgnored, type Mark, markedGroups } from "./mark.ts";
import type { NameEntry } from "./namecache.ts";
import type { Path } from "./path.ts";
import type { Vnode } from "./vnode.ts";

const TOLD = IN_ALL_EVENTS | FS_RENAME;

export interface WatchOwner {
  queue(wd: number, mask: number, name: string, cookie: number): void;
  /** Ends the watch: IN_ONESHOT, or its file is gone. */
  remove(wd: number): number;
}

export class Watch {
  readonly wd: number;
  readonly to: WatchOwner;
  readonly vp: Vnode;
  /** IN_*. */
  mask: number;

  constructor(wd: number, to: WatchOwner, vp: Vnode, mask: number) {
    this.wd = wd;
    this.to = to;
    this.vp = vp.hold();
    this.mask = mask;
    watchesOf(vp).list.push(this);
  }

  end(): void {
    const { vp } = this;
    if (vp.watches) vp.watches.list = vp.watches.list.filter((o) => o !== this);
    tidyWatches(vp);
    vp.release();
  }
}

/** The watches and marks of one vnode. */
export class WatchList {
  list: Watch[] = [];
  marks: Mark[] = [];
}

export function watchesOf(vp: Vnode): WatchList {
  if (vp.watches) return vp.watches;
  vp.watches = new WatchList();
  vp.fs.watched ??= new Set();
  vp.fs.watched.add(vp);
  return vp.watches;
}

/** A vnode that nobody watches any more forgets its list. */
export function tidyWatches(vp: Vnode): void {
  const { watches } = vp;
  if (watches?.list.length !== 0 || watches.marks.length > 0) return;
  vp.watches = null;
  vp.fs.watched?.delete(vp);
}

/** Something happened to the open file at `path`: it was opened, read, written or closed. */
export function notifyOpen(path: Path, mask: number): void {
  const { mount, entry } = path;
  const vp = entry.vnode;
  const dir = entry.parent?.vnode ?? null;
  if (!vp || (!mount.isWatched && !vp.watches && !dir?.watches)) return;
  tellOfEntry(entry, vp, dir, vp.isDir ? mask | IN_ISDIR : mask, path);
}

/** The file at `path` changed other than through an open file: its attributes, its size. */
export function notifyChange({ mount, entry }: Path, mask: number): void {
  const vp = entry.vnode;
  const dir = entry.parent?.vnode ?? null;
  if (!vp || (!mount.isWatched && !vp.watches && !dir?.watches)) return;
  tellOfEntry(entry, vp, dir, vp.isDir ? mask | IN_ISDIR : mask, null);
}

/** `vp` got or lost the name `name` in `dir`. */
export function notifyName(dir: Vnode, mask: number, name: string, vp: Vnode, cookie = 0): void {
  if (!dir.watches && !dir.fs.marks) return;
  const bits = vp.isDir ? mask | IN_ISDIR : mask;
  tellWatches(dir, bits, name, cookie, false);
  tellMarks({ mask: bits, vp, dir, name, path: null, toDir: null, toName: "" }, true);
}

/** Something happened to `vp` by itself, whatever it is called. */
export function notifySelf(vp: Vnode, mask: number): void {
  if (!vp.watches && !vp.fs.marks) return;
  tellWatches(vp, mask, "", 0, false);
  const bits = vp.isDir ? mask | FAN_ONDIR : mask;
  tellMarks({ mask: bits, vp, dir: null, name: "", path: null, toDir: null, toName: "" }, false);
}

/** `vp` was moved. `cookies` are numbers that tie the two events of a rename together. */
export function notifyMove(
  vp: Vnode,
  dir: Vnode,
  name: string,
  toDir: Vnode,
  toName: string,
  cookies: { nextCookie(): number },
): void {
  if (!dir.watches && !toDir.watches && !vp.watches && !vp.fs.marks) return;
  const bits = vp.isDir ? IN_ISDIR : 0;
  // inotify's kin know only of moves within a directory by this one.
  if (dir === toDir) tellWatches(dir, FS_RENAME | bits, name, 0, false);
  tellMarks({ mask: FS_RENAME | bits, vp, dir, name, path: null, toDir, toName }, true);
  const cookie = cookies.nextCookie();
  notifyName(dir, IN_MOVED_FROM, name, vp, cookie);
  notifyName(toDir, IN_MOVED_TO, toName, vp, cookie);
}

/** A name of `vp`, or the file itself, has no user any more: if it was the last name, its watches end. */
export function notifyGone(vp: Vnode): void {
  if (!vp.watches && !vp.fs.marks) return;
  const a = vp.getattr();
  if (typeof a === "number" || a.nlink > 0) return;
  vp.hold();
  tellWatches(vp, IN_DELETE_SELF, "", 0, false);
  const mask = IN_DELETE_SELF | (vp.isDir ? FAN_ONDIR : 0);
  tellMarks({ mask, vp, dir: null, name: "", path: null, toDir: null, toName: "" }, false);
  endWatches(vp);
  vp.release();
}

/** All watches of the file end: it, or its file system, is gone. */
export function endWatches(vp: Vnode): void {
  const { watches } = vp;
  if (!watches) return;
  for (const w of [...watches.list]) w.to.remove(w.wd);
  for (const m of [...watches.marks]) m.group.remove(m);
}

/** The file system was found damaged. */
export function notifyFsError(fs: FileSystem, error: Errno): void {
  for (const m of [...(fs.marks ?? [])]) m.group.failed(m, fs, error);
}

/** The file system is unmounted: so say the watches of its files, and end. */
export function endAllWatches(fs: FileSystem): void {
  for (const vp of [...(fs.watched ?? [])]) {
    tellWatches(vp, vp.isDir ? IN_UNMOUNT | IN_ISDIR : IN_UNMOUNT, "", 0, false);
    endWatches(vp);
  }
  for (const m of [...(fs.marks ?? [])]) m.group.remove(m);
}

function tellOfEntry(
  entry: NameEntry,
  vp: Vnode,
  dir: Vnode | null,
  mask: number,
  path: Path | null,
): void {
  const isUnlinked = path !== null && entry.isDeleted;
  if (dir) tellWatches(dir, mask, entry.name, 0, isUnlinked);
  tellWatches(vp, mask, "", 0, false);
  tellMarks({ mask, vp, dir, name: entry.name, path, toDir: null, toName: "" }, false);
}

/** `name` is that of the entry in it, for directories; `isUnlinked`: which is not there any more. */
function tellWatches(
  vp: Vnode,
  mask: number,
  name: string,
  cookie: number,
  isUnlinked: boolean,
): void {
  if (!vp.watches || vp.watches.list.length === 0) return;
  for (const w of [...vp.watches.list]) {
    if ((w.mask & mask & TOLD) === 0 && (mask & (IN_IGNORED | IN_UNMOUNT)) === 0) continue;
    if (isUnlinked && (w.mask & IN_EXCL_UNLINK) !== 0) continue;
    w.to.queue(w.wd, mask, name, cookie);
    if ((w.mask & IN_ONESHOT) !== 0) w.to.remove(w.wd);
  }
}

function tellMarks(event: FileEvent, isOfName: boolean): void {
  for (const { group, marks } of markedGroups(event, isOfName)) {
    if ((event.mask & IN_MODIFY) !== 0) forgetIgnored(marks);
    group.happened(event, marks);
  }
}
