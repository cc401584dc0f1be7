/** A link below /proc/PID that is the process's to show: gone with it, and guarded by ptrace's rule. */
import { EACCES, ENOENT, type Errno } from "../../abi/errno.ts";
import { type Owner, ProcLink } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import { mayInspect, type Task, type TaskRef } from "./task.ts";

export abstract class TaskLink extends ProcLink {
  readonly #ref: TaskRef;
  protected readonly name: string;

  constructor(fs: ProcFs, key: string, ref: TaskRef, name: string) {
    super(fs, key);
    this.#ref = ref;
    this.name = name;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  /** The process, if it is still there and the caller may look at it. */
  protected task(): Task | Errno {
    const task = this.#ref.get();
    if (!task) return ENOENT;
    return mayInspect(this.fs.caller, task) ? task : EACCES;
  }
}
