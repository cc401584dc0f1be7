/** seccomp(2), and prctl(2)'s older way to it. */
import { BPF_MAXINSNS, SOCK_FILTER_SIZE } from "../abi/bpf.ts";
import { EACCES, EFAULT, EINVAL, EOPNOTSUPP, type Errno, failed } from "../abi/errno.ts";
import {
  SECCOMP_FILTER_FLAG_LOG,
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  SECCOMP_GET_ACTION_AVAIL,
  SECCOMP_GET_NOTIF_SIZES,
  SECCOMP_MODE_DISABLED,
  SECCOMP_MODE_FILTER,
  SECCOMP_MODE_STRICT,
  SECCOMP_SET_MODE_FILTER,
  SECCOMP_SET_MODE_STRICT,
} from "../abi/seccomp.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import { BpfProgram } from "../proc/bpf.ts";
import type { Lwp } from "../proc/lwp.ts";
import { addFilter } from "../proc/seccomp.ts";
import { SECCOMP_ACTIONS } from "../proc/seccomplog.ts";
import { SeccompListener } from "../proc/seccompnotify.ts";
import { anonAttr } from "../vfs/anon.ts";
import { flags, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

const KNOWN_FLAGS =
  SECCOMP_FILTER_FLAG_TSYNC |
  SECCOMP_FILTER_FLAG_LOG |
  SECCOMP_FILTER_FLAG_SPEC_ALLOW |
  SECCOMP_FILTER_FLAG_NEW_LISTENER |
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
/** Sizes of struct seccomp_notif, seccomp_notif_resp, seccomp_data. */
const NOTIF_SIZES = new Uint16Array([80, 24, 64]);
/** Where struct sock_fprog has its pointer. */
const FPROG_FILTER = 8;

export const sys_seccomp = syscall("seccomp", [uint, flags, uaddr], (td, what, how, at) => {
  switch (what) {
    case SECCOMP_SET_MODE_STRICT:
      return how !== 0 || at !== 0 ? EINVAL : enterStrict(td);
    case SECCOMP_SET_MODE_FILTER:
      return installFilter(td, how, at);
    case SECCOMP_GET_ACTION_AVAIL:
      return how !== 0 ? EINVAL : hasAction(td, at);
    case SECCOMP_GET_NOTIF_SIZES:
      if (how !== 0) return EINVAL;
      return failed(td.proc.vmspace.copyout(at, new Uint8Array(NOTIF_SIZES.buffer))) ? EFAULT : 0;
    default:
      return EINVAL;
  }
});

/** PR_SET_SECCOMP */
export function prctlSeccomp(td: Lwp, mode: number, at: number): number {
  if (mode === SECCOMP_MODE_STRICT) return enterStrict(td);
  return mode === SECCOMP_MODE_FILTER ? installFilter(td, 0, at) : EINVAL;
}

export const seccompSyscalls: readonly (readonly [number, Syscall])[] = [[277, sys_seccomp]];

function enterStrict(td: Lwp): number {
  const isOther =
    td.seccompMode !== SECCOMP_MODE_DISABLED && td.seccompMode !== SECCOMP_MODE_STRICT;
  if (isOther) return EINVAL;
  td.seccompMode = SECCOMP_MODE_STRICT;
  return 0;
}

function installFilter(td: Lwp, how: number, at: number): number {
  if ((how & ~KNOWN_FLAGS) !== 0) return EINVAL;
  const isForAll = (how & SECCOMP_FILTER_FLAG_TSYNC) !== 0;
  const hidesTid = (how & SECCOMP_FILTER_FLAG_TSYNC_ESRCH) !== 0;
  const hasListener = (how & SECCOMP_FILTER_FLAG_NEW_LISTENER) !== 0;
  // Both would be numbers above 0.
  if (isForAll && hasListener && !hidesTid) return EINVAL;
  const isKillable = (how & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) !== 0;
  if (isKillable && !hasListener) return EINVAL;
  const program = copyinProgram(td, at);
  if (failed(program)) return program;
  const attr = anonAttr(td.fs.vfs, td.cred);
  const listener = hasListener ? new SeccompListener(attr, isKillable) : null;
  const fd = listener ? newFd(td, listener, true) : 0;
  if (failed(fd)) return fd;
  const isLogging = (how & SECCOMP_FILTER_FLAG_LOG) !== 0;
  const r = addFilter(td, program, { isLogging, isForAll, hidesTid, listener });
  if (!listener) return r;
  if (r !== 0) td.fdtable.close(fd);
  return r === 0 ? fd : r;
}

function copyinProgram(td: Lwp, at: number): BpfProgram | Errno {
  const { vmspace } = td.proc;
  const head = new Uint8Array(FPROG_FILTER);
  const from = vmspace.loadU64(at + FPROG_FILTER);
  if (failed(vmspace.copyin(at, head)) || failed(from)) return EFAULT;
  const count = head[0]! | (head[1]! << 8);
  if (count === 0 || count > BPF_MAXINSNS) return EINVAL;
  if (!td.cred.noNewPrivs && !td.cred.hasOwnCap(CAP_SYS_ADMIN)) return EACCES;
  if (from === 0) return EINVAL;
  const filters = new Uint8Array(count * SOCK_FILTER_SIZE);
  if (failed(vmspace.copyin(from, filters))) return EFAULT;
  return BpfProgram.check(filters);
}

function hasAction(td: Lwp, at: number): number {
  const action = td.proc.vmspace.loadU32(at);
  if (failed(action)) return EFAULT;
  for (const known of SECCOMP_ACTIONS.values()) if (known >>> 0 === action >>> 0) return 0;
  return EOPNOTSUPP;
}
