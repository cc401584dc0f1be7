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
    const td = this.fs.table.threadIn(this.fs.pidns, Number(name));
    const ref = this.#ref.thread(td?.tid ?? 0);
    return td && ref.get() ? this.fs.node(ref.key, (key) => new PidDir(this.fs, key, ref)) : ENOENT;
  }

  *entries(): Iterable<ProcEntry> {
    const threads = this.#ref.get()?.proc.threads ?? [];
    const numbers = new Map(threads.map((td) => [td.id.in(this.fs.pidns), td.tid]));
    for (const shown of [...numbers.keys()].sort((a, b) => a - b)) {
      const { key } = this.#ref.thread(numbers.get(shown)!);
      yield { name: String(shown), type: S_IFDIR, key, position: 2 + shown };
    }
  }
}
