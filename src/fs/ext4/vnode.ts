/**
 * ext4's vnodes: the joint between an inode and the vfs.
 *
 * Contents reach programs through the page cache: the vnode is the pager of
 * its object. One vnode per inode in use, so that there is one page cache per
 * file. An inode without a name ends when its vnode is not used any more.
 */
import {
  EAGAIN,
  EINVAL,
  ENAMETOOLONG,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  ESTALE,
  failed,
} from "../../abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from "../../abi/fcntl.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { ownership } from "../../vfs/access.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import type { FileExtent } from "../../vfs/fiemap.ts";
import type { Acl } from "../../vfs/posixacl.ts";
import { type DirSink, Vnode } from "../../vfs/vnode.ts";
import type { VmObject } from "../../vm/object.ts";
import type { Uio } from "../../vm/uio.ts";
import { lookupName } from "./dir.ts";
import { listDirectory } from "./dirlist.ts";
import { evictInode } from "./evict.ts";
import type { Ext4 } from "./ext4.ts";
import { fallocate } from "./fallocate.ts";
import { accessAcl, defaultAcl, inheritAcls, setAcl } from "./fileacl.ts";
import { FileData, syncInode } from "./filedata.ts";
import { extentOf, seekFile } from "./fileholes.ts";
import { writeFile } from "./fileio.ts";
import type { NewInode } from "./ialloc.ts";
import type { Inode } from "./inode.ts";
import { DIRSYNC_FL, IMMUTABLE_FL, SETTABLE_FL, SYNC_FL } from "./layout.ts";
import {
  exchangeNames,
  linkName,
  makeDirectory,
  makeFile,
  makeSymlink,
  makeUnnamed,
  moveName,
  removeDirectory,
  unlinkName,
} from "./nameops.ts";
import { operate } from "./operation.ts";
import { resizeFile } from "./resize.ts";
import { noteAccess, setAttributes } from "./setattr.ts";
import { readTarget, targetMax } from "./symlink.ts";
import { getXattr, isAclIndex, listXattrs, storedName } from "./xattr.ts";
import { writeXattr, xattrCredits } from "./xattrwrite.ts";

const NAME_MAX = 255;
const CAPABILITY = "security.capability";

export class Ext4Vnode extends Vnode {
  declare readonly fs: Ext4;
  readonly inode: Inode;
  /** It is known that there is no security.capability. */
  #hasNoCapabilities = false;
  /** Contents of a regular file, once somebody asked for them. */
  #data: FileData | null = null;
  /** The access control list, once somebody asked for it. */
  #acl: Acl | null | undefined = undefined;

  constructor(fs: Ext4, inode: Inode) {
    super(fs, inode.ino, inode.mode);
    this.inode = inode;
  }

  override getattr(): Attr | Errno {
    const ip = this.inode;
    const acl = this.#accessAcl();
    if (failed(acl)) return acl;
    const { blockSize } = ip.volume.geometry;
    return {
      mode: ip.mode,
      ino: ip.ino,
      dev: this.fs.dev,
      nlink: ip.nlink,
      uid: ip.uid,
      gid: ip.gid,
      rdev: ip.rdev,
      sizeBytes: ip.sizeBytes,
      blksize: blockSize,
      blocks: ip.blocks512 + (ip.delayedBlocks * blockSize) / 512,
      atime: ip.atime,
      mtime: ip.mtime,
      ctime: ip.ctime,
      btime: ip.btime,
      fileFlags: ip.flags,
      acl,
    };
  }

  override setattr(change: AttrChange): number {
    // By a descriptor that is older than the flag.
    if (this.inode.has(IMMUTABLE_FL)) return EPERM;
    if ((change.sizeBytes ?? change.uid ?? change.gid) !== undefined) {
      const r = this.#dropCapabilities();
      if (failed(r)) return r;
    }
    if (change.sizeBytes !== undefined) {
      const r = this.#resize(change.sizeBytes);
      if (failed(r)) return r;
    }
    const r = setAttributes(this.inode, change);
    this.#acl = undefined;
    return r;
  }

  override accessed(isStrict: boolean): void {
    noteAccess(this.inode, isStrict);
  }

  override get fileFlags(): number {
    return this.inode.flags;
  }

  override setFileFlags(flags: number): number {
    const ip = this.inode;
    return operate(ip.volume, 1, () => {
      ip.flags = (ip.flags & ~SETTABLE_FL) | (flags & SETTABLE_FL);
      ip.ctime = ip.volume.clock.realtime();
      return ip.dirty();
    });
  }

