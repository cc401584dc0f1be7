/**
 * iso9660's vnodes: the joint between a file of the disc and the vfs.
 *
 * One vnode per place that describes a file, so that there is one page cache
 * for it. A directory remembers where the last name was found: names are
 * mostly looked up in the order in which they are listed (as UFS does).
 */
import { EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, type Errno } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import { LOG_ERR } from "../../kern/log.ts";
import type { Attr } from "../../vfs/attr.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { VmObject } from "../../vm/object.ts";
import { PagedObject } from "../../vm/pagedobject.ts";
import type { Pager } from "../../vm/pager.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { readStored } from "./data.ts";
import { DirectoryReader } from "./directory.ts";
import type { IsoInode } from "./inode.ts";
import { inoOf, placeOf } from "./inode.ts";
import type { Iso9660 } from "./iso9660.ts";
import { FLAG_DIRECTORY } from "./layout.ts";

const NAME_MAX = 255;

export class IsoVnode extends Vnode implements Pager {
  declare readonly fs: Iso9660;
  readonly inode: IsoInode;
  /** The directory that led here last; null at the root. */
  parent: IsoVnode | null = null;
  #object: PagedObject | null = null;
  /** Where in the directory the next name is probably found. */
  #hint = 0;

  constructor(fs: Iso9660, inode: IsoInode) {
    super(fs, inode.ino, inode.mode);
    this.inode = inode;
  }

  override getattr(): Attr {
    const ip = this.inode;
    return {
      mode: ip.mode,
      ino: ip.ino,
      dev: this.fs.dev,
      nlink: ip.nlink,
      uid: ip.uid,
      gid: ip.gid,
      rdev: ip.rdev,
      sizeBytes: ip.sizeBytes,
      blksize: this.fs.volume.blockSize,
      blocks: ip.blocks512,
      atime: ip.atime,
      mtime: ip.mtime,
      ctime: ip.ctime,
      btime: null,
    };
  }

  override object(): VmObject | Errno {
    if (this.type !== S_IFREG) return EINVAL;
    this.#object ??= new PagedObject(this.fs.frames, this, this.inode.sizeBytes);
    return this.#object;
  }

  pageIn(pindex: number, into: Uint8Array): number {
    return this.readContents(pindex * PAGE_SIZE, into);
  }

  /** Fills `into` with contents from `offset`, zeroes past the end. 0, EIO. */
  readContents(offset: number, into: Uint8Array): number {
    const ip = this.inode;
    if (ip.compression) return this.fs.zisofs.read(ip, offset, into);
    return readStored(this.fs.volume, ip, ip.sizeBytes, offset, into);
  }

  override lookup(name: string): Vnode | Errno {
    if (!this.isDir) return ENOTDIR;
    if (name.length > NAME_MAX) return ENAMETOOLONG;
    const folded = this.fs.fold(name);
    const reader = this.#reader(this.#hint);
    const start = this.#hint;
    let isWrapped = start === 0;
    for (;;) {
      const r = reader.next();
      if (r < 0) return r as Errno;
      if (r === 0) {
        if (isWrapped) return ENOENT;
        isWrapped = true;
        reader.position = 0;
        continue;
      }
      const { first, last } = reader;
      if (!last!.isDot && !last!.isDotDot) {
        const found = reader.name();
        if (found !== null && this.fs.fold(found) === folded) {
          this.#hint = reader.position;
          return this.#enter(this.fs.vnode(first!, reader.sections));
        }
      }
      if (isWrapped && start > 0 && reader.position >= start) return ENOENT;
    }
  }

  override readdir(offset: number, sink: DirSink): number {
    if (!this.isDir) return ENOTDIR;
    const reader = this.#reader(offset);
    for (;;) {
      const r = reader.next();
      if (r <= 0) return r;
      const { first, last, position } = reader;
      const isTaken = last!.isDot
        ? sink.entry(".", this.ino, S_IFDIR, position)
        : last!.isDotDot
          ? sink.entry("..", this.parent?.ino ?? this.ino, S_IFDIR, position)
          : this.#list(reader, inoOf(this.fs.volume, placeOf(first!)), sink);
      if (!isTaken) return 0;
    }
  }

  override readlink(): string | Errno {
    if (this.type !== S_IFLNK) return EINVAL;
    return this.inode.symlink || EIO;
  }

  override inactive(): void {
    // Somebody may still have it mapped; then the page cache must stay the only one.
    if (this.#object && this.#object.refs > 1) return;
    this.#object?.release();
    this.#object = null;
    this.parent = null;
    this.fs.forget(this);
  }

  #reader(position: number): DirectoryReader {
    const [extent] = this.inode.sections;
    return new DirectoryReader(this.fs.volume, extent!.start, extent!.sizeBytes, position);
  }

  #list(reader: DirectoryReader, ino: number, sink: DirSink): boolean {
    const name = reader.name();
    if (name === null) return true;
    // Rock Ridge may know better what else it is than a directory: stat(2) tells.
    const type = reader.last!.has(FLAG_DIRECTORY) ? S_IFDIR : 0;
    return sink.entry(name, ino, type, reader.position);
  }

  /** A directory found in here; ELOOP if it is one that leads here. */
  #enter(vp: IsoVnode | Errno): IsoVnode | Errno {
    if (typeof vp === "number" || !vp.isDir) return vp;
    const start = vp.inode.sections[0]!.start;
    for (let up: IsoVnode | null = this; up; up = up.parent) {
      if (up.inode.sections[0]!.start !== start) continue;
      this.fs.volume.say(LOG_ERR, `directory at block ${start} contains itself`);
      return ELOOP;
    }
    vp.parent = this;
    return vp;
  }
}
