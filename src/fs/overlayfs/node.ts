/**
 * A file seen through an overlay: the one in the upper layer, or else the one
 * below, which is copied up before anything about it changes.
 *
 * `upper` and `lower` hold entries of the layers' own name caches. A file that
 * is only below has one name in the overlay (`parent`, `name`), even if the
 * file below has several: where it must be copied to is therefore known.
 * Number and device in stat(2) are settled when the node is made, and stay.
 */
import { EINVAL, ENODATA, EOPNOTSUPP, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY } from "../../abi/fcntl.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../abi/xattr.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import type { FileExtent } from "../../vfs/fiemap.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import type { ReadAhead } from "../../vfs/readahead.ts";
import { Vnode } from "../../vfs/vnode.ts";
import type { VmObject } from "../../vm/object.ts";
import type { Uio } from "../../vm/uio.ts";
import { copyUp } from "./copyup.ts";
import type { OvlDir } from "./dir.ts";
import type { OverlayFs } from "./overlayfs.ts";

/** An entry in the lower layer number `layer`, from 0 for the topmost. */
export interface LowerEntry {
  readonly entry: NameEntry;
  readonly layer: number;
}

/** Where a name in an overlay leads: at least one of the two is there. */
export interface Found {
  readonly upper: NameEntry | null;
  readonly lower: readonly LowerEntry[];
  /** Where the directory's contents are below, if not under its own name; "" if they are. */
  readonly redirect: string;
}

export class OvlNode extends Vnode {
  declare readonly fs: OverlayFs;
  upper: NameEntry | null;
  /** Of a directory: all that are merged, topmost first. Of other files: at most one. */
  lower: readonly LowerEntry[];
  redirect: string;
  /** Null for the root. */
  parent: OvlDir | null;
  name: string;
  /** It has no name any more: a copy of it gets none. */
  isUnlinked = false;
  readonly #dev: number;

  constructor(fs: OverlayFs, found: Found, parent: OvlDir | null, name: string) {
    const real = (found.upper ?? found.lower[0]!.entry).vnode!;
    super(fs, fs.inoOf(found), real.type);
    this.#dev = fs.devOf(found);
    this.upper = found.upper;
    this.lower = found.lower;
    this.redirect = found.redirect;
    this.parent = parent;
    this.name = name;
    const { names } = fs.vfs;
    if (found.upper) names.hold(found.upper);
    for (const l of found.lower) names.hold(l.entry);
    parent?.hold();
  }

  /** The file itself, in whichever layer it is now. */
  get real(): Vnode {
    return (this.upper ?? this.lower[0]!.entry).vnode!;
  }

  /** The file in the upper layer, copied there if need be; EROFS without one. */
  writable(sizeBytes = Number.POSITIVE_INFINITY): Vnode | Errno {
    if (!this.upper) {
      const r = copyUp(this, sizeBytes);
      if (r < 0) return r as Errno;
    }
    return this.upper?.vnode ?? EROFS;
  }

  /** A copy of it is in the upper layer now, and is what it is from now on. */
  copiedTo(upper: NameEntry): void {
    this.fs.vfs.names.hold(upper);
    this.upper = upper;
    this.fs.remember(this);
  }

  moveTo(parent: OvlDir, name: string): void {
    parent.hold();
    this.parent?.release();
    this.parent = parent;
    this.name = name;
  }

  override getattr(): Attr | Errno {
    const a = this.real.getattr();
    if (failed(a)) return a;
    const seen: { -readonly [K in keyof Attr]: Attr[K] } = {
      mode: a.mode,
      ino: this.ino,
      dev: this.#dev,
      nlink: this.linksOf(a),
      uid: a.uid,
      gid: a.gid,
      rdev: a.rdev,
      sizeBytes: a.sizeBytes,
      blksize: a.blksize,
      blocks: a.blocks,
      atime: a.atime,
      mtime: a.mtime,
      ctime: a.ctime,
      btime: a.btime,
      acl: a.acl ?? null,
    };
    if (a.fileFlags !== undefined) seen.fileFlags = a.fileFlags;
    return seen;
  }

