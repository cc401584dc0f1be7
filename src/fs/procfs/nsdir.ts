/**
 * /proc/PID/ns: the namespaces of a process. There is one of each kind but
 * mount name spaces. The links can be compared, and opened for setns(2). See
 * namespaces(7).
 */
import { ENOENT, type Errno, failed } from "../../abi/errno.ts";
import { S_IFLNK } from "../../abi/stat.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Path } from "../../vfs/path.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode } from "./node.ts";
import { nsName } from "./nsfs.ts";
import type { ProcFs } from "./procfs.ts";
import type { Task, TaskRef } from "./task.ts";
import { TaskLink } from "./tasklink.ts";

/** Inode numbers of the initial namespaces, as Linux fixes them. */
const namespaces: ReadonlyMap<string, number> = new Map([
  ["cgroup", 0xeffffffb],
  ["ipc", 0xefffffff],
  ["mnt", 0xeffffff8],
  ["net", 0xeffffff9],
  ["pid", 0xeffffffc],
  ["time", 0xeffffffa],
  ["user", 0xeffffffd],
  ["uts", 0xeffffffe],
]);

export class NsDir extends ProcDir {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key, 0o511);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  child(name: string): ProcNode | Errno {
    if (!namespaces.has(name)) return ENOENT;
    return this.fs.node(`${this.key}/${name}`, (k) => new NsLink(this.fs, k, this.#ref, name));
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    for (const name of namespaces.keys()) {
      yield { name, type: S_IFLNK, key: `${this.key}/${name}`, position: position++ };
    }
  }
}

class NsLink extends TaskLink {
  override readlink(): string | Errno {
    const task = this.task();
    return failed(task) ? task : nsName(this.name, nsIno(this.name, task));
  }

  override followLink(_td: Thread | null): Path | Errno {
    const task = this.task();
    if (failed(task)) return task;
    const mounts = this.name === "mnt" ? (task.td?.fs.ns ?? null) : null;
    return this.fs.namespaces.place(this.name, nsIno(this.name, task), mounts);
  }
}

function nsIno(kind: string, task: Task): number {
  const mounts = kind === "mnt" ? task.td?.fs.ns : undefined;
  return mounts?.ino ?? namespaces.get(kind)!;
}
