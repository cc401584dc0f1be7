/**
 * The block map of ext2 and ext3: twelve direct blocks, then trees of one, two
 * and three levels of block numbers. Source: Documentation/filesystems/ext4/blockmap.rst.
 */
import { EFBIG } from "../../abi/errno.ts";
import { type BlockRun, HOLE } from "./blockmap.ts";
import type { Inode } from "./inode.ts";
import { DiskInode } from "./layout.ts";

const DIRECT = 12;
const LEVELS = 3;

export function mapIndirect(ip: Inode, lblk: number, run: BlockRun): number {
  const perBlock = ip.volume.geometry.blockSize / 4;
  const base = DiskInode.i_block.offset;
  if (lblk < DIRECT) return runIn(ip, ip.view, base, lblk, DIRECT, lblk, run);
  let rest = lblk - DIRECT;
  let level = 1;
  let span = perBlock;
  while (rest >= span) {
    rest -= span;
    span *= perBlock;
    if (++level > LEVELS) return EFBIG;
  }
  let block = ip.view.getUint32(base + (DIRECT + level - 1) * 4, true);
  for (;;) {
    if (block === 0) {
      run.set(lblk, HOLE, span - (rest % span));
      return 0;
    }
    if (!ip.volume.holds(block, 1)) {
      return ip.volume.corrupt(`inode #${ip.ino}: indirect block ${block} out of range`);
    }
    const bp = ip.volume.bread(block);
    if (typeof bp === "number") return bp;
    span /= perBlock;
    const index = Math.floor(rest / span);
    if (span === 1) return runIn(ip, bp.view, 0, index, perBlock, lblk, run);
    rest %= span;
    block = bp.view.getUint32(index * 4, true);
  }
}

/** The run from entry `index` of a table of `length` block numbers at `base`. */
function runIn(
  ip: Inode,
  view: DataView,
  base: number,
  index: number,
  length: number,
  lblk: number,
  run: BlockRun,
): number {
  const first = view.getUint32(base + index * 4, true);
  let count = 1;
  while (index + count < length) {
    const next = view.getUint32(base + (index + count) * 4, true);
    if (next !== (first === HOLE ? HOLE : first + count)) break;
    count++;
  }
  if (first !== HOLE && !ip.volume.holds(first, count)) {
    return ip.volume.corrupt(`inode #${ip.ino}: block ${first} out of range`);
  }
  run.set(lblk, first, count);
  return 0;
}
