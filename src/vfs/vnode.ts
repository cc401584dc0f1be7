/**
 * Vnodes: one per file in use, whatever file system it lives on.
 *
 * A file system subclasses Vnode and overrides the operations it has; what it
 * lacks answers as Linux does for a file of that kind. Names are byte strings
 * without "/" and are never "." or ".."; permissions were checked by namei.
 * An operation either does all of its work or changes nothing. See vnode(9).
 */
import {
  EINVAL,
  ENODEV,
  ENOTDIR,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { S_IFDIR, S_IFMT } from "../abi/stat.ts";
import type { Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { Attr, AttrChange } from "./attr.ts";
import type { FileExtent } from "./fiemap.ts";
import type { File } from "./file.ts";
import type { FileSystem } from "./filesystem.ts";
import type { LeaseList } from "./lease.ts";
import type { LockList } from "./lockf.ts";
import type { NameEntry } from "./namecache.ts";
import { readObject } from "./pagecache.ts";
import type { Path } from "./path.ts";
import type { Pipe } from "./pipe.ts";
import type { ReadAhead } from "./readahead.ts";
import type { VnodeFile } from "./vnodefile.ts";
import { endWatches, type WatchList } from "./watch.ts";

/** Takes directory entries; answers false when it is full, and that entry was not taken. */
export interface DirSink {
  /** `next` is the offset at which a later readdir goes on after this entry. */
  entry(name: string, ino: number, type: number, next: number): boolean;
}

export abstract class Vnode {
  readonly fs: FileSystem;
  readonly ino: number;
  /** S_IFREG, S_IFDIR, …: never changes. */
  readonly type: number;
  /** Uses by name cache, files, maps and mounts; `inactive` runs when it falls to 0. */
  refs = 0;
  /** Files open for writing; negative: that many programs run from it (ETXTBSY). */
  writers = 0;
  /** Files open for reading alone. */
  readers = 0;
  /** The name in the name cache by which it was found last; not held, and null once it is not there. */
  entry: NameEntry | null = null;
  /** The ring behind a FIFO that was opened. */
  pipe: Pipe | null = null;
  /** flock, POSIX and OFD locks; null while there are none. */
  locks: LockList | null = null;
  /** Who must be told before it is opened; null while nobody must. */
  leases: LeaseList | null = null;
  /** Who is told of what happens to it; null while nobody is. */
  watches: WatchList | null = null;
  /** RWH_WRITE_LIFE_* of fcntl(2) F_SET_RW_HINT. */
  writeHint = 0;

  constructor(fs: FileSystem, ino: number, mode: number) {
    this.fs = fs;
    this.ino = ino;
    this.type = mode & S_IFMT;
  }

  get isDir(): boolean {
    return this.type === S_IFDIR;
  }

  /** FS_*_FL of ioctl_iflags(2); -1 where the file system has none. */
  get fileFlags(): number {
    return -1;
  }

  /** Changes those that the file system lets be changed. */
  setFileFlags(_flags: number): number {
    return ENOTTY;
  }

  /** The quota project it belongs to; 0 is the default one. */
  get projectId(): number {
    return 0;
  }

  /** Tells this file from earlier ones with the same number. */
  get generation(): number {
    return 0;
  }

  /** It can have access control lists, as the attributes system.posix_acl_*. */
  get keepsAcls(): boolean {
    return false;
  }

  /** New files in this directory get their permissions from an access control list: no umask. */
  get hasDefaultAcl(): boolean {
    return false;
  }

  get identity(): { readonly dev: number; readonly ino: number } {
    return { dev: this.fs.dev, ino: this.ino };
  }

  abstract getattr(): Attr | Errno;

  setattr(_change: AttrChange): number {
    return EROFS;
  }

  /** The cached pages of a regular file, for read, write and mmap alike. */
  object(): VmObject | Errno {
    return ENODEV;
  }

  /** Reads at `offset` of a regular file: bytes moved, 0 at the end. */
  read(_td: Thread, uio: Uio, offset: number, ahead: ReadAhead | null): number {
    const object = this.object();
    return failed(object) ? object : readObject(object, uio, offset, ahead);
  }

  /** Writes at `offset` of a regular file, growing it. Bytes moved, or an error. */
  write(_td: Thread, _uio: Uio, _offset: number): number {
    return EROFS;
  }

  /** SEEK_DATA or SEEK_HOLE from `offset`, which is before the end: without holes, all is data. */
  seekData(offset: number, isHole: boolean, sizeBytes: number): number {
    return isHole ? sizeBytes : offset;
  }

  /** The first piece of the file on its disk that ends after `offset`, from there on; null if none does. */
  extentAt(_offset: number): FileExtent | null | Errno {
    return EOPNOTSUPP;
  }

  /** A file that was open for writing is closed. */
  writerClosed(): void {}

  /** It was read: the access time moves if the relatime rule says so, or at once if `isStrict`. */
  accessed(_isStrict: boolean): void {}

  lookup(_name: string): Vnode | Errno {
    return ENOTDIR;
  }

  /** Emits entries from `offset` on, "." and ".." included; 0, or an error before the first. */
  readdir(_offset: number, _sink: DirSink): number {
    return ENOTDIR;
  }

  readlink(): string | Errno {
    return EINVAL;
  }

  /** Makes a file of any type but directory and symlink; `mode` has its type bits. */
  mknod(_name: string, _mode: number, _rdev: number, _cred: Cred): Vnode | Errno {
    return EROFS;
  }

  mkdir(_name: string, _mode: number, _cred: Cred): Vnode | Errno {
    return EROFS;
  }

  symlink(_name: string, _target: string, _cred: Cred): Vnode | Errno {
    return EROFS;
  }

  link(_name: string, _vp: Vnode): number {
    return EPERM;
  }

  unlink(_name: string, _vp: Vnode): number {
    return EROFS;
  }

  rmdir(_name: string, _vp: Vnode): number {
    return EROFS;
  }

  /** Moves `name` (which is `vp`) to `toName` in `toDir`, over `over` if there is one. */
  rename(
    _name: string,
    _vp: Vnode,
    _toDir: Vnode,
    _toName: string,
    _over: Vnode | null,
    _flags: number,
  ): number {
    return EROFS;
  }

  getxattr(_name: string): Uint8Array | Errno {
    return EOPNOTSUPP;
  }

  setxattr(_name: string, _value: Uint8Array, _flags: number): number {
    return EOPNOTSUPP;
  }

  listxattr(): readonly string[] | Errno {
    return EOPNOTSUPP;
  }

  removexattr(_name: string): number {
    return EOPNOTSUPP;
  }

  fsync(_dataOnly: boolean): number {
    return 0;
  }

  /**
   * A file of its own making, for file systems whose files are not pages (procfs).
   * Null: the usual file for this type. `path` is where it was found; may sleep.
   */
  open(_td: Thread, _flags: number, _path: Path): File | Errno | null {
    return null;
  }

  /**
   * The open file for a regular file, where the usual VnodeFile will not do: null. Takes over the
   * hold on `path`; O_TRUNC has been seen to.
   */
  openData(_flags: number, _path: Path): VnodeFile | Errno | null {
    return null;
  }

  /** Where a magic link (/proc/PID/fd/N, cwd, exe, root) leads; null: an ordinary symlink. */
  followLink(_td: Thread | null): Path | Errno | null {
    return null;
  }

  /** Makes an unnamed regular file for O_TMPFILE; `link` may name it later. */
  tmpfile(_mode: number, _cred: Cred): Vnode | Errno {
    return EOPNOTSUPP;
  }

  /** fallocate(2) on a regular file: `mode` is one of those that vfs/allocate.ts lets through. */
  allocate(_mode: number, _offset: number, _length: number): number {
    return EOPNOTSUPP;
  }

  /** F_ADD_SEALS and F_GET_SEALS: the seals after adding `add`, for memfds; EINVAL elsewhere. */
  seals(_add: number): number {
    return EINVAL;
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    if (this.pipe && !this.pipe.isInUse) this.pipe = null;
    if (this.watches) endWatches(this);
    this.inactive();
  }

  /** It is the root of one mount more, or of one less. */
  becameRoot(): void {}

  ceasedAsRoot(): void {}

  /** Nobody uses it any more: an unlinked file gives its storage back here. */
  inactive(): void {}
}
