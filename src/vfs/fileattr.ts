/**
 * Attributes of files beyond permissions, as lsattr(1) and chattr(1) ask for them:
 * ioctl_iflags(2), and the project of a file. For open regular files and directories.
 */
import { ENOTTY, EOPNOTSUPP, EPERM, EROFS, failed } from "../abi/errno.ts";
import {
  FS_APPEND_FL,
  FS_IMMUTABLE_FL,
  FS_IOC_FSGETXATTR,
  FS_IOC_FSSETXATTR,
  FS_IOC_GETFLAGS,
  FS_IOC_GETVERSION,
  FS_IOC_SETFLAGS,
  Fsxattr,
  xflags,
} from "../abi/fsflags.ts";
import { CAP_LINUX_IMMUTABLE } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { isOwnerOrCapable } from "./access.ts";
import type { Vnode } from "./vnode.ts";

/** ENOTTY if `request` is none of these, or the file system has no such attributes. */
export function fileAttrIoctl(
  td: Thread,
  vp: Vnode,
  isReadOnly: boolean,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  if (vp.fileFlags === -1) return ENOTTY;
  switch (request) {
    case FS_IOC_GETFLAGS:
      return mem.storeU32(arg, vp.fileFlags);
    case FS_IOC_GETVERSION:
      return mem.storeU32(arg, vp.generation);
    case FS_IOC_SETFLAGS: {
      const flags = mem.loadU32(arg);
      return flags < 0 ? flags : setFlags(td, vp, isReadOnly, flags);
    }
    case FS_IOC_FSGETXATTR:
      return getFsxattr(vp, arg, mem);
    case FS_IOC_FSSETXATTR:
      return setFsxattr(td, vp, isReadOnly, arg, mem);
    default:
      return ENOTTY;
  }
}

/** EPERM for who neither owns the file nor may; only the privileged touch the two that bind everybody. */
function setFlags(td: Thread, vp: Vnode, isReadOnly: boolean, flags: number): number {
  if (isReadOnly) return EROFS;
  const a = vp.getattr();
  if (failed(a)) return a;
  if (!isOwnerOrCapable(a, td.cred)) return EPERM;
  const binding = FS_IMMUTABLE_FL | FS_APPEND_FL;
  const isBinding = ((flags ^ vp.fileFlags) & binding) !== 0;
  if (isBinding && !td.cred.hasCap(CAP_LINUX_IMMUTABLE)) return EPERM;
  return vp.setFileFlags(flags);
}

function getFsxattr(vp: Vnode, arg: number, mem: UserMemory): number {
  const view = new DataView(new ArrayBuffer(Fsxattr.sizeof));
  let set = 0;
  for (const [flag, xflag] of xflags) if ((vp.fileFlags & flag) !== 0) set |= xflag;
  Fsxattr.fsx_xflags.set(view, 0, set);
  Fsxattr.fsx_projid.set(view, 0, vp.projectId);
  return mem.copyout(arg, new Uint8Array(view.buffer));
}

function setFsxattr(
  td: Thread,
  vp: Vnode,
  isReadOnly: boolean,
  arg: number,
  mem: UserMemory,
): number {
  const view = new DataView(new ArrayBuffer(Fsxattr.sizeof));
  const r = mem.copyin(arg, new Uint8Array(view.buffer));
  if (failed(r)) return r;
  const wanted = Fsxattr.fsx_xflags.get(view, 0);
  let flags = vp.fileFlags;
  let known = 0;
  for (const [flag, xflag] of xflags) {
    known |= xflag;
    flags = (wanted & xflag) !== 0 ? flags | flag : flags & ~flag;
  }
  if ((wanted & ~known) !== 0) return EOPNOTSUPP;
  // Projects are a matter of quotas, which are not kept.
  if (Fsxattr.fsx_projid.get(view, 0) !== vp.projectId) return EOPNOTSUPP;
  return setFlags(td, vp, isReadOnly, flags);
}
