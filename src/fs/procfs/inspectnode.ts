/** Files of /proc/PID for those who might trace the process: mem, pagemap. See proc(5), ptrace(2). */
import { EACCES, type Errno, ESRCH } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { File } from "../../vfs/file.ts";
import { type Owner, ProcNode } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import { mayInspect, type Task, type TaskRef } from "./task.ts";

export abstract class InspectNode extends ProcNode {
  readonly ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef, mode: number) {
    super(fs, key, S_IFREG | mode);
    this.ref = ref;
  }

  protected abstract fileFor(td: Thread, task: Task, flags: number): File;

  override owner(): Owner | null {
    return this.ref.owner();
  }

  override open(td: Thread, flags: number): File | Errno {
    const task = this.ref.get();
    if (!task) return ESRCH;
    return mayInspect(td as Lwp, task) ? this.fileFor(td, task, flags) : EACCES;
  }
}
