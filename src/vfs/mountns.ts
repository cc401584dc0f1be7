/**
 * A mount name space: one tree of mounts, seen by the processes that are in it.
 * See mount_namespaces(7). It ends with its last user, and its mounts with it.
 */
import { type Charge, Namespace } from "../kern/namespace.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { Mount } from "./mount.ts";
import type { MountTable } from "./mounttable.ts";

export class MountNamespace extends Namespace {
  readonly kind = "mnt";
  root: Mount | null = null;
  /** Grows with every change, and wakes who polls /proc/mounts. */
  generation = 0;
  readonly changed = new WaitQueue();
  readonly #table: MountTable;

  constructor(table: MountTable, ino: number, owner: UserNamespace, charge: Charge | null) {
    super(ino, owner, charge);
    this.#table = table;
  }

  change(): void {
    this.generation++;
    this.changed.wakeup();
  }

  protected override end(): void {
    this.#table.endNamespace(this);
  }
}
