/**
 * Open regular files and directories: a vnode with an offset.
 *
 * The description holds its path, the path its entry, the entry its vnode. A
 * writer counts in `vp.writers`, so that execve(2) and open(2) keep out of
 * each other's way (ETXTBSY).
 */
import {
  EBADF,
  EFBIG,
  EINVAL,
  EISDIR,
  ENOTDIR,
  ENXIO,
  EOVERFLOW,
  type Errno,
  ESPIPE,
  failed,
} from "../abi/errno.ts";
import {
  O_APPEND,
  O_NOATIME,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from "../abi/fcntl.ts";
import { IN_ACCESS, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY } from "../abi/inotify.ts";
import { S_IFREG } from "../abi/stat.ts";
import type { Thread } from "../kern/thread.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { Attr } from "./attr.ts";
import { File } from "./file.ts";
import { notifyEntry } from "./inotify.ts";
import { MS_NOATIME, MS_NODIRATIME } from "./mount.ts";
import { pathString } from "./namei.ts";
import type { Path } from "./path.ts";
import { ReadAhead } from "./readahead.ts";
import type { DirSink, Vnode } from "./vnode.ts";

/** Largest offset: what the page cache can index. */
export const MAX_FILE_BYTES = 2 ** 44 - 4096;

export class VnodeFile extends File {
  readonly vp: Vnode;
  offset = 0;
  /** How it is read; null while it never was. */
  ahead: ReadAhead | null = null;
  /** Reading moves the access time. */
  readonly #keepsAtime: boolean;
  readonly #isRegular: boolean;

  /** Takes over the hold on `path`. */
  constructor(vp: Vnode, flags: number, path: Path) {
    super(flags);
    this.vp = vp;
    this.path = path;
    this.#isRegular = vp.type === S_IFREG;
    const quiet = vp.isDir ? MS_NOATIME | MS_NODIRATIME : MS_NOATIME;
    const { mount } = path;
    this.#keepsAtime =
      (flags & O_NOATIME) === 0 && (mount.flags & quiet) === 0 && !mount.isReadOnly;
    if (this.isWritable) {
      vp.writers++;
      mount.writers++;
    }
  }

  describe(): string {
    return fullPath(this.path!);
  }

  override stat(): Attr | Errno {
    return this.vp.getattr();
  }

  override read(td: Thread, uio: Uio): number {
    const r = this.pread(td, uio, this.offset);
    if (r > 0) this.offset += r;
    return r;
  }

  override pread(td: Thread, uio: Uio, offset: number): number {
    const { vp } = this;
    if (!this.#isRegular) return vp.isDir ? EISDIR : EINVAL;
    this.ahead ??= new ReadAhead();
    const r = vp.read(td, uio, offset, this.ahead);
    if (r > 0) {
      if (this.#keepsAtime) vp.accessed();
      this.#notify(IN_ACCESS);
    }
    return r;
  }

  override write(td: Thread, uio: Uio): number {
    if ((this.flags & O_APPEND) !== 0) {
      const a = this.vp.getattr();
      if (failed(a)) return a;
      this.offset = a.sizeBytes;
    }
    const r = this.#writeAt(td, uio, this.offset);
    if (r > 0) this.offset += r;
    return r;
  }

  override pwrite(td: Thread, uio: Uio, offset: number): number {
    if ((this.flags & O_APPEND) === 0) return this.#writeAt(td, uio, offset);
    const a = this.vp.getattr();
    return failed(a) ? a : this.#writeAt(td, uio, a.sizeBytes);
  }

  #writeAt(td: Thread, uio: Uio, offset: number): number {
    if (uio.resid === 0) return 0;
    const limit = Math.min(td.fileSizeLimit, MAX_FILE_BYTES);
    if (offset >= limit) return EFBIG;
    if (offset + uio.resid > limit) uio.resid = limit - offset;
    const r = this.vp.write(td, uio, offset);
    if (r > 0) this.#notify(IN_MODIFY);
    return r;
  }

  override seek(offset: number, whence: number): number {
    const to = this.vp.isDir ? this.#dirTarget(offset, whence) : this.#target(offset, whence);
    if (to >= 0) this.offset = to;
    return to;
  }

  #target(offset: number, whence: number): number {
    if (whence === SEEK_SET) return inRange(offset);
    if (whence === SEEK_CUR) return inRange(this.offset + offset);
    const a = this.vp.getattr();
    if (failed(a)) return a;
    if (whence === SEEK_END) return inRange(a.sizeBytes + offset);
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return EINVAL;
    if (!this.#isRegular) return ESPIPE;
    if (offset < 0 || offset >= a.sizeBytes) return ENXIO;
    return this.vp.seekData(offset, whence === SEEK_HOLE, a.sizeBytes);
  }

  #dirTarget(offset: number, whence: number): number {
    if (whence === SEEK_SET) return inRange(offset);
    if (whence === SEEK_CUR) return inRange(this.offset + offset);
    if (whence !== SEEK_END) return EINVAL;
    const a = this.vp.getattr();
    return failed(a) ? a : inRange(a.sizeBytes + offset);
  }

  override object(): VmObject | Errno {
    return this.vp.object();
  }

  override readdir(sink: DirSink): number {
    if (!this.vp.isDir) return ENOTDIR;
    const r = this.vp.readdir(this.offset, {
      entry: (name, ino, type, next) => {
        const isTaken = sink.entry(name, ino, type, next);
        if (isTaken) this.offset = next;
        return isTaken;
      },
    });
    if (r >= 0) {
      if (this.#keepsAtime) this.vp.accessed();
      this.#notify(IN_ACCESS);
    }
    return r;
  }

  override truncate(sizeBytes: number): number {
    if (!this.#isRegular || !this.isWritable) return EINVAL;
    const r = this.vp.setattr({ sizeBytes });
    if (r >= 0) this.#notify(IN_MODIFY);
    return r;
  }

  override fsync(dataOnly: boolean): number {
    return this.vp.fsync(dataOnly);
  }

  override bytesReadable(): number {
    const a = this.vp.getattr();
    return failed(a) ? a : Math.max(0, a.sizeBytes - this.offset);
  }

  override onLastClose(): void {
    const { vp } = this;
    if (this.isWritable) {
      vp.writers--;
      this.path!.mount.writers--;
    }
    this.#notify(this.isWritable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
  }

  #notify(mask: number): void {
    notifyEntry(this.path!.entry, mask);
  }
}

function inRange(offset: number): number {
  if (offset < 0) return EINVAL;
  return offset > Number.MAX_SAFE_INTEGER ? EOVERFLOW : offset;
}

/** The path as the machine's first root sees it. */
function fullPath(path: Path): string {
  let top = path.mount;
  while (top.parent) top = top.parent;
  return pathString({ mount: top, entry: top.root }, path);
}

/** What O_PATH opens: a place, good for *at(2) calls and fstat(2), not for data. */
export class PathFile extends File {
  constructor(flags: number, path: Path) {
    super(flags);
    this.path = path;
  }

  describe(): string {
    return fullPath(this.path!);
  }

  override read(): number {
    return EBADF;
  }

  override write(): number {
    return EBADF;
  }
}
