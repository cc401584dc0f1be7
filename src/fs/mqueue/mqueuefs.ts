/**
 * mqueue: the file system whose files are POSIX message queues; one directory for
 * each IPC name space, the same wherever it is mounted, and there without being
 * mounted. See mq_overview(7).
 */
import {
  EACCES,
  EEXIST,
  EINVAL,
  EMFILE,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  EPERM,
  type Errno,
} from "../../abi/errno.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { IpcNamespace, QueueNames } from "../../ipc/ipcnamespace.ts";
import type { KernelClock } from "../../kern/clock.ts";
import type { Cpu } from "../../kern/cpu.ts";
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE, type Cred } from "../../kern/cred.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import { type SysctlDir, SysctlInt } from "../../kern/sysctl.ts";
import type { Thread } from "../../kern/thread.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Attr } from "../../vfs/attr.ts";
import {
  type FileSystem,
  type FileSystemType,
  type MountRequest,
  type StatFs,
  simpleStatfs,
} from "../../vfs/filesystem.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import { MqNode } from "./queue.ts";

const MQUEUE_MAGIC = 0x19800202;
const NAME_MAX = 255;
/** What even the privileged may not exceed: messages, and bytes of one. */
const HARD_MSGMAX = 65536;
const HARD_MSGSIZEMAX = 16 * 2 ** 20;
/** What RLIMIT_MSGQUEUE counts for a message beside its text. */
const MESSAGE_COST = 96;
const QUEUE_BYTES = 1024;

/** fs.mqueue.*: what the unprivileged may have, and what queues have that nobody said anything of. */
export interface MqLimits {
  queues_max: number;
  msg_max: number;
  msgsize_max: number;
  msg_default: number;
  msgsize_default: number;
}

export interface MqSize {
  readonly maxMessages: number;
  readonly messageBytes: number;
}

export class Mqueuefs implements FileSystem, QueueNames {
  readonly typeName = "mqueue";
  readonly isReadOnly = false;
  readonly isNameCacheable = false;
  readonly dev: number;
  readonly clock: KernelClock;
  readonly kmem: KernelMemory;
  readonly limits: MqLimits = {
    queues_max: 256,
    msg_max: 10,
    msgsize_max: 8192,
    msg_default: 10,
    msgsize_default: 8192,
  };
  readonly directory: MqDir;
  readonly #cpu: Cpu;
  /** Bytes that queues take, by the user who pays for them. */
  readonly #paid = new Map<number, number>();
  #lastIno = 1;

  readonly userns: UserNamespace;

  constructor(vfs: Vfs, cpu: Cpu, userns: UserNamespace) {
    this.userns = userns;
    this.dev = vfs.anonymousDev();
    this.clock = vfs.clock;
    this.kmem = vfs.kmem;
    this.#cpu = cpu;
    this.directory = new MqDir(this);
  }

  get callerPid(): number {
    return this.#cpu.current?.pid ?? 0;
  }

  root(): Vnode {
    return this.directory;
  }

