/**
 * What is done with names: making files, linking, removing, renaming.
 *
 * Each function is one operation, and looks up what can fail before it changes
 * anything. Permission and the kinds of what is replaced were looked after by
 * the vfs. Source: fs/ext4/namei.c.
 */
import { EMLINK, ENOENT, ENOTEMPTY, type Errno, failed } from "../../abi/errno.ts";
import { S_IFCHR, S_IFDIR } from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import { CREDITS_PER_RUN } from "./alloc.ts";
import { findName, inodeOf, nameBytes } from "./dir.ts";
import {
  addName,
  initDirectory,
  isDirectoryEmpty,
  redirectName,
  removeName,
  setParent,
} from "./dirwrite.ts";
import { discardInode } from "./evict.ts";
import * as feature from "./features.ts";
import { MAP_CREDITS } from "./filemap.ts";
import { NEW_INODE_CREDITS, type NewInode, newInode } from "./ialloc.ts";
import type { Inode } from "./inode.ts";
import { INDEX_FL } from "./layout.ts";
import { operate } from "./operation.ts";
import { ORPHAN_CREDITS } from "./orphan.ts";
import { setTarget } from "./symlink.ts";
import { XATTR_CREDITS } from "./xattrwrite.ts";

/** Links that an inode may have. */
const LINK_MAX = 65000;
/** New blocks of a directory for one name, at most: a leaf and a node on each level. */
const NEW_BLOCKS = 4;

/** The directory's inode, what a split changes, and what it takes to get the blocks. */
const ADD_NAME_CREDITS = 1 + 3 * NEW_BLOCKS + NEW_BLOCKS * CREDITS_PER_RUN + MAP_CREDITS;
const REMOVE_NAME_CREDITS = 2;
const MAKE_CREDITS = NEW_INODE_CREDITS + ADD_NAME_CREDITS + XATTR_CREDITS + MAP_CREDITS;
const UNLINK_CREDITS = REMOVE_NAME_CREDITS + ORPHAN_CREDITS;

/** What a new file gets before it has its name: 0, or why it is not made. */
export type SetUp = (ip: Inode) => number;

/** Makes a file called `name` in `dir`. ENOSPC, EUCLEAN, EFSBADCRC, EIO, EROFS. */
export function makeFile(dir: Inode, name: string, wanted: NewInode, setUp: SetUp): Inode | Errno {
  const body = () =>
    make(dir, nameBytes(name), wanted, (ip) => {
      ip.nlink = 1;
      return setUp(ip);
    });
  return operate(dir.volume, MAKE_CREDITS, body, wanted.isPrivileged);
}

/** Makes an empty directory. As `makeFile`; EMLINK. */
export function makeDirectory(
  dir: Inode,
  name: string,
  wanted: NewInode,
  setUp: SetUp,
): Inode | Errno {
  if (!mayGetSubdirectory(dir)) return EMLINK;
  const body = () =>
    make(dir, nameBytes(name), wanted, (ip) => {
      ip.nlink = 2;
      const r = initDirectory(ip, dir.ino);
      return failed(r) ? r : setUp(ip);
    });
  return operate(dir.volume, MAKE_CREDITS, body, wanted.isPrivileged);
}

export function makeSymlink(
  dir: Inode,
  name: string,
  wanted: NewInode,
  target: string,
): Inode | Errno {
  return makeFile(dir, name, wanted, (ip) => setTarget(ip, nameBytes(target)));
}

/** Makes a file without a name, on the orphan list. */
export function makeUnnamed(dir: Inode, wanted: NewInode, setUp: SetUp): Inode | Errno {
  const { volume } = dir;
  return operate(volume, NEW_INODE_CREDITS + XATTR_CREDITS + ORPHAN_CREDITS, () => {
    const ip = newInode(dir, NO_NAME, wanted);
    if (typeof ip === "number") return ip;
    const r = setUp(ip);
    if (failed(r)) {
      discardInode(ip);
      return r;
    }
    const added = volume.orphans.add(ip);
    return failed(added) ? added : ip;
  });
}

const NO_NAME = new Uint8Array(0);

/** Gives `ip` a further name. EMLINK, ENOSPC, EUCLEAN, EFSBADCRC, EIO, EROFS. */
export function linkName(dir: Inode, name: string, ip: Inode): number {
  if (ip.nlink >= LINK_MAX) return EMLINK;
  const { volume } = dir;
  return operate(volume, ADD_NAME_CREDITS + ORPHAN_CREDITS, () => {
    let r = addName(dir, nameBytes(name), ip.ino, ip.type);
    if (failed(r)) return r;
    const now = volume.clock.realtime();
    r = volume.orphans.remove(ip);
    if (failed(r)) return r;
    ip.nlink++;
    ip.ctime = now;
    r = ip.dirty();
    return failed(r) ? r : touch(dir, now);
  });
}

