/**
 * Vnodes: one per file in use, whatever file system it lives on.
 *
 * A file system subclasses Vnode and overrides the operations it has; what it
 * lacks answers as Linux does for a file of that kind. Names are byte strings
 * without "/" and are never "." or ".."; permissions were checked by namei.
 * An operation either does all of its work or changes nothing. See vnode(9).
 */
import { EINVAL, ENODEV, ENOTDIR, EOPNOTSUPP, EPERM, EROFS, type Errno } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import type { VmObject } from "../vm/object.ts";
import { type Attr, type AttrChange, S_IFDIR, S_IFMT } from "./attr.ts";
import type { FileSystem } from "./filesystem.ts";

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

  constructor(fs: FileSystem, ino: number, mode: number) {
    this.fs = fs;
    this.ino = ino;
    this.type = mode & S_IFMT;
  }

  get isDir(): boolean {
    return this.type === S_IFDIR;
  }

  abstract getattr(): Attr | Errno;

  setattr(_change: AttrChange): number {
    return EROFS;
  }

  /** The cached pages of a regular file, for read, write and mmap alike. */
  object(): VmObject | Errno {
    return ENODEV;
  }

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

  /** Nobody uses it any more: an unlinked file gives its storage back here. */
  inactive(): void {}
}
