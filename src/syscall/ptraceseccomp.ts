/** PTRACE_SECCOMP_GET_FILTER and _GET_METADATA: for who saves processes and restores them. */
import { EACCES, EFAULT, EINVAL, ENOENT, type Errno, failed } from "../abi/errno.ts";
import { SeccompMetadata } from "../abi/ptrace.ts";
import { SECCOMP_FILTER_FLAG_LOG, SECCOMP_MODE_FILTER } from "../abi/seccomp.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { SeccompFilter } from "../proc/seccomp.ts";

/** The `index`th filter, the oldest being 0: its instructions to `data`, if that is not 0; how many there are. */
export function seccompFilter(td: Lwp, target: Lwp, index: number, data: number): number {
  const filter = filterAt(td, target, index);
  if (typeof filter === "number") return filter;
  if (data !== 0 && failed(td.proc.vmspace.copyout(data, filter.program.encode()))) return EFAULT;
  return filter.program.length;
}

export function seccompMetadata(td: Lwp, target: Lwp, size: number, data: number): number {
  const bytes = new Uint8Array(SeccompMetadata.sizeof);
  const n = Math.min(size, bytes.length);
  if (n < SeccompMetadata.filter_off.size) return EINVAL;
  const mem = td.proc.vmspace;
  const v = new DataView(bytes.buffer);
  if (failed(mem.copyin(data, bytes.subarray(0, SeccompMetadata.filter_off.size)))) return EFAULT;
  const filter = filterAt(td, target, SeccompMetadata.filter_off.get(v, 0));
  if (typeof filter === "number") return filter;
  SeccompMetadata.flags.set(v, 0, filter.isLogging ? SECCOMP_FILTER_FLAG_LOG : 0);
  return failed(mem.copyout(data, bytes.subarray(0, n))) ? EFAULT : n;
}

function filterAt(td: Lwp, target: Lwp, index: number): SeccompFilter | Errno {
  if (!td.cred.hasCap(CAP_SYS_ADMIN) || td.seccompMode !== 0) return EACCES;
  const last = target.seccompFilter;
  if (target.seccompMode !== SECCOMP_MODE_FILTER || !last) return EINVAL;
  for (let f: SeccompFilter | null = last; f; f = f.previous) if (f.depth === index + 1) return f;
  return ENOENT;
}
