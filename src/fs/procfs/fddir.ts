/**
 * /proc/PID/fd and fdinfo: the open files of a process, by descriptor.
 */
import { EACCES, ENOENT, ENXIO, type Errno } from "../../abi/errno.ts";
import { O_ACCMODE, O_CLOEXEC, O_RDONLY, O_WRONLY, SEEK_CUR } from "../../abi/fcntl.ts";
import { S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import type { File } from "../../vfs/file.ts";
import { shownPath } from "../../vfs/namei.ts";
import type { Path } from "../../vfs/path.ts";
import { PipeFile } from "../../vfs/pipe.ts";
import { Vnode } from "../../vfs/vnode.ts";
import { type Owner, ProcDir, type ProcEntry, ProcLink, type ProcNode, ProcText } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import { mayInspect, type TaskRef } from "./task.ts";

/** The file that `ref`'s process or thread has open as `fd`; null if none, or it is gone. */
function openFile(ref: TaskRef, fd: number): File | null {
  return ref.get()?.td?.fdtable.getAny(fd) ?? null;
}

abstract class DescriptorDir extends ProcDir {
  readonly ref: TaskRef;
  readonly #entryType: number;

  constructor(fs: ProcFs, key: string, ref: TaskRef, mode: number, entryType: number) {
    super(fs, key, mode);
    this.ref = ref;
    this.#entryType = entryType;
  }

  abstract make(key: string, fd: number): ProcNode;

  override owner(): Owner | null {
    return this.ref.owner();
  }

  override mayList(): number {
    const task = this.ref.get();
    return task && mayInspect(this.fs.caller, task) ? 0 : EACCES;
  }

  child(name: string): ProcNode | Errno {
    if (!/^(0|[1-9]\d{0,8})$/.test(name)) return ENOENT;
    const fd = Number(name);
    if (!openFile(this.ref, fd)) return ENOENT;
    return this.fs.node(`${this.key}/${fd}`, (key) => this.make(key, fd));
  }

  *entries(): Iterable<ProcEntry> {
    const table = this.ref.get()?.td?.fdtable;
    if (!table) return;
    for (let fd = 0; fd < table.size; fd++) {
      if (!table.getAny(fd)) continue;
      yield { name: String(fd), type: this.#entryType, key: `${this.key}/${fd}`, position: 2 + fd };
    }
  }
}

export class FdDir extends DescriptorDir {
  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key, ref, 0o500, S_IFLNK);
  }

  make(key: string, fd: number): ProcNode {
    return new FdLink(this.fs, key, this.ref, fd);
  }
}

export class FdInfoDir extends DescriptorDir {
  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key, ref, 0o555, S_IFREG);
  }

  make(key: string, fd: number): ProcNode {
    return new FdInfo(this.fs, key, this.ref, fd);
  }
}

/** The owner's bits tell how the file was opened. */
function linkMode(fp: File): number {
  const how = fp.flags & O_ACCMODE;
  const canRead = how !== O_WRONLY ? 0o400 : 0;
  const canWrite = how !== O_RDONLY ? 0o200 : 0;
  return 0o100 | canRead | canWrite;
}

class FdLink extends ProcLink {
  readonly #ref: TaskRef;
  readonly #fd: number;

  constructor(fs: ProcFs, key: string, ref: TaskRef, fd: number) {
    super(fs, key);
    this.#ref = ref;
    this.#fd = fd;
  }

  override owner(): Owner | null {
    return openFile(this.#ref, this.#fd) ? this.#ref.owner() : null;
  }

  override permissions(): number {
    const fp = openFile(this.#ref, this.#fd);
    return fp ? linkMode(fp) : 0;
  }

  override readlink(): string | Errno {
    const fp = this.#open();
    if (typeof fp === "number") return fp;
    const root = this.fs.caller?.fs.root;
    return fp.path && root ? shownPath(root, fp.path) : fp.describe();
  }

  override followLink(_td: Thread | null): Path | Errno {
    const fp = this.#open();
    if (typeof fp === "number") return fp;
    return fp.path ?? this.#loosePlace(fp);
  }

  /**
   * What has no place of its own, as a pipe or a socket, can be asked for its attributes;
   * opening the link of a pipe opens its other end or the same one again.
   */
  #loosePlace(fp: File): Path | Errno {
    const attr = fp.stat();
    if (typeof attr === "number") return attr;
    const { vfs } = this.fs.table;
    const mount = vfs.shm ?? this.fs.caller?.fs.root.mount;
    if (!mount) return ENXIO;
    const vp = new LooseNode(this.fs, attr, fp);
    return { mount, entry: vfs.names.makeLoose(fp.describe(), vp) };
  }

  #open(): File | Errno {
    const task = this.#ref.get();
    if (!task) return ENOENT;
    if (!mayInspect(this.fs.caller, task)) return EACCES;
    return openFile(this.#ref, this.#fd) ?? ENOENT;
  }
}

/** What is found by the link of something without a place, for as long as the call takes: an unnamed pipe is a FIFO. */
class LooseNode extends Vnode {
  readonly #fp: File;

  constructor(fs: ProcFs, attr: Attr, fp: File) {
    super(fs, attr.ino, attr.mode);
    this.#fp = fp;
    this.pipe = fp instanceof PipeFile ? fp.pipe : null;
  }

  getattr(): Attr | Errno {
    return this.#fp.stat();
  }

  override setattr(change: AttrChange): number {
    return this.#fp.setattr(change);
  }
}

class FdInfo extends ProcText {
  readonly #ref: TaskRef;
  readonly #fd: number;

  constructor(fs: ProcFs, key: string, ref: TaskRef, fd: number) {
    super(fs, key);
    this.#ref = ref;
    this.#fd = fd;
  }

  override owner(): Owner | null {
    return openFile(this.#ref, this.#fd) ? this.#ref.owner() : null;
  }

  text(td: Thread): string | Errno {
    const fp = openFile(this.#ref, this.#fd);
    if (!fp) return ENOENT;
    const table = this.#ref.get()!.td!.fdtable;
    const flags = fp.flags | (table.isCloexec(this.#fd) ? O_CLOEXEC : 0);
    const at = fp.seek(0, SEEK_CUR);
    const attr = fp.stat();
    const ino = typeof attr === "number" ? 0 : attr.ino;
    return (
      `pos:\t${Math.max(0, at)}\nflags:\t0${flags.toString(8)}\n` +
      `mnt_id:\t${fp.path?.mount.id ?? 0}\nino:\t${ino}\n${fp.fdinfo(td)}`
    );
  }
}
