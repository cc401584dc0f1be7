/**
 * procfs's vnodes: directories, links and texts that are made up when asked for.
 *
 * A node is known by its key, so that the name cache meets the same vnode as
 * long as anybody uses it; nothing of a process is kept in it but pid and
 * birth time, so an old name never shows a new process.
 */
import { ENOENT, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { WaitQueue } from "../../kern/waitqueue.ts";
import type { Attr } from "../../vfs/attr.ts";
import type { File } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { ProcFs } from "./procfs.ts";
import { ProcTextFile } from "./textfile.ts";
import type { TextPiece } from "./textpiece.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const ROOT: Owner = { uid: 0, gid: 0 };

export abstract class ProcNode extends Vnode {
  declare readonly fs: ProcFs;
  readonly key: string;
  readonly #mode: number;

  constructor(fs: ProcFs, key: string, mode: number) {
    super(fs, inoOf(key), mode);
    this.key = key;
    this.#mode = mode & 0o7777;
  }

  /** Permission bits as they are now. */
  permissions(): number {
    return this.#mode;
  }

  /** Who owns it now; null if what it shows is gone. */
  owner(): Owner | null {
    return ROOT;
  }

  nlink(): number {
    return this.isDir ? 2 : 1;
  }

  override getattr(): Attr | Errno {
    const owner = this.owner();
    if (!owner) return ENOENT;
    const now = this.fs.table.cpu.clock.realtime();
    return {
      mode: this.type | this.permissions(),
      ino: this.ino,
      dev: this.fs.dev,
      nlink: this.nlink(),
      uid: owner.uid,
      gid: owner.gid,
      rdev: 0,
      sizeBytes: 0,
      blksize: 1024,
      blocks: 0,
      atime: now,
      mtime: now,
      ctime: now,
      btime: null,
    };
  }

  override setattr(): number {
    return EPERM;
  }

  override inactive(): void {
    this.fs.forget(this);
  }
}

/** One entry of a listing. Positions ascend from 2; what went away leaves a gap. */
export interface ProcEntry {
  readonly name: string;
  readonly type: number;
  readonly key: string;
  readonly position: number;
}

export abstract class ProcDir extends ProcNode {
  constructor(fs: ProcFs, key: string, mode = 0o555) {
    super(fs, key, S_IFDIR | mode);
  }

  /** The node called `name`; ENOENT. */
  abstract child(name: string): ProcNode | Errno;
  /** All entries but "." and "..", by ascending position. */
  abstract entries(): Iterable<ProcEntry>;

  /** EACCES where names are not for everybody. */
  mayList(): number {
    return 0;
  }

  override lookup(name: string): Vnode | Errno {
    if (!this.owner()) return ENOENT;
    const denied = this.mayList();
    return failed(denied) ? denied : this.child(name);
  }

  override mknod(): Errno {
    return ENOENT;
  }

  override mkdir(): Errno {
    return ENOENT;
  }

  override symlink(): Errno {
    return ENOENT;
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

  override readdir(offset: number, sink: DirSink): number {
    if (!this.owner()) return ENOENT;
    const denied = this.mayList();
    if (failed(denied)) return denied;
    if (offset < 1 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset < 2 && !sink.entry("..", this.ino, S_IFDIR, 2)) return 0;
    for (const e of this.entries()) {
      if (e.position < offset) continue;
      if (!sink.entry(e.name, inoOf(e.key), e.type & S_IFMT, e.position + 1)) return 0;
    }
    return 0;
  }
}

/** An ordinary symlink whose target depends on who asks. */
export abstract class ProcLink extends ProcNode {
  constructor(fs: ProcFs, key: string, mode = 0o777) {
    super(fs, key, S_IFLNK | mode);
  }

  abstract override readlink(): string | Errno;
}

/** State whose number grows with every change, waking the queue. */
export interface Announced {
  readonly generation: number;
  readonly changed: WaitQueue;
}

/** A file of text: made when it is read from the start. */
export abstract class ProcText extends ProcNode {
  constructor(fs: ProcFs, key: string, mode = 0o444) {
    super(fs, key, S_IFREG | mode);
  }

  /**
   * The text, a byte string: whole, or the piece that begins at `cursor` (0 is
   * the first); ESRCH if what it shows is gone.
   */
  abstract text(td: Thread, cursor: number): string | TextPiece | Errno;

  /** Takes what one write(2) brought at `offset`, which few ask for; `opener` is who opened it. */
  writeText(_td: Thread, _text: string, _opener: Cred, _offset: number): number {
    return EPERM;
  }

  /** Whether `td` may open it, beyond the permission bits. */
  mayOpen(_td: Thread, _flags: number): number {
    return 0;
  }

  /** What poll(2) watches, for a text whose changes are announced: /proc/mounts. */
  announced(): Announced | null {
    return null;
  }

  override open(td: Thread, flags: number, _path: Path): File | Errno | null {
    if (!this.owner()) return ENOENT;
    const denied = this.mayOpen(td, flags);
    return failed(denied) ? denied : new ProcTextFile(this, flags, td.cred);
  }
}

/** An inode number from a key: the same as long as the key is, and never 0 or 1. */
function inoOf(key: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  return 0x100000000 + (h >>> 0);
}
