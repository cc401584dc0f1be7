/**
 * tmpfs: a file system whose files are memory. See tmpfs(5).
 *
 * Pages of files count against `pageLimit` from the moment they exist, also
 * when mmap(2) made them; files and directories against `inodeLimit`.
 * Everything lives until it has no name and no user.
 */
import { EINVAL, type Errno, failed } from "../../abi/errno.ts";
import type { KernelClock } from "../../kern/clock.ts";
import type { Cred } from "../../kern/cred.ts";
import { NO_ID } from "../../kern/idmap.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import {
  type FileSystem,
  type FileSystemType,
  type MountRequest,
  type StatFs,
  simpleStatfs,
} from "../../vfs/filesystem.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import type { PageAllocator } from "../../vm/page.ts";
import { TmpHandles } from "./handles.ts";
import { parseRamfsOptions, parseTmpfsOptions, type TmpfsOptions } from "./options.ts";
import { TmpDir } from "./tmpdir.ts";

const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;
const PAGE = 4096;
/** Bytes of extended attributes that one file system keeps at most. */
const MAX_XATTR_BYTES = 16 * 1024 * 1024;

/** What an inode takes, and a name without its bytes, about. */
const INODE_BYTES = 1024;
const NAME_BYTES = 256;

export class Tmpfs implements FileSystem {
  readonly typeName: string;
  readonly dev: number;
  readonly clock: KernelClock;
  readonly frames: PageAllocator;
  readonly isNameCacheable: boolean = true;
  readonly fileHandles = new TmpHandles();
  isReadOnly: boolean;
  pageLimit: number;
  inodeLimit: number;
  usedPages = 0;
  usedInodes = 0;
  usedXattrBytes = 0;
  /** Kernel memory that its inodes, names and attributes take. */
  kernelBytes = 0;
  readonly #root: TmpDir;
  #lastIno = 0;
  #options: TmpfsOptions;

  readonly userns: UserNamespace;

  /** `options` have the kernel's ids. `maker` owns the root, unless they name others. */
  constructor(
    vfs: Vfs,
    frames: PageAllocator,
    options: TmpfsOptions,
    typeName = "tmpfs",
    maker: Cred | null = null,
  ) {
    this.userns = maker?.userns ?? vfs.userns;
    this.typeName = typeName;
    this.dev = vfs.anonymousDev();
    this.clock = vfs.clock;
    this.frames = frames;
    this.isReadOnly = false;
    this.#options = options;
    this.pageLimit = options.pages ?? frames.totalPages >>> 1;
    this.inodeLimit = options.inodes ?? frames.totalPages >>> 1;
    const uid = options.uid ?? maker?.fsuid ?? 0;
    const gid = options.gid ?? maker?.fsgid ?? 0;
    this.#root = new TmpDir(this, options.mode ?? 0o1777, uid, gid, null);
    this.usedInodes = 1;
  }

  nextIno(): number {
    return ++this.#lastIno;
  }

  /** Makes room for `pages` more pages of files; false when the file system is full. */
  charge(pages: number): boolean {
    if (this.pageLimit > 0 && this.usedPages + pages > this.pageLimit) return false;
    this.usedPages += pages;
    return true;
  }

  chargeInode(): boolean {
    if (this.inodeLimit > 0 && this.usedInodes >= this.inodeLimit) return false;
    if (!this.take(INODE_BYTES)) return false;
    this.usedInodes++;
    return true;
  }

  releaseInode(): void {
    this.usedInodes--;
    this.give(INODE_BYTES);
  }

  /** A name in a directory: links take memory too, although they are no inodes. */
  hasRoomForName(name: string): boolean {
    return this.frames.kmem.hasRoom(NAME_BYTES + name.length);
  }

  holdName(name: string): void {
    this.owe(NAME_BYTES + name.length);
  }

  releaseName(name: string): void {
    this.give(NAME_BYTES + name.length);
  }

  chargeXattr(bytes: number): boolean {
    if (bytes > 0) {
      if (this.usedXattrBytes + bytes > MAX_XATTR_BYTES) return false;
      if (!this.take(bytes)) return false;
      this.usedXattrBytes += bytes;
    } else this.releaseXattr(-bytes);
    return true;
  }

