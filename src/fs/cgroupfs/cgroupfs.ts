/**
 * cgroup2: the tree of control groups as directories, what each does and may do as files. See cgroups(7).
 *
 * There is one tree, however often it is mounted. A directory's vnode lives as
 * long as its group; those of files while they are used, or have an owner or
 * a mode of their own.
 */
import { EINVAL, ENOENT, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { IN_DELETE_SELF, IN_MODIFY } from "../../abi/inotify.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import type { CgroupWatcher } from "../../kern/cgroup/cgroups.ts";
import { CAP_SYS_ADMIN, type Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { ProcTable } from "../../proc/proctable.ts";
import { access, MAY_WRITE } from "../../vfs/access.ts";
import type { Disks } from "../../vfs/disks.ts";
import {
  type FileSystem,
  type FileSystemType,
  type MountRequest,
  type StatFs,
  simpleStatfs,
} from "../../vfs/filesystem.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { endWatches, notifySelf } from "../../vfs/watch.ts";
import { CgroupDir } from "./nodes.ts";

const CGROUP2_SUPER_MAGIC = 0x63677270;

/** What memory.min and memory.low spare, they spare below, too; and no option makes that slower or faster here. */
const KNOWN_OPTIONS: readonly string[] = ["nsdelegate", "favordynmods", "memory_recursiveprot"];

export class CgroupFs implements FileSystem, CgroupWatcher {
  readonly typeName = "cgroup2";
  readonly isReadOnly = false;
  /** Files come and go with controllers. */
  readonly isNameCacheable = false;
  readonly dev: number;
  readonly table: ProcTable;
  readonly disks: Disks;
  #options: readonly string[] = [];
  readonly #dirs = new Map<Cgroup, CgroupDir>();
  #lastIno = 1;

  constructor(table: ProcTable, disks: Disks) {
    this.dev = table.vfs.anonymousDev();
    this.table = table;
    this.disks = disks;
    table.cpu.cgroups.watcher = this;
  }

  nextIno(): number {
    return ++this.#lastIno;
  }

  /** In a cgroup name space: its root. */
  mountRoot(td: Thread): readonly string[] {
    const names: string[] = [];
    const top = (td as Lwp).ns.cgroup.root;
    for (let at = top; at?.parent; at = at.parent) names.unshift(at.name);
    return names;
  }

  showRoot(root: Vnode, td: Thread): string {
    const from = (td as Lwp).ns.cgroup.root ?? this.table.cpu.cgroups.root;
    return root instanceof CgroupDir ? root.group.pathFrom(from) : "/";
  }

  root(): CgroupDir {
    return this.dirOf(this.table.cpu.cgroups.root);
  }

  /** The directory of a living group. */
  dirOf(group: Cgroup): CgroupDir {
    let dir = this.#dirs.get(group);
    if (!dir) {
      dir = new CgroupDir(this, group, group.parent ? this.nextIno() : 1);
      this.#dirs.set(group, dir);
    }
    return dir;
  }

  /** The group is gone: who watches or polls its files is told. */
  forget(group: Cgroup): void {
    const dir = this.#dirs.get(group);
    this.#dirs.delete(group);
    for (const file of dir?.openFiles() ?? []) {
      file.announce();
      notifySelf(file, IN_DELETE_SELF);
      endWatches(file);
    }
  }

  fileChanged(group: Cgroup, name: string): void {
    const file = this.#dirs.get(group)?.openFile(name);
    if (!file) return;
    file.announce();
    notifySelf(file, IN_MODIFY);
  }

  /** Who a cgroup name space was made for stays within it, and does not change its root's limits. */
  get isDelegating(): boolean {
    return this.#options.includes("nsdelegate");
  }

  /**
   * Whether `cred`, who sees `top` as the root, may move something from one group to another: it must reach
   * what they have in common. EACCES, ENOENT.
   */
  mayMove(cred: Cred, from: Cgroup, to: Cgroup, top: Cgroup | null): number {
    let common: Cgroup = to;
    while (!from.isWithin(common)) common = common.parent!;
    const procs = this.dirOf(common).lookup("cgroup.procs");
    const denied = failed(procs) ? procs : access(procs, cred, MAY_WRITE);
    if (failed(denied)) return denied;
    const isOutside = top !== null && !(from.isWithin(top) && to.isWithin(top));
    return isOutside && this.isDelegating ? ENOENT : 0;
  }

  statfs(): StatFs {
    return simpleStatfs(CGROUP2_SUPER_MAGIC);
  }

  sync(): number {
    return 0;
  }

  unmount(): number {
    return 0;
  }

  showOptions(): string {
    return this.#options.join(",");
  }

  remount(_isReadOnly: boolean, data: string): number {
    return this.setOptions(data);
  }

  setOptions(data: string): number {
    const options = data.split(",").filter((o) => o !== "" && o !== "rw" && o !== "ro");
    if (options.some((o) => !KNOWN_OPTIONS.includes(o))) return EINVAL;
    this.#options = KNOWN_OPTIONS.filter((o) => options.includes(o));
    return 0;
  }
}

export class CgroupFsType implements FileSystemType {
  readonly typeName = "cgroup2";
  readonly needsDevice = false;
  readonly isForUsers = true;
  readonly fs: CgroupFs;

  constructor(table: ProcTable, disks: Disks) {
    this.fs = new CgroupFs(table, disks);
  }

  mount({ data, td, cred }: MountRequest): FileSystem | Errno {
    // It is there already: only who rules over his cgroup name space may show it.
    if (td && !cred.hasCapIn((td as Lwp).ns.cgroup.owner, CAP_SYS_ADMIN)) return EPERM;
    if (!cred.userns.isInitial || (td as Lwp | undefined)?.ns.cgroup.root) return this.fs;
    const r = this.fs.setOptions(data);
    return r < 0 ? (r as Errno) : this.fs;
  }
}
