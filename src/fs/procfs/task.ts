/**
 * What a name under /proc/PID means: a process, or one thread of it, as long
 * as it is the same one.
 */
import { EPERM } from "../../abi/errno.ts";
import { NO_ID } from "../../kern/idmap.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { PidNamespace } from "../../proc/pidns.ts";
import type { Proc } from "../../proc/proc.ts";
import type { ProcTable } from "../../proc/proctable.ts";
import { mayPtrace } from "../../proc/ptraceaccess.ts";
import type { Owner } from "./node.ts";

/** A process or thread that exists at this moment. */
export interface Task {
  readonly proc: Proc;
  /** The thread shown; null when none is left (a zombie). */
  readonly td: Lwp | null;
  /** False under /proc/PID/task, where a thread stands for itself. */
  readonly isWhole: boolean;
}

export class TaskRef {
  readonly #table: ProcTable;
  /** The kernel's own numbers. */
  readonly pid: number;
  /** 0: the process as a whole. */
  readonly tid: number;
  readonly #startNs: number;

  private constructor(table: ProcTable, pid: number, tid: number, startNs: number) {
    this.#table = table;
    this.pid = pid;
    this.tid = tid;
    this.#startNs = startNs;
  }

  /** The process with that id in `ns`; also by the id of one of its threads. */
  static of(table: ProcTable, ns: PidNamespace, id: number): TaskRef | null {
    const p = table.procIn(ns, id);
    if (p) return new TaskRef(table, p.pid, 0, p.startNs);
    const td = table.threadIn(ns, id);
    return td ? new TaskRef(table, td.proc.pid, td.tid, td.proc.startNs) : null;
  }

  thread(tid: number): TaskRef {
    return new TaskRef(this.#table, this.pid, tid, this.#startNs);
  }

  get key(): string {
    return `${this.pid}/${this.tid}@${this.#startNs}`;
  }

  /** Who it is now; null if it is gone. */
  get(): Task | null {
    const proc = this.#table.proc(this.pid);
    if (!proc || proc.startNs !== this.#startNs || proc.state === "dead") return null;
    if (this.tid === 0) return { proc, td: proc.leader, isWhole: true };
    const td = proc.threads.find((t) => t.tid === this.tid);
    return td ? { proc, td, isWhole: false } : null;
  }

  /** Its files belong to its user, or to root if it must not be looked into. */
  owner(): Owner | null {
    const t = this.get();
    if (!t) return null;
    const cred = t.td?.cred ?? t.proc.cred;
    if (t.proc.dumpable !== 1) return rootOf(t.proc.memoryUserns);
    return { uid: cred.euid, gid: cred.egid };
  }
}

/** The root of a user name space, if that has one; null: the first. */
function rootOf(userns: UserNamespace | null): Owner {
  if (!userns) return { uid: 0, gid: 0 };
  const { rootUid, rootGid } = userns;
  return { uid: rootUid === NO_ID ? 0 : rootUid, gid: rootGid === NO_ID ? 0 : rootGid };
}

/** Whether `caller` may look inside: the rule of ptrace(2), PTRACE_MODE_READ_FSCREDS. */
export function mayInspect(caller: Lwp | null, t: Task): boolean {
  return !caller || mayPtrace(caller, t.proc, "fs", t.td?.cred ?? t.proc.cred);
}

/** EPERM or 0: whether `caller` may change another's settings. */
export function checkOwn(caller: Lwp | null, t: Task): number {
  return mayInspect(caller, t) ? 0 : EPERM;
}
