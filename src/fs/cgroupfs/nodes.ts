/** cgroup2's vnodes: the directory of a group, and its control files. */
import {
  EACCES,
  EEXIST,
  EINVAL,
  ENAMETOOLONG,
  ENODEV,
  ENOENT,
  ENOMEM,
  EPERM,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { S_IFDIR, S_IFREG } from "../../abi/stat.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import type { File } from "../../vfs/file.ts";
import { PressureFile } from "../../vfs/pressurefile.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { CgroupFs } from "./cgroupfs.ts";
import type { ControlFile } from "./controlfile.ts";
import { controlFiles } from "./files.ts";
import { OpenControlFile } from "./openfile.ts";

const NAME_MAX = 255;
/** What a group takes of the kernel's memory, about. */
const GROUP_BYTES = 6144;
/** Positions of children in a listing come after those of all files. */
const FIRST_CHILD = 1024;

/** Owner, mode and times: a file system of small files, none of which has been somewhere else. */
abstract class CgroupNode extends Vnode {
  declare readonly fs: CgroupFs;
  readonly group: Cgroup;
  uid = 0;
  gid = 0;
  /** True once somebody set what a node of its kind does not have anyway. */
  isCustom = false;
  #mode: number;
  #times: { atime: Timespec; mtime: Timespec; ctime: Timespec };

  constructor(fs: CgroupFs, group: Cgroup, ino: number, mode: number) {
    super(fs, ino, mode);
    this.group = group;
    this.#mode = mode & 0o7777;
    const now = fs.table.cpu.clock.realtime();
    this.#times = { atime: now, mtime: now, ctime: now };
  }

  abstract get nlink(): number;

  setMode(mode: number): void {
    this.#mode = mode & 0o7777;
  }

  override getattr(): Attr {
    return {
      mode: this.type | this.#mode,
      ino: this.ino,
      dev: this.fs.dev,
      nlink: this.nlink,
      uid: this.uid,
      gid: this.gid,
      rdev: 0,
      sizeBytes: 0,
      blksize: 4096,
      blocks: 0,
      ...this.#times,
      btime: null,
    };
  }

  override setattr(change: AttrChange): number {
    if (this.group.isDead) return ENODEV;
    const { atime, mtime } = this.#times;
    this.uid = change.uid ?? this.uid;
    this.gid = change.gid ?? this.gid;
    this.#mode = change.mode === undefined ? this.#mode : change.mode & 0o7777;
    this.#times = {
      atime: change.atime ?? atime,
      mtime: change.mtime ?? mtime,
      ctime: this.fs.table.cpu.clock.realtime(),
    };
    this.isCustom = true;
    return 0;
  }
}

export class CgroupDir extends CgroupNode {
  /** Who made it: to whom its files belong at first. */
  maker = { uid: 0, gid: 0 };
  readonly #files = new Map<string, ControlNode>();

  constructor(fs: CgroupFs, group: Cgroup, ino: number) {
    super(fs, group, ino, S_IFDIR | 0o755);
  }

  get nlink(): number {
    return this.group.isDead ? 0 : 2 + this.group.children.size;
  }

  override lookup(name: string): Vnode | Errno {
    const { group, fs } = this;
    if (group.isDead) return ENOENT;
    const child = group.children.get(name);
    if (child) return fs.dirOf(child);
    const file = controlFiles.get(name);
    return file && exists(file, group) ? this.#file(file) : ENOENT;
  }

