/**
 * Marks: what a fanotify(7) group wants to hear of a file, a mount or a whole file system.
 *
 * An event meets all marks of a group at once, those on the file, on the
 * directory that it is in, on its mount and on its file system: what any of
 * them wants is told, unless any of them ignores it. A mark holds its file,
 * unless it is evictable, and ends with what it sits on.
 */
import type { Errno } from "../abi/errno.ts";
import { ALL_EVENTS, FAN_EVENT_ON_CHILD, FAN_ONDIR } from "../abi/fanotify.ts";
import type { Thread } from "../kern/thread.ts";
import type { FileSystem } from "./filesystem.ts";
import type { Mount } from "./mount.ts";
import type { Path } from "./path.ts";
import type { Vnode } from "./vnode.ts";
import { tidyWatches, watchesOf } from "./watch.ts";

/** Something that happened to a file. */
export interface FileEvent {
  /** FAN_* with FAN_ONDIR, or IN_*, which are the same bits. */
  readonly mask: number;
  readonly vp: Vnode;
  /** The directory that it is in, and its name there; null and "" where that is no matter. */
  readonly dir: Vnode | null;
  readonly name: string;
  /** Where it is open; null for what happens to names and attributes. */
  readonly path: Path | null;
  /** Where it was moved to. */
  readonly toDir: Vnode | null;
  readonly toName: string;
}

/** Where a mark sits, as seen from an event: bits. */
export const ON_FILE = 1;
export const ON_PARENT = 2;
export const ON_MOUNT = 4;
export const ON_FILESYSTEM = 8;
/** On the directory that a file was moved to. */
export const ON_NEW_DIR = 16;

export interface MarkOn {
  readonly mark: Mark;
  readonly on: number;
}

export interface MarkGroup {
  /** Those with more are asked first. */
  readonly priority: number;
  /** Some of its marks sit on what took part. */
  happened(event: FileEvent, marks: readonly MarkOn[]): void;
  /** 0 if `td` may go on, EPERM, or asleep until the answer comes. */
  ask(td: Thread, event: FileEvent, marks: readonly MarkOn[]): number;
  /** The file system that `mark` sits on is damaged. */
  failed(mark: Mark, fs: FileSystem, error: Errno): void;
  /** What the mark sits on is gone. */
  remove(mark: Mark): void;
}

export type MarkPlace =
  | { readonly kind: "file"; readonly vp: Vnode }
  | { readonly kind: "mount"; readonly mount: Mount }
  | { readonly kind: "filesystem"; readonly fs: FileSystem; readonly mount: Mount };

export class Mark {
  readonly group: MarkGroup;
  readonly place: MarkPlace;
  /** Events, FAN_ONDIR and FAN_EVENT_ON_CHILD. */
  mask = 0;
  ignored = 0;
  /** `ignored` is not forgotten when the file changes. */
  survivesModify = false;
  /** `ignored` has its own FAN_ONDIR and FAN_EVENT_ON_CHILD. */
  hasIgnoreFlags = false;
  /** It does not hold its file. */
  isEvictable: boolean;

  constructor(group: MarkGroup, place: MarkPlace, isEvictable: boolean) {
    this.group = group;
    this.place = place;
    this.isEvictable = isEvictable;
    if (place.kind === "file") {
      if (!isEvictable) place.vp.hold();
      watchesOf(place.vp).marks.push(this);
    } else if (place.kind === "mount") {
      const { mount } = place;
      mount.marks.push(this);
      mount.isWatched = true;
    } else {
      place.fs.marks ??= [];
      place.fs.marks.push(this);
      place.mount.table.fileSystems.markedChanged(place.fs);
    }
  }

  /** From here on it holds its file. */
  keep(): void {
    if (this.place.kind === "file" && this.isEvictable) this.place.vp.hold();
    this.isEvictable = false;
  }

