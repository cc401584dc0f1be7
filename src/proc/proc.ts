/**
 * A process: what its threads share. See fork(2), credentials(7), proc(5).
 *
 * Alive while it has threads; then a zombie that keeps pid, status and times
 * until its parent waits (or its parent ignores SIGCHLD).
 */

import { WaitQueue } from "../kern/waitqueue.ts";
import type { FdTable } from "../vfs/fdtable.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import type { Path } from "../vfs/path.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import type { Lwp } from "./lwp.ts";
import type { ProcTable } from "./proctable.ts";
import type { Rlimits } from "./rlimit.ts";
import type { ProcessGroup } from "./session.ts";
import type { SigActions } from "./sigaction.ts";
import { PendingSignals } from "./sigqueue.ts";

export class Proc {
  readonly pid: number;
  readonly table: ProcTable;
  parent: Proc | null = null;
  readonly children = new Set<Proc>();
  readonly threads: Lwp[] = [];
  pgrp!: ProcessGroup;
  /** Null once the process is a zombie. */
  vmspace!: Vmspace;
  fdtable!: FdTable;
  fs!: FsContext;
  sigactions!: SigActions;
  rlimits!: Rlimits;
  /** Signals for the process as a whole. */
  readonly pending = new PendingSignals();
  /** Woken when a child changes state. */
  readonly childQueue = new WaitQueue();
  /** The program being run, for /proc/PID/exe. */
  exe: Path | null = null;

  constructor(pid: number, table: ProcTable) {
    this.pid = pid;
    this.table = table;
  }
}
