/**
 * /proc/PID/mem: the memory of a process, at its addresses. Whoever may open
 * it reads and writes what is mapped, even what the process itself may not:
 * see vm/forced.ts. It stays with the address space that it was opened for:
 * after execve(2), or when all threads are gone, there is nothing in it.
 * See proc_pid_mem(5).
 */
import { EFAULT, EINVAL, EIO, failed } from "../../abi/errno.ts";
import { SEEK_CUR, SEEK_SET } from "../../abi/fcntl.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Pid } from "../../proc/pid.ts";
import type { Proc } from "../../proc/proc.ts";
import { File } from "../../vfs/file.ts";
import { readForced, writeForced } from "../../vm/forced.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import { InspectNode } from "./inspectnode.ts";
import type { ProcFs } from "./procfs.ts";
import type { Task, TaskRef } from "./task.ts";

export class MemNode extends InspectNode {
  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key, ref, 0o600);
  }

  protected fileFor(_td: Thread, task: Task, flags: number): File {
    return new MemFile(task.proc, flags);
  }
}

/** EFAULT is for the caller's own memory. */
function noAccess(r: number): number {
  return r === EFAULT ? EIO : r;
}

class MemFile extends File {
  readonly #id: Pid;
  /** Of the process then: it has had that address space since. */
  readonly #execs: number;
  #offset = 0;

  constructor(proc: Proc, flags: number) {
    super(flags);
    this.#id = proc.id;
    this.#execs = proc.execs;
  }

  describe(): string {
    return "mem";
  }

  override read(td: Thread, uio: Uio): number {
    const n = this.pread(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override pread(_td: Thread, uio: Uio, offset: number): number {
    return this.#move(uio, offset, (vs, at, bytes) => {
      const n = readForced(vs, at, bytes);
      return n < 0 ? noAccess(n) : uio.copyout(bytes.subarray(0, n));
    });
  }

  override write(td: Thread, uio: Uio): number {
    const n = this.pwrite(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override pwrite(_td: Thread, uio: Uio, offset: number): number {
    return this.#move(uio, offset, (vs, at, bytes) => {
      const got = uio.copyin(bytes);
      return got < 0 ? got : noAccess(writeForced(vs, at, bytes.subarray(0, got)));
    });
  }

  override seek(offset: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return EINVAL;
    const to = whence === SEEK_CUR ? this.#offset + offset : offset;
    if (to > Number.MAX_SAFE_INTEGER || to < -Number.MAX_SAFE_INTEGER) return EINVAL;
    this.#offset = to;
    return to;
  }

  /** A page at most at a time; what moved counts. */
  #move(
    uio: Uio,
    offset: number,
    piece: (vs: Vmspace, at: number, bytes: Uint8Array) => number,
  ): number {
    const { proc } = this.#id;
    if (proc?.state !== "alive" || proc.execs !== this.#execs) return 0;
    const { vmspace } = proc;
    const bytes = new Uint8Array(PAGE_SIZE);
    let done = 0;
    while (uio.resid > 0) {
      const at = offset + done;
      const wanted = Math.min(uio.resid, PAGE_SIZE - (((at % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE));
      const n = piece(vmspace, at, bytes.subarray(0, wanted));
      if (failed(n)) return done > 0 ? done : n;
      done += n;
      if (n < wanted) break;
    }
    return done;
  }
}
