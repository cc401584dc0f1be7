/** inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2). */
import { EBADF, EINVAL, ENOTDIR, failed } from "../abi/errno.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../abi/fcntl.ts";
import {
  IN_ALL_BITS,
  IN_DONT_FOLLOW,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONLYDIR,
} from "../abi/inotify.ts";
import { access, MAY_READ } from "../vfs/access.ts";
import { anonAttr } from "../vfs/anon.ts";
import { InotifyFile } from "../vfs/inotify.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import { fd, flags, int, upath } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

export const sys_inotify_init1 = syscall("inotify_init1", [flags], (td, how) => {
  if ((how & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
  const { vfs } = td.fs;
  const fp = InotifyFile.open(vfs, how & O_NONBLOCK, anonAttr(vfs, td.cred), td.cred);
  if (failed(fp)) return fp;
  return newFd(td, fp, (how & O_CLOEXEC) !== 0);
});

export const sys_inotify_add_watch = syscall(
  "inotify_add_watch",
  [int, upath, flags],
  (td, n, path, mask) => {
    if (mask === 0 || (mask & ~IN_ALL_BITS) !== 0) return EINVAL;
    const fp = td.fdtable.get(n);
    if (!fp) return EBADF;
    if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return EINVAL;
    if (!(fp instanceof InotifyFile)) return EINVAL;
    const walk = (mask & IN_DONT_FOLLOW) !== 0 ? 0 : WALK_FOLLOW;
    const at = namei(td.fs, td, path, walk);
    if (failed(at)) return at;
    const vp = at.entry.vnode!;
    if ((mask & IN_ONLYDIR) !== 0 && !vp.isDir) return ENOTDIR;
    const denied = access(vp, td.cred, MAY_READ);
    return denied < 0 ? denied : fp.add(vp, mask);
  },
);

export const sys_inotify_rm_watch = syscall("inotify_rm_watch", [fd, int], (_td, fp, wd) =>
  fp instanceof InotifyFile ? fp.remove(wd) : EINVAL,
);

export const inotifySyscalls: readonly (readonly [number, Syscall])[] = [
  [26, sys_inotify_init1],
  [27, sys_inotify_add_watch],
  [28, sys_inotify_rm_watch],
];