  end(): void {
    const { place } = this;
    if (place.kind === "file") {
      const { vp } = place;
      vp.watches!.marks = without(vp.watches!.marks, this);
      tidyWatches(vp);
      if (!this.isEvictable) vp.release();
    } else if (place.kind === "mount") {
      const { mount } = place;
      mount.marks = without(mount.marks, this);
      mount.isWatched = mount.marks.length > 0 || (mount.fs.marks?.length ?? 0) > 0;
    } else {
      place.fs.marks = without(place.fs.marks ?? [], this);
      place.mount.table.fileSystems.markedChanged(place.fs);
    }
  }
}

function without(marks: readonly Mark[], mark: Mark): Mark[] {
  return marks.filter((m) => m !== mark);
}

/** True if something may hear of what happens to the open file at `path`. */
export function isMarked({ mount, entry }: Path): boolean {
  if (mount.isWatched) return true;
  return !!entry.vnode?.watches || !!entry.parent?.vnode?.watches;
}

/** Of a group that has marks on what took part in `event`, those marks. */
export interface MarkedGroup {
  readonly group: MarkGroup;
  readonly marks: readonly MarkOn[];
}

/** Who may want to hear of `event`, the first to be asked first. `isOfName`: it happened to a directory's name. */
export function markedGroups(event: FileEvent, isOfName: boolean): readonly MarkedGroup[] {
  const { vp, dir, toDir, path } = event;
  const found = new Map<MarkGroup, MarkOn[]>();
  const take = (marks: readonly Mark[] | undefined, on: number): void => {
    for (const mark of marks ?? []) {
      const of = found.get(mark.group);
      if (of) of.push({ mark, on });
      else found.set(mark.group, [{ mark, on }]);
    }
  };
  if (isOfName) {
    take(dir?.watches?.marks, ON_FILE);
    take(toDir?.watches?.marks, ON_NEW_DIR);
  } else {
    take(vp.watches?.marks, ON_FILE);
    take(dir?.watches?.marks, ON_PARENT);
  }
  take(path?.mount.marks, ON_MOUNT);
  take(vp.fs.marks, ON_FILESYSTEM);
  if (found.size === 0) return NOBODY;
  const groups = [...found].map(([group, marks]) => ({ group, marks }));
  return groups.sort((a, b) => b.group.priority - a.group.priority);
}

const NOBODY: readonly MarkedGroup[] = [];

/** What of `mask` the marks of a group together want, and where those sit that do (ON_*). */
export function wantedBy(
  marks: readonly MarkOn[],
  mask: number,
): { readonly mask: number; readonly on: number } {
  const isDir = (mask & FAN_ONDIR) !== 0;
  let wanted = 0;
  let ignored = 0;
  let on = 0;
  for (const m of marks) {
    ignored |= ignoredBy(m.mark, isDir, m.on);
    if (!applies(m.mark.mask, isDir, m.on)) continue;
    wanted |= m.mark.mask;
    on |= m.on;
  }
  return { mask: mask & wanted & ~ignored, on };
}

/** A file that changed is looked at anew: what its marks ignore is forgotten. */
export function forgetIgnored(marks: readonly MarkOn[]): void {
  for (const { mark } of marks) if (!mark.survivesModify) mark.ignored = 0;
}

function applies(flags: number, isDir: boolean, on: number): boolean {
  if (isDir && (flags & FAN_ONDIR) === 0) return false;
  return on !== ON_PARENT || (flags & FAN_EVENT_ON_CHILD) !== 0;
}

function ignoredBy(mark: Mark, isDir: boolean, on: number): number {
  const events = mark.ignored & ALL_EVENTS;
  if (events === 0 || (!isDir && on !== ON_PARENT)) return events;
  const flags = mark.hasIgnoreFlags ? mark.ignored : FAN_ONDIR | (mark.mask & FAN_EVENT_ON_CHILD);
  return applies(flags, isDir, on) ? events : 0;
}
