/**
 * /proc/PID/ns: the namespaces of a process. The links can be compared, and
 * opened for setns(2). See namespaces(7).
 */
import { ENOENT, type Errno, failed } from "../../abi/errno.ts";
import { S_IFLNK } from "../../abi/stat.ts";
import type { Namespace } from "../../kern/namespace.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Path } from "../../vfs/path.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode } from "./node.ts";
import { nsName } from "./nsfs.ts";
import type { ProcFs } from "./procfs.ts";
import type { TaskRef } from "./task.ts";
import { TaskLink } from "./tasklink.ts";

/** By the name of the link: which name space of a thread that is; null where it has none yet. */
const namespaces: ReadonlyMap<string, (td: Lwp) => Namespace | null> = new Map<
  string,
  (td: Lwp) => Namespace | null
>([
  ["cgroup", (td) => td.ns.cgroup],
  ["ipc", (td) => td.ns.ipc],
  ["mnt", (td) => td.fs.ns],
  ["net", (td) => td.ns.net],
  ["pid", (td) => td.pidns],
  ["pid_for_children", (td) => (td.ns.pidForChildren.init ? td.ns.pidForChildren : null)],
  ["time", (td) => td.ns.time],
  ["time_for_children", (td) => td.ns.timeForChildren],
  ["user", (td) => td.cred.userns],
  ["uts", (td) => td.ns.uts],
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
    const ns = this.#namespace();
    return failed(ns) ? ns : nsName(ns);
  }

  override followLink(_td: Thread | null): Path | Errno {
    const ns = this.#namespace();
    return failed(ns) ? ns : this.fs.namespaces.place(ns);
  }

  #namespace(): Namespace | Errno {
    const task = this.task();
    if (failed(task)) return task;
    return (task.td && namespaces.get(this.name)!(task.td)) ?? ENOENT;
  }
}
