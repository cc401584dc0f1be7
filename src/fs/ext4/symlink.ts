/**
 * Targets of symbolic links: in the inode, up to 59 bytes, or in a block of
 * their own, which is metadata. See symlink(7), fs/ext4/symlink.c.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { byteString } from "../../lib/bytes.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { INCOMPAT_EA_INODE } from "./features.ts";
import { growBlock } from "./filemap.ts";
import { inlineData } from "./inline.ts";
import type { Inode } from "./inode.ts";
import { EA_INODE_FL, EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";

/** PATH_MAX without its NUL. */
export const SYMLINK_MAX = 4095;
const FAST_SYMLINK_MAX = 59;

/** Longest target that a block of the volume can hold. */
export function targetMax(ip: Inode): number {
  return Math.min(SYMLINK_MAX, ip.volume.geometry.blockSize - 1);
}

/** The target is in the inode unless blocks are held for it. */
export function isFastSymlink(ip: Inode): boolean {
  if (ip.has(INLINE_DATA_FL | EXTENTS_FL) || ip.diskSizeBytes > FAST_SYMLINK_MAX) return false;
  // Values of attributes in inodes of their own count as blocks held, too.
  if ((ip.volume.incompat & INCOMPAT_EA_INODE) !== 0) return true;
  const { blockSize, clusterRatio } = ip.volume.geometry;
  const forXattrs = ip.xattrBlock === 0 ? 0 : (blockSize / 512) * clusterRatio;
  return ip.has(EA_INODE_FL) || ip.blocks512 <= forXattrs;
}

/** EUCLEAN, EFSBADCRC, EIO. */
export function readTarget(ip: Inode): string | Errno {
  const { volume, sizeBytes } = ip;
  if (isFastSymlink(ip)) return byteString(ip.block, 0, sizeBytes);
  if (sizeBytes > SYMLINK_MAX || sizeBytes === 0) {
    return volume.corrupt(`inode #${ip.ino}: bad symlink size ${sizeBytes}`);
  }
  if (ip.has(INLINE_DATA_FL)) {
    const data = inlineData(ip);
    return typeof data === "number" ? data : byteString(data, 0, Math.min(sizeBytes, data.length));
  }
  const { blockSize } = volume.geometry;
  const run = new BlockRun();
  let target = "";
  for (let lblk = 0; lblk * blockSize < sizeBytes; lblk++) {
    const r = mapBlock(ip, lblk, run);
    if (failed(r)) return r;
    if (run.pblk === HOLE) return volume.corrupt(`inode #${ip.ino}: symlink with a hole`);
    const bp = volume.bread(run.pblk);
    if (typeof bp === "number") return bp;
    target += byteString(bp.data, 0, Math.min(blockSize, sizeBytes - lblk * blockSize));
  }
  return target;
}

/** Gives a new symlink its target. ENOSPC, EIO. */
export function setTarget(ip: Inode, target: Uint8Array): number {
  if (target.length <= FAST_SYMLINK_MAX) {
    ip.flags &= ~EXTENTS_FL;
    ip.block.fill(0);
    ip.block.set(target);
    ip.resize(target.length);
    return 0;
  }
  const pblk = growBlock(ip, 0);
  if (failed(pblk)) return pblk;
  const bp = ip.volume.bnew(pblk);
  if (typeof bp === "number") return bp;
  bp.data.set(target);
  ip.volume.tx.dirty(bp);
  ip.resize(target.length);
  return 0;
}
