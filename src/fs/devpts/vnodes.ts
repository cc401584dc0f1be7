/** The directory of a devpts, and the nodes in it: one per pty, and ptmx. */
import { ENOENT, EPERM, type Errno } from "../../abi/errno.ts";
import { S_IFCHR, S_IFDIR, S_IFMT } from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { Devpts } from "./devpts.ts";

abstract class PtsVnode extends Vnode {
  declare readonly fs: Devpts;
  nlink = 1;
  #mode: number;
  readonly #rdev: number;
  #uid: number;
  #gid: number;
  #atime: Timespec;
  #mtime: Timespec;
  #ctime: Timespec;

  constructor(fs: Devpts, ino: number, mode: number, rdev: number, uid: number, gid: number) {
    super(fs, ino, mode);
    this.#mode = mode;
    this.#rdev = rdev;
    this.#uid = uid;
    this.#gid = gid;
    this.#atime = this.#mtime = this.#ctime = fs.clock.realtime();
  }

  override getattr(): Attr {
    return {
      mode: this.#mode,
      ino: this.ino,
      dev: this.fs.dev,
      nlink: this.nlink,
      uid: this.#uid,
      gid: this.#gid,
      rdev: this.#rdev,
      sizeBytes: 0,
      blksize: 1024,
      blocks: 0,
      atime: this.#atime,
      mtime: this.#mtime,
      ctime: this.#ctime,
      btime: null,
    };
  }

  override setattr(change: AttrChange): number {
    if (change.mode !== undefined) this.#mode = (this.#mode & S_IFMT) | (change.mode & 0o7777);
    this.#uid = change.uid ?? this.#uid;
    this.#gid = change.gid ?? this.#gid;
    this.#atime = change.atime ?? this.#atime;
    this.#mtime = change.mtime ?? this.#mtime;
    this.#ctime = this.fs.clock.realtime();
    return 0;
  }

  /** A name came or went. */
  touch(): void {
    this.#mtime = this.#ctime = this.fs.clock.realtime();
  }
}

export class PtsNode extends PtsVnode {
  constructor(fs: Devpts, ino: number, mode: number, rdev: number, uid: number, gid: number) {
    super(fs, ino, S_IFCHR | mode, rdev, uid, gid);
  }
}

export class PtsDir extends PtsVnode {
  readonly names = new Map<string, PtsNode>();

  constructor(fs: Devpts, ino: number, uid: number, gid: number) {
    super(fs, ino, S_IFDIR | 0o755, 0, uid, gid);
    this.nlink = 2;
  }

  override lookup(name: string): Vnode | Errno {
    return this.names.get(name) ?? ENOENT;
  }

  /** An entry's offset is its inode number plus one, which never changes. */
  override readdir(offset: number, sink: DirSink): number {
    if (offset <= 0 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset <= 1 && !sink.entry("..", this.ino, S_IFDIR, 2)) return 0;
    const entries = [...this.names].sort((a, b) => a[1].ino - b[1].ino);
    for (const [name, node] of entries) {
      if (node.ino < offset) continue;
      if (!sink.entry(name, node.ino, S_IFCHR, node.ino + 1)) return 0;
    }
    return 0;
  }

  override mknod(): Vnode | Errno {
    return EPERM;
  }

  override mkdir(): Vnode | Errno {
    return EPERM;
  }

  override symlink(): Vnode | Errno {
    return EPERM;
  }

  override unlink(): number {
    return EPERM;
  }

  override rmdir(): number {
    return EPERM;
  }

  override rename(): number {
    return EPERM;
  }
}
