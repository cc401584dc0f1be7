/**
 * Blocks that are the volume's own: superblock copies, descriptors, bitmaps, inode tables.
 *
 * No file may hold one and none is ever freed, whatever an image says.
 * Source: fs/ext4/block_validity.c of Linux.
 */
import type { Errno } from "../../abi/errno.ts";
import type { Groups } from "./groups.ts";

export class SystemZone {
  /** First block of each range and the one after its last, ascending, apart from each other. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;

  private constructor(starts: Float64Array, ends: Float64Array) {
    this.#starts = starts;
    this.#ends = ends;
  }

  static of(groups: Groups): SystemZone | Errno {
    const ranges: [number, number][] = [];
    for (let group = 0; group < groups.count; group++) {
      const desc = groups.read(group);
      if (typeof desc === "number") return desc;
      const base = groups.firstBlock(group);
      for (const [start, count] of [
        [base, groups.baseBlocks(group)],
        [desc.blockBitmap, 1],
        [desc.inodeBitmap, 1],
        [desc.inodeTable, groups.inodeTableBlocks],
      ] as const) {
        const last = ranges[ranges.length - 1];
        if (last && last[1] === start) last[1] = start + count;
        else if (count > 0) ranges.push([start, start + count]);
      }
    }
    ranges.sort((a, b) => a[0] - b[0]);
    const merged: [number, number][] = [];
    for (const [start, end] of ranges) {
      const last = merged[merged.length - 1];
      if (last && start <= last[1]) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    return new SystemZone(
      Float64Array.from(merged, (r) => r[0]),
      Float64Array.from(merged, (r) => r[1]),
    );
  }

  /** True if any of the blocks [start, start + count) is the volume's own. */
  overlaps(start: number, count: number): boolean {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= start) low = middle + 1;
      else high = middle;
    }
    return low < this.#starts.length && this.#starts[low]! < start + count;
  }
}
