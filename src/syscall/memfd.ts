/** memfd_create(2): a file of the kernel's own tmpfs that no directory names. */
import { EACCES, EINVAL, ENAMETOOLONG, ENOSPC, ENOSYS, type Errno, failed } from "../abi/errno.ts";
import { O_LARGEFILE, O_RDWR } from "../abi/fcntl.ts";
import { S_IFREG } from "../abi/stat.ts";
import { NO_TMPFS_OPTIONS } from "../fs/tmpfs/options.ts";
import { TmpFile } from "../fs/tmpfs/tmpfile.ts";
import { Tmpfs } from "../fs/tmpfs/tmpfs.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Mount } from "../vfs/mount.ts";
import { holdPath, type Path } from "../vfs/path.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import { flags, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_HUGETLB = 4;
/** Which size: six bits. */
const MFD_HUGE_SIZES = 0x3f << 26;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;
/** vm.memfd_noexec: who does not say gets files that programs cannot run from; nobody gets others. */
const MEMFD_NOEXEC_SEAL = 1;
const MEMFD_NOEXEC_ENFORCED = 2;
/** NAME_MAX less the length of "memfd:". */
const MAX_NAME = 249;

export const sys_memfd_create = syscall("memfd_create", [uaddr, flags], (td, nameAddr, how) => {
  const known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
  const isHuge = (how & MFD_HUGETLB) !== 0;
  if ((how & ~(isHuge ? known | MFD_HUGETLB | MFD_HUGE_SIZES : known)) !== 0) return EINVAL;
  if ((how & MFD_NOEXEC_SEAL) !== 0 && (how & MFD_EXEC) !== 0) return EINVAL;
  const scope = td.pidns.memfdNoexec;
  const isPlain = (how & (MFD_NOEXEC_SEAL | MFD_EXEC)) === 0;
  const isNoexec = (how & MFD_NOEXEC_SEAL) !== 0 || (isPlain && scope >= MEMFD_NOEXEC_SEAL);
  if (!isNoexec && scope >= MEMFD_NOEXEC_ENFORCED) return EACCES;
  const name = td.proc.vmspace.copyinstr(nameAddr, MAX_NAME + 1);
  if (failed(name)) return name === ENAMETOOLONG ? EINVAL : name;
  // As without CONFIG_HUGETLBFS.
  if (isHuge) return ENOSYS;
  const { vfs } = td.fs;
  const mount = shmMount(td);
  if (failed(mount)) return mount;
  if (!(mount.fs instanceof Tmpfs)) return ENOSYS;
  if (!mount.fs.chargeInode()) return ENOSPC;
  const perm = isNoexec ? 0o666 : 0o777;
  const { fsuid, fsgid } = td.cred;
  const vp = new TmpFile(mount.fs, S_IFREG | perm, fsuid, fsgid, true);
  vp.nlink = 0;
  if (isNoexec || (how & MFD_ALLOW_SEALING) !== 0) vp.allowSealing(isNoexec);
  const entry = vfs.names.makeLoose(`/memfd:${name}`, vp);
  entry.isDeleted = true;
  const fp = new MemFile(vp, O_RDWR | O_LARGEFILE, holdPath({ mount, entry }));
  return newFd(td, fp, (how & MFD_CLOEXEC) !== 0);
});

/** The descriptor that made it does not keep programs from running from it, though they could be written to. */
class MemFile extends VnodeFile {
  constructor(vp: TmpFile, flags: number, path: Path) {
    super(vp, flags, path);
    vp.writers--;
  }

  override onLastClose(): void {
    this.vp.writers++;
    super.onLastClose();
  }
}

/** The internal tmpfs that memfds live on, bounded by memory alone; made with the first one. */
function shmMount(td: Lwp): Mount | Errno {
  const { vfs } = td.fs;
  if (vfs.shm) return vfs.shm;
  const options = { ...NO_TMPFS_OPTIONS, pages: 0, inodes: 0 };
  const mount = vfs.mounts.mountInternal(new Tmpfs(vfs, td.proc.table.pages, options));
  if (!failed(mount)) vfs.shm = mount;
  return mount;
}

export const memfdSyscalls: readonly (readonly [number, Syscall])[] = [[279, sys_memfd_create]];
