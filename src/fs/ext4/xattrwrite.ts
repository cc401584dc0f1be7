/**
 * Setting and removing extended attributes, and giving them up with their file.
 *
 * A value goes into the inode if it fits there, else into the block, else,
 * with the ea_inode feature, into an inode of its own. Source: fs/ext4/xattr.c.
 */
import { EEXIST, ENODATA, ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../abi/xattr.ts";
import { CREDITS_PER_RUN } from "./alloc.ts";
import * as feature from "./features.ts";
import { MAP_CREDITS, unmapCredits } from "./filemap.ts";
import { FREE_INODE_CREDITS, NEW_INODE_CREDITS } from "./ialloc.ts";
import type { Inode } from "./inode.ts";
import { operate } from "./operation.ts";
import { isNamed, type XattrName } from "./xattr.ts";
import { blockXattrRoom, blockXattrs, isBlockShared, storeBlockXattrs } from "./xattrblock.ts";
import {
  inodeXattrRoom,
  inodeXattrs,
  storeInodeXattrs,
  type Xattr,
  xattrHash,
  xattrsSize,
} from "./xattrentry.ts";
import { holdValue, makeValueInode, releaseValue, valueHashOf } from "./xattrinode.ts";

/** Old block, new block, what allocates them, and inodes of values. */
export const XATTR_CREDITS = 24;

/** Blocks that giving an attribute a value of `length` bytes may change: XATTR_CREDITS, unless it is large. */
export function xattrCredits(ip: Inode, length: number): number {
  if ((ip.volume.incompat & feature.INCOMPAT_EA_INODE) === 0) return XATTR_CREDITS;
  const blocks = Math.ceil(length / ip.volume.geometry.blockSize);
  const made = NEW_INODE_CREDITS + blocks * (1 + CREDITS_PER_RUN) + MAP_CREDITS;
  return XATTR_CREDITS + made + unmapCredits(ip) + FREE_INODE_CREDITS;
}

interface Plan {
  readonly inner: readonly Xattr[];
  readonly outer: readonly Xattr[];
}

/**
 * Gives `name` the value, in the form that the disk has; null removes it.
 * Within an operation; the caller makes the inode dirty. EEXIST or ENODATA as
 * `flags` (XATTR_CREATE, XATTR_REPLACE) ask, ENOSPC, EUCLEAN, EFSBADCRC, EIO.
 */
export function writeXattr(
  ip: Inode,
  name: XattrName,
  value: Uint8Array | null,
  flags: number,
): number {
  const inner = inodeXattrs(ip);
  if (typeof inner === "number") return inner;
  const outer = blockXattrs(ip);
  if (typeof outer === "number") return outer;
  const old = inner.find((x) => isNamed(x, name)) ?? outer.find((x) => isNamed(x, name));
  if (old && (flags & XATTR_CREATE) !== 0) return EEXIST;
  if (!old && (value === null || (flags & XATTR_REPLACE) !== 0)) return ENODATA;
  const rest: Plan = {
    inner: inner.filter((x) => !isNamed(x, name)),
    outer: outer.filter((x) => !isNamed(x, name)),
  };
  let plan: Plan | Errno = rest;
  if (value !== null) plan = place(ip, rest, name, value);
  if (typeof plan === "number") return plan;
  if (plan.outer.length !== outer.length || plan.outer.some((x, i) => x !== outer[i])) {
    const r = storeOuter(ip, outer, plan.outer);
    if (failed(r)) return r;
  }
  storeInodeXattrs(ip, plan.inner);
  const large = value !== null && isLarge(plan, name);
  const held =
    (large ? heldUnits(ip, value.length) : 0) - (old?.valueIno ? heldUnits(ip, old.valueSize) : 0);
  ip.blocks512 = Math.max(0, ip.blocks512 + held);
  return old && old.valueIno !== 0 ? releaseValue(ip, old) : 0;
}

/**
 * The file goes: gives up the values that are in inodes of their own, each in
 * an operation. What is left goes with dropXattrBlock. EUCLEAN, EFSBADCRC, EIO.
 */
export function dropLargeXattrs(ip: Inode): number {
  const { volume } = ip;
  if ((volume.incompat & feature.INCOMPAT_EA_INODE) === 0) return 0;
  const inner = inodeXattrs(ip);
  if (typeof inner === "number") return inner;
  // In a block that others share they stay with those.
  const outer = isBlockShared(ip) ? [] : blockXattrs(ip);
  if (typeof outer === "number") return outer;
  for (const x of [...inner, ...outer]) {
    if (x.valueIno === 0) continue;
    const r = operate(volume, xattrCredits(ip, 0), () => {
      const removed = writeXattr(ip, x, null, 0);
      return failed(removed) ? removed : ip.dirty();
    });
    if (failed(r)) return r;
  }
  return 0;
}

function isLarge(plan: Plan, name: XattrName): boolean {
  return [...plan.inner, ...plan.outer].some((x) => isNamed(x, name) && x.valueIno !== 0);
}

/** 512-byte units that a value in an inode of its own counts for whoever has it. */
function heldUnits(ip: Inode, valueSize: number): number {
  const { blockSize, clusterRatio } = ip.volume.geometry;
  const cluster = blockSize * clusterRatio;
  return (Math.ceil(valueSize / cluster) * cluster) / 512;
}

/** Where the new attribute goes. */
function place(ip: Inode, rest: Plan, name: XattrName, value: Uint8Array): Plan | Errno {
  const plain: Xattr = {
    ...name,
    value,
    valueIno: 0,
    valueSize: value.length,
    hash: xattrHash(name.name, value),
  };
  const placed = fit(ip, rest, plain);
  if (placed) return placed;
  if ((ip.volume.incompat & feature.INCOMPAT_EA_INODE) === 0) return ENOSPC;
  const holder = makeValueInode(ip, value);
  if (typeof holder === "number") return holder;
  const large: Xattr = {
    ...plain,
    value: null,
    valueIno: holder.ino,
    hash: valueHashOf(name.name, holder),
  };
  const outside = fit(ip, rest, large);
  if (outside) return outside;
  const r = releaseValue(ip, large);
  return failed(r) ? r : ENOSPC;
}

function fit(ip: Inode, rest: Plan, x: Xattr): Plan | null {
  const inner = [...rest.inner, x];
  if (xattrsSize(inner) <= inodeXattrRoom(ip)) return { ...rest, inner };
  const outer = [...rest.outer, x];
  return xattrsSize(outer) <= blockXattrRoom(ip) ? { ...rest, outer } : null;
}

/** Large values that a shared block leads to have one user more when the inode gets its own block. */
function storeOuter(ip: Inode, before: readonly Xattr[], after: readonly Xattr[]): number {
  const isShared = isBlockShared(ip);
  const r = storeBlockXattrs(ip, after);
  if (failed(r) || !isShared) return r;
  for (const x of before) {
    if (x.valueIno === 0) continue;
    const held = holdValue(ip, x);
    if (failed(held)) return held;
  }
  return 0;
}