  override get fileFlags(): number {
    return this.real.fileFlags;
  }

  override setFileFlags(flags: number): number {
    const real = this.writable();
    return failed(real) ? real : real.setFileFlags(flags);
  }

  override get keepsAcls(): boolean {
    return this.real.keepsAcls;
  }

  override get hasDefaultAcl(): boolean {
    return this.real.hasDefaultAcl;
  }

  override extentAt(offset: number): FileExtent | null | Errno {
    return this.real.extentAt(offset);
  }

  /** The lower file does not know that it lost its name here. */
  protected linksOf(a: Attr): number {
    return this.isUnlinked && !this.upper ? Math.max(0, a.nlink - 1) : a.nlink;
  }

  override setattr(change: AttrChange): number {
    const real = this.writable(change.sizeBytes);
    return failed(real) ? real : real.setattr(change);
  }

  /** Opening for writing copies up; O_TRUNC did so already, without the contents. */
  override openData(flags: number): Errno | null {
    if (this.type !== S_IFREG || (flags & O_ACCMODE) === O_RDONLY) return null;
    const real = this.writable();
    return failed(real) ? real : null;
  }

  override object(): VmObject | Errno {
    return this.real.object();
  }

  override read(td: Thread, uio: Uio, offset: number, ahead: ReadAhead | null): number {
    return this.real.read(td, uio, offset, ahead);
  }

  override write(td: Thread, uio: Uio, offset: number): number {
    const real = this.writable();
    return failed(real) ? real : real.write(td, uio, offset);
  }

  override seekData(offset: number, isHole: boolean, sizeBytes: number): number {
    return this.real.seekData(offset, isHole, sizeBytes);
  }

  override allocate(mode: number, offset: number, length: number): number {
    const real = this.writable();
    return failed(real) ? real : real.allocate(mode, offset, length);
  }

  override seals(_add: number): number {
    return EINVAL;
  }

  /** What is read from a lower layer leaves no trace there. */
  override accessed(isStrict: boolean): void {
    this.upper?.vnode?.accessed(isStrict);
  }

  override readlink(): string | Errno {
    return this.real.readlink();
  }

  override fsync(dataOnly: boolean): number {
    if (!this.upper || this.fs.options.isVolatile) return 0;
    return this.upper.vnode!.fsync(dataOnly);
  }

  override getxattr(name: string): Uint8Array | Errno {
    return this.real.getxattr(this.fs.attrNames.toReal(name));
  }

  override listxattr(): readonly string[] | Errno {
    const names = this.real.listxattr();
    if (failed(names)) return names;
    const { attrNames } = this.fs;
    return names.filter((n) => !attrNames.isPrivate(n)).map((n) => attrNames.fromReal(n));
  }

  override setxattr(name: string, value: Uint8Array, flags: number): number {
    const there = this.getxattr(name);
    if ((flags & XATTR_REPLACE) !== 0 && failed(there)) return there;
    if ((flags & XATTR_CREATE) !== 0 && there === EOPNOTSUPP) return there;
    const real = this.writable();
    return failed(real) ? real : real.setxattr(this.fs.attrNames.toReal(name), value, flags);
  }

  override removexattr(name: string): number {
    const there = this.getxattr(name);
    if (failed(there)) return this.fs.upper || there !== ENODATA ? there : EROFS;
    const real = this.writable();
    return failed(real) ? real : real.removexattr(this.fs.attrNames.toReal(name));
  }

  override inactive(): void {
    const { names } = this.fs.vfs;
    this.fs.forget(this);
    if (this.upper) names.release(this.upper);
    for (const l of this.lower) names.release(l.entry);
    const up = this.parent;
    this.parent = null;
    up?.release();
  }
}
