/**
 * New blocks for a directory, at its end. All or none: a directory that could
 * not get as many as an insertion needs is as it was.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import { growBlock, truncateBlocks } from "./filemap.ts";
import type { Inode } from "./inode.ts";

export interface NewBlock {
  /** Zeroed. */
  readonly bp: Buf;
  readonly lblk: number;
}

/** Adds `count` blocks. ENOSPC, EIO. */
export function growDirectory(dir: Inode, count: number): NewBlock[] | Errno {
  const { volume } = dir;
  const { blockSize } = volume.geometry;
  const first = dir.sizeBytes / blockSize;
  const blocks: NewBlock[] = [];
  for (let lblk = first; lblk < first + count; lblk++) {
    const pblk = growBlock(dir, lblk);
    const bp = failed(pblk) ? pblk : volume.bnew(pblk);
    if (typeof bp === "number") {
      const r = truncateBlocks(dir, first);
      if (failed(r)) volume.tx.abort(`inode #${dir.ino}: new blocks cannot be given back`);
      return bp as Errno;
    }
    blocks.push({ bp, lblk });
  }
  dir.resize((first + count) * blockSize);
  return blocks;
}
