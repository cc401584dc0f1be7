/**
 * FITRIM, as fstrim(8) asks: tells the disk which blocks are free.
 *
 * A commit comes first, so that no block is given away that a crash would bring
 * back into use. Source: ext4_trim_fs, fs/ext4/mballoc.c.
 */
import { EINVAL, EOPNOTSUPP, EROFS, failed } from "../../abi/errno.ts";
import { nextClear, nextSet } from "./bitmap.ts";
import type { Volume } from "./volume.ts";

/** Discards free runs of at least `least` bytes within [start, end): bytes discarded, or an error. */
export function trimVolume(volume: Volume, start: number, end: number, least: number): number {
  const { blockSize, blocksCount, firstDataBlock } = volume.geometry;
  if (volume.isReadOnly) return EROFS;
  if (!volume.device.discard) return EOPNOTSUPP;
  const from = Math.max(firstDataBlock, Math.ceil(start / blockSize));
  const stop = Math.min(blocksCount, Math.floor(end / blockSize));
  if (start >= blocksCount * blockSize || least > volume.geometry.blocksPerGroup * blockSize) {
    return EINVAL;
  }
  const r = volume.tx.commit();
  if (failed(r)) return r;
  let trimmed = 0;
  for (let at = from; at < stop; ) {
    const group = volume.groups.groupOf(at);
    const groupEnd = Math.min(stop, volume.groups.firstBlock(group + 1));
    const n = trimGroup(volume, group, at, groupEnd, Math.max(1, Math.ceil(least / blockSize)));
    if (failed(n)) return trimmed > 0 ? trimmed : n;
    trimmed += n;
    at = groupEnd;
  }
  return trimmed;
}

function trimGroup(
  volume: Volume,
  group: number,
  from: number,
  end: number,
  least: number,
): number {
  const { blockSize } = volume.geometry;
  const desc = volume.groups.read(group);
  if (typeof desc === "number") return desc;
  // A bitmap that was never made says nothing of what mke2fs left there.
  if (desc.isBlockUninit) return 0;
  const bp = volume.alloc.bitmap(desc);
  if (typeof bp === "number") return bp;
  const base = volume.groups.firstBlock(group);
  const last = end - base;
  let trimmed = 0;
  for (let at = nextClear(bp.data, from - base, last); at < last; ) {
    const stop = nextSet(bp.data, at, last);
    if (stop - at >= least) {
      const length = (stop - at) * blockSize;
      const r = volume.device.discard!((base + at) * blockSize, length);
      if (failed(r)) return trimmed > 0 ? trimmed : r;
      trimmed += length;
    }
    at = nextClear(bp.data, stop, last);
  }
  return trimmed;
}