  releaseXattr(bytes: number): void {
    this.usedXattrBytes -= bytes;
    this.give(bytes);
  }

  take(bytes: number): boolean {
    if (!this.frames.kmem.take(bytes)) return false;
    this.kernelBytes += bytes;
    return true;
  }

  owe(bytes: number): void {
    this.frames.kmem.owe(bytes);
    this.kernelBytes += bytes;
  }

  give(bytes: number): void {
    this.frames.kmem.give(bytes);
    this.kernelBytes -= bytes;
  }

  root(): Vnode {
    return this.#root;
  }

  statfs(): StatFs {
    if (this.typeName === "ramfs") return simpleStatfs(RAMFS_MAGIC);
    const blocks = this.pageLimit;
    const free = blocks === 0 ? 0 : Math.max(0, blocks - this.usedPages);
    const files = this.inodeLimit;
    return {
      type: TMPFS_MAGIC,
      bsize: PAGE,
      blocks,
      bfree: free,
      bavail: free,
      files,
      ffree: files === 0 ? 0 : files - this.usedInodes,
      namelen: 255,
    };
  }

  sync(): number {
    return 0;
  }

  /** All names go; what is still mapped lives on in its object. */
  unmount(): number {
    this.#root.clear();
    this.#root.dropXattrs();
    return 0;
  }

  showOptions(): string {
    if (this.typeName === "ramfs") return "";
    const o = this.#options;
    const shown = [];
    if (o.pages !== null) shown.push(`size=${this.pageLimit * 4}k`);
    if (o.inodes !== null) shown.push(`nr_inodes=${this.inodeLimit}`);
    if (o.mode !== null) shown.push(`mode=${o.mode.toString(8)}`);
    if (o.uid) shown.push(`uid=${this.userns.shownUid(o.uid)}`);
    if (o.gid) shown.push(`gid=${this.userns.shownGid(o.gid)}`);
    return shown.join(",");
  }

  /** Limits may change, but not below what is used, and none may appear where there was none. */
  remount(isReadOnly: boolean, data: string): number {
    if (this.typeName === "ramfs") {
      this.isReadOnly = isReadOnly;
      return 0;
    }
    const o = parseTmpfsOptions(data, this.frames.totalPages);
    if (failed(o)) return o;
    if (!mayBecome(o.pages, this.pageLimit, this.usedPages)) return EINVAL;
    if (!mayBecome(o.inodes, this.inodeLimit, this.usedInodes)) return EINVAL;
    this.pageLimit = o.pages ?? this.pageLimit;
    this.inodeLimit = o.inodes ?? this.inodeLimit;
    this.#options = {
      ...this.#options,
      pages: o.pages ?? this.#options.pages,
      inodes: o.inodes ?? this.#options.inodes,
    };
    this.isReadOnly = isReadOnly;
    return 0;
  }
}

function mayBecome(asked: number | null, limit: number, used: number): boolean {
  if (asked === null || asked === 0) return true;
  return limit > 0 && asked >= used;
}

export class TmpfsType implements FileSystemType {
  readonly typeName: string;
  readonly needsDevice = false;
  readonly isForUsers = true;
  readonly #vfs: Vfs;
  readonly #frames: PageAllocator;

  /** `typeName`: "tmpfs", or "ramfs" and the like for what behaves the same. */
  constructor(vfs: Vfs, frames: PageAllocator, typeName = "tmpfs") {
    this.#vfs = vfs;
    this.#frames = frames;
    this.typeName = typeName;
  }

  mount(request: MountRequest): FileSystem | Errno {
    const options =
      this.typeName === "ramfs"
        ? parseRamfsOptions(request.data)
        : parseTmpfsOptions(request.data, this.#frames.totalPages);
    if (failed(options)) return options;
    const { userns } = request.cred;
    const uid = options.uid === null ? null : userns.kuid(options.uid);
    const gid = options.gid === null ? null : userns.kgid(options.gid);
    if (uid === NO_ID || gid === NO_ID) return EINVAL;
    const own = { ...options, uid, gid };
    const fs = new Tmpfs(this.#vfs, this.#frames, own, this.typeName, request.cred);
    fs.isReadOnly = request.isReadOnly;
    return fs;
  }
}
