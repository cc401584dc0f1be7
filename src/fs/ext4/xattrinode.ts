/**
 * Values of extended attributes that are too large for a block: each in an
 * inode of its own (the ea_inode feature), shared by reference counts.
 *
 * Such an inode keeps the value's checksum where others keep their access
 * time, and its reference count in i_ctime (high) and i_version (low).
 * Source: fs/ext4/xattr.c.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { readWhole } from "./data.ts";
import { growBlock, truncateBlocks } from "./filemap.ts";
import { freeInode, newInode } from "./ialloc.ts";
import { type Inode, readInode } from "./inode.ts";
import { DiskInode, EA_INODE_FL, EXTENTS_FL } from "./layout.ts";
import { nextHash, VALUE_MAX, type Xattr, xattrHash } from "./xattrentry.ts";

const TWO32 = 4294967296;

/** The value of `x`, which is in an inode of its own. EUCLEAN, EFSBADCRC, EIO. */
export function largeValue(ip: Inode, x: Xattr): Uint8Array | Errno {
  const holder = valueInode(ip, x);
  if (typeof holder === "number") return holder;
  const value = readWhole(holder, VALUE_MAX);
  if (typeof value === "number") return value;
  if (ip.volume.hasMetadataCsum && crc32c(ip.volume.csumSeed, value) !== valueHash(holder)) {
    return ip.volume.corrupt(`inode #${x.valueIno}: xattr value checksum invalid`, true);
  }
  return value;
}

/** An inode for `value`, with one user, dirty. ENOSPC, EUCLEAN, EIO. */
export function makeValueInode(ip: Inode, value: Uint8Array): Inode | Errno {
  const { volume } = ip;
  const { blockSize } = volume.geometry;
  const holder = newInode(ip, NO_NAME, {
    mode: S_IFREG | 0o600,
    uid: ip.uid,
    gid: ip.gid,
    isPrivileged: true,
  });
  if (typeof holder === "number") return holder;
  holder.flags = (holder.flags & EXTENTS_FL) | EA_INODE_FL;
  holder.nlink = 1;
  for (let at = 0; at < value.length; at += blockSize) {
    const pblk = growBlock(holder, at / blockSize);
    const bp = failed(pblk) ? pblk : volume.bnew(pblk);
    if (typeof bp === "number") {
      discard(holder);
      return bp as Errno;
    }
    bp.data.set(value.subarray(at, at + blockSize));
    volume.tx.dirty(bp);
  }
  holder.resize(value.length);
  DiskInode.i_atime.set(holder.view, 0, crc32c(volume.csumSeed, value));
  setRefs(holder, 1);
  const r = holder.dirty();
  return failed(r) ? r : holder;
}

/** The value of `x` has one user more. */
export function holdValue(ip: Inode, x: Xattr): number {
  const holder = valueInode(ip, x);
  if (typeof holder === "number") return holder;
  setRefs(holder, refsOf(holder) + 1);
  return holder.dirty();
}

/** The value of `x` has one user less; with the last one it goes. */
export function releaseValue(ip: Inode, x: Xattr): number {
  const holder = valueInode(ip, x);
  if (typeof holder === "number") return holder;
  const refs = refsOf(holder);
  if (refs <= 1) return discard(holder);
  setRefs(holder, refs - 1);
  return holder.dirty();
}

/** e_hash of an attribute whose value is in `holder`. */
export function valueHashOf(name: string, holder: Inode): number {
  return nextHash(xattrHash(name, null), valueHash(holder));
}

const NO_NAME = new Uint8Array(0);

function discard(holder: Inode): number {
  holder.nlink = 0;
  const r = truncateBlocks(holder, 0);
  return failed(r) ? r : freeInode(holder);
}

/** The inode that holds the value of `x`. */
function valueInode(ip: Inode, x: Xattr): Inode | Errno {
  const holder = readInode(ip.volume, x.valueIno);
  if (typeof holder === "number") return holder;
  if (!holder.has(EA_INODE_FL) || holder.sizeBytes !== x.valueSize) {
    return ip.volume.corrupt(`inode #${ip.ino}: bad xattr inode ${x.valueIno}`);
  }
  return holder;
}

function valueHash(holder: Inode): number {
  return DiskInode.i_atime.get(holder.view, 0);
}

function refsOf(holder: Inode): number {
  const high = DiskInode.i_ctime.get(holder.view, 0);
  return DiskInode.i_version.get(holder.view, 0) + high * TWO32;
}

function setRefs(holder: Inode, refs: number): void {
  DiskInode.i_version.set(holder.view, 0, refs % TWO32);
  DiskInode.i_ctime.set(holder.view, 0, Math.floor(refs / TWO32));
}
