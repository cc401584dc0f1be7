/**
 * Watches: who is told of changes to a file, by inotify(7) or dnotify.
 *
 * A watch sits on a vnode, which it holds, and belongs to one owner. Whoever
 * changes a file calls `notifyVnode` or `notifyEntry`; both cost one null
 * check while nobody watches.
 */
import {
  FS_RENAME,
  IN_ALL_EVENTS,
  IN_IGNORED,
  IN_ISDIR,
  IN_ONESHOT,
  IN_UNMOUNT,
} from "../abi/inotify.ts";
import type { NameEntry } from "./namecache.ts";
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
    vp.watches ??= new InodeWatches();
    vp.watches.list.push(this);
  }

  end(): void {
    const { vp } = this;
    const list = vp.watches?.list.filter((o) => o !== this) ?? [];
    if (list.length === 0) vp.watches = null;
    else vp.watches!.list = list;
    vp.release();
  }
}

/** The watches of one vnode. */
export class InodeWatches {
  list: Watch[] = [];
}

/** Tells who watches `vp` itself. `name` is that of the entry in it, for directories. */
export function notifyVnode(vp: Vnode, mask: number, name = "", cookie = 0): void {
  if (vp.watches === null) return;
  for (const w of [...vp.watches.list]) {
    if ((w.mask & mask & TOLD) === 0 && (mask & (IN_IGNORED | IN_UNMOUNT)) === 0) continue;
    w.to.queue(w.wd, mask, name, cookie);
    if ((w.mask & IN_ONESHOT) !== 0) w.to.remove(w.wd);
  }
}

/** Tells who watches the file at `entry`, and who watches the directory that it is in. */
export function notifyEntry(entry: NameEntry, mask: number): void {
  const vp = entry.vnode;
  const dir = entry.parent?.vnode;
  if (!vp || (vp.watches === null && (!dir || dir.watches === null))) return;
  const bits = vp.isDir ? mask | IN_ISDIR : mask;
  if (dir && !entry.isDeleted) notifyVnode(dir, bits, entry.name);
  notifyVnode(vp, bits);
}

/** The file's last link and last user are gone: its watches end. */
export function endWatches(vp: Vnode): void {
  for (const w of [...(vp.watches?.list ?? [])]) w.to.remove(w.wd);
}
