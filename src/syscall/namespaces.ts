/**
 * unshare(2) and setns(2). Mount name spaces are the only kind of which there
 * can be more than one.
 */
import { EBADF, EINVAL, EPERM, ESRCH, failed } from "../abi/errno.ts";
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWNS,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
} from "../abi/wait.ts";
import { NsFile } from "../fs/procfs/nsfs.ts";
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from "../kern/cred.ts";
import { NAMESPACES } from "../proc/fork.ts";
import { PidFile } from "../proc/pidfd.ts";
import type { MountNamespace } from "../vfs/mountns.ts";
import { flags, int, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

export const sys_unshare = syscall("unshare", [uint], (td, what) => {
  const p = td.proc;
  const known =
    CLONE_FS |
    CLONE_FILES |
    CLONE_SYSVSEM |
    CLONE_THREAD |
    CLONE_SIGHAND |
    CLONE_VM |
    CLONE_NEWNS |
    NAMESPACES;
  if (what & ~(known | CLONE_NEWTIME)) return EINVAL;
  if (what & (NAMESPACES | CLONE_NEWTIME)) return EINVAL;
  const isAlone = p.threads.length === 1;
  if (what & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) {
    if (!isAlone || p.sigactions.refs > 1) return EINVAL;
    if (what & CLONE_VM && p.vmspace.refs > 1) return EINVAL;
  }
  if (what & CLONE_NEWNS && !td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if (what & CLONE_FILES && td.fdtable.refs > 1) {
    const own = td.fdtable.copy();
    if (failed(own)) return own;
    td.fdtable.release();
    td.fdtable = own;
  }
  if (what & CLONE_SYSVSEM) td.leaveSemaphores();
  if (what & (CLONE_FS | CLONE_NEWNS) && td.fs.refs > 1) {
    const own = td.fs.copy();
    td.fs.release();
    td.fs = own;
  }
  return what & CLONE_NEWNS ? td.fs.unshareMounts() : 0;
});

/** Of the other kinds there is one only, which one is in already. */
export const sys_setns = syscall("setns", [int, flags], (td, fd, kind) => {
  const fp = td.fdtable.get(fd);
  if (!fp) return EBADF;
  let mounts: MountNamespace | null = null;
  if (fp instanceof NsFile) {
    if (kind !== 0 && kind !== fp.nsType) return EINVAL;
    if (fp.nsType === CLONE_NEWUSER) return EINVAL;
    mounts = fp.mounts;
  } else if (fp instanceof PidFile) {
    if (kind === 0 || (kind & ~(NAMESPACES | CLONE_NEWNS)) !== 0) return EINVAL;
    const there = fp.proc.leader;
    if (!there) return ESRCH;
    if ((kind & CLONE_NEWNS) !== 0) mounts = there.fs.ns;
  } else return EINVAL;
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if (!mounts) return 0;
  if (!td.cred.hasCap(CAP_SYS_CHROOT)) return EPERM;
  return td.fs.refs > 1 ? EINVAL : td.fs.joinMounts(mounts);
});

export const namespaceSyscalls: readonly (readonly [number, Syscall])[] = [
  [97, sys_unshare],
  [268, sys_setns],
];
