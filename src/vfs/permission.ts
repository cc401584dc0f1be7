/**
 * Permission events of fanotify(7): who listens is asked before a file is opened or read.
 *
 * A thread that asks sleeps until it is answered, and no signal but a fatal
 * one ends that. Made again, its call goes on as far as it was allowed to, and
 * may ask the next listener, or about the next file; what it was allowed
 * counts until it ends.
 */
import { FAN_ACCESS_PERM, FAN_ONDIR, FAN_OPEN_EXEC_PERM, FAN_OPEN_PERM } from "../abi/fanotify.ts";
import type { Abandonable, Thread } from "../kern/thread.ts";
import { isMarked, type MarkGroup, markedGroups } from "./mark.ts";
import { holdPath, type Path, releasePath } from "./path.ts";
import type { Vnode } from "./vnode.ts";

/** What was asked, as the listener keeps it. */
export interface Question {
  /** 0 while there is no answer; then FAN_ALLOW or FAN_DENY. */
  readonly answer: number;
  /** Whoever asked does not wait any more. */
  withdraw(): void;
}

interface Allowed {
  readonly group: MarkGroup;
  readonly vp: Vnode;
  readonly mask: number;
}

/** What one system call has asked. */
export class Permissions implements Abandonable {
  readonly #allowed: Allowed[] = [];
  /** The one that it waits for now. */
  question: Question | null = null;
  /** The file that is being opened, found already: it may have been made for this. */
  opening: { readonly at: Path; readonly flags: number } | null = null;

  /** Of the call that `td` is in. */
  static of(td: Thread): Permissions {
    const { asked } = td.restart;
    if (asked instanceof Permissions) return asked;
    const made = new Permissions();
    td.restart.asked = made;
    return made;
  }

  allow(group: MarkGroup, vp: Vnode, mask: number): void {
    this.question = null;
    this.#allowed.push({ group, vp, mask });
  }

  has(group: MarkGroup, vp: Vnode, mask: number): boolean {
    return this.#allowed.some((a) => a.group === group && a.vp === vp && a.mask === mask);
  }

  setOpening(at: Path, flags: number): void {
    if (this.opening) return;
    this.opening = { at: holdPath(at), flags };
  }

  abandon(): void {
    this.question?.withdraw();
    this.question = null;
    if (this.opening) releasePath(this.opening.at);
    this.opening = null;
  }
}

/** The file that the call of `td` is opening, having asked whether it may; null if it did not. */
export function openingAsked(td: Thread): { readonly at: Path; readonly flags: number } | null {
  const { asked } = td.restart;
  return asked instanceof Permissions ? asked.opening : null;
}

/** Before `path` is opened, `isExec` to be run: 0, EPERM, or asleep. */
export function mayOpen(td: Thread, path: Path, isExec: boolean): number {
  if (!isMarked(path)) return 0;
  const r = isExec ? ask(td, path, FAN_OPEN_EXEC_PERM) : 0;
  return r < 0 ? r : ask(td, path, FAN_OPEN_PERM);
}

/** Before the open file at `path` is read: 0, EPERM, or asleep. */
export function mayReadFile(td: Thread, path: Path): number {
  return isMarked(path) ? ask(td, path, FAN_ACCESS_PERM) : 0;
}

function ask(td: Thread, path: Path, perm: number): number {
  const { entry } = path;
  const vp = entry.vnode;
  if (!vp) return 0;
  const event = {
    mask: vp.isDir ? perm | FAN_ONDIR : perm,
    vp,
    dir: entry.parent?.vnode ?? null,
    name: entry.name,
    path,
    toDir: null,
    toName: "",
  };
  for (const { group, marks } of markedGroups(event, false)) {
    const { asked } = td.restart;
    if (asked instanceof Permissions && asked.has(group, vp, perm)) continue;
    const r = group.ask(td, event, marks);
    if (r < 0) return r;
  }
  return 0;
}
