/**
 * Where the files are that /proc/PID/ns/* lead to: a file system that nobody
 * mounts, with a file per name space. An open one keeps its name space, as does
 * one that is bound to a place (ip-netns(8)), and setns(2) takes it. See
 * namespaces(7), ioctl_nsfs(2).
 */
import { EINVAL, ENOENT, ENOTTY, EPERM, type Errno, ESRCH, failed } from "../../abi/errno.ts";
import { O_RDONLY } from "../../abi/fcntl.ts";
import { FS_IMMUTABLE_FL } from "../../abi/fsflags.ts";
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
import type { Namespace, NamespaceKind } from "../../kern/namespace.ts";
import type { Thread } from "../../kern/thread.ts";
import { UserNamespace } from "../../kern/userns.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { PidNamespace } from "../../proc/pidns.ts";
import type { Attr } from "../../vfs/attr.ts";
import { File } from "../../vfs/file.ts";
import { type FileSystem, type StatFs, simpleStatfs } from "../../vfs/filesystem.ts";
import type { Mount } from "../../vfs/mount.ts";
import { MountNamespace } from "../../vfs/mountns.ts";
import { holdPath, type Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { Vnode } from "../../vfs/vnode.ts";
import type { UserMemory } from "../../vm/usermem.ts";

const NSFS_MAGIC = 0x6e736673;
const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;
const NS_GET_OWNER_UID = 0xb704;
const NS_GET_MNTNS_ID = 0x8008b705;
const NS_GET_PID_FROM_PIDNS = 0x8004b706;
const NS_GET_TGID_FROM_PIDNS = 0x8004b707;
const NS_GET_PID_IN_PIDNS = 0x8004b708;
const NS_GET_TGID_IN_PIDNS = 0x8004b709;

const nsTypes: Readonly<Record<NamespaceKind, number>> = {
  cgroup: CLONE_NEWCGROUP,
  ipc: CLONE_NEWIPC,
  mnt: CLONE_NEWNS,
  net: CLONE_NEWNET,
  pid: CLONE_NEWPID,
  time: CLONE_NEWTIME,
  user: CLONE_NEWUSER,
  uts: CLONE_NEWUTS,
};

export function nsName(ns: Namespace): string {
  return `${ns.kind}:[${ns.ino}]`;
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

  /** The place of a name space's file. */
  place(ns: Namespace): Path | Errno {
    if (!this.#mount) {
      const made = this.#vfs.mounts.mountInternal(this);
      if (failed(made)) return made;
      this.#mount = made;
    }
    const vp = new NsVnode(this, this.#vfs, ns);
    return { mount: this.#mount, entry: this.#vfs.names.makeLoose(nsName(ns), vp) };
  }

  showRoot(root: Vnode): string {
    return root instanceof NsVnode ? root.shownName : "/";
  }

  root(): Vnode {
    return new NsVnode(this, this.#vfs, null);
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
  readonly #ns: Namespace | null;

  constructor(fs: NsFs, vfs: Vfs, ns: Namespace | null) {
    super(fs, ns?.ino ?? 1, S_IFREG | 0o444);
    this.#vfs = vfs;
    this.#ns = ns;
  }

  /** As mountinfo shows one that is bound. */
  get shownName(): string {
    return this.#ns ? nsName(this.#ns) : "/";
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

  /** Nobody may write to it. */
  override get fileFlags(): number {
    return FS_IMMUTABLE_FL;
  }

  override open(_td: Thread, flags: number): File | Errno {
    // A path alone does not keep it.
    if (!this.#ns || this.#ns.isOver) return ENOENT;
    return new NsFile(this.fs as NsFs, flags, this.#ns);
  }

  override becameRoot(): void {
    this.#ns?.hold();
  }

  override ceasedAsRoot(): void {
    this.#ns?.release();
  }
}

export class NsFile extends File {
  readonly #fs: NsFs;
  readonly ns: Namespace;

  constructor(fs: NsFs, flags: number, ns: Namespace) {
    super(flags);
    this.#fs = fs;
    this.ns = ns.hold();
  }

  override get namespace(): Namespace {
    return this.ns;
  }

  /** CLONE_NEWNS and its like. */
  get nsType(): number {
    return nsTypes[this.ns.kind];
  }

  describe(): string {
    return nsName(this.ns);
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    const { ns } = this;
    switch (request >>> 0) {
      case NS_GET_NSTYPE:
        return this.nsType;
      case NS_GET_USERNS:
        return this.#related(td as Lwp, ns instanceof UserNamespace ? ns.parent : ns.owner);
      case NS_GET_PARENT:
        if (ns instanceof UserNamespace) return this.#related(td as Lwp, ns.parent);
        if (!(ns instanceof PidNamespace)) return EINVAL;
        return ns.isWithin((td as Lwp).pidns) && ns !== (td as Lwp).pidns
          ? this.#open(td as Lwp, ns.parent!)
          : EPERM;
      case NS_GET_OWNER_UID:
        if (!(ns instanceof UserNamespace)) return EINVAL;
        return mem.storeU32(arg, td.cred.userns.shownUid(ns.ownerUid));
      case NS_GET_MNTNS_ID:
        return ns instanceof MountNamespace ? mem.storeU64(arg, ns.ino) : EINVAL;
      case NS_GET_PID_FROM_PIDNS:
      case NS_GET_TGID_FROM_PIDNS:
      case NS_GET_PID_IN_PIDNS:
      case NS_GET_TGID_IN_PIDNS:
        return ns instanceof PidNamespace ? translate(td as Lwp, ns, request >>> 0, arg) : EINVAL;
      default:
        return ENOTTY;
    }
  }

  /** A descriptor of the user name space `owner`, for who is in it or above. */
  #related(td: Lwp, owner: UserNamespace | null): number {
    return owner?.isWithin(td.cred.userns) ? this.#open(td, owner) : EPERM;
  }

  #open(td: Lwp, ns: Namespace): number {
    const at = this.#fs.place(ns);
    if (failed(at)) return at;
    const fp = new NsFile(this.#fs, O_RDONLY, ns);
    fp.path = holdPath(at);
    const fd = td.fdtable.alloc(fp, true);
    if (failed(fd)) fp.release();
    return fd;
  }

  override onLastClose(): void {
    this.ns.release();
  }
}

/** Numbers of there that are here's, and the other way around. */
function translate(td: Lwp, ns: PidNamespace, request: number, number: number): number {
  const { table } = td.proc;
  const isFrom = request === NS_GET_PID_FROM_PIDNS || request === NS_GET_TGID_FROM_PIDNS;
  const found = table.threadIn(isFrom ? ns : td.pidns, number);
  const isWhole = request === NS_GET_TGID_FROM_PIDNS || request === NS_GET_TGID_IN_PIDNS;
  const id = isWhole ? found?.proc.id : found?.id;
  return id?.in(isFrom ? td.pidns : ns) || ESRCH;
}
