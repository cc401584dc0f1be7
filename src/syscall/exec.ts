/** execve(2), execveat(2). */
import { EBADF, EINVAL, ENOENT, failed } from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../abi/fcntl.ts";
import { argumentSpace, copyinStrings } from "../proc/argv.ts";
import { exec } from "../proc/exec.ts";
import type { Lwp } from "../proc/lwp.ts";
import { RLIMIT_STACK } from "../proc/rlimit.ts";
import { WALK_EMPTY, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import { flags, int, uaddr, upath } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

export const sys_execve = syscall("execve", [upath, uaddr, uaddr], (td, path, argv, envp) => {
  if (path === "") return ENOENT;
  return run(td, path, null, WALK_FOLLOW, path, argv, envp);
});

export const sys_execveat = syscall(
  "execveat",
  [int, upath, uaddr, uaddr, flags],
  (td, dirfd, path, argv, envp, how) => {
    if (how & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return EINVAL;
    const isEmpty = path === "" && (how & AT_EMPTY_PATH) !== 0;
    if (path === "" && !isEmpty) return ENOENT;
    const walk = (how & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (isEmpty ? WALK_EMPTY : 0);
    if (dirfd === AT_FDCWD || path.startsWith("/")) {
      return run(td, path, null, walk, path, argv, envp);
    }
    const start = td.fdtable.getAny(dirfd);
    if (!start) return EBADF;
    // A script could not open a descriptor that its interpreter does not inherit.
    const shown = `/dev/fd/${dirfd}${isEmpty ? "" : `/${path}`}`;
    if (!start.path) return EBADF;
    return run(td, path, start.path, walk, shown, argv, envp);
  },
);

export const execSyscalls: readonly (readonly [number, Syscall])[] = [
  [221, sys_execve],
  [281, sys_execveat],
];

function run(
  td: Lwp,
  path: string,
  start: Path | null,
  walk: number,
  shownPath: string,
  argvAt: number,
  envpAt: number,
): number {
  const room = argumentSpace(td.proc.rlimits.soft(RLIMIT_STACK)) - shownPath.length;
  const argv = copyinStrings(td.proc.vmspace, argvAt, room);
  if (failed(argv)) return argv;
  const used = argv.reduce((n, s) => n + s.length + 9, 0);
  const envp = copyinStrings(td.proc.vmspace, envpAt, room - used);
  if (failed(envp)) return envp;
  return exec(td, { path, start, walk, shownPath, argv, envp });
}
