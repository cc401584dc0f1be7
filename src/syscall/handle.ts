/** name_to_handle_at(2) and open_by_handle_at(2): no file system here has handles. */
import { EBADF, EINVAL, EOPNOTSUPP, EPERM, failed } from "../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW } from "../abi/fcntl.ts";
import { CAP_DAC_READ_SEARCH } from "../kern/cred.ts";
import { flags, int, uaddr } from "./args.ts";
import { dirfd, pathAt, upathOrNull } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";

const AT_HANDLE_FID = 0x200;
const AT_HANDLE_MNT_ID_UNIQUE = 1;

export const sys_name_to_handle_at = syscall(
  "name_to_handle_at",
  [dirfd, upathOrNull, uaddr, uaddr, flags],
  (td, dfd, path, _handle, _mountId, how) => {
    const known = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE;
    if ((how & ~known) !== 0) return EINVAL;
    const follow = (how & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW;
    const at = pathAt(td, dfd, path, follow | (how & AT_EMPTY_PATH));
    return failed(at) ? at : EOPNOTSUPP;
  },
);

export const sys_open_by_handle_at = syscall(
  "open_by_handle_at",
  [int, uaddr, flags],
  (td, mountFd, _handle, _how) => {
    if (!td.cred.hasCap(CAP_DAC_READ_SEARCH)) return EPERM;
    if (mountFd !== AT_FDCWD && !td.fdtable.get(mountFd)) return EBADF;
    return EOPNOTSUPP;
  },
);

export const handleSyscalls: readonly (readonly [number, Syscall])[] = [
  [264, sys_name_to_handle_at],
  [265, sys_open_by_handle_at],
];
