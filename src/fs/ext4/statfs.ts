/**
 * What df(1) shows of a volume: statfs(2), computed as fs/ext4/super.c does.
 */
import type { StatFs } from "../../vfs/filesystem.ts";
import * as feature from "./features.ts";
import { EXT4_MAGIC, SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

const TWO32 = 4294967296;
const NAME_MAX = 255;

export function volumeStatFs(volume: Volume): StatFs {
  const { geometry: g, superView: view } = volume;
  const sb = SuperBlock;
  const is64 = (volume.incompat & feature.INCOMPAT_64BIT) !== 0 ? TWO32 : 0;
  const free = (volume.groups.freeClusters - volume.alloc.reserved) * g.clusterRatio;
  const reserved = sb.s_r_blocks_count_lo.get(view, 0) + sb.s_r_blocks_count_hi.get(view, 0) * is64;
  const bfree = Math.max(0, Math.min(free, g.blocksCount));
  return {
    type: EXT4_MAGIC,
    bsize: g.blockSize,
    blocks: Math.max(0, g.blocksCount - sb.s_overhead_blocks.get(view, 0)),
    bfree,
    bavail: Math.max(0, bfree - reserved),
    files: g.inodesCount,
    ffree: Math.min(volume.groups.freeInodes, g.inodesCount),
    namelen: NAME_MAX,
  };
}
