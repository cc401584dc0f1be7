/**
 * procfs: processes and the kernel's own state as files. See proc(5).
 *
 * Everything is made up at the moment it is asked for; the file system keeps
 * only the nodes in use.
 */
import { EPERM, type Errno, failed } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { SysctlDir } from "../../kern/sysctl.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { PidNamespace } from "../../proc/pidns.ts";
import type { ProcTable } from "../../proc/proctable.ts";
import type { BlockDevices } from "../../vfs/blockdevice.ts";
import {
  type FileSystem,
  type FileSystemType,
  type MountRequest,
  type StatFs,
  simpleStatfs,
} from "../../vfs/filesystem.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { ProcNode } from "./node.ts";
import { NsFs } from "./nsfs.ts";
import {
  HIDEPID_NOT_PTRACEABLE,
  type ProcOptions,
  parseProcOptions,
  showProcOptions,
} from "./options.ts";
import { RootDir } from "./root.ts";
import { mayInspect, type TaskRef } from "./task.ts";

const PROC_SUPER_MAGIC = 0x9fa0;

/** What procfs shows that is not a process. */
export interface ProcSources {
  readonly table: ProcTable;
  readonly sysctls: SysctlDir;
  readonly disks: BlockDevices;
  readonly namespaces: NsFs;
}

/** Who mounts it. */
export interface ProcOwner {
  readonly pidns: PidNamespace;
  readonly userns: UserNamespace;
}

export class ProcFs implements FileSystem {
  readonly typeName = "proc";
  readonly isReadOnly = false;
  readonly isNameCacheable = false;
  readonly dev: number;
  readonly table: ProcTable;
  readonly sysctls: SysctlDir;
  readonly disks: BlockDevices;
  readonly namespaces: NsFs;
  readonly #nodes = new Map<string, ProcNode>();

  /** Whose numbers it shows. */
  readonly pidns: PidNamespace;
  readonly userns: UserNamespace;
  readonly showsMachine = true;
  options: ProcOptions;

  constructor(dev: number, sources: ProcSources, of: ProcOwner, options: ProcOptions) {
    this.options = options;
    this.dev = dev;
    this.pidns = of.pidns.hold();
    this.userns = of.userns.hold();
    this.table = sources.table;
    this.sysctls = sources.sysctls;
    this.disks = sources.disks;
    this.namespaces = sources.namespaces;
  }

  /** The thread whose system call is being served; null in the kernel's own calls. */
  get caller(): Lwp | null {
    return this.table.cpu.current as Lwp | null;
  }

  root(): Vnode | Errno {
    return this.node("", (key) => new RootDir(this, key));
  }

  /** The node in use under `key`, or the one that `make` makes. */
  node<T extends ProcNode>(key: string, make: (key: string) => T): T {
    const held = this.#nodes.get(key);
    if (held) return held as T;
    const fresh = make(key);
    this.#nodes.set(key, fresh);
    return fresh;
  }

  forget(node: ProcNode): void {
    if (this.#nodes.get(node.key) === node) this.#nodes.delete(node.key);
  }

  statfs(): StatFs {
    return simpleStatfs(PROC_SUPER_MAGIC);
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    this.#nodes.clear();
    this.pidns.release();
    this.userns.release();
    return 0;
  }

  remount(_isReadOnly: boolean, data: string): number {
    const options = parseProcOptions(data, this.userns, this.options);
    if (failed(options)) return options;
    this.options = options;
    return 0;
  }

  showOptions(): string {
    return showProcOptions(this.options, this.userns);
  }

  /** Whether the caller may know of a process at all, where `least` is what hides it. */
  shows(ref: TaskRef, least: number): boolean {
    const { hidepid, gid } = this.options;
    if (hidepid < least) return true;
    const { caller } = this;
    if (!caller) return true;
    if (hidepid !== HIDEPID_NOT_PTRACEABLE && caller.cred.isMember(gid)) return true;
    const task = ref.get();
    return task === null || mayInspect(caller, task);
  }
}

export class ProcFsType implements FileSystemType {
  readonly typeName = "proc";
  readonly needsDevice = false;
  readonly #sources: ProcSources;
  readonly isForUsers = true;

  constructor(sources: Omit<ProcSources, "namespaces">) {
    this.#sources = { ...sources, namespaces: new NsFs(sources.table.vfs) };
  }

  mount(request: MountRequest): FileSystem | Errno {
    const { vfs, userns, pidns } = this.#sources.table;
    const td = request.td as Lwp | undefined;
    const of = td ? { pidns: td.pidns, userns: td.cred.userns } : { pidns, userns };
    // It shows all processes of its pid name space: only who rules there may have it.
    if (!request.cred.hasCapIn(of.pidns.owner, CAP_SYS_ADMIN)) return EPERM;
    const options = parseProcOptions(request.data, request.cred.userns);
    if (failed(options)) return options;
    return new ProcFs(vfs.anonymousDev(), this.#sources, of, options);
  }
}
