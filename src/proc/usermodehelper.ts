/**
 * Programs that the kernel starts on its own account: root's, in the name spaces of process 1, with the root
 * of the first mount name space and without descriptors, environment and parent. Who ends is not waited for.
 * Compare call_usermodehelper of Linux.
 */
import { ENOENT, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import { FdTable } from "../vfs/fdtable.ts";
import { FsContext } from "../vfs/fscontext.ts";
import { WALK_FOLLOW } from "../vfs/namei.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { Vmspace } from "../vm/vmspace.ts";
import { exec } from "./exec.ts";
import { exitGroup } from "./exit.ts";
import { Lwp } from "./lwp.ts";
import type { ProcTable } from "./proctable.ts";
import { RLIMIT_NOFILE, Rlimits, vmLimits } from "./rlimit.ts";
import { SigActions } from "./sigaction.ts";

/** The process, without a program yet: descriptors and limits can be given to it. */
export function makeHelper(table: ProcTable, cred: Cred): Lwp | Errno {
  const fs = firstFs(table.vfs);
  if (!fs) return ENOENT;
  const id = table.allocPid();
  const context = failed(id) ? null : table.machine.newContext();
  if (failed(id) || !context) {
    fs.release();
    if (!failed(id)) table.freePid(id);
    return failed(id) ? id : ENOMEM;
  }
  const p = table.newProc(id);
  p.rlimits = Rlimits.initial(table.threadsMax);
  p.vmspace = new Vmspace(table.machine, table.pages, vmLimits(p.rlimits));
  p.sigactions = new SigActions();
  const td = new Lwp(id, p, table.cpu, cred, context);
  td.fdtable = new FdTable(p.rlimits.soft(RLIMIT_NOFILE), table.pages.kmem);
  td.fs = fs;
  td.startNs = p.startNs = table.cpu.clock.monotonicNs();
  table.addThread(td);
  table.newSession(p);
  return td;
}

/** The root of the first mount name space, which is the working directory, too. */
export function firstFs(vfs: Vfs): FsContext | null {
  const { root } = vfs.mounts.initial;
  if (!root) return null;
  const top = vfs.mounts.topmost({ mount: root, entry: root.root });
  return new FsContext(vfs, top, top);
}

/** Runs the program `argv[0]` in it; on an error it is gone. */
export function startHelper(td: Lwp, argv: readonly string[]): number {
  const path = argv[0]!;
  const r = exec(td, { path, start: null, walk: WALK_FOLLOW, shownPath: path, argv, envp: [] });
  if (failed(r)) {
    exitGroup(td.proc, 0);
    return r;
  }
  td.isContextReplaced = false;
  td.cpu.makeRunnable(td);
  return 0;
}
