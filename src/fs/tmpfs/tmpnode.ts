/**
 * What all files of a tmpfs have: attributes, times, extended attributes.
 *
 * A node is its own Attr, so that stat(2) makes no garbage. It is gone when it
 * has no name (`nlink` 0) and no user (`refs` 0), whichever comes last.
 */
import { E2BIG, EACCES, EEXIST, ENODATA, ENOSPC, EOPNOTSUPP, type Errno } from "../../abi/errno.ts";
import { FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NOATIME_FL, FS_NODUMP_FL } from "../../abi/fsflags.ts";
import { S_IFLNK, S_IFMT } from "../../abi/stat.ts";
import { XATTR_CREATE, XATTR_REPLACE, XATTR_SIZE_MAX } from "../../abi/xattr.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import {
  type Acl,
  aclAfterChmod,
  formatAcl,
  inheritAcl,
  isPlain,
  modeOfAcl,
  parseAcl,
} from "../../vfs/posixacl.ts";
import { Vnode } from "../../vfs/vnode.ts";
import type { Tmpfs } from "./tmpfs.ts";

/** Bytes that the names of one file's extended attributes may take. */
const MAX_XATTR_LIST = 65536;
const ACL_ACCESS = "system.posix_acl_access";
const ACL_DEFAULT = "system.posix_acl_default";
/** What an entry of an access control list takes, about. */
const ACL_ENTRY_BYTES = 64;
const DAY_SEC = 86_400;

const CAPABILITY = "security.capability";
const INHERITED_FLAGS = FS_NODUMP_FL | FS_NOATIME_FL;
const KEPT_FLAGS = INHERITED_FLAGS | FS_IMMUTABLE_FL | FS_APPEND_FL;

export abstract class TmpNode extends Vnode implements Attr {
  declare readonly fs: Tmpfs;
  mode: number;
  nlink = 1;
  uid: number;
  gid: number;
  rdev = 0;
  readonly blksize = 4096;
  atime: Timespec;
  mtime: Timespec;
  ctime: Timespec;
  readonly btime: Timespec;
  /** Access control list, kept in step with `mode`; null where that says all. */
  acl: Acl | null = null;
  /** What new files in a directory inherit. */
  defaultAcl: Acl | null = null;
  #flags = 0;
  #xattrs: Map<string, Uint8Array> | null = null;
  #isFreed = false;

  constructor(fs: Tmpfs, mode: number, uid: number, gid: number) {
    super(fs, fs.nextIno(), mode);
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.atime = this.mtime = this.ctime = this.btime = fs.clock.realtime();
  }

  get dev(): number {
    return this.fs.dev;
  }

  /** Numbers are not used again within a file system; this tells it from others. */
  override get generation(): number {
    return this.fs.dev >>> 0;
  }

  abstract get sizeBytes(): number;

  override get fileFlags(): number {
    return this.#flags;
  }

  /** EOPNOTSUPP for those that tmpfs does not keep. */
  override setFileFlags(flags: number): number {
    if ((flags & ~KEPT_FLAGS) !== 0) return EOPNOTSUPP;
    this.#flags = flags;
    this.ctime = this.fs.clock.realtime();
    return 0;
  }

  /** As a new file in `dir`. */
  inheritFlags(dir: TmpNode): void {
    this.#flags = dir.fileFlags & INHERITED_FLAGS;
  }

  get blocks(): number {
    return 0;
  }

  override getattr(): Attr {
    return this;
  }

  override setattr(change: AttrChange): number {
    const now = this.fs.clock.realtime();
    if ((change.sizeBytes ?? change.uid ?? change.gid) !== undefined) this.dropCapabilities();
    if (change.sizeBytes !== undefined) {
      const r = this.resize(change.sizeBytes);
      if (r < 0) return r;
      this.mtime = now;
    }
    if (change.mode !== undefined) {
      this.mode = (this.mode & S_IFMT) | (change.mode & 0o7777);
      if (this.acl) this.acl = aclAfterChmod(this.acl, this.mode);
    }
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = now;
    return 0;
  }

  protected resize(_sizeBytes: number): number {
    return 0;
  }

