/**
 * The first mounts: the root from its disk, and what every Unix program
 * expects above it. All of it is done as process 1, before it starts.
 */
import { EINVAL, ENODEV, ENOENT, ENOTDIR, EROFS, type Errno, failed } from "../abi/errno.ts";
import { type KernelLog, LOG_INFO, LOG_WARNING } from "../kern/log.ts";
import type { Thread } from "../kern/thread.ts";
import type { Disk } from "../vfs/blockdevice.ts";
import { mkdir } from "../vfs/create.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import type { FsContext } from "../vfs/fscontext.ts";
import {
  type Mount,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
} from "../vfs/mount.ts";
import { lookupEntry, namei, nameiParent, WALK_FOLLOW } from "../vfs/namei.ts";
import type { Path } from "../vfs/path.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { RootDevice } from "./rootdevice.ts";

interface BootMount {
  readonly at: string;
  readonly type: string;
  readonly flags: number;
  readonly data: string;
}

const CD_BLOCK = 2048;
const QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/** In order: what lies below another mount comes after it. */
const SYSTEM_MOUNTS: readonly BootMount[] = [
  { at: "/dev", type: "devtmpfs", flags: MS_NOSUID, data: "mode=755" },
  {
    at: "/dev/pts",
    type: "devpts",
    flags: MS_NOSUID | MS_NOEXEC,
    data: "gid=5,mode=620,ptmxmode=666",
  },
  { at: "/dev/shm", type: "tmpfs", flags: MS_NOSUID | MS_NODEV, data: "mode=1777" },
  { at: "/proc", type: "proc", flags: QUIET, data: "" },
  { at: "/sys", type: "sysfs", flags: QUIET, data: "" },
  {
    at: "/sys/fs/cgroup",
    type: "cgroup2",
    flags: QUIET,
    data: "nsdelegate,memory_recursiveprot",
  },
  { at: "/run", type: "tmpfs", flags: MS_NOSUID | MS_NODEV, data: "mode=755" },
  { at: "/tmp", type: "tmpfs", flags: MS_NOSUID | MS_NODEV, data: "mode=1777" },
];

/** Where programs must be able to write while the root cannot be written. */
const SCRATCH_MOUNTS: readonly BootMount[] = [
  { at: "/var/tmp", type: "tmpfs", flags: MS_NOSUID | MS_NODEV, data: "mode=1777" },
  { at: "/root", type: "tmpfs", flags: MS_NOSUID | MS_NODEV, data: "mode=700" },
];

/** File system types that a root on `disk` may have, in the order they are tried. */
function rootTypes({ blockSize }: Disk): readonly string[] {
  return blockSize === CD_BLOCK ? ["iso9660", "ext4"] : ["ext4", "iso9660"];
}

/** The root; ENODEV if no type knows what is on the disk, EROFS if it was to be written and cannot be. */
export function mountRoot(
  vfs: Vfs,
  td: Thread,
  { disk, typeName: wanted, isReadOnly, data }: RootDevice,
): Mount | Errno {
  const source = `/dev/${disk.name}`;
  const { rdev } = disk;
  for (const typeName of wanted ? [wanted] : rootTypes(disk)) {
    const type = vfs.types.get(typeName);
    if (!type) continue;
    const request = { source, rdev, data, cred: td.cred };
    let fs: FileSystem | Errno = EROFS;
    if (isReadOnly !== true && !disk.isReadOnly) fs = type.mount({ ...request, isReadOnly: false });
    if (failed(fs) && fs !== EINVAL && isReadOnly !== false) {
      fs = type.mount({ ...request, isReadOnly: true });
    }
    if (fs === EINVAL) continue;
    if (failed(fs)) return fs;
    const flags = fs.isReadOnly ? MS_RDONLY | MS_RELATIME : MS_RELATIME;
    return vfs.mounts.mount(fs, null, flags, source);
  }
  return ENODEV;
}

/** The rest. A root without the directory for one goes without it. */
export function mountSystem(ctx: FsContext, td: Thread, log: KernelLog): void {
  for (const m of SYSTEM_MOUNTS) mountOne(ctx, td, m, log);
  makeLockDirectory(ctx, td);
  if (!ctx.root.mount.isReadOnly) return;
  const made = SCRATCH_MOUNTS.filter((m) => mountOne(ctx, td, m, log)).map((m) => m.at);
  log.log(LOG_INFO, `root is read-only; tmpfs on ${["/tmp", "/run", ...made].join(", ")}`);
}

/** /run/lock, which Debian's inits make and programs without one expect: for all, as /tmp. */
function makeLockDirectory(ctx: FsContext, td: Thread): void {
  const run = mountpoint(ctx, td, "/run");
  if (failed(run) || run.mount.fs.typeName !== "tmpfs") return;
  if (failed(mkdir(td, ctx, "/run/lock", 0o777, null))) return;
  const lock = namei(ctx, td, "/run/lock", WALK_FOLLOW);
  if (!failed(lock)) lock.entry.vnode?.setattr({ mode: 0o1777 });
}

/** A small tmpfs at `path`, where a root that cannot be written has nothing. */
export function mountCovering(ctx: FsContext, td: Thread, path: string): number {
  const at = mountpoint(ctx, td, path);
  if (failed(at)) return at;
  const data = "size=64k,mode=755";
  const request = { source: "tmpfs", rdev: 0, data, isReadOnly: false, cred: td.cred };
  const fs = ctx.vfs.types.get("tmpfs")?.mount(request) ?? ENODEV;
  const mounted = failed(fs) ? fs : ctx.vfs.mounts.mount(fs, at, MS_NOSUID | MS_NODEV, "tmpfs");
  return failed(mounted) ? mounted : 0;
}

function mountOne(ctx: FsContext, td: Thread, m: BootMount, log: KernelLog): boolean {
  const at = mountpoint(ctx, td, m.at);
  if (failed(at)) {
    log.log(LOG_INFO, `no place ${m.at} for ${m.type}`);
    return false;
  }
  const type = ctx.vfs.types.get(m.type);
  const request = { source: m.type, rdev: 0, data: m.data, isReadOnly: false, cred: td.cred };
  const fs = type?.mount(request) ?? ENODEV;
  const mounted = failed(fs) ? fs : ctx.vfs.mounts.mount(fs, at, m.flags, m.type);
  if (!failed(mounted)) return true;
  log.log(LOG_WARNING, `cannot mount ${m.type} on ${m.at}: error ${-mounted}`);
  return false;
}

/**
 * The directory at `path`, or, in a root that has none and cannot be written,
 * the negative entry of that name: what covers it can be walked into all the
 * same, so that any root will do, even one that holds a single program.
 */
export function mountpoint(ctx: FsContext, td: Thread, path: string): Path | Errno {
  const at = namei(ctx, td, path, WALK_FOLLOW);
  if (at !== ENOENT) return failed(at) || at.entry.vnode?.isDir ? at : ENOTDIR;
  const up = nameiParent(ctx, td, path);
  if (failed(up)) return up;
  const entry = lookupEntry(ctx.vfs, up.dir, up.name);
  return failed(entry) ? entry : { mount: up.mount, entry };
}
