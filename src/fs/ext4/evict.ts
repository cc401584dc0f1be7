/**
 * The end of an inode without a name: its contents, attributes and number are given back.
 *
 * Long contents go in several transactions; the inode is on the orphan list
 * meanwhile, so that a crash leaves nothing behind. `recoverOrphans` does at
 * mount what was left to do. Source: ext4_evict_inode, ext4_orphan_cleanup.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import { LOG_INFO } from "../../kern/log.ts";
import { truncateBlocks } from "./filemap.ts";
import { FREE_INODE_CREDITS, freeInode, isInodeUsed, readyToFree } from "./ialloc.ts";
import { type Inode, readOrphan } from "./inode.ts";
import { INLINE_DATA_FL, STATE_ERROR, SuperBlock } from "./layout.ts";
import { ORPHAN_CREDITS } from "./orphan.ts";
import { clearOrphanFile, isOrphanFileInUse, readOrphanFile } from "./orphanfile.ts";
import { isFastSymlink } from "./symlink.ts";
import type { Volume } from "./volume.ts";
import { dropXattrBlock } from "./xattrblock.ts";
import { dropLargeXattrs, XATTR_CREDITS } from "./xattrwrite.ts";

/** Ends an inode that is on the orphan list and that nobody uses. 0 or an error; then it stays there. */
export function evictInode(ip: Inode): number {
  const { tx, orphans } = ip.volume;
  let r = dropContents(ip);
  if (!failed(r)) r = dropLargeXattrs(ip);
  if (!failed(r)) r = tx.start(XATTR_CREDITS + ORPHAN_CREDITS + FREE_INODE_CREDITS);
  if (failed(r)) return r;
  // What cannot be read leaves the inode on the list, for another time.
  r = ip.dirty();
  if (!failed(r)) r = orphans.ready(ip);
  if (!failed(r)) r = readyToFree(ip);
  if (!failed(r)) r = dropXattrBlock(ip);
  if (!failed(r)) {
    r = orphans.remove(ip);
    if (!failed(r)) r = freeInode(ip);
    if (failed(r)) tx.abort(`inode #${ip.ino} was freed by half: error ${-r}`);
  }
  tx.stop();
  return r;
}

/** Within an operation: undoes the making of an inode that has not got a name. */
export function discardInode(ip: Inode): void {
  ip.nlink = 0;
  let r = dropContents(ip);
  if (!failed(r)) r = dropXattrBlock(ip);
  if (!failed(r)) r = freeInode(ip);
  if (failed(r)) ip.volume.tx.abort(`inode #${ip.ino} cannot be given back: error ${-r}`);
}

/** At a mount for writing: ends or cuts what a crash left on the list. 0 or EROFS, EIO. */
export function recoverOrphans(volume: Volume): number {
  const view = volume.superView;
  const isDamaged = (SuperBlock.s_state.get(view, 0) & STATE_ERROR) !== 0;
  const seen = new Set<number>();
  for (;;) {
    const ino = SuperBlock.s_last_orphan.get(view, 0);
    if (ino === 0) break;
    const ip = isDamaged || seen.has(ino) ? null : usedOrphan(volume, ino);
    if (ip === null || typeof ip === "number") return clearList(volume);
    seen.add(ino);
    volume.orphans.adopt(ip);
    const r = ip.nlink === 0 ? evictInode(ip) : cutToSize(ip);
    if (failed(r)) return r;
  }
  if (isOrphanFileInUse(volume)) {
    const r = recoverFile(volume, isDamaged, seen);
    if (failed(r)) return r;
  }
  if (seen.size > 0) {
    volume.log.log(LOG_INFO, `EXT4-fs (${volume.device.name}): ${seen.size} orphans recovered`);
  }
  return 0;
}

/** As the list; what is in it is noted on the list first, so that the way to its end is the same. */
function recoverFile(volume: Volume, isDamaged: boolean, seen: Set<number>): number {
  const inos = readOrphanFile(volume);
  if (typeof inos === "number") return inos;
  for (const ino of isDamaged ? [] : inos) {
    const ip = seen.has(ino) ? null : usedOrphan(volume, ino);
    if (ip === null || typeof ip === "number") continue;
    seen.add(ino);
    let r = volume.tx.start(ORPHAN_CREDITS);
    if (failed(r)) return r;
    r = volume.orphans.add(ip);
    volume.tx.stop();
    if (!failed(r)) r = ip.nlink === 0 ? evictInode(ip) : cutToSize(ip);
    if (failed(r)) return r;
  }
  return clearOrphanFile(volume);
}

function usedOrphan(volume: Volume, ino: number): Inode | Errno {
  const ip = readOrphan(volume, ino);
  if (typeof ip === "number" || isInodeUsed(volume, ino)) return ip;
  return volume.corrupt(`bad orphan inode ${ino}`);
}

/** Nothing that can be trusted is on it any more. */
function clearList(volume: Volume): number {
  const r = volume.tx.start(1);
  if (failed(r)) return r;
  SuperBlock.s_last_orphan.set(volume.superView, 0, 0);
  volume.superChanged();
  volume.tx.stop();
  return 0;
}

function cutToSize(ip: Inode): number {
  const { tx, orphans, geometry } = ip.volume;
  let r = 0;
  if (hasBlocks(ip)) r = truncateBlocks(ip, Math.ceil(ip.sizeBytes / geometry.blockSize));
  if (!failed(r)) r = tx.start(ORPHAN_CREDITS + 1);
  if (failed(r)) return r;
  r = orphans.remove(ip);
  if (!failed(r)) r = ip.dirty();
  tx.stop();
  return r;
}

function dropContents(ip: Inode): number {
  if (!hasBlocks(ip)) return 0;
  return truncateBlocks(ip, 0);
}

/** False for what keeps something else where other inodes have their block map. */
function hasBlocks(ip: Inode): boolean {
  if (ip.has(INLINE_DATA_FL)) return false;
  if (ip.type === S_IFLNK) return !isFastSymlink(ip);
  return ip.type === S_IFREG || ip.type === S_IFDIR;
}
