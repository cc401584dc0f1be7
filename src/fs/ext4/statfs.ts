/**
 * What df(1) shows of a volume: statfs(2), computed as fs/ext4/super.c does.
 */
import type { StatFs } from "../../vfs/filesystem.ts";
import { EXT4_MAGIC, SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

const NAME_MAX = 255;

export function volumeStatFs(volume: Volume): StatFs {
  const { geometry: g, superView: view, groups, alloc } = volume;
  const free = (groups.freeClusters - alloc.reserved) * g.clusterRatio;
  const bfree = Math.max(0, Math.min(free, g.blocksCount));
  return {
    type: EXT4_MAGIC,
    bsize: g.blockSize,
    blocks: Math.max(0, g.blocksCount - SuperBlock.s_overhead_blocks.get(view, 0)),
    bfree,
    bavail: Math.max(0, bfree - alloc.rootReserve - alloc.pool),
    files: g.inodesCount,
    ffree: Math.min(volume.groups.freeInodes, g.inodesCount),
    namelen: NAME_MAX,
  };
}
