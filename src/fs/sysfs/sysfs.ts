/**
 * sysfs: the devices of the machine as a tree of small files. See sysfs(5).
 *
 * Only what programs read and this kernel has: CPUs, disks, terminals and
 * memory devices. There is one instance, however often it is mounted.
 */
import { EINVAL, EPERM, type Errno } from "../../abi/errno.ts";
import type { KernelClock } from "../../kern/clock.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Disks } from "../../vfs/disks.ts";
import {
  type FileSystem,
  type FileSystemType,
  type MountRequest,
  type StatFs,
  simpleStatfs,
} from "../../vfs/filesystem.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { NetSource } from "./net.ts";
import { SysDir } from "./nodes.ts";
import { populate } from "./tree.ts";

const SYSFS_MAGIC = 0x62656572;

/** What the tree shows. */
export interface SysfsSources {
  readonly cpus: number;
  readonly disks: Disks;
  readonly net: NetSource;
}

export class Sysfs implements FileSystem {
  readonly showsMachine = true;
  readonly typeName = "sysfs";
  readonly isReadOnly = false;
  /** Disks come and go. */
  readonly isNameCacheable = false;
  readonly dev: number;
  readonly clock: KernelClock;
  readonly #root: SysDir;
  #lastIno = 0;

  constructor(vfs: Vfs, sources: SysfsSources) {
    this.dev = vfs.anonymousDev();
    this.clock = vfs.clock;
    this.#root = new SysDir(this);
    populate(this.#root, sources, vfs.uevents);
  }

  nextIno(): number {
    return ++this.#lastIno;
  }

  root(): Vnode {
    return this.#root;
  }

  statfs(): StatFs {
    return simpleStatfs(SYSFS_MAGIC);
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    return 0;
  }

  remount(_isReadOnly: boolean, data: string): number {
    return data === "" ? 0 : EINVAL;
  }
}

export class SysfsType implements FileSystemType {
  readonly typeName = "sysfs";
  readonly needsDevice = false;
  readonly isForUsers = true;
  readonly #vfs: Vfs;
  readonly #sources: SysfsSources;
  #instance: Sysfs | null = null;

  constructor(vfs: Vfs, sources: SysfsSources) {
    this.#vfs = vfs;
    this.#sources = sources;
  }

  /** It shows the networks of who mounts it: only who rules over them may. */
  mount({ td, cred }: MountRequest): FileSystem | Errno {
    if (td && !cred.hasCapIn((td as Lwp).ns.net.owner, CAP_SYS_ADMIN)) return EPERM;
    this.#instance ??= new Sysfs(this.#vfs, this.#sources);
    return this.#instance;
  }
}
