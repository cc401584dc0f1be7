/** name_to_handle_at(2) and open_by_handle_at(2). */
import {
  EBADF,
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  type Errno,
  ESTALE,
  failed,
} from "../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
} from "../abi/fcntl.ts";
import { CAP_DAC_READ_SEARCH } from "../kern/cred.ts";
import { struct, u32 } from "../lib/struct.ts";
import type { Lwp } from "../proc/lwp.ts";
import { type FileHandle, fidOf, findHandle } from "../vfs/filehandle.ts";
import type { Mount } from "../vfs/mount.ts";
import { openPlace } from "../vfs/open.ts";
import { flags, int, uaddr } from "./args.ts";
import { dirfd, pathAt, upathOrNull } from "./at.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

/** The handle is for comparing alone. */
const AT_HANDLE_FID = 0x200;
const AT_HANDLE_MNT_ID_UNIQUE = 1;
const KNOWN = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE;

const MAX_HANDLE_SZ = 128;
const FILEID_INVALID = 0xff;

/** What the bytes of struct file_handle follow. */
const FileHandleHead = struct({ handle_bytes: u32, handle_type: u32 });

export const sys_name_to_handle_at = syscall(
  "name_to_handle_at",
  [dirfd, upathOrNull, uaddr, uaddr, flags],
  (td, dfd, path, out, mountId, how) => {
    if ((how & ~KNOWN) !== 0) return EINVAL;
    const isOfFd = path.length === 0 && (how & AT_EMPTY_PATH) !== 0 && dfd !== AT_FDCWD;
    if (isOfFd && td.fdtable.getAny(dfd)?.path === null) return EOPNOTSUPP;
    const follow = (how & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW;
    const at = pathAt(td, dfd, path, follow | (how & AT_EMPTY_PATH));
    if (failed(at)) return at;
    const vp = at.entry.vnode!;
    const { fileHandles: handles } = at.mount.fs;
    if (!handles && (how & AT_HANDLE_FID) === 0) return EOPNOTSUPP;
    const { vmspace } = td.proc;
    const room = vmspace.loadU32(out);
    if (failed(room)) return EFAULT;
    if (room > MAX_HANDLE_SZ) return EINVAL;
    const handle = fidOf(vp);
    const isTooLong = handle.bytes.length > room;
    const isUnique = (how & AT_HANDLE_MNT_ID_UNIQUE) !== 0;
    const told = isUnique
      ? vmspace.storeU64(mountId, at.mount.uniqueId)
      : vmspace.storeU32(mountId, at.mount.id);
    if (failed(told) || failed(vmspace.copyout(out, bytesOf(handle, isTooLong)))) return EFAULT;
    return isTooLong ? EOVERFLOW : 0;
  },
);

/** struct file_handle; of one that is too long, how long it is. */
function bytesOf(handle: FileHandle, isTooLong: boolean): Uint8Array {
  const { bytes } = handle;
  const all = new Uint8Array(FileHandleHead.sizeof + (isTooLong ? 0 : bytes.length));
  const view = new DataView(all.buffer);
  FileHandleHead.handle_bytes.set(view, 0, bytes.length);
  FileHandleHead.handle_type.set(view, 0, isTooLong ? FILEID_INVALID : handle.type);
  if (!isTooLong) all.set(bytes, FileHandleHead.sizeof);
  return all;
}

export const sys_open_by_handle_at = syscall(
  "open_by_handle_at",
  [int, uaddr, flags],
  (td, mountFd, from, oflags) => {
    const mount = mountOf(td, mountFd);
    if (mount !== null && failed(mount)) return mount;
    if (!td.cred.hasCap(CAP_DAC_READ_SEARCH)) return EPERM;
    const handle = readHandle(td, from);
    if (failed(handle)) return handle;
    if (mount === null) return ESTALE;
    const at = findHandle(td.fs.vfs, mount, handle);
    if (failed(at)) return at;
    const fp = openPlace(td, td.fs.vfs, at, oflags);
    td.fs.vfs.release(at);
    return failed(fp) ? fp : newFd(td, fp, (oflags & O_CLOEXEC) !== 0);
  },
);

/** The mount that a descriptor is on; null of one without a place: a pipe. */
function mountOf(td: Lwp, fd: number): Mount | null | Errno {
  if (fd === AT_FDCWD) return td.fs.cwd.mount;
  const fp = td.fdtable.get(fd);
  return fp ? (fp.path?.mount ?? null) : EBADF;
}

function readHandle(td: Lwp, from: number): FileHandle | Errno {
  const { vmspace } = td.proc;
  const view = new DataView(new ArrayBuffer(FileHandleHead.sizeof));
  if (failed(vmspace.copyin(from, new Uint8Array(view.buffer)))) return EFAULT;
  const length = FileHandleHead.handle_bytes.get(view, 0);
  const type = FileHandleHead.handle_type.get(view, 0);
  if (length > MAX_HANDLE_SZ || length === 0 || type > 0x7fffffff) return EINVAL;
  const bytes = new Uint8Array(length);
  if (failed(vmspace.copyin(from + FileHandleHead.sizeof, bytes))) return EFAULT;
  return { type, bytes };
}

export const handleSyscalls: readonly (readonly [number, Syscall])[] = [
  [264, sys_name_to_handle_at],
  [265, sys_open_by_handle_at],
];
