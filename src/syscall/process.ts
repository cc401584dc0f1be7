/** Making, ending and waiting for processes and threads: clone(2), wait4(2), exit(2), pidfd_open(2). */
import {
  E2BIG,
  EAGAIN,
  EBADF,
  ECHILD,
  EFAULT,
  EINVAL,
  ENOENT,
  EOPNOTSUPP,
  type Errno,
  ESRCH,
  failed,
} from "../abi/errno.ts";
import { O_NONBLOCK } from "../abi/fcntl.ts";
import {
  CLONE_ARGS_SIZE_VER0,
  CLONE_DETACHED,
  CLONE_INTO_CGROUP,
  CLONE_NEWTIME,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_THREAD,
  CloneArgs,
  CSIGNAL,
  exitedStatus,
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  WALL,
  WCLONE,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOTHREAD,
  WNOWAIT,
  WSTOPPED,
  WUNTRACED,
} from "../abi/wait.ts";
import { CgroupDir } from "../fs/cgroupfs/nodes.ts";
import type { Cgroup } from "../kern/cgroup/cgroup.ts";
import { mayHold } from "../kern/cgroup/rules.ts";
import { exitGroup, exitThread } from "../proc/exit.ts";
import { clone, finishClone, isInClone } from "../proc/fork.ts";
import type { Lwp } from "../proc/lwp.ts";
import { PidFile } from "../proc/pidfd.ts";
import { PIDNS_DEPTH_MAX } from "../proc/pidns.ts";
import { encodeSiginfo } from "../proc/siginfo.ts";
import { type ChildSelector, waitForChild } from "../proc/wait.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { encodeRusage } from "./limits.ts";

const INT_MIN = -2147483648;
/** struct clone_args may grow; what is beyond the known part must be zero. */
const CLONE_ARGS_SIZE_MAX = 4096;

export const sys_getpid = syscall("getpid", [], (td) => td.proc.ownPid);
export const sys_getppid = syscall("getppid", [], (td) => {
  const { parent } = td.proc;
  return parent ? td.numberOf(parent.id) : 0;
});
export const sys_gettid = syscall("gettid", [], (td) => td.ownTid);

export const sys_exit = syscall("exit", [int], (td, code) => {
  exitThread(td, exitedStatus(code));
  return 0;
});

export const sys_exit_group = syscall("exit_group", [int], (td, code) => {
  exitGroup(td.proc, exitedStatus(code));
  return 0;
});

export const sys_set_tid_address = syscall("set_tid_address", [uaddr], (td, at) => {
  td.clearTidAddr = at;
  return td.ownTid;
});

export const sys_clone = syscall(
  "clone",
  [flags, uaddr, uaddr, uaddr, uaddr],
  (td, word, stackTop, parentTidAddr, tls, childTidAddr) => {
    if (isInClone(td)) return finishClone(td);
    const bits = (word & ~CSIGNAL) >>> 0;
    if (bits & CLONE_PIDFD && bits & (CLONE_PARENT_SETTID | CLONE_DETACHED)) return EINVAL;
    return clone(td, {
      flags: bits,
      exitSignal: word & CSIGNAL,
      stackTop,
      tls,
      parentTidAddr,
      childTidAddr,
      pidfdAddr: parentTidAddr,
    });
  },
);

export const sys_clone3 = syscall("clone3", [uaddr, size], (td, at, length) => {
  if (isInClone(td)) return finishClone(td);
  if (length > CLONE_ARGS_SIZE_MAX) return E2BIG;
  if (length < CLONE_ARGS_SIZE_VER0) return EINVAL;
  const bytes = new Uint8Array(Math.max(length, CloneArgs.sizeof));
  if (failed(td.proc.vmspace.copyin(at, bytes.subarray(0, length)))) return EFAULT;
  if (bytes.subarray(CloneArgs.sizeof).some((b) => b !== 0)) return E2BIG;
  const v = new DataView(bytes.buffer);
  const get = (field: { get(view: DataView, base: number): number }): number => field.get(v, 0);
  const bits = get(CloneArgs.flags);
  const exitSignal = get(CloneArgs.exit_signal);
  const stack = get(CloneArgs.stack);
  const stackSize = get(CloneArgs.stack_size);
  if (bits >= 2 ** 34 || Math.floor(bits / CLONE_DETACHED) % 2) return EINVAL;
  if ((bits & CSIGNAL & ~CLONE_NEWTIME) !== 0) return EINVAL;
  if (exitSignal > CSIGNAL) return EINVAL;
  if (bits & (CLONE_THREAD | CLONE_PARENT) && exitSignal !== 0) return EINVAL;
  if ((stack === 0) !== (stackSize === 0)) return EINVAL;
  const setTid = loadSetTid(td, get(CloneArgs.set_tid), get(CloneArgs.set_tid_size));
  if (failed(setTid)) return setTid;
  const isInto = Math.floor(bits / CLONE_INTO_CGROUP) % 2 === 1;
  const cgroup = isInto ? cgroupOfFd(td, get(CloneArgs.cgroup), bits) : null;
  if (failed(cgroup)) return cgroup;
  return clone(td, {
    flags: bits,
    exitSignal,
    stackTop: stack + stackSize,
    tls: get(CloneArgs.tls),
    parentTidAddr: get(CloneArgs.parent_tid),
    childTidAddr: get(CloneArgs.child_tid),
    pidfdAddr: get(CloneArgs.pidfd),
    setTid,
    ...(cgroup ? { cgroup } : {}),
  });
});

