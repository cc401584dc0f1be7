/**
 * FITRIM, as fstrim(8) asks: tells the disk which blocks are free.
 *
 * A commit comes first, so that no block is given away that a crash would bring
 * back into use. Source: ext4_trim_fs, fs/ext4/mballoc.c.
 */
import { EINVAL, EOPNOTSUPP, EROFS, failed } from "../../abi/errno.ts";
import type { TrimWork } from "../../vfs/trimwork.ts";
import { nextClear, nextSet } from "./bitmap.ts";
import type { Volume } from "./volume.ts";

/** What a step may cost: a group costs 1, telling the disk of a run DISCARD_COST. */
const STEP_COST = 512;
const DISCARD_COST = 8;

/**
 * Discards free runs of the volume, a bounded number of them, and notes in `work` how far it came. 0 or an
 * error; none once it has discarded something, with which it ends.
 */
export function trimVolume(volume: Volume, work: TrimWork): number {
  const { blockSize, blocksCount, blocksPerGroup, firstDataBlock } = volume.geometry;
  if (volume.isReadOnly) return EROFS;
  if (!volume.device.discard) return EOPNOTSUPP;
  const stop = Math.min(blocksCount, Math.floor(work.end / blockSize));
  if (work.at >= blocksCount * blockSize || work.leastBytes > blocksPerGroup * blockSize) {
    return EINVAL;
  }
  const r = volume.tx.commit();
  if (failed(r)) return r;
  let at = Math.max(firstDataBlock, Math.ceil(work.at / blockSize));
  let cost = 0;
  while (at < stop && cost < STEP_COST) {
    const group = volume.groups.groupOf(at);
    const end = Math.min(stop, volume.groups.firstBlock(group + 1));
    const most = Math.ceil((STEP_COST - cost) / DISCARD_COST);
    const step = new GroupStep(group, at, end, most);
    const n = trimGroup(volume, step, work);
    if (failed(n)) {
      work.at = work.end;
      return work.trimmedBytes > 0 ? 0 : n;
    }
    at = step.at;
    cost += 1 + n * DISCARD_COST;
  }
  work.at = at < stop ? at * blockSize : work.end;
  return 0;
}

/** The blocks [at, end) of a group, of which `most` runs are to be discarded now. */
class GroupStep {
  readonly group: number;
  readonly end: number;
  readonly most: number;
  at: number;

  constructor(group: number, at: number, end: number, most: number) {
    this.group = group;
    this.at = at;
    this.end = end;
    this.most = most;
  }
}

/** How many runs it discarded, or an error. */
function trimGroup(volume: Volume, step: GroupStep, work: TrimWork): number {
  const { blockSize } = volume.geometry;
  const desc = volume.groups.read(step.group);
  if (typeof desc === "number") return desc;
  // A bitmap that was never made says nothing of what mke2fs left there.
  if (desc.isBlockUninit) {
    step.at = step.end;
    return 0;
  }
  const bp = volume.alloc.bitmap(desc);
  if (typeof bp === "number") return bp;
  const base = volume.groups.firstBlock(step.group);
  const least = Math.max(1, Math.ceil(work.leastBytes / blockSize));
  const last = step.end - base;
  let count = 0;
  let at = nextClear(bp.data, step.at - base, last);
  while (at < last && count < step.most) {
    const stop = nextSet(bp.data, at, last);
    if (stop - at >= least) {
      const length = (stop - at) * blockSize;
      const r = volume.device.discard!((base + at) * blockSize, length);
      if (failed(r)) return r;
      work.trimmedBytes += length;
      count++;
    }
    at = nextClear(bp.data, stop, last);
  }
  step.at = Math.min(step.end, base + at);
  return count;
}
