/**
 * Directories of tmpfs, and the small kinds of node that directories make.
 *
 * Every entry has a sequence number, never used again in its directory, which
 * is its readdir offset: so a walk that is interrupted by creating and
 * removing names meets each remaining entry exactly once. `#order` has the
 * entries by that number; those that went are squeezed out now and then.
 */
import {
  EEXIST,
  EMLINK,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTEMPTY,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from "../../abi/fcntl.ts";
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import { ownership } from "../../vfs/access.ts";
import type { DirSink, Vnode } from "../../vfs/vnode.ts";
import { TmpFile } from "./tmpfile.ts";
import type { Tmpfs } from "./tmpfs.ts";
import { TmpNode } from "./tmpnode.ts";

interface Dirent {
  readonly name: string;
  node: TmpNode;
  readonly seq: number;
  isGone: boolean;
}

/** Offsets 0 and 1 are "." and "..". */
const FIRST_SEQ = 2;
/** What Linux adds to a directory's size per entry. */
const DIRENT_SIZE = 20;
const MAX_SYMLINK = 4095;
/** Longer targets count as a page, as in Linux, which keeps them in one. */
const SHORT_SYMLINK = 127;
const MAX_NLINK = 65000;

export class TmpDir extends TmpNode {
  readonly #entries = new Map<string, Dirent>();
  #order: Dirent[] = [];
  #gone = 0;
  #nextSeq = FIRST_SEQ;
  /** Null for the root, which is its own parent. */
  parent: TmpDir | null;

  constructor(fs: Tmpfs, mode: number, uid: number, gid: number, parent: TmpDir | null) {
    super(fs, S_IFDIR | (mode & 0o7777), uid, gid);
    this.nlink = 2;
    this.parent = parent;
  }

  override get sizeBytes(): number {
    return DIRENT_SIZE * (this.#entries.size + 2);
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  override lookup(name: string): TmpNode | Errno {
    return this.#entries.get(name)?.node ?? ENOENT;
  }

  override readdir(offset: number, sink: DirSink): number {
    const up = this.parent ?? this;
    if (offset <= 0 && !sink.entry(".", this.ino, S_IFDIR, 1)) return 0;
    if (offset <= 1 && !sink.entry("..", up.ino, S_IFDIR, FIRST_SEQ)) return 0;
    for (let i = this.#indexOf(offset); i < this.#order.length; i++) {
      const e = this.#order[i]!;
      if (!e.isGone && !sink.entry(e.name, e.node.ino, e.node.type, e.seq + 1)) return 0;
    }
    return 0;
  }

  override mknod(name: string, mode: number, rdev: number, cred: Cred): Vnode | Errno {
    const made = this.#make(name, mode, cred, (owner) => {
      if ((mode & S_IFMT) === S_IFREG) {
        return new TmpFile(this.fs, owner.mode, owner.uid, owner.gid);
      }
      return new TmpSpecial(this.fs, owner.mode, owner.uid, owner.gid, rdev);
    });
    return made;
  }

  override mkdir(name: string, mode: number, cred: Cred): Vnode | Errno {
    if (this.nlink >= MAX_NLINK) return EMLINK;
    const made = this.#make(name, S_IFDIR | mode, cred, (owner) => {
      return new TmpDir(this.fs, owner.mode, owner.uid, owner.gid, this);
    });
    if (!failed(made)) this.nlink++;
    return made;
  }

  override symlink(name: string, target: string, cred: Cred): Vnode | Errno {
    if (target.length > MAX_SYMLINK) return ENAMETOOLONG;
    if (!this.fs.frames.kmem.hasRoom(target.length)) return ENOSPC;
    const pages = target.length > SHORT_SYMLINK ? 1 : 0;
    if (!this.fs.charge(pages)) return ENOSPC;
    const made = this.#make(name, S_IFLNK | 0o777, cred, (owner) => {
      return new TmpSymlink(this.fs, owner.uid, owner.gid, target);
    });
    if (failed(made)) this.fs.usedPages -= pages;
    return made;
  }

  override tmpfile(mode: number, cred: Cred): Vnode | Errno {
    if (!this.fs.chargeInode()) return ENOSPC;
    const owner = ownership(this, mode, cred);
    const node = new TmpFile(this.fs, owner.mode, owner.uid, owner.gid);
    node.nlink = 0;
    node.inheritAcls(this);
    node.inheritFlags(this);
    return node;
  }

  override link(name: string, vp: Vnode): number {
    const node = vp as TmpNode;
    if (node.nlink >= MAX_NLINK) return EMLINK;
    if (this.#entries.has(name)) return EEXIST;
    if (!this.fs.hasRoomForName(name)) return ENOSPC;
    if (node.nlink > 0 && !this.fs.chargeInode()) return ENOSPC;
    this.#add(name, node);
    node.nlink++;
    node.ctime = this.#touch();
    return 0;
  }

  override unlink(name: string, vp: Vnode): number {
    this.#remove(name);
    (vp as TmpNode).unlinked();
    this.#touch();
    return 0;
  }

  override rmdir(name: string, vp: Vnode): number {
    const dir = vp as TmpDir;
    if (!dir.isEmpty) return ENOTEMPTY;
    this.#remove(name);
    this.#dropDir(dir);
    this.#touch();
    return 0;
  }

  override rename(
    name: string,
    vp: Vnode,
    toDir: Vnode,
    toName: string,
    over: Vnode | null,
    flags: number,
  ): number {
    const node = vp as TmpNode;
    const to = toDir as TmpDir;
    const there = over as TmpNode | null;
    const leavesWhiteout = (flags & RENAME_WHITEOUT) !== 0;
    if (leavesWhiteout && !(this.fs.hasRoomForName(name) && this.fs.chargeInode())) return ENOSPC;
    if (there && (flags & RENAME_EXCHANGE) !== 0) {
      this.#entries.get(name)!.node = there;
      to.#entries.get(toName)!.node = node;
      this.#adopt(there, to);
      to.#adopt(node, this);
    } else {
      if (there instanceof TmpDir && !there.isEmpty) {
        if (leavesWhiteout) this.fs.releaseInode();
        return ENOTEMPTY;
      }
      if (there) {
        to.#remove(toName);
        if (there instanceof TmpDir) to.#dropDir(there);
        else there.unlinked();
      }
      this.#remove(name);
      to.#add(toName, node);
      to.#adopt(node, this);
      if (leavesWhiteout) this.#add(name, new TmpSpecial(this.fs, S_IFCHR, 0, 0, 0));
    }
    const now = this.#touch();
    to.#touch();
    node.ctime = now;
    if (there) there.ctime = now;
    return 0;
  }

  /** Unmounting: gives back everything below. */
  clear(): void {
    const dirs: TmpDir[] = [this];
    for (let dir = dirs.pop(); dir; dir = dirs.pop()) {
      for (const { name, node } of dir.#entries.values()) {
        this.fs.releaseName(name);
        if (node instanceof TmpDir) dirs.push(node);
        else if (node.nlink > 1) {
          node.unlinked();
          continue;
        }
        node.nlink = 0;
        if (node.refs === 0) node.free();
      }
      dir.#entries.clear();
      dir.#order = [];
    }
  }

  #make(
    name: string,
    mode: number,
    cred: Cred,
    build: (owner: {
      readonly uid: number;
      readonly gid: number;
      readonly mode: number;
    }) => TmpNode,
  ): TmpNode | Errno {
    if (this.#entries.has(name)) return EEXIST;
    if (!this.fs.hasRoomForName(name) || !this.fs.chargeInode()) return ENOSPC;
    const node = build(ownership(this, mode, cred));
    node.inheritAcls(this);
    node.inheritFlags(this);
    this.#add(name, node);
    this.#touch();
    return node;
  }

  /** A directory that came from `from` has its ".." here now. */
  #adopt(node: TmpNode, from: TmpDir): void {
    if (!(node instanceof TmpDir) || from === this) return;
    node.parent = this;
    from.nlink--;
    this.nlink++;
  }

  #dropDir(dir: TmpDir): void {
    this.nlink--;
    dir.nlink = 1;
    dir.unlinked();
  }

  #add(name: string, node: TmpNode): void {
    const e = { name, node, seq: this.#nextSeq++, isGone: false };
    this.#entries.set(name, e);
    this.#order.push(e);
    this.fs.holdName(name);
  }

  #remove(name: string): void {
    const e = this.#entries.get(name);
    if (!e) return;
    this.#entries.delete(name);
    this.fs.releaseName(name);
    e.isGone = true;
    if (++this.#gone > 32 + this.#entries.size) {
      this.#order = this.#order.filter((o) => !o.isGone);
      this.#gone = 0;
    }
  }

  /** Index of the first entry whose number is `seq` or more. */
  #indexOf(seq: number): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#order[middle]!.seq >= seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #touch(): { readonly sec: number; readonly nsec: number } {
    this.mtime = this.ctime = this.fs.clock.realtime();
    return this.mtime;
  }
}

export class TmpSymlink extends TmpNode {
  readonly #target: string;

  constructor(fs: Tmpfs, uid: number, gid: number, target: string) {
    super(fs, S_IFLNK | 0o777, uid, gid);
    this.#target = target;
    fs.owe(target.length);
  }

  protected override freeData(): void {
    this.fs.give(this.#target.length);
    if (this.#target.length > SHORT_SYMLINK) this.fs.usedPages--;
  }

  override get blocks(): number {
    return this.#target.length > SHORT_SYMLINK ? 8 : 0;
  }

  override get sizeBytes(): number {
    return this.#target.length;
  }

  override readlink(): string {
    return this.#target;
  }
}

/** Device nodes, FIFOs and sockets: a type and a number. */
export class TmpSpecial extends TmpNode {
  constructor(fs: Tmpfs, mode: number, uid: number, gid: number, rdev: number) {
    super(fs, mode, uid, gid);
    this.rdev = rdev;
  }

  override get sizeBytes(): number {
    return 0;
  }
}
