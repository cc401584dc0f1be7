/** Going elsewhere: unshare(2) and setns(2). */
import { EBADF, EINVAL, EPERM, ESRCH, EUSERS, failed } from "../abi/errno.ts";
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
} from "../abi/wait.ts";
import { NsFile } from "../fs/procfs/nsfs.ts";
import { IpcNamespace } from "../ipc/ipcnamespace.ts";
import { CgroupNamespace } from "../kern/cgroupns.ts";
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT, type Cred } from "../kern/cred.ts";
import type { Namespace } from "../kern/namespace.ts";
import { TimeNamespace } from "../kern/timens.ts";
import { UserNamespace } from "../kern/userns.ts";
import { UtsNamespace } from "../kern/utsns.ts";
import { showTime } from "../proc/entertime.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { NamespaceSet } from "../proc/nsproxy.ts";
import { PidFile } from "../proc/pidfd.ts";
import { PidNamespace } from "../proc/pidns.ts";
import { mayPtrace } from "../proc/ptraceaccess.ts";
import { commitCred } from "../proc/setid.ts";
import {
  ALL_NAMESPACES,
  asOwner,
  checkMaking,
  newNamespaces,
  newUserNamespace,
  PROXIED,
  unshareMounts,
} from "../proc/unshare.ts";
import type { Mount } from "../vfs/mount.ts";
import { MountNamespace } from "../vfs/mountns.ts";
import { NetNamespace } from "../vfs/netns.ts";
import { flags, int, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const SHARED_BY_THREADS = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
const KNOWN = SHARED_BY_THREADS | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | ALL_NAMESPACES;

export const sys_unshare = syscall("unshare", [uint], (td, asked) => {
  if (asked & ~KNOWN) return EINVAL;
  let what = asked;
  if (what & CLONE_NEWUSER) what |= CLONE_THREAD | CLONE_FS;
  if (what & CLONE_NEWNS) what |= CLONE_FS;
  const { proc: p } = td;
  if (what & SHARED_BY_THREADS) {
    if (p.threads.length > 1 || p.sigactions.refs > 1) return EINVAL;
    if (what & CLONE_VM && p.vmspace.refs > 1) return EINVAL;
  }
  const fdtable = what & CLONE_FILES && td.fdtable.refs > 1 ? td.fdtable.copy() : null;
  if (failed(fdtable)) return fdtable;
  const cred = what & CLONE_NEWUSER ? newUserNamespace(td) : td.cred;
  const r = failed(cred) ? cred : unshareNamespaces(td, what, cred);
  if (failed(cred) || failed(r)) {
    if (!failed(cred) && cred !== td.cred) cred.userns.release();
    fdtable?.release();
    return r;
  }
  if (fdtable) {
    td.fdtable.release();
    td.fdtable = fdtable;
  }
  if (what & (CLONE_SYSVSEM | CLONE_NEWIPC)) td.leaveSemaphores();
  if (cred !== td.cred) {
    commitCred(td, cred);
    // The thread has its own hold now.
    cred.userns.release();
  }
  return 0;
});

/** All of them, or none. */
function unshareNamespaces(td: Lwp, what: number, cred: Cred): number {
  const denied = checkMaking(cred, what);
  if (failed(denied)) return denied;
  const fs = what & CLONE_FS && td.fs.refs > 1 ? td.fs.copy() : null;
  const ns = what & PROXIED ? newNamespaces(td, what, cred) : null;
  let r: number = failed(ns) ? ns : 0;
  if (r === 0 && what & CLONE_NEWNS) r = unshareMounts(td, fs ?? td.fs, cred);
  if (r < 0) {
    fs?.release();
    if (ns && !failed(ns)) ns.release();
    return r;
  }
  if (fs) {
    td.fs.release();
    td.fs = fs;
  }
  if (ns && !failed(ns)) td.enterNamespaces(ns);
  return 0;
}

/** What setns(2) is about to do: all checked before any of it is done. */
interface Move {
  cred: Cred;
  mounts: { readonly ns: MountNamespace; readonly root: Mount } | null;
  readonly change: { -readonly [K in keyof NamespaceSet]?: NamespaceSet[K] };
}

export const sys_setns = syscall("setns", [int, flags], (td, fd, kind) => {
  const fp = td.fdtable.get(fd);
  if (!fp) return EBADF;
  const move: Move = { cred: td.cred, mounts: null, change: {} };
  if (fp instanceof NsFile) {
    if (kind !== 0 && kind !== fp.nsType) return EINVAL;
    const r = install(td, move, fp.ns);
    return failed(r) ? r : commit(td, move);
  }
  if (!(fp instanceof PidFile)) return EINVAL;
  if (kind === 0 || (kind & ~ALL_NAMESPACES) !== 0) return EINVAL;
  const there = fp.proc?.state === "alive" ? fp.proc.leader : null;
  if (!there) return ESRCH;
  if (!mayPtrace(td, there.proc, "real")) return EPERM;
  for (const ns of namespacesOf(there, kind)) {
    const r = install(td, move, ns);
    if (failed(r)) return r;
  }
  return commit(td, move);
});

/** Those of `there` that are asked for, in the order in which they are entered. */
function namespacesOf(there: Lwp, kind: number): Namespace[] {
  const { ns } = there;
  const all: readonly (readonly [number, Namespace])[] = [
    [CLONE_NEWUSER, there.cred.userns],
    [CLONE_NEWNS, there.fs.ns],
    [CLONE_NEWUTS, ns.uts],
    [CLONE_NEWIPC, ns.ipc],
    [CLONE_NEWPID, there.pidns],
    [CLONE_NEWCGROUP, ns.cgroup],
    [CLONE_NEWNET, ns.net],
    [CLONE_NEWTIME, ns.time],
  ];
  return all.filter(([flag]) => (kind & flag) !== 0).map(([, each]) => each);
}

/** Whether `td` may enter `ns`, as who it will be by then: EPERM, EINVAL, EUSERS. */
function install(td: Lwp, move: Move, ns: Namespace): number {
  if (ns instanceof UserNamespace) return installUser(td, move, ns);
  const { cred } = td;
  if (ns instanceof TimeNamespace && td.proc.threads.length > 1) return EUSERS;
  const mayEnter = cred.hasCapIn(ns.owner, CAP_SYS_ADMIN) && move.cred.hasOwnCap(CAP_SYS_ADMIN);
  if (!mayEnter) return EPERM;
  if (ns instanceof MountNamespace) return installMounts(td, move, ns);
  if (ns instanceof PidNamespace) {
    if (!ns.isWithin(td.pidns)) return EINVAL;
    move.change.pidForChildren = ns;
  } else if (ns instanceof UtsNamespace) move.change.uts = ns;
  else if (ns instanceof IpcNamespace) move.change.ipc = ns;
  else if (ns instanceof NetNamespace) move.change.net = ns;
  else if (ns instanceof CgroupNamespace) move.change.cgroup = ns;
  else if (ns instanceof TimeNamespace) move.change.time = move.change.timeForChildren = ns;
  else return EINVAL;
  return 0;
}

function installUser(td: Lwp, move: Move, userns: UserNamespace): number {
  if (userns === td.cred.userns) return EINVAL;
  if (td.proc.threads.length > 1 || td.fs.refs > 1) return EINVAL;
  if (!td.cred.hasCapIn(userns, CAP_SYS_ADMIN)) return EPERM;
  move.cred = asOwner(td.cred, userns);
  return 0;
}

function installMounts(td: Lwp, move: Move, ns: MountNamespace): number {
  if (!move.cred.hasOwnCap(CAP_SYS_CHROOT)) return EPERM;
  const { root } = ns;
  if (td.fs.refs > 1 || !root) return EINVAL;
  move.mounts = { ns, root };
  return 0;
}

function commit(td: Lwp, { cred, mounts, change }: Move): number {
  const { proc } = td;
  const shown = change.time ? showTime(proc.vmspace, proc.table.vdso, change.time) : 0;
  if (failed(shown)) return shown;
  if (mounts) td.fs.joinMounts(mounts.ns, mounts.root);
  if (Object.keys(change).length > 0) {
    if (change.time) change.time.isFixed = true;
    if (change.ipc) td.leaveSemaphores();
    td.enterNamespaces(td.ns.with(change));
  }
  if (cred !== td.cred) commitCred(td, cred);
  return 0;
}

export const namespaceSyscalls: readonly (readonly [number, Syscall])[] = [
  [97, sys_unshare],
  [268, sys_setns],
];
