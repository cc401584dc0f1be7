/**
 * F_NOTIFY: a directory's changes as signals to the owner of an open file; inotify(7)'s forerunner.
 *
 * A notice belongs to an open directory and to the descriptor table that
 * asked, and ends when either does. Without DN_MULTISHOT it ends with its
 * first signal. See fcntl(2), "File and directory change notification".
 */
import { EINVAL, ENOMEM, ENOTDIR } from "../abi/errno.ts";
import {
  DN_ACCESS,
  DN_ATTRIB,
  DN_CREATE,
  DN_DELETE,
  DN_MODIFY,
  DN_MULTISHOT,
  DN_RENAME,
} from "../abi/fcntl.ts";
import {
  FS_RENAME,
  IN_ACCESS,
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from "../abi/inotify.ts";
import { POLL_MSG } from "../abi/signal.ts";
import type { File } from "./file.ts";
import { BAND } from "./fileowner.ts";
import type { Vnode } from "./vnode.ts";
import { Watch, type WatchOwner } from "./watch.ts";

/** What a notice takes with its watch, about. */
const NOTICE_BYTES = 320;

const EVENTS: readonly (readonly [number, number])[] = [
  [DN_ACCESS, IN_ACCESS],
  [DN_MODIFY, IN_MODIFY],
  [DN_CREATE, IN_CREATE | IN_MOVED_TO],
  [DN_DELETE, IN_DELETE | IN_MOVED_FROM],
  [DN_RENAME, FS_RENAME],
  [DN_ATTRIB, IN_ATTRIB],
];

class DirNotice implements WatchOwner {
  readonly file: File;
  /** The descriptor table that asked. */
  readonly table: object;
  readonly #watch: Watch;
  #fd = -1;
  #wanted = 0;

  constructor(file: File, vp: Vnode, table: object) {
    this.file = file;
    this.table = table;
    this.#watch = new Watch(0, this, vp, 0);
  }

  want(fd: number, events: number): void {
    this.#fd = fd;
    this.#wanted |= events;
    for (const [dn, inotify] of EVENTS) {
      if ((this.#wanted & dn) !== 0) this.#watch.mask |= inotify;
    }
  }

  queue(_wd: number, mask: number): void {
    const { file } = this;
    for (const [dn, inotify] of EVENTS) {
      if ((this.#wanted & dn) === 0 || (mask & inotify) === 0) continue;
      file.owner?.tell(file.ownerSignal, POLL_MSG, BAND[POLL_MSG]!, this.#fd);
      if ((this.#wanted & DN_MULTISHOT) !== 0) continue;
      this.remove();
      return;
    }
  }

  remove(): number {
    if (this.#wanted === 0) return EINVAL;
    this.#wanted = 0;
    this.#watch.end();
    this.file.kmem?.give(NOTICE_BYTES);
    return 0;
  }
}

/** F_NOTIFY on the descriptor `fd` of `table`; no events at all end what there was. */
export function notifyOfDir(file: File, table: object, fd: number, events: number): number {
  const vp = file.path?.entry.vnode;
  if ((events & ~DN_MULTISHOT) === 0) {
    if (vp) endNotices(vp, file, table);
    return 0;
  }
  if (!vp?.isDir) return ENOTDIR;
  let notice = noticesOf(vp, file, table)[0];
  if (!notice) {
    if (file.kmem && !file.kmem.take(NOTICE_BYTES)) return ENOMEM;
    notice = new DirNotice(file, vp, table);
  }
  notice.want(fd, events);
  return 0;
}

/** Those that `table` asked for through `file`, or anybody if it is null, end. */
export function endNotices(vp: Vnode, file: File, table: object | null): void {
  for (const notice of noticesOf(vp, file, table)) notice.remove();
}

function noticesOf(vp: Vnode, file: File, table: object | null): readonly DirNotice[] {
  return (vp.watches?.list ?? [])
    .map((w) => w.to)
    .filter((to) => to instanceof DirNotice)
    .filter((to) => to.file === file && (table === null || to.table === table));
}