  override get projectId(): number {
    return this.inode.projectId;
  }

  override get generation(): number {
    return this.inode.generation;
  }

  override get keepsAcls(): boolean {
    return this.fs.options.hasAcls;
  }

  override get hasDefaultAcl(): boolean {
    const acl = this.isDir && this.keepsAcls ? defaultAcl(this.inode) : null;
    return acl !== null && typeof acl !== "number";
  }

  #accessAcl(): Acl | null | Errno {
    if (this.#acl === undefined) {
      const acl = this.type !== S_IFLNK && this.keepsAcls ? accessAcl(this.inode) : null;
      if (typeof acl === "number") return acl;
      this.#acl = acl;
    }
    return this.#acl;
  }

  /** Of a regular file only. */
  #contents(): FileData {
    this.#data ??= new FileData(this.inode, this.fs.frames, this.fs.dirty);
    return this.#data;
  }

  override object(): VmObject | Errno {
    return this.type === S_IFREG ? this.#contents().object : EINVAL;
  }

  override write(td: Thread, uio: Uio, offset: number): number {
    if (this.type !== S_IFREG) return EINVAL;
    const r = this.#dropCapabilities();
    if (failed(r)) return r;
    return writeFile(this.#contents(), td.cred, uio, offset);
  }

  override seekData(offset: number, isHole: boolean, sizeBytes: number): number {
    return seekFile(this.#contents(), offset, isHole, sizeBytes);
  }

  override extentAt(offset: number): FileExtent | null | Errno {
    return this.type === S_IFREG ? extentOf(this.#contents(), offset) : EOPNOTSUPP;
  }

  override allocate(mode: number, offset: number, length: number): number {
    const data = this.#contents();
    let r = this.#dropCapabilities();
    if (!failed(r)) r = fallocate(data, mode, offset, length);
    if (failed(r)) return r;
    data.touch();
    return data.saveTimes();
  }

  /** Writes what of it waits in memory, if it still is in use: pages, size, times. 0, or the first error. */
  writeOut(): number {
    return this.#data?.writeOut() ?? 0;
  }

  override fsync(dataOnly: boolean): number {
    return this.#data ? this.#data.fsync(dataOnly) : syncInode(this.inode, dataOnly);
  }

  #resize(sizeBytes: number): number {
    if (this.type !== S_IFREG) return EINVAL;
    const r = resizeFile(this.#contents(), sizeBytes);
    // What is written instead goes to the disk with the truncation (auto_da_alloc).
    if (r === 0 && sizeBytes === 0 && this.fs.isReplacingSafely) this.inode.volume.tx.order(this);
    return r;
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
    return this.type === S_IFLNK ? readTarget(this.inode) : EINVAL;
  }

  override mknod(name: string, mode: number, rdev: number, cred: Cred): Vnode | Errno {
    return this.#adopt(
      makeFile(this.inode, name, this.#wanted(mode, cred), (ip) => {
        if (ip.type === S_IFCHR || ip.type === S_IFBLK) ip.rdev = rdev;
        return this.#inherit(ip);
      }),
    );
  }

  override mkdir(name: string, mode: number, cred: Cred): Vnode | Errno {
    const wanted = this.#wanted(S_IFDIR | mode, cred);
    const dir = this.inode;
    return this.#adopt(makeDirectory(dir, name, wanted, (ip) => this.#inherit(ip)));
  }

  override symlink(name: string, target: string, cred: Cred): Vnode | Errno {
    if (target.length > targetMax(this.inode)) return ENAMETOOLONG;
    const wanted = this.#wanted(S_IFLNK | 0o777, cred);
    return this.#adopt(makeSymlink(this.inode, name, wanted, target));
  }

  override tmpfile(mode: number, cred: Cred): Vnode | Errno {
    const dir = this.inode;
    const wanted = this.#wanted(mode, cred);
    return this.#adopt(makeUnnamed(dir, wanted, (ip) => this.#inherit(ip)));
  }

  override link(name: string, vp: Vnode): number {
    return this.#changed(linkName(this.inode, name, (vp as Ext4Vnode).inode));
  }

  override unlink(name: string, vp: Vnode): number {
    return this.#changed(unlinkName(this.inode, name, (vp as Ext4Vnode).inode));
  }

  override rmdir(name: string, vp: Vnode): number {
    return this.#changed(removeDirectory(this.inode, name, (vp as Ext4Vnode).inode));
  }

  override rename(
    name: string,
    vp: Vnode,
    toDir: Vnode,
    toName: string,
    over: Vnode | null,
    flags: number,
  ): number {
    const from = { dir: this.inode, name, ip: (vp as Ext4Vnode).inode };
    const there = over ? (over as Ext4Vnode).inode : null;
    const to = { dir: (toDir as Ext4Vnode).inode, name: toName, ip: there };
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    // Those who replace a file without fsync(2) count on finding the old or the new.
    if (over && !isExchange && this.fs.isReplacingSafely) (vp as Ext4Vnode).#data?.writeOut();
    const r = isExchange
      ? exchangeNames(from, to)
      : moveName(from, to, (flags & RENAME_WHITEOUT) !== 0);
    return (toDir as Ext4Vnode).#changed(this.#changed(r));
  }

  override getxattr(name: string): Uint8Array | Errno {
    return this.#keeps(name) ? getXattr(this.inode, name) : EOPNOTSUPP;
  }

  override listxattr(): readonly string[] | Errno {
    const names = listXattrs(this.inode);
    return typeof names === "number" ? names : names.filter((name) => this.#keeps(name));
  }

  override writerClosed(): void {
    if (this.fs.isReplacingSafely) this.#data?.writerClosed();
  }

  override setxattr(name: string, value: Uint8Array, flags: number): number {
    return this.#changeXattr(name, value, flags);
  }

  override removexattr(name: string): number {
    return this.#changeXattr(name, null, 0);
  }

  /** False for name spaces that a mount option puts away. */
  #keeps(name: string): boolean {
    const { hasAcls, hasUserXattrs } = this.fs.options;
    return (hasUserXattrs || !name.startsWith("user.")) && (hasAcls || !name.startsWith("system."));
  }

  /** Whoever changes a file takes what it may do from it: security.capability goes, as setuid does. */
  #dropCapabilities(): number {
    if (this.#hasNoCapabilities || this.type !== S_IFREG) return 0;
    const held = getXattr(this.inode, CAPABILITY);
    const r = typeof held === "number" ? 0 : this.#changeXattr(CAPABILITY, null, 0);
    this.#hasNoCapabilities = !failed(r);
    return r;
  }

  #changeXattr(name: string, value: Uint8Array | null, flags: number): number {
    const ip = this.inode;
    const stored = storedName(name);
    if (!stored) return EOPNOTSUPP;
    if (!this.#keeps(name)) return EOPNOTSUPP;
    const isAcl = isAclIndex(stored.nameIndex);
    const r = operate(ip.volume, xattrCredits(ip, value?.length ?? 0) + 1, () => {
      const changed =
        value && isAcl ? setAcl(ip, stored.nameIndex, value) : writeXattr(ip, stored, value, flags);
      if (failed(changed)) return changed;
      ip.ctime = ip.volume.clock.realtime();
      return ip.dirty();
    });
    this.#acl = undefined;
    this.#hasNoCapabilities = false;
    return r;
  }

  override inactive(): void {
    // Somebody may still have it mapped; then the page cache must stay the only one.
    if (this.#data && this.#data.object.refs > 1) return;
    // Nor may what it could not write be lost while there is hope.
    if (this.#data && this.inode.nlink > 0 && this.#data.writeOut() === EAGAIN) return;
    this.#data?.release();
    this.#data = null;
    if (this.inode.isOrphan && failed(evictInode(this.inode))) {
      this.fs.evictLater(this);
      return;
    }
    this.fs.forget(this);
  }

  #wanted(mode: number, cred: Cred): NewInode {
    const { inode: dir } = this;
    const isPrivileged = dir.volume.alloc.isPrivileged(cred);
    if (!this.fs.options.inheritsGroup) return { ...ownership(dir, mode, cred), isPrivileged };
    return { mode, uid: cred.fsuid, gid: dir.gid, isPrivileged };
  }

  #inherit(ip: Inode): number {
    return this.keepsAcls ? inheritAcls(ip, this.inode) : 0;
  }

  #adopt(made: Inode | Errno): Vnode | Errno {
    if (typeof made === "number") return made;
    this.#changed(0);
    return this.fs.adopt(made);
  }

  /** Names in it changed: chattr +D and +S want that to be permanent at once. */
  #changed(result: number): number {
    const ip = this.inode;
    if (!failed(result) && ip.has(DIRSYNC_FL | SYNC_FL)) syncInode(ip, false);
    return result;
  }
}
