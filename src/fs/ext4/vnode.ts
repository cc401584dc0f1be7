/**
 * ext4's vnodes: the joint between an inode and the vfs.
 *
 * Contents reach programs through the page cache: the vnode is the pager of
 * its object. One vnode per inode in use, so that there is one page cache per file.
 */
import { EINVAL, ENAMETOOLONG, ENOTDIR, EROFS, type Errno, ESTALE } from "../../abi/errno.ts";
import { S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Attr } from "../../vfs/attr.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { VmObject } from "../../vm/object.ts";
import { PagedObject } from "../../vm/pagedobject.ts";
import type { Pager } from "../../vm/pager.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { BlockRun } from "./blockmap.ts";
import { readData, readWhole } from "./data.ts";
import { lookupName } from "./dir.ts";
import { listDirectory } from "./dirlist.ts";
import type { Ext4 } from "./ext4.ts";
import type { Inode } from "./inode.ts";
import { EA_INODE_FL, EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";
import { getXattr, listXattrs } from "./xattr.ts";

const NAME_MAX = 255;
/** PATH_MAX without its NUL. */
const SYMLINK_MAX = 4095;
const FAST_SYMLINK_MAX = 59;

export class Ext4Vnode extends Vnode implements Pager {
  declare readonly fs: Ext4;
  readonly inode: Inode;
  #object: PagedObject | null = null;
  /** Last run of blocks that pageIn found. */
  readonly #run = new BlockRun();

  constructor(fs: Ext4, inode: Inode) {
    super(fs, inode.ino, inode.mode);
    this.inode = inode;
  }

  override getattr(): Attr | Errno {
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
      blksize: ip.volume.geometry.blockSize,
      blocks: ip.blocks512,
      atime: ip.atime,
      mtime: ip.mtime,
      ctime: ip.ctime,
      btime: ip.btime,
    };
  }

  override object(): VmObject | Errno {
    if (this.type !== S_IFREG) return EINVAL;
    this.#object ??= new PagedObject(this.fs.frames, this, this.inode.sizeBytes, this.fs.dirty);
    return this.#object;
  }

  pageIn(pindex: number, into: Uint8Array): number {
    return readData(this.inode, pindex * PAGE_SIZE, into, this.#run);
  }

  override lookup(name: string): Vnode | Errno {
    if (!this.isDir) return ENOTDIR;
    if (name.length > NAME_MAX) return ENAMETOOLONG;
    const ino = lookupName(this.inode, name);
    if (ino < 0) return ino as Errno;
    if (ino === this.ino) {
      return this.inode.volume.corrupt(`inode #${ino}: directory linked to itself`);
    }
    const vp = this.fs.vnode(ino);
    // A name that leads to a free inode is the image's fault, not a stale handle.
    if (vp === ESTALE) return this.inode.volume.corrupt(`deleted inode referenced: ${ino}`);
    return vp;
  }

  override readdir(offset: number, sink: DirSink): number {
    return this.isDir ? listDirectory(this.inode, offset, sink) : ENOTDIR;
  }

  override readlink(): string | Errno {
    if (this.type !== S_IFLNK) return EINVAL;
    const ip = this.inode;
    if (isFastSymlink(ip)) return byteString(ip.block, 0, ip.sizeBytes);
    if (ip.sizeBytes > SYMLINK_MAX || ip.sizeBytes === 0) {
      return ip.volume.corrupt(`inode #${ip.ino}: bad symlink size ${ip.sizeBytes}`);
    }
    const target = readWhole(ip, SYMLINK_MAX);
    return typeof target === "number" ? target : byteString(target);
  }

  override getxattr(name: string): Uint8Array | Errno {
    return getXattr(this.inode, name);
  }

  override listxattr(): readonly string[] | Errno {
    return listXattrs(this.inode);
  }

  override setxattr(_name: string, _value: Uint8Array, _flags: number): number {
    return EROFS;
  }

  override removexattr(_name: string): number {
    return EROFS;
  }

  override inactive(): void {
    // Somebody may still have it mapped; then the page cache must stay the only one.
    if (this.#object && this.#object.refs > 1) return;
    this.#object?.release();
    this.#object = null;
    this.fs.forget(this);
  }
}

/** The target is in the inode unless blocks are held for it. */
function isFastSymlink(ip: Inode): boolean {
  if (ip.has(INLINE_DATA_FL | EXTENTS_FL) || ip.sizeBytes > FAST_SYMLINK_MAX) return false;
  const { blockSize, clusterRatio } = ip.volume.geometry;
  const forXattrs = ip.xattrBlock === 0 ? 0 : (blockSize / 512) * clusterRatio;
  return ip.has(EA_INODE_FL) || ip.blocks512 <= forXattrs;
}