  /** relatime: once per change of the file, and once a day. */
  override accessed(isStrict: boolean): void {
    if ((this.#flags & FS_NOATIME_FL) !== 0) return;
    const now = this.fs.clock.realtime();
    const isAfterChange = isLater(this.atime, this.mtime) && isLater(this.atime, this.ctime);
    if (!isStrict && isAfterChange && now.sec - this.atime.sec < DAY_SEC) return;
    this.atime = now;
  }

  /** One name less; the last one lets it go when nobody uses it. Further names count as inodes. */
  unlinked(): void {
    if (this.nlink > 1) this.fs.releaseInode();
    this.nlink--;
    this.ctime = this.fs.clock.realtime();
    if (this.nlink === 0 && this.refs === 0) this.free();
  }

  override inactive(): void {
    if (this.nlink === 0) this.free();
  }

  /** Gives everything back; once. */
  free(): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    this.fs.fileHandles.gone(this);
    this.fs.releaseInode();
    this.dropXattrs();
    this.freeData();
  }

  dropXattrs(): void {
    for (const [name, value] of this.#xattrs ?? []) {
      this.fs.releaseXattr(name.length + value.length);
    }
    this.#xattrs = null;
    if (this.acl) this.#putAcl("acl", null);
    if (this.defaultAcl) this.#putAcl("defaultAcl", null);
  }

  protected freeData(): void {}

  override get keepsAcls(): boolean {
    return this.fs.typeName === "tmpfs";
  }

  override get hasDefaultAcl(): boolean {
    return this.defaultAcl !== null;
  }

  #aclOf(name: string): "acl" | "defaultAcl" | null {
    if (name === ACL_ACCESS) return "acl";
    return name === ACL_DEFAULT ? "defaultAcl" : null;
  }

  #setAcl(which: "acl" | "defaultAcl", value: Uint8Array): number {
    if (this.type === S_IFLNK) return EOPNOTSUPP;
    const acl = parseAcl(value);
    if (typeof acl === "number") return acl;
    if (which === "defaultAcl" && !this.isDir) return acl ? EACCES : 0;
    const kept = which === "acl" && acl && isPlain(acl) ? null : acl;
    const r = this.#putAcl(which, kept);
    if (r < 0) return r;
    if (which === "acl" && acl) this.mode = (this.mode & ~0o777) | modeOfAcl(acl);
    this.ctime = this.fs.clock.realtime();
    return 0;
  }

  #putAcl(which: "acl" | "defaultAcl", acl: Acl | null): number {
    const more = ACL_ENTRY_BYTES * ((acl?.length ?? 0) - (this[which]?.length ?? 0));
    if (!this.fs.chargeXattr(more)) return ENOSPC;
    this[which] = acl;
    return 0;
  }

  /** A new file gets what `dir` has for it; where there is no room for lists, its mode alone. */
  inheritAcls(dir: TmpNode): void {
    const inherited = dir.defaultAcl;
    if (!inherited || this.type === S_IFLNK) return;
    const acl = inheritAcl(inherited, this.mode);
    this.mode = (this.mode & ~0o777) | modeOfAcl(acl);
    if (!isPlain(acl)) this.#putAcl("acl", acl);
    if (this.isDir) this.#putAcl("defaultAcl", inherited);
  }

  override getxattr(name: string): Uint8Array | Errno {
    const which = this.#aclOf(name);
    if (which) {
      const acl = this[which];
      return acl ? formatAcl(acl) : ENODATA;
    }
    return this.#xattrs?.get(name) ?? ENODATA;
  }

  override setxattr(name: string, value: Uint8Array, flags: number): number {
    const which = this.#aclOf(name);
    if (which) return this.#setAcl(which, value);
    const old = this.#xattrs?.get(name);
    if (old && (flags & XATTR_CREATE) !== 0) return EEXIST;
    if (!old && (flags & XATTR_REPLACE) !== 0) return ENODATA;
    if (value.length > XATTR_SIZE_MAX) return E2BIG;
    let listed = name.length + 1;
    for (const key of this.#xattrs?.keys() ?? []) if (key !== name) listed += key.length + 1;
    if (listed > MAX_XATTR_LIST) return ENOSPC;
    const more = old ? value.length - old.length : value.length + name.length;
    if (!this.fs.chargeXattr(more)) return ENOSPC;
    this.#xattrs ??= new Map();
    this.#xattrs.set(name, value.slice());
    this.ctime = this.fs.clock.realtime();
    return 0;
  }

  override listxattr(): readonly string[] {
    const names = [...(this.#xattrs?.keys() ?? [])];
    if (this.acl) names.unshift(ACL_ACCESS);
    if (this.defaultAcl) names.unshift(ACL_DEFAULT);
    return names;
  }

  /** Whoever changes a file takes what it may do from it. */
  protected dropCapabilities(): void {
    if (this.#xattrs?.has(CAPABILITY) && !this.isDir) this.removexattr(CAPABILITY);
  }

  override removexattr(name: string): number {
    const which = this.#aclOf(name);
    if (which) return this.#putAcl(which, null);
    const old = this.#xattrs?.get(name);
    if (!old) return ENODATA;
    this.#xattrs!.delete(name);
    this.fs.releaseXattr(name.length + old.length);
    this.ctime = this.fs.clock.realtime();
    return 0;
  }
}

function isLater(a: Timespec, b: Timespec): boolean {
  return a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec);
}
