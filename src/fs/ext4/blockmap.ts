/**
 * Which block of the volume holds a block of a file: extents or the old block map.
 *
 * Answers a run: as many blocks from `lblk` on as lie in a row (or are missing
 * in a row). A hole is not an error: it has no block and reads as zeroes, and
 * so do blocks that are allocated but not yet written.
 */
import { type Errno, EUCLEAN } from "../../abi/errno.ts";
import { WIDE_ZERO } from "../../lib/wide.ts";
import { mapExtent } from "./extent.ts";
import { mapIndirect } from "./indirect.ts";
import type { Inode } from "./inode.ts";
import { EXTENTS_FL, INLINE_DATA_FL } from "./layout.ts";

export const HOLE = 0;

export class BlockRun {
  lblk = 0;
  /** Block of the volume that `lblk` is in, or HOLE. */
  pblk = HOLE;
  count = WIDE_ZERO;
  /** Block that is held for `lblk` but was never written, or HOLE: `pblk` is HOLE then. */
  unwritten = HOLE;

  set(lblk: number, pblk: number, count: number, unwritten: number = HOLE): void {
    this.lblk = lblk;
    this.pblk = pblk;
    this.count = count;
    this.unwritten = unwritten;
  }

  covers(lblk: number): boolean {
    return lblk >= this.lblk && lblk < this.lblk + this.count;
  }

  /** Where `lblk`, which the run covers, is. */
  at(lblk: number): number {
    return this.pblk === HOLE ? HOLE : this.pblk + (lblk - this.lblk);
  }
}

/** Fills `run` with the run that begins at `lblk`. 0, or EUCLEAN, EFSBADCRC, EIO. */
export function mapBlock(ip: Inode, lblk: number, run: BlockRun): number {
  if (ip.has(INLINE_DATA_FL)) return EUCLEAN as Errno;
  return ip.has(EXTENTS_FL) ? mapExtent(ip, lblk, run) : mapIndirect(ip, lblk, run);
}
