/**
 * Open regular files and directories: a vnode with an offset.
 *
 * The description holds its path, the path its entry, the entry its vnode. A
 * writer counts in `vp.writers`, so that execve(2) and open(2) keep out of
 * each other's way (ETXTBSY).
 */
import {
  EAGAIN,
  EBADF,
  EFBIG,
  EINVAL,
  EISDIR,
  ENOTDIR,
  ENOTTY,
  ENXIO,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  type Errno,
  ESPIPE,
  failed,
} from "../abi/errno.ts";
import {
  O_APPEND,
  O_DIRECT,
  O_DSYNC,
  O_NOATIME,
  O_SYNC,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_NOAPPEND,
  RWF_NOWAIT,
  RWF_SYNC,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from "../abi/fcntl.ts";
import { FS_APPEND_FL, FS_SYNC_FL } from "../abi/fsflags.ts";
import { IN_ACCESS, IN_MODIFY } from "../abi/inotify.ts";
import { S_IFREG } from "../abi/stat.ts";
import type { Thread } from "../kern/thread.ts";
import type { ErrSeq } from "../vm/errseq.ts";
import type { VmObject } from "../vm/object.ts";
import type { Uio } from "../vm/uio.ts";
import type { UserMemory } from "../vm/usermem.ts";
import { clearSetId, hasFileFlag } from "./access.ts";
import { adviseObject } from "./advice.ts";
import type { Attr } from "./attr.ts";
import { finishDirectWrite, readDirect, refuseUnaligned } from "./direct.ts";
import { mapIoctl } from "./fiemap.ts";
import { File } from "./file.ts";
import { fileAttrIoctl } from "./fileattr.ts";
import { MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_SYNCHRONOUS } from "./mount.ts";
import { pathString } from "./namei.ts";
import { cachedBytes } from "./pagecache.ts";
import type { Path } from "./path.ts";
import { mayReadFile } from "./permission.ts";
import { FADV_SEQUENTIAL, ReadAhead } from "./readahead.ts";
import type { DirSink, Vnode } from "./vnode.ts";
import { notifyChange, notifyOpen } from "./watch.ts";

/** Largest offset: what the page cache can index. */
export const MAX_FILE_BYTES = 2 ** 44 - 4096;

export class VnodeFile extends File {
  readonly vp: Vnode;
  offset = 0;
  /** How it is read; null while it never was. */
  #ahead: ReadAhead | null = null;
  /** Reading moves the access time. */
  readonly #keepsAtime: boolean;
  /** Every time, not only as relatime has it. */
  readonly #isStrict: boolean;
  readonly #isRegular: boolean;
  /** The file could change when it was opened; a file system may turn read-only because it cannot be written. */
  readonly #isWrittenBack: boolean;
  /** Errors of writing the file back, up to which its users know of them. */
  #errorsSeen: number;

  /** Takes over the hold on `path`. */
  constructor(vp: Vnode, flags: number, path: Path) {
    super(flags);
    this.vp = vp;
    this.path = path;
    this.#isRegular = vp.type === S_IFREG;
    this.#isWrittenBack = this.#isRegular && !path.mount.fs.isReadOnly;
    this.#errorsSeen = this.#errors?.sample() ?? 0;
    this.fsErrorsSeen = path.mount.fs.dirty?.errors.sample() ?? 0;
    const quiet = vp.isDir ? MS_NOATIME | MS_NODIRATIME : MS_NOATIME;
    const { mount } = path;
    this.#isStrict = (mount.flags & MS_RELATIME) === 0;
    this.#keepsAtime =
      (flags & O_NOATIME) === 0 && (mount.flags & quiet) === 0 && !mount.isReadOnly;
    if (this.isWritable) {
      vp.writers++;
      mount.writers++;
    } else vp.readers++;
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
    if (!this.isQuiet) {
      const denied = mayReadFile(td, this.path!);
      if (denied < 0) return denied;
    }
    this.#ahead ??= new ReadAhead();
    const isPlain = (this.flags & O_DIRECT) === 0 && (uio.flags & RWF_NOWAIT) === 0;
    const r = isPlain
      ? vp.read(td, uio, offset, this.#ahead)
      : this.#readOtherwise(td, uio, offset);
    if (r > 0) {
      if (this.#keepsAtime) vp.accessed(this.#isStrict);
      this.#notify(IN_ACCESS);
    }
    return r;
  }

  /** A direct read, or one of what is in memory. */
  #readOtherwise(td: Thread, uio: Uio, offset: number): number {
    const object = this.vp.object();
    if (failed(object)) return object;
    if ((uio.flags & RWF_NOWAIT) !== 0 && offset < object.sizeBytes) {
      const n = cachedBytes(object, offset, uio.resid);
      if (n === 0) return EAGAIN;
      uio.resid = Math.min(uio.resid, n);
    }
    if ((this.flags & O_DIRECT) !== 0) return readDirect(object, uio, offset);
    return this.vp.read(td, uio, offset, null);
  }

  protected isAppending(uio: Uio): boolean {
    if ((uio.flags & RWF_APPEND) !== 0) return true;
    return (this.flags & O_APPEND) !== 0 && (uio.flags & RWF_NOAPPEND) === 0;
  }

  override write(td: Thread, uio: Uio): number {
    if (this.isAppending(uio)) {
      const a = this.vp.getattr();
      if (failed(a)) return a;
      this.offset = a.sizeBytes;
    }
    const r = this.#writeAt(td, uio, this.offset);
    if (r > 0) this.offset += r;
    return r;
  }

  override pwrite(td: Thread, uio: Uio, offset: number): number {
    if (!this.isAppending(uio)) return this.#writeAt(td, uio, offset);
    const a = this.vp.getattr();
    return failed(a) ? a : this.#writeAt(td, uio, a.sizeBytes);
  }

  #writeAt(td: Thread, uio: Uio, offset: number): number {
    if (uio.resid === 0) return 0;
    const limit = Math.min(td.fileSizeLimit, MAX_FILE_BYTES);
    if (offset >= limit) return EFBIG;
    if (offset + uio.resid > limit) uio.resid = limit - offset;
    const isDirect = (this.flags & O_DIRECT) !== 0;
    if (isDirect && this.#keepsOnDisk) {
      const refused = refuseUnaligned(uio, offset);
      if (refused < 0) return refused;
    } else if ((uio.flags & RWF_NOWAIT) !== 0) {
      return EOPNOTSUPP;
    }
    const r = this.vp.write(td, uio, offset);
    if (r <= 0) return r;
    this.#notify(IN_MODIFY);
    if (isDirect) {
      const object = this.vp.object();
      const done = failed(object) ? object : finishDirectWrite(object, offset, r);
      if (done < 0) return done;
    }
    return this.#finishSync(uio.flags, r);
  }

  /** What O_SYNC, O_DSYNC and their like ask for after a write of `count` bytes: `count`, or an error. */
  #finishSync(rwf: number, count: number): number {
    const isWhole = (this.flags & O_SYNC) === O_SYNC || (rwf & RWF_SYNC) !== 0;
    const isSync = isWhole || (this.flags & O_DSYNC) !== 0 || (rwf & RWF_DSYNC) !== 0;
    const isAlways =
      (this.path!.mount.flags & MS_SYNCHRONOUS) !== 0 || hasFileFlag(this.vp, FS_SYNC_FL);
    if (!isSync && !isAlways) return count;
    const r = this.fsync(!isWhole);
    return r < 0 ? r : count;
  }

  /** False for files that live in memory. */
  get #keepsOnDisk(): boolean {
    const object = this.vp.object();
    return !failed(object) && !object.isShmem;
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
      if (this.#keepsAtime) this.vp.accessed(this.#isStrict);
      this.#notify(IN_ACCESS);
    }
    return r;
  }

  override truncate(sizeBytes: number, td: Thread): number {
    const { vp } = this;
    if (!this.#isRegular || !this.isWritable) return EINVAL;
    if (hasFileFlag(vp, FS_APPEND_FL)) return EPERM;
    const a = vp.getattr();
    if (failed(a)) return a;
    const r = clearSetId(vp, a, td.cred, { sizeBytes });
    if (r >= 0) notifyChange(this.path!, IN_MODIFY);
    return r;
  }

  override ioctl(td: Thread, request: number, arg: number, mem: UserMemory): number {
    const { isReadOnly } = this.path!.mount;
    const r = fileAttrIoctl(td, this.vp, isReadOnly, request, arg, mem);
    return r === ENOTTY ? mapIoctl(td, this.vp, request, arg, mem) : r;
  }

  override fsync(dataOnly: boolean): number {
    const r = this.vp.fsync(dataOnly);
    const late = this.lateError();
    return late < 0 ? late : r;
  }

  /** The error of a write-back since this was asked last, or since open: told once. */
  override lateError(): number {
    const errors = this.#errors;
    if (!errors) return 0;
    const r = errors.check(this.#errorsSeen);
    this.#errorsSeen = errors.sample();
    return r;
  }

  get #errors(): ErrSeq | null {
    if (!this.#isWrittenBack) return null;
    const object = this.vp.object();
    return failed(object) ? null : object.errors;
  }

  override advise(advice: number, offset: number, end: number): void {
    if (!this.#isRegular) return;
    if (advice <= FADV_SEQUENTIAL) {
      this.#ahead ??= new ReadAhead();
      this.#ahead.advice = advice;
    } else {
      const object = this.vp.object();
      if (!failed(object)) adviseObject(object, advice, offset, end);
    }
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
      vp.writerClosed();
    } else vp.readers--;
  }

  #notify(mask: number): void {
    if (!this.isQuiet) notifyOpen(this.path!, mask);
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
