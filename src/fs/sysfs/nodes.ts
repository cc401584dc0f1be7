/**
 * sysfs's vnodes: a fixed tree of directories, links and attributes.
 *
 * The tree is built with the file system and grows and shrinks with the disks;
 * what an attribute says may change. An attribute is one value in a file of nominal 4096 bytes.
 */
import { EACCES, EINVAL, EIO, ENOENT, ENOMEM, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY, SEEK_CUR, SEEK_END, SEEK_SET } from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { Thread } from "../../kern/thread.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Attr } from "../../vfs/attr.ts";
import type { File } from "../../vfs/file.ts";
import { TextFile } from "../../vfs/textfile.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Sysfs } from "./sysfs.ts";

const ATTRIBUTE_BYTES = 4096;

abstract class SysNode extends Vnode {
  declare readonly fs: Sysfs;
  readonly #mode: number;
  readonly #born: Timespec;

  constructor(fs: Sysfs, mode: number) {
    super(fs, fs.nextIno(), mode);
    this.#mode = mode;
    this.#born = fs.clock.realtime();
  }

  abstract get sizeBytes(): number;

  get nlink(): number {
    return 1;
  }

  override getattr(): Attr {
    return {
      mode: this.#mode,
      ino: this.ino,
      dev: this.fs.dev,
      nlink: this.nlink,
      uid: 0,
      gid: 0,
      rdev: 0,
      sizeBytes: this.sizeBytes,
      blksize: 4096,
      blocks: 0,
      atime: this.#born,
      mtime: this.#born,
      ctime: this.#born,
      btime: null,
    };
  }

  override setattr(): number {
    return EPERM;
  }
}

export class SysDir extends SysNode {
  readonly #children = new Map<string, SysNode>();
  #subdirectories = 0;

  constructor(fs: Sysfs) {
    super(fs, S_IFDIR | 0o755);
  }

  /** The directory below at `path`, made with all on the way. */
  dir(path: string): SysDir {
    let at: SysDir = this;
    for (const name of path.split("/")) at = at.#subdirectory(name);
    return at;
  }

  /** `value` is what the attribute always says, or who knows what it says now. */
  attribute(name: string, value: string | AttributeSource): void {
    this.#children.set(name, new SysAttribute(this.fs, value));
  }

  /** Puts a directory of another kind in. */
  mountDir(name: string, dir: SysDir): void {
    this.#children.set(name, dir);
    this.#subdirectories++;
  }

  addLink(name: string, target: string): void {
    this.#children.set(name, new SysLink(this.fs, target));
  }

  /** Takes a child away; whoever has it open keeps what he has. */
  remove(name: string): void {
    if (this.#children.get(name) instanceof SysDir) this.#subdirectories--;
    this.#children.delete(name);
  }

  #subdirectory(name: string): SysDir {
    const known = this.#children.get(name);
    if (known instanceof SysDir) return known;
    const made = new SysDir(this.fs);
    this.#children.set(name, made);
    this.#subdirectories++;
    return made;
  }

  get sizeBytes(): number {
    return 0;
  }

  override get nlink(): number {
    return 2 + this.#subdirectories;
  }

  override lookup(name: string): Vnode | Errno {
    return this.#children.get(name) ?? ENOENT;
  }

  override readdir(offset: number, sink: DirSink): number {
    if (offset <= 0 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset <= 1 && !sink.entry("..", this.ino, S_IFDIR, 2)) return 0;
    let at = 2;
    for (const [name, node] of this.#children) {
      if (at++ < offset) continue;
      if (!sink.entry(name, node.ino, node.type, at)) return 0;
    }
    return 0;
  }

  override mknod(): Vnode | Errno {
    return EACCES;
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

class SysLink extends SysNode {
  readonly #target: string;

  constructor(fs: Sysfs, target: string) {
    super(fs, S_IFLNK | 0o777);
    this.#target = target;
  }

  get sizeBytes(): number {
    return 0;
  }

  override readlink(): string {
    return this.#target;
  }
}

/** Says an attribute's value at the moment, with its newline. */
export interface AttributeSource {
  text(): string | Errno;
  /** Takes what one write(2) brought; absent where nothing may be written. */
  write?(text: string): number;
}

class SysAttribute extends SysNode {
  readonly #value: string | AttributeSource;

  constructor(fs: Sysfs, value: string | AttributeSource) {
    super(fs, S_IFREG | (typeof value !== "string" && value.write ? 0o644 : 0o444));
    this.#value = value;
  }

  get sizeBytes(): number {
    return ATTRIBUTE_BYTES;
  }

  text(): string | Errno {
    return typeof this.#value === "string" ? this.#value : this.#value.text();
  }

  override open(_td: Thread, flags: number): File | Errno {
    const isAllowed = (flags & O_ACCMODE) === O_RDONLY || this.isWritable;
    return isAllowed ? new AttributeFile(this, flags) : EACCES;
  }

  get isWritable(): boolean {
    return typeof this.#value !== "string" && this.#value.write !== undefined;
  }

  put(text: string): number {
    return typeof this.#value === "string" ? EIO : (this.#value.write?.(text) ?? EIO);
  }
}

/** Reading from the start takes the value anew. */
class AttributeFile extends TextFile {
  readonly #attribute: SysAttribute;

  constructor(attribute: SysAttribute, flags: number) {
    super(flags);
    this.#attribute = attribute;
  }

  protected override load(): number {
    const text = this.#attribute.text();
    if (failed(text)) return text;
    return this.keep(text) ? 0 : ENOMEM;
  }

  override pwrite(_td: Thread, uio: Uio, _offset: number): number {
    const bytes = new Uint8Array(Math.min(uio.resid, ATTRIBUTE_BYTES));
    const got = uio.copyin(bytes);
    if (got < 0) return got;
    const r = this.#attribute.put(byteString(bytes, 0, got));
    return r < 0 ? r : got;
  }

  override seek(offset: number, whence: number): number {
    const bases: Readonly<Record<number, number>> = {
      [SEEK_SET]: 0,
      [SEEK_CUR]: this.offset,
      [SEEK_END]: ATTRIBUTE_BYTES,
    };
    const base = bases[whence];
    if (base === undefined) return EINVAL;
    if (base + offset < 0 || base + offset > Number.MAX_SAFE_INTEGER) return EINVAL;
    this.offset = base + offset;
    return this.offset;
  }
}
