/**
 * A mount name space: one tree of mounts, seen by the processes that are in it.
 * See mount_namespaces(7). It ends with its last user, and its mounts with it.
 */
import { WaitQueue } from "../kern/waitqueue.ts";
import type { Mount } from "./mount.ts";
import type { MountTable } from "./mounttable.ts";

export class MountNamespace {
  /** As /proc/PID/ns/mnt shows it. */
  readonly ino: number;
  root: Mount | null = null;
  /** FsContexts and open files that refer to it. */
  refs = 0;
  /** Grows with every change, and wakes who polls /proc/mounts. */
  generation = 0;
  readonly changed = new WaitQueue();
  readonly #table: MountTable;

  constructor(table: MountTable, ino: number) {
    this.#table = table;
    this.ino = ino;
  }

  change(): void {
    this.generation++;
    this.changed.wakeup();
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs === 0) this.#table.endNamespace(this);
  }
}