  override readdir(offset: number, sink: DirSink): number {
    const { group, fs } = this;
    if (group.isDead) return ENOENT;
    if (offset < 1 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset < 2 && !sink.entry("..", this.ino, S_IFDIR, 2)) return 0;
    let position = 2;
    for (const file of controlFiles.values()) {
      const at = position++;
      if (at < offset || !exists(file, group)) continue;
      if (!sink.entry(file.name, this.#file(file).ino, S_IFREG, at + 1)) return 0;
    }
    for (const [name, child] of group.children) {
      const at = FIRST_CHILD + child.id;
      if (at >= offset && !sink.entry(name, fs.dirOf(child).ino, S_IFDIR, at + 1)) return 0;
    }
    return 0;
  }

  override mkdir(name: string, mode: number, cred: Cred): Vnode | Errno {
    const { group, fs } = this;
    if (name.includes("\n")) return EINVAL;
    if (name.length > NAME_MAX) return ENAMETOOLONG;
    if (group.isDead) return ENODEV;
    const file = controlFiles.get(name);
    if (file && exists(file, group)) return EEXIST;
    const { kmem } = fs.table.pages;
    if (!kmem.take(GROUP_BYTES)) return ENOMEM;
    const child = group.tree.make(group, name);
    if (failed(child)) {
      kmem.give(GROUP_BYTES);
      return child;
    }
    const dir = fs.dirOf(child);
    dir.setMode(mode);
    dir.uid = cred.fsuid;
    dir.gid = cred.fsgid;
    dir.maker = { uid: dir.uid, gid: dir.gid };
    return dir;
  }

  override rmdir(_name: string, vp: Vnode): number {
    const { group } = vp as CgroupDir;
    const r = group.tree.remove(group);
    if (r < 0) return r;
    this.fs.forget(group);
    this.fs.table.pages.kmem.give(GROUP_BYTES);
    return 0;
  }

  override mknod(): Errno {
    return this.group.isDead ? ENODEV : EACCES;
  }

  override symlink(): Errno {
    return EPERM;
  }

  override unlink(): number {
    return EPERM;
  }

  override rename(): number {
    return EPERM;
  }

  /** Its file of that name, if anybody uses it. */
  openFile(name: string): ControlNode | undefined {
    return this.#files.get(name);
  }

  openFiles(): readonly ControlNode[] {
    return [...this.#files.values()];
  }

  dropFile(file: ControlNode): void {
    if (this.#files.get(file.file.name) === file) this.#files.delete(file.file.name);
  }

  #file(file: ControlFile): ControlNode {
    let node = this.#files.get(file.name);
    if (!node) {
      const first = FIRST_FILE_INO + this.ino * FILES_PER_GROUP;
      node = new ControlNode(
        this.fs,
        this,
        file,
        first + [...controlFiles.keys()].indexOf(file.name),
      );
      this.#files.set(file.name, node);
    }
    return node;
  }
}

/** Inode numbers of files: the same whenever they are looked up. */
const FIRST_FILE_INO = 2 ** 32;
const FILES_PER_GROUP = 256;

/** True if `group` has that file at the moment. */
function exists(file: ControlFile, group: Cgroup): boolean {
  if (file.where === (group.parent ? "root" : "below")) return false;
  if (file.pressure !== undefined && !group.hasPressure) return false;
  return file.controller === 0 || (group.controllers & file.controller) !== 0;
}

export class ControlNode extends CgroupNode {
  readonly file: ControlFile;
  readonly dir: CgroupDir;
  /** Grows with every change that is announced. */
  changes = 0;
  readonly changed = new WaitQueue();

  constructor(fs: CgroupFs, dir: CgroupDir, file: ControlFile, ino: number) {
    super(fs, dir.group, ino, S_IFREG | file.mode);
    this.dir = dir;
    this.file = file;
    // The owner of the directory may have changed since; its files are who made it's.
    this.uid = dir.maker.uid;
    this.gid = dir.maker.gid;
  }

  /** Its group is, or its controller was taken from the group: there is nothing to show any more. */
  get isGone(): boolean {
    return this.group.isDead || !exists(this.file, this.group);
  }

  get nlink(): number {
    return this.group.isDead ? 0 : 1;
  }

  announce(): void {
    this.changes++;
    this.changed.wakeup();
  }

  override open(td: Thread, flags: number): File | Errno {
    if (this.isGone) return ENODEV;
    const { pressure } = this.file;
    if (pressure === undefined) return new OpenControlFile(this, td as Lwp, flags);
    return new PressureFile(td.cpu, this.group, pressure, td.cred, flags);
  }

  override inactive(): void {
    if (!this.isCustom) this.dir.dropFile(this);
  }
}