/** Takes a name away, and a link from the file that it led to. */
export function unlinkName(dir: Inode, name: string, ip: Inode): number {
  const { volume } = dir;
  const bytes = nameBytes(name);
  return operate(volume, UNLINK_CREDITS, () => {
    let r = expect(dir, bytes, ip);
    if (!failed(r)) r = removeName(dir, bytes);
    if (failed(r)) return r;
    const now = volume.clock.realtime();
    r = loseLink(ip, now);
    return failed(r) ? r : touch(dir, now);
  });
}

/** Takes an empty directory away. ENOTEMPTY. */
export function removeDirectory(dir: Inode, name: string, ip: Inode): number {
  const { volume } = dir;
  const bytes = nameBytes(name);
  return operate(volume, UNLINK_CREDITS, () => {
    const isEmpty = isDirectoryEmpty(ip);
    if (typeof isEmpty === "number") return isEmpty;
    if (!isEmpty) return ENOTEMPTY;
    let r = expect(dir, bytes, ip);
    if (!failed(r)) r = removeName(dir, bytes);
    if (failed(r)) return r;
    const now = volume.clock.realtime();
    r = loseDirectory(ip, now);
    if (failed(r)) return r;
    dropSubdirectory(dir);
    return touch(dir, now);
  });
}

/** One side of a rename. */
export interface Named {
  readonly dir: Inode;
  readonly name: string;
  /** What the name leads to; null if it is free. */
  readonly ip: Inode | null;
}

/**
 * Moves `from` to `to`, over what is there. With `leavesWhiteout` a
 * character device 0/0 stays behind. ENOTEMPTY, EMLINK, ENOSPC, EUCLEAN, EFSBADCRC, EIO, EROFS.
 */
export function moveName(from: Named, to: Named, leavesWhiteout: boolean): number {
  const { volume } = from.dir;
  const credits = ADD_NAME_CREDITS + MAKE_CREDITS + UNLINK_CREDITS + 4;
  return operate(volume, credits, () => move(from, to, leavesWhiteout));
}

function move(from: Named, to: Named, leavesWhiteout: boolean): number {
  const { volume } = from.dir;
  const ip = from.ip!;
  const over = to.ip;
  const oldName = nameBytes(from.name);
  const newName = nameBytes(to.name);
  const isMove = from.dir !== to.dir;
  const isDir = ip.type === S_IFDIR;
  let r = checkMove(from, to, oldName, newName);
  if (failed(r)) return r;
  let left: Inode | Errno | null = null;
  if (leavesWhiteout) {
    left = newInode(from.dir, oldName, WHITEOUT);
    if (typeof left === "number") return left;
    left.nlink = 1;
    left.rdev = 0;
    r = left.dirty();
    if (failed(r)) return r;
  }
  r = over
    ? redirectName(to.dir, newName, ip.ino, ip.type)
    : addName(to.dir, newName, ip.ino, ip.type);
  if (failed(r)) {
    if (left) discardInode(left);
    return r;
  }
  r = left ? redirectName(from.dir, oldName, left.ino, S_IFCHR) : removeName(from.dir, oldName);
  if (!failed(r) && isDir && isMove) r = setParent(ip, to.dir.ino);
  if (failed(r)) {
    volume.tx.abort(`inode #${ip.ino}: rename stopped half-way`);
    return r;
  }
  const now = volume.clock.realtime();
  ip.ctime = now;
  r = ip.dirty();
  if (failed(r)) return r;
  if (over) {
    r = over.type === S_IFDIR ? loseDirectory(over, now) : loseLink(over, now);
    if (failed(r)) return r;
  }
  if (isDir) {
    dropSubdirectory(from.dir);
    if (!over) gainSubdirectory(to.dir);
  }
  r = touch(from.dir, now);
  return failed(r) || !isMove ? r : touch(to.dir, now);
}

const WHITEOUT: NewInode = { mode: S_IFCHR, uid: 0, gid: 0, isPrivileged: true };

/** What can keep a rename from being done is known before it starts. */
function checkMove(from: Named, to: Named, oldName: Uint8Array, newName: Uint8Array): number {
  const ip = from.ip!;
  const isDir = ip.type === S_IFDIR;
  if (to.ip?.type === S_IFDIR) {
    const isEmpty = isDirectoryEmpty(to.ip);
    if (typeof isEmpty === "number") return isEmpty;
    if (!isEmpty) return ENOTEMPTY;
  } else if (isDir && from.dir !== to.dir && !mayGetSubdirectory(to.dir)) {
    return EMLINK;
  }
  const r = expect(from.dir, oldName, ip);
  if (failed(r)) return r;
  if (to.ip) return expect(to.dir, newName, to.ip);
  return isDir && from.dir !== to.dir ? checkParent(ip) : 0;
}

