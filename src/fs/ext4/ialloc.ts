/**
 * Making and freeing inodes: the inode bitmaps, and what groups count of them.
 *
 * Directories spread over the volume, so that there is room for what comes
 * into them; other files go to the group of their directory. Within a group
 * the lowest free number is taken: so a table fills from its start, and what
 * lies behind `bg_itable_unused` was never written or read.
 * Source: fs/ext4/ialloc.c.
 */
import { ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import { crc32c } from "../../lib/crc32c.ts";
import type { Buf } from "../../vfs/bio.ts";
import { clearBits, nextClear, setBits, testBit } from "./bitmap.ts";
import * as feature from "./features.ts";
import type { GroupDescriptor } from "./groups.ts";
import { Inode } from "./inode.ts";
import {
  BG_INODE_UNINIT,
  DIRECTORY_ONLY_FL,
  DiskInode,
  EXTENT_MAGIC,
  EXTENTS_FL,
  ExtentHeader,
  GOOD_OLD_INODE_SIZE,
  INHERITED_FL,
  NOATIME_FL,
  NODUMP_FL,
  PROJINHERIT_FL,
  ROOT_INO,
  SuperBlock,
  TOPDIR_FL,
} from "./layout.ts";
import type { Volume } from "./volume.ts";

/** Blocks that change: bitmaps, descriptors, the inode itself. */
export const NEW_INODE_CREDITS = 6;
export const FREE_INODE_CREDITS = 4;

/** Extra fields that a new inode has at least, where its size allows: up to i_projid. */
const EXTRA_SIZE = DiskInode.i_projid.offset + 4 - GOOD_OLD_INODE_SIZE;
/** Groups that are looked at for a place for a directory, at most. */
const GROUPS_LOOKED_AT = 1024;

/** What a new inode starts with. */
export interface NewInode {
  /** With its type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Its maker may use what is kept for the superuser. */
  readonly isPrivileged: boolean;
}

/**
 * A new inode near its directory `dir`, of which it inherits flags; it has no
 * links yet and is not dirty. ENOSPC, EUCLEAN, EIO.
 */
export function newInode(dir: Inode, name: Uint8Array, wanted: NewInode): Inode | Errno {
  const { volume } = dir;
  const { count, freeInodes } = volume.groups;
  if (freeInodes <= 0) return ENOSPC;
  const isDir = (wanted.mode & S_IFMT) === S_IFDIR;
  const first = isDir ? directoryGroup(dir, name) : groupOf(volume, dir.ino);
  for (let i = 0; i < count; i++) {
    const ip = takeFrom(volume, (first + i) % count, isDir);
    if (ip === ENOSPC) continue;
    if (typeof ip === "number") return ip;
    initInode(ip, dir, wanted);
    return ip;
  }
  return ENOSPC;
}

/** Sees to it that `freeInode` has all it needs. 0, or EUCLEAN, EFSBADCRC, EIO. */
export function readyToFree(ip: Inode): number {
  const { volume } = ip;
  const desc = volume.groups.read(groupOf(volume, ip.ino));
  if (typeof desc === "number") return desc;
  const bp = inodeBitmap(volume, desc);
  return typeof bp === "number" ? bp : 0;
}

/**
 * Gives the number of an inode back, and makes it dirty for the last time; its
 * blocks and attributes are gone already. EUCLEAN, EFSBADCRC, EIO.
 */
export function freeInode(ip: Inode): number {
  const { volume } = ip;
  const desc = volume.groups.read(groupOf(volume, ip.ino));
  if (typeof desc === "number") return desc;
  const bp = inodeBitmap(volume, desc);
  if (typeof bp === "number") return bp;
  const bit = (ip.ino - 1) % volume.geometry.inodesPerGroup;
  if (!testBit(bp.data, bit)) return volume.corrupt(`inode #${ip.ino}: freeing a free inode`);
  // A small number there would be taken for the next inode of the orphan list.
  ip.dtime = Math.max(volume.geometry.inodesCount + 1, volume.clock.realtime().sec);
  ip.nlink = 0;
  ip.resize(0);
  const r = ip.dirty();
  if (failed(r)) return r;
  clearBits(bp.data, bit, bit + 1);
  volume.tx.dirty(bp);
  desc.freeInodes++;
  if (ip.type === S_IFDIR) desc.usedDirs = Math.max(0, desc.usedDirs - 1);
  desc.inodesChanged(bp);
  return 0;
}

/** An empty block map for a file without blocks, of the kind that the volume makes. */
export function initBlockMap(ip: Inode): void {
  ip.block.fill(0);
  ip.isExtentRootSound = false;
  if ((ip.volume.incompat & feature.INCOMPAT_EXTENTS) === 0) return;
  ip.flags |= EXTENTS_FL;
  const at = DiskInode.i_block.offset;
  ExtentHeader.eh_magic.set(ip.view, at, EXTENT_MAGIC);
  ExtentHeader.eh_max.set(ip.view, at, 4);
}

/** The bitmap says that the number is taken. */
export function isInodeUsed(volume: Volume, ino: number): boolean {
  const desc = volume.groups.read(groupOf(volume, ino));
  if (typeof desc === "number" || desc.isInodeUninit) return false;
  const bp = inodeBitmap(volume, desc);
  if (typeof bp === "number") return false;
  return testBit(bp.data, (ino - 1) % volume.geometry.inodesPerGroup);
}

export function groupOf(volume: Volume, ino: number): number {
  return Math.floor((ino - 1) / volume.geometry.inodesPerGroup);
}

/** Takes the lowest free number of `group`. ENOSPC also if the group is damaged: others may do. */
function takeFrom(volume: Volume, group: number, isDir: boolean): Inode | Errno {
  const { groups, geometry: g } = volume;
  const desc = groups.read(group);
  if (typeof desc === "number" || desc.freeInodes === 0) return ENOSPC;
  const bp = inodeBitmap(volume, desc);
  if (typeof bp === "number") return ENOSPC;
  const bit = nextClear(bp.data, group === 0 ? g.firstIno - 1 : 0, g.inodesPerGroup);
  const ino = group * g.inodesPerGroup + bit + 1;
  if (bit >= g.inodesPerGroup || ino > g.inodesCount) return ENOSPC;
  // A group with inodes in use has its block bitmap made: checkers ask for it.
  if (desc.isBlockUninit && typeof volume.alloc.bitmap(desc) === "number") return ENOSPC;
  const ip = recordOf(volume, desc, bit, ino);
  if (typeof ip === "number") return ip;
  setBits(bp.data, bit, bit + 1);
  volume.tx.dirty(bp);
  desc.freeInodes--;
  if (isDir) desc.usedDirs++;
  if (groups.hasSums) {
    desc.itableUnused = Math.min(g.inodesPerGroup - bit - 1, unusedIn(desc));
    desc.flags &= ~BG_INODE_UNINIT;
  }
  desc.inodesChanged(bp);
  return ip;
}

/** The record of a number about to be taken; its block is not read if nothing in it was ever used. */
function recordOf(volume: Volume, desc: GroupDescriptor, bit: number, ino: number): Inode | Errno {
  const g = volume.geometry;
  const perBlock = g.blockSize / g.inodeSize;
  const index = Math.floor(bit / perBlock);
  const block = desc.inodeTable + index;
  const isFresh = volume.groups.hasSums && index * perBlock >= g.inodesPerGroup - unusedIn(desc);
  const bp = isFresh ? volume.bnew(block) : volume.bread(block);
  if (typeof bp === "number") return bp;
  const at = (bit % perBlock) * g.inodeSize;
  return new Inode(volume, ino, bp.data.slice(at, at + g.inodeSize), block, at);
}

function unusedIn(desc: GroupDescriptor): number {
  const { inodesPerGroup } = desc.groups.volume.geometry;
  return desc.isInodeUninit ? inodesPerGroup : Math.min(desc.itableUnused, inodesPerGroup);
}

/** The bitmap of a group's inodes, made if it never was. EUCLEAN, EFSBADCRC, EIO. */
function inodeBitmap(volume: Volume, desc: GroupDescriptor): Buf | Errno {
  const { inodesPerGroup } = volume.geometry;
  if (desc.isInodeUninit) {
    const bp = volume.bnew(desc.inodeBitmap);
    if (typeof bp === "number") return bp;
    bp.data.fill(0, 0, inodesPerGroup >> 3);
    bp.data.fill(0xff, inodesPerGroup >> 3);
    bp.soundFor = volume.groups;
    return bp;
  }
  const bp = volume.bread(desc.inodeBitmap);
  if (typeof bp === "number" || bp.soundFor === volume.groups) return bp;
  if (!desc.isInodeBitmapSumRight(bp.data)) {
    return volume.corrupt(`group ${desc.group}: inode bitmap checksum invalid`, true);
  }
  bp.soundFor = volume.groups;
  return bp;
}

function initInode(ip: Inode, dir: Inode, wanted: NewInode): void {
  const { volume } = ip;
  const before = ip.generation;
  const now = volume.clock.realtime();
  ip.raw.fill(0);
  if (ip.raw.length > GOOD_OLD_INODE_SIZE) {
    DiskInode.i_extra_isize.set(ip.view, 0, extraSize(volume));
  }
  const salt = new Uint32Array([now.sec, now.nsec, ip.ino]);
  DiskInode.i_generation.set(ip.view, 0, crc32c(~before >>> 0, new Uint8Array(salt.buffer)));
  ip.reseed();
  ip.mode = wanted.mode;
  ip.uid = wanted.uid;
  ip.gid = wanted.gid;
  ip.flags = inheritedFlags(dir, ip.type);
  if (dir.has(PROJINHERIT_FL)) ip.projectId = dir.projectId;
  ip.resize(0);
  ip.atime = now;
  ip.mtime = now;
  ip.ctime = now;
  ip.btime = now;
  if (ip.type === S_IFDIR || ip.type === S_IFREG || ip.type === S_IFLNK) initBlockMap(ip);
}

function inheritedFlags(dir: Inode, type: number): number {
  const flags = dir.flags & INHERITED_FL;
  if (type === S_IFDIR) return flags;
  return type === S_IFREG ? flags & ~DIRECTORY_ONLY_FL : flags & (NODUMP_FL | NOATIME_FL);
}

/** i_extra_isize of new inodes: what the superblock wishes, but no less than this kernel knows. */
function extraSize(volume: Volume): number {
  const view = volume.superView;
  const most = volume.geometry.inodeSize - GOOD_OLD_INODE_SIZE;
  if ((volume.roCompat & feature.RO_COMPAT_EXTRA_ISIZE) === 0) return Math.min(most, EXTRA_SIZE);
  const wish = SuperBlock.s_want_extra_isize.get(view, 0);
  const least = SuperBlock.s_min_extra_isize.get(view, 0);
  const size = Math.max(EXTRA_SIZE, wish, least);
  return size <= most && (size & 3) === 0 ? size : Math.min(most, EXTRA_SIZE);
}

/**
 * Orlov's rule: a directory in the root goes where there is more room than on
 * average and few directories; another one stays near its parent while there is room.
 */
function directoryGroup(dir: Inode, name: Uint8Array): number {
  const { volume } = dir;
  const { groups, geometry: g } = volume;
  const { count } = groups;
  const isTop = dir.ino === ROOT_INO || dir.has(TOPDIR_FL);
  const average = {
    inodes: Math.floor(groups.freeInodes / count),
    clusters: Math.floor(groups.freeClusters / count),
  };
  const slack = isTop ? 0 : 1;
  const inodes = average.inodes - slack * (g.inodesPerGroup >> 2);
  const clusters = average.clusters - slack * (g.blocksPerGroup / g.clusterRatio / 4);
  const home = groupOf(volume, dir.ino);
  const first = isTop ? crc32c(0xffffffff, name) % count : home;
  let best = -1;
  let fewest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < Math.min(count, GROUPS_LOOKED_AT); i++) {
    const group = (first + i) % count;
    const desc = groups.read(group);
    if (typeof desc === "number" || desc.freeInodes === 0) continue;
    if (desc.freeInodes < inodes || desc.freeClusters < clusters) continue;
    if (!isTop && desc.usedDirs <= g.inodesPerGroup >> 4) return group;
    if (desc.usedDirs >= fewest) continue;
    fewest = desc.usedDirs;
    best = group;
  }
  return best >= 0 ? best : home;
}