  /** A new queue of that name; `size` null: the default. `limitBytes` is RLIMIT_MSGQUEUE. */
  create(
    name: string,
    mode: number,
    cred: Cred,
    size: MqSize | null,
    limitBytes: number,
  ): MqNode | Errno {
    const { limits, directory } = this;
    const isPrivileged = cred.hasCap(CAP_SYS_RESOURCE);
    if (name.length > NAME_MAX) return ENAMETOOLONG;
    if (directory.names.has(name)) return EEXIST;
    if (directory.names.size >= limits.queues_max && !isPrivileged) return ENOSPC;
    const maxMessages = size?.maxMessages ?? Math.min(limits.msg_max, limits.msg_default);
    const messageBytes = size?.messageBytes ?? Math.min(limits.msgsize_max, limits.msgsize_default);
    if (!(maxMessages > 0 && messageBytes > 0)) return EINVAL;
    const most = isPrivileged ? HARD_MSGMAX : limits.msg_max;
    const longest = isPrivileged ? HARD_MSGSIZEMAX : limits.msgsize_max;
    if (maxMessages > most || messageBytes > longest) return EINVAL;
    const paid = maxMessages * (messageBytes + MESSAGE_COST);
    const before = this.#paid.get(cred.uid) ?? 0;
    if (before + paid > limitBytes) return EMFILE;
    if (!this.kmem.take(QUEUE_BYTES)) return ENOSPC;
    this.#paid.set(cred.uid, before + paid);
    const node = new MqNode(this, ++this.#lastIno, mode, cred, { maxMessages, messageBytes, paid });
    directory.names.set(name, node);
    return node;
  }

  nameOf(node: MqNode): string {
    for (const [name, n] of this.directory.names) if (n === node) return name;
    return "(deleted)";
  }

  /** A queue that had no name any more is not used any more. */
  gone(node: MqNode): void {
    this.kmem.give(QUEUE_BYTES);
    const left = (this.#paid.get(node.payer) ?? 0) - node.paidBytes;
    if (left > 0) this.#paid.set(node.payer, left);
    else this.#paid.delete(node.payer);
  }

  statfs(): StatFs {
    return simpleStatfs(MQUEUE_MAGIC);
  }

  sync(): number {
    return 0;
  }

  /** Its name space ends: queues go, but for those that are open. */
  end(): void {
    for (const [name, node] of [...this.directory.names]) this.directory.unlink(name, node);
  }

  /** Queues stay, mounted or not. */
  unmount(): number {
    return 0;
  }

  remount(): number {
    return 0;
  }
}

export class MqDir extends Vnode {
  declare readonly fs: Mqueuefs;
  readonly names = new Map<string, MqNode>();
  readonly #madeAt;

  constructor(fs: Mqueuefs) {
    super(fs, 1, S_IFDIR);
    this.#madeAt = fs.clock.realtime();
  }

  override getattr(): Attr {
    const at = this.#madeAt;
    return {
      mode: S_IFDIR | 0o1777,
      ino: this.ino,
      dev: this.fs.dev,
      nlink: 2,
      uid: Math.max(this.fs.userns.rootUid, 0),
      gid: Math.max(this.fs.userns.rootGid, 0),
      rdev: 0,
      sizeBytes: 20 * this.names.size + 40,
      blksize: 4096,
      blocks: 0,
      atime: at,
      mtime: at,
      ctime: at,
      btime: null,
    };
  }

  override setattr(): number {
    return EPERM;
  }

  override lookup(name: string): MqNode | Errno {
    return this.names.get(name) ?? ENOENT;
  }

  /** open(2) with O_CREAT: a queue as they are by default. The limit is what all have at boot. */
  override mknod(name: string, mode: number, _rdev: number, cred: Cred): MqNode | Errno {
    if ((mode & S_IFMT) !== S_IFREG) return EPERM;
    return this.fs.create(name, mode, cred, null, DEFAULT_LIMIT_BYTES);
  }

  override unlink(name: string, vp: Vnode): number {
    const node = vp as MqNode;
    this.names.delete(name);
    node.nlink = 0;
    if (node.refs === 0) node.inactive();
    return 0;
  }

  override mkdir(): Errno {
    return EPERM;
  }

  override symlink(): Errno {
    return EPERM;
  }

  override rmdir(): number {
    return EPERM;
  }

  override rename(): number {
    return EPERM;
  }

  /** An entry's offset is its inode number plus one, which never changes. */
  override readdir(offset: number, sink: DirSink): number {
    if (offset < 1 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset < 2 && !sink.entry("..", this.ino, S_IFDIR, 2)) return 0;
    for (const [name, node] of this.names) {
      if (node.ino < offset) continue;
      if (!sink.entry(name, node.ino, S_IFREG, node.ino + 1)) return 0;
    }
    return 0;
  }
}

const DEFAULT_LIMIT_BYTES = 819200;

/** Whether `name` can name a queue: 0, EACCES, ENOENT, ENAMETOOLONG. */
export function checkName(name: string): number {
  if (name === "") return ENOENT;
  if (name.length > NAME_MAX) return ENAMETOOLONG;
  return name.includes("/") || name === "." || name === ".." ? EACCES : 0;
}

export class MqueueType implements FileSystemType {
  readonly typeName = "mqueue";
  readonly needsDevice = false;
  readonly isForUsers = true;
  readonly #vfs: Vfs;
  readonly #cpu: Cpu;

  constructor(vfs: Vfs, cpu: Cpu) {
    this.#vfs = vfs;
    this.#cpu = cpu;
  }

  /** That of an IPC name space. */
  of(ipc: IpcNamespace): Mqueuefs {
    if (ipc.queues instanceof Mqueuefs) return ipc.queues;
    const fs = new Mqueuefs(this.#vfs, this.#cpu, ipc.owner);
    ipc.queues = fs;
    return fs;
  }

  mount({ td, cred }: MountRequest): FileSystem | Errno {
    const { ipc } = td as Lwp;
    // It is there already: only who rules over its name space may show it.
    return cred.hasCapIn(ipc.owner, CAP_SYS_ADMIN) ? this.of(ipc) : EPERM;
  }
}

export function addMqueueSysctls(tree: SysctlDir, type: MqueueType): void {
  const add = (name: keyof MqLimits, min: number, max: number): void => {
    tree.add(`fs.mqueue.${name}`, new Limit(type, name, min, max));
  };
  add("queues_max", 0, 2 ** 31 - 1);
  add("msg_max", 1, HARD_MSGMAX);
  add("msgsize_max", 128, HARD_MSGSIZEMAX);
  add("msg_default", 1, HARD_MSGMAX);
  add("msgsize_default", 128, HARD_MSGSIZEMAX);
}

/** Of the IPC name space that its reader is in. */
class Limit extends SysctlInt {
  readonly #type: MqueueType;
  readonly #name: keyof MqLimits;

  constructor(type: MqueueType, name: keyof MqLimits, min: number, max: number) {
    super(min, max);
    this.#type = type;
    this.#name = name;
  }

  override userns(td: Thread): UserNamespace {
    return (td as Lwp).ipc.owner;
  }

  get(td: Thread): number {
    return this.#type.of((td as Lwp).ipc).limits[this.#name];
  }

  set(value: number, td: Thread): number {
    this.#type.of((td as Lwp).ipc).limits[this.#name] = value;
    return 0;
  }
}