/** Two names trade what they lead to. EMLINK, EUCLEAN, EFSBADCRC, EIO, EROFS. */
export function exchangeNames(a: Named, b: Named): number {
  const { volume } = a.dir;
  const first = a.ip!;
  const second = b.ip!;
  return operate(volume, 2 * REMOVE_NAME_CREDITS + 6, () => {
    let r = expect(a.dir, nameBytes(a.name), first);
    if (!failed(r)) r = expect(b.dir, nameBytes(b.name), second);
    if (!failed(r)) r = checkExchange(a, b);
    if (failed(r)) return r;
    const isMove = a.dir !== b.dir;
    r = redirectName(a.dir, nameBytes(a.name), second.ino, second.type);
    if (!failed(r)) r = redirectName(b.dir, nameBytes(b.name), first.ino, first.type);
    if (isMove) {
      if (!failed(r) && first.type === S_IFDIR) r = setParent(first, b.dir.ino);
      if (!failed(r) && second.type === S_IFDIR) r = setParent(second, a.dir.ino);
    }
    if (failed(r)) {
      volume.tx.abort(`inode #${first.ino}: rename stopped half-way`);
      return r;
    }
    if (isMove && first.type !== second.type) {
      if (first.type === S_IFDIR) trade(a.dir, b.dir);
      if (second.type === S_IFDIR) trade(b.dir, a.dir);
    }
    const now = volume.clock.realtime();
    first.ctime = now;
    second.ctime = now;
    for (const ip of [first, second]) {
      r = ip.dirty();
      if (failed(r)) return r;
    }
    r = touch(a.dir, now);
    return failed(r) || !isMove ? r : touch(b.dir, now);
  });
}

function checkExchange(a: Named, b: Named): number {
  const isDirA = a.ip!.type === S_IFDIR;
  const isDirB = b.ip!.type === S_IFDIR;
  if (a.dir === b.dir) return 0;
  if (isDirA && !isDirB && !mayGetSubdirectory(b.dir)) return EMLINK;
  if (isDirB && !isDirA && !mayGetSubdirectory(a.dir)) return EMLINK;
  const r = isDirA ? checkParent(a.ip!) : 0;
  return failed(r) || !isDirB ? r : checkParent(b.ip!);
}

/** One directory has a subdirectory less, another one more. */
function trade(from: Inode, to: Inode): void {
  dropSubdirectory(from);
  gainSubdirectory(to);
}

function make(dir: Inode, name: Uint8Array, wanted: NewInode, setUp: SetUp): Inode | Errno {
  const { volume } = dir;
  const ip = newInode(dir, name, wanted);
  if (typeof ip === "number") return ip;
  let r = setUp(ip);
  if (!failed(r)) r = addName(dir, name, ip.ino, ip.type);
  if (failed(r)) {
    discardInode(ip);
    return r;
  }
  r = ip.dirty();
  if (failed(r)) return r;
  if (ip.type === S_IFDIR) gainSubdirectory(dir);
  r = touch(dir, volume.clock.realtime());
  return failed(r) ? r : ip;
}

/** The name must still lead to what the vfs thinks. */
function expect(dir: Inode, name: Uint8Array, ip: Inode): number {
  const found = findName(dir, name);
  if (typeof found === "number") return found;
  if (inodeOf(found) === ip.ino) return 0;
  return dir.volume.corrupt(`inode #${dir.ino}: a name leads to another inode than it did`);
}

function checkParent(dir: Inode): number {
  const found = findName(dir, DOT_DOT);
  if (typeof found !== "number" || found !== ENOENT) return typeof found === "number" ? found : 0;
  // An inline directory has no entry for it.
  return 0;
}

const DOT_DOT = new Uint8Array([0x2e, 0x2e]);

function touch(dir: Inode, now: Timespec): number {
  dir.mtime = now;
  dir.ctime = now;
  return dir.dirty();
}

function loseLink(ip: Inode, now: Timespec): number {
  ip.ctime = now;
  ip.nlink = Math.max(0, ip.nlink - 1);
  return ip.nlink === 0 ? ip.volume.orphans.add(ip) : ip.dirty();
}

function loseDirectory(ip: Inode, now: Timespec): number {
  ip.ctime = now;
  ip.mtime = now;
  ip.nlink = 0;
  return ip.volume.orphans.add(ip);
}

/** An indexed directory may have more subdirectories than links can be counted: then it has 1. */
function isCountless(dir: Inode): boolean {
  return dir.has(INDEX_FL) && (dir.volume.roCompat & feature.RO_COMPAT_DIR_NLINK) !== 0;
}

function mayGetSubdirectory(dir: Inode): boolean {
  return dir.nlink < LINK_MAX || isCountless(dir);
}

function gainSubdirectory(dir: Inode): void {
  const count = dir.nlink + 1;
  dir.nlink = isCountless(dir) && (count > LINK_MAX || dir.nlink === 1) ? 1 : count;
}

function dropSubdirectory(dir: Inode): void {
  if (dir.nlink > 2) dir.nlink--;
}
