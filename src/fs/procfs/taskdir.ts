/**
 * /proc/PID/task: the threads of a process.
 */
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFDIR } from "../../abi/stat.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode } from "./node.ts";
import { PidDir } from "./piddir.ts";
import type { ProcFs } from "./procfs.ts";
import type { TaskRef } from "./task.ts";

export class TaskDir extends ProcDir {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  override nlink(): number {
    return 2 + (this.#ref.get()?.proc.threads.length ?? 0);
  }

  child(name: string): ProcNode | Errno {
    if (!/^[1-9]\d{0,9}$/.test(name)) return ENOENT;
    const ref = this.#ref.thread(Number(name));
    return ref.get() ? this.fs.node(ref.key, (key) => new PidDir(this.fs, key, ref)) : ENOENT;
  }

  *entries(): Iterable<ProcEntry> {
    const threads = this.#ref.get()?.proc.threads ?? [];
    for (const tid of threads.map((td) => td.tid).sort((a, b) => a - b)) {
      const name = String(tid);
      yield { name, type: S_IFDIR, key: this.#ref.thread(tid).key, position: 2 + tid };
    }
  }
}