/** The numbers that the child shall have, from its own pid name space outwards. */
function loadSetTid(td: Lwp, at: number, count: number): number[] | Errno {
  if (count > PIDNS_DEPTH_MAX) return EINVAL;
  if ((at === 0) !== (count === 0)) return EINVAL;
  const bytes = new Uint8Array(count * 4);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  return [...new Int32Array(bytes.buffer)];
}

/** CLONE_INTO_CGROUP: the group whose directory `fd` is, if a child may be made there. */
function cgroupOfFd(td: Lwp, fd: number, flags: number): Cgroup | Errno {
  const dir = td.fdtable.getAny(fd)?.path?.entry.vnode;
  if (!(dir instanceof CgroupDir)) return EBADF;
  const { group, fs } = dir;
  if (group.isDead) return ENOENT;
  const top = td.ns.cgroup.root;
  const denied =
    fs.mayMove(td.cred, group, group, top) || fs.mayMove(td.cred, td.cgroup, group, top);
  if (denied < 0) return denied as Errno;
  const refused = mayHold(group);
  if (refused < 0) return refused as Errno;
  return flags & CLONE_THREAD && group.domain !== td.cgroup.domain ? EOPNOTSUPP : group;
}

export const sys_wait4 = syscall(
  "wait4",
  [int, uaddr, flags, uaddr],
  (td, pid, statusAt, options, usageAt) => {
    const known = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE;
    if (options & ~known) return EINVAL;
    if (pid === INT_MIN) return ESRCH;
    const event = waitForChild(td, selector(td, pid), options | WEXITED);
    if (event === null) return 0;
    if (typeof event === "number") return event;
    const mem = td.proc.vmspace;
    if (statusAt !== 0 && failed(mem.storeU32(statusAt, event.status))) return EFAULT;
    if (usageAt !== 0 && failed(mem.copyout(usageAt, encodeRusage(event.usage)))) return EFAULT;
    return event.pid;
  },
);

export const sys_waitid = syscall(
  "waitid",
  [int, int, uaddr, flags, uaddr],
  (td, idType, id, infoAt, options, usageAt) => {
    const wanted = WEXITED | WSTOPPED | WCONTINUED;
    if (options & ~(wanted | WNOHANG | WNOWAIT | WNOTHREAD | WALL | WCLONE)) return EINVAL;
    if ((options & wanted) === 0) return EINVAL;
    const target = waitidTarget(td, idType, id);
    if (typeof target === "number") return target;
    const event = waitForChild(td, target.selector, options);
    if (typeof event === "number" && event !== 0) {
      return target.isNonblocking && event !== ECHILD ? notYet(td) : event;
    }
    const mem = td.proc.vmspace;
    if (usageAt !== 0 && event !== null && typeof event !== "number") {
      if (failed(mem.copyout(usageAt, encodeRusage(event.usage)))) return EFAULT;
    }
    if (infoAt === 0) return 0;
    const bytes =
      event !== null && typeof event !== "number"
        ? encodeSiginfo(event.info)
        : new Uint8Array(SIGINFO_WAIT_BYTES);
    return failed(mem.copyout(infoAt, bytes)) ? EFAULT : 0;
  },
);

export const sys_pidfd_open = syscall("pidfd_open", [int, flags], (td, pid, how) => {
  if (how & ~O_NONBLOCK || pid <= 0) return EINVAL;
  const p = td.findProc(pid);
  if (!p) return td.findThread(pid) ? EINVAL : ESRCH;
  return td.fdtable.alloc(new PidFile(p, how), true);
});

export const processSyscalls: readonly (readonly [number, Syscall])[] = [
  [93, sys_exit],
  [94, sys_exit_group],
  [95, sys_waitid],
  [96, sys_set_tid_address],
  [172, sys_getpid],
  [173, sys_getppid],
  [178, sys_gettid],
  [220, sys_clone],
  [260, sys_wait4],
  [434, sys_pidfd_open],
  [435, sys_clone3],
];

/** si_signo … si_status of an absent event are zero; Linux writes no more than these. */
const SIGINFO_WAIT_BYTES = 28;

function selector(td: Lwp, pid: number): ChildSelector {
  if (pid === -1) return { idType: P_ALL };
  if (pid > 0) return { idType: P_PID, id: pid };
  return { idType: P_PGID, group: pid === 0 ? td.proc.pgrp : td.findGroup(-pid) };
}

interface WaitTarget {
  readonly selector: ChildSelector;
  readonly isNonblocking: boolean;
}

function waitidTarget(td: Lwp, idType: number, id: number): WaitTarget | number {
  switch (idType) {
    case P_ALL:
      return { selector: { idType }, isNonblocking: false };
    case P_PID:
      return id <= 0 ? EINVAL : { selector: { idType, id }, isNonblocking: false };
    case P_PGID: {
      if (id < 0) return EINVAL;
      const group = id === 0 ? td.proc.pgrp : td.findGroup(id);
      return { selector: { idType, group }, isNonblocking: false };
    }
    case P_PIDFD: {
      if (id < 0) return EINVAL;
      const fp = pidFile(td, id);
      if (failed(fp)) return fp;
      td.restart.data = fp;
      return {
        selector: { idType, proc: fp.proc },
        isNonblocking: (fp.flags & O_NONBLOCK) !== 0,
      };
    }
    default:
      return EINVAL;
  }
}

/** A call that slept stays with the process it began with, whatever the descriptor names now. */
function pidFile(td: Lwp, fd: number): PidFile | Errno {
  if (td.restart.data instanceof PidFile) return td.restart.data;
  const fp = td.fdtable.get(fd);
  return fp instanceof PidFile ? fp : EBADF;
}

/** A nonblocking pidfd: what would sleep does not. */
function notYet(td: Lwp): number {
  td.cancelSleep();
  return EAGAIN;
}
