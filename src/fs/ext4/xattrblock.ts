/**
 * The block beside an inode that holds extended attributes it has no room for.
 *
 * Several inodes may share one block (h_refcount). A shared one is not
 * changed: whoever changes its attributes gets a block of its own.
 * Source: fs/ext4/xattr.c, Documentation/filesystems/ext4/attributes.rst.
 */
import type { Errno } from "../../abi/errno.ts";
import type { Buf, Seal } from "../../vfs/bio.ts";
import { allocBlocks, freeBlocks } from "./alloc.ts";
import { crcU32, crcWithHole } from "./checksum.ts";
import type { Inode } from "./inode.ts";
import { XATTR_MAGIC, XattrHeader } from "./layout.ts";
import type { Volume } from "./volume.ts";
import {
  compareXattrs,
  nextHash,
  parseXattrs,
  storeXattrs,
  type Xattr,
  xattrHash,
} from "./xattrentry.ts";

const TWO32 = 4294967296;

/** The attributes in the inode's block; none if it has no block. EUCLEAN, EFSBADCRC, EIO. */
export function blockXattrs(ip: Inode): readonly Xattr[] | Errno {
  if (ip.xattrBlock === 0) return [];
  const bp = readXattrBlock(ip);
  if (typeof bp === "number") return bp;
  return parseXattrs(ip, bp.data, bp.view, XattrHeader.sizeof, 0);
}

/** Bytes for descriptors and values in a block. */
export function blockXattrRoom(ip: Inode): number {
  return ip.volume.geometry.blockSize - XattrHeader.sizeof;
}

/**
 * Makes `xattrs`, which fit, those of the inode's block; with none left the
 * block goes. The caller makes the inode dirty. ENOSPC, EIO, and then nothing has changed.
 */
export function storeBlockXattrs(ip: Inode, xattrs: readonly Xattr[]): number {
  if (xattrs.length === 0) return dropXattrBlock(ip);
  const old = ip.xattrBlock === 0 ? null : readXattrBlock(ip);
  if (typeof old === "number") return old;
  const fresh = xattrs.map((x) => withHash(x)).sort(compareXattrs);
  const isShared = old !== null && XattrHeader.h_refcount.get(old.view, 0) > 1;
  let bp = old;
  if (!bp || isShared) {
    const made = newBlock(ip);
    if (typeof made === "number") return made;
    if (old) release(ip, old);
    hold(ip, made.blkno);
    bp = made;
  }
  bp.data.fill(0);
  const { view } = bp;
  XattrHeader.h_magic.set(view, 0, XATTR_MAGIC);
  XattrHeader.h_refcount.set(view, 0, 1);
  XattrHeader.h_blocks.set(view, 0, 1);
  XattrHeader.h_hash.set(view, 0, hashOf(fresh));
  storeXattrs(bp.data, view, XattrHeader.sizeof, 0, fresh);
  changed(ip, bp);
  return 0;
}

/** The inode gives its block up: it is freed, unless others share it. EUCLEAN, EFSBADCRC, EIO. */
export function dropXattrBlock(ip: Inode): number {
  if (ip.xattrBlock === 0) return 0;
  const bp = readXattrBlock(ip);
  if (typeof bp === "number") return bp;
  release(ip, bp);
  return 0;
}

/** The inode has a block, and others have it too. */
export function isBlockShared(ip: Inode): boolean {
  if (ip.xattrBlock === 0) return false;
  const bp = readXattrBlock(ip);
  return typeof bp !== "number" && XattrHeader.h_refcount.get(bp.view, 0) > 1;
}

function readXattrBlock(ip: Inode): Buf | Errno {
  const { volume } = ip;
  const block = ip.xattrBlock;
  if (!volume.holds(block, 1)) return volume.corrupt(`inode #${ip.ino}: bad xattr block ${block}`);
  const bp = volume.bread(block);
  if (typeof bp === "number" || bp.soundFor === volume) return bp;
  if (
    XattrHeader.h_magic.get(bp.view, 0) !== XATTR_MAGIC ||
    XattrHeader.h_blocks.get(bp.view, 0) !== 1
  ) {
    return volume.corrupt(`inode #${ip.ino}: bad xattr block ${block}`);
  }
  if (volume.hasMetadataCsum && bp.view.getUint32(SUM_AT, true) !== sumOf(volume, bp)) {
    return volume.corrupt(`inode #${ip.ino}: xattr block ${block} checksum invalid`, true);
  }
  bp.soundFor = volume;
  return bp;
}

const SUM_AT = XattrHeader.h_checksum.offset;

function sumOf({ csumSeed }: Volume, bp: Buf): number {
  const seed = crcU32(crcU32(csumSeed, bp.blkno % TWO32), Math.floor(bp.blkno / TWO32));
  return crcWithHole(seed, bp.data, 0, bp.data.length, SUM_AT, 4);
}

function changed({ volume }: Inode, bp: Buf): void {
  bp.soundFor = volume;
  volume.tx.dirty(bp);
  if (volume.hasMetadataCsum) bp.seal = new XattrSeal(volume);
}

class XattrSeal implements Seal {
  readonly #volume: Volume;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  seal(bp: Buf): void {
    bp.view.setUint32(SUM_AT, sumOf(this.#volume, bp), true);
  }
}

function newBlock(ip: Inode): Buf | Errno {
  const { volume } = ip;
  const { inodesPerGroup } = volume.geometry;
  const goal = volume.groups.firstBlock(Math.floor((ip.ino - 1) / inodesPerGroup));
  const run = allocBlocks(volume, goal, 1);
  if (typeof run === "number") return run;
  const bp = volume.bnew(run.start);
  if (typeof bp === "number") freeBlocks(volume, run.start, 1, { isMetadata: true });
  return bp;
}

function hold(ip: Inode, block: number): void {
  ip.xattrBlock = block;
  ip.blocks512 += unitsOf(ip);
}

function release(ip: Inode, bp: Buf): void {
  ip.xattrBlock = 0;
  ip.blocks512 = Math.max(0, ip.blocks512 - unitsOf(ip));
  const refs = XattrHeader.h_refcount.get(bp.view, 0);
  if (refs > 1) {
    XattrHeader.h_refcount.set(bp.view, 0, refs - 1);
    changed(ip, bp);
    return;
  }
  freeBlocks(ip.volume, bp.blkno, 1, { isMetadata: true });
}

function unitsOf(ip: Inode): number {
  const { blockSize, clusterRatio } = ip.volume.geometry;
  return (blockSize / 512) * clusterRatio;
}

function withHash(x: Xattr): Xattr {
  if (!x.value) return x;
  const value = x.value.slice();
  return { ...x, value, hash: xattrHash(x.name, value) };
}

/** h_hash: 0 as soon as one attribute has none, for such a block is not to be shared. */
function hashOf(xattrs: readonly Xattr[]): number {
  let hash = 0;
  for (const x of xattrs) {
    if (x.hash === 0) return 0;
    hash = nextHash(hash, x.hash);
  }
  return hash;
}
