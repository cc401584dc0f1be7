/**
 * Where the files are that /proc/PID/ns/* lead to: a file system that nobody
 * mounts, with a file per name space. An open one keeps its name space, and
 * setns(2) takes it. See namespaces(7).
 */
import { EINVAL, ENOTTY, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY } from "../../abi/fcntl.ts";
import { S_IFREG } from "../../abi/stat.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../abi/wait.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Attr } from "../../vfs/attr.ts";
import { File } from "../../vfs/file.ts";
import { type FileSystem, type StatFs, simpleStatfs } from "../../vfs/filesystem.ts";
import type { Mount } from "../../vfs/mount.ts";
import type { MountNamespace } from "../../vfs/mountns.ts";
import { holdPath, type Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { Vnode } from "../../vfs/vnode.ts";
import type { UserMemory } from "../../vm/usermem.ts";

const NSFS_MAGIC = 0x6e736673;
const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;
const NS_GET_OWNER_UID = 0xb704;
/** The user name space that owns all others. */
const USER_NS_INO = 0xeffffffd;

const nsTypes: ReadonlyMap<string, number> = new Map([
  ["cgroup", CLONE_NEWCGROUP],
  ["ipc", CLONE_NEWIPC],
  ["mnt", CLONE_NEWNS],
  ["net", CLONE_NEWNET],
  ["pid", CLONE_NEWPID],
  ["time", CLONE_NEWTIME],
  ["user", CLONE_NEWUSER],
  ["uts", CLONE_NEWUTS],
]);

export function nsName(kind: string, ino: number): string {
  return `${kind}:[${ino}]`;
}

export class NsFs implements FileSystem {
  readonly typeName = "nsfs";
  readonly dev: number;
  readonly isReadOnly = false;
  readonly isNameCacheable = true;
  readonly #vfs: Vfs;
  #mount: Mount | null = null;

  constructor(vfs: Vfs) {
    this.#vfs = vfs;
    this.dev = vfs.anonymousDev();
  }

  /** The place of a name space's file; `mounts` is the name space itself if it is one of mounts. */
  place(kind: string, ino: number, mounts: MountNamespace | null): Path | Errno {
    if (!this.#mount) {
      const made = this.#vfs.mounts.mountInternal(this);
      if (failed(made)) return made;
      this.#mount = made;
    }
    const vp = new NsVnode(this, this.#vfs, kind, ino, mounts);
    return { mount: this.#mount, entry: this.#vfs.names.makeLoose(nsName(kind, ino), vp) };
  }

  root(): Vnode {
    return new NsVnode(this, this.#vfs, "", 1, null);
  }

  statfs(): StatFs {
    return simpleStatfs(NSFS_MAGIC);
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    return 0;
  }
}

class NsVnode extends Vnode {
  readonly #vfs: Vfs;
  readonly #kind: string;
  readonly #mounts: MountNamespace | null;

  constructor(fs: NsFs, vfs: Vfs, kind: string, ino: number, mounts: MountNamespace | null) {
    super(fs, ino, S_IFREG | 0o444);
    this.#vfs = vfs;
    this.#kind = kind;
    this.#mounts = mounts;
  }

  getattr(): Attr {
    const now = this.#vfs.clock.realtime();
    return {
      mode: S_IFREG | 0o444,
      ino: this.ino,
      dev: this.fs.dev,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      sizeBytes: 0,
      blksize: 4096,
      blocks: 0,
      atime: now,
      mtime: now,
      ctime: now,
      btime: null,
    };
  }

  override open(_td: Thread, flags: number): File | Errno {
    if ((flags & O_ACCMODE) !== O_RDONLY) return EINVAL;
    return nsFile(this.fs as NsFs, flags, this.#kind, this.ino, this.#mounts);
  }
}

function nsFile(
  fs: NsFs,
  flags: number,
  kind: string,
  ino: number,
  mounts: MountNamespace | null,
): NsFile {
  return new NsFile(fs, flags, nsName(kind, ino), nsTypes.get(kind)!, mounts);
}

export class NsFile extends File {
  readonly #fs: NsFs;
  readonly #name: string;
  /** CLONE_NEWNS and its like. */
  readonly nsType: number;
  /** Null for the kinds of which there is one only. */
  readonly mounts: MountNamespace | null;

  constructor(
    fs: NsFs,
    flags: number,
    name: string,
    nsType: number,
    mounts: MountNamespace | null,
  ) {
    super(flags);
    this.#fs = fs;
    this.#name = name;
    this.nsType = nsType;
    this.mounts = mounts?.hold() ?? null;
  }

  describe(): string {
    return this.#name;
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    if (request === NS_GET_NSTYPE) return this.nsType;
    if (request === NS_GET_USERNS) return this.nsType === CLONE_NEWUSER ? EPERM : this.#owner(td);
    if (request === NS_GET_PARENT) {
      return this.nsType === CLONE_NEWUSER || this.nsType === CLONE_NEWPID ? EPERM : EINVAL;
    }
    if (request !== NS_GET_OWNER_UID) return ENOTTY;
    return this.nsType === CLONE_NEWUSER ? mem.storeU32(arg, 0) : EINVAL;
  }

  /** A descriptor of the user name space that this one belongs to. */
  #owner(td: Thread): number {
    const at = this.#fs.place("user", USER_NS_INO, null);
    if (failed(at)) return at;
    const fp = nsFile(this.#fs, O_RDONLY, "user", USER_NS_INO, null);
    fp.path = holdPath(at);
    const fd = (td as Lwp).fdtable.alloc(fp, true);
    if (failed(fd)) fp.release();
    return fd;
  }

  override onLastClose(): void {
    this.mounts?.release();
  }
}
