/**
 * The orphan file: where newer kernels note orphans instead of on their list.
 *
 * It is only read: what another kernel left in it is finished at a mount for
 * writing, after which it is empty and this kernel keeps its own on the list,
 * which is always allowed. Each block is a table of inode numbers with a
 * magic number and a checksum at its end.
 * Source: fs/ext4/orphan.c, Documentation/filesystems/ext4/orphan.rst.
 */
import { EFSCORRUPTED, type Errno, failed } from "../../abi/errno.ts";
import { crc32c } from "../../lib/crc32c.ts";
import type { Buf } from "../../vfs/bio.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { crcU32 } from "./checksum.ts";
import * as feature from "./features.ts";
import { type Inode, readAnyInode } from "./inode.ts";
import { SuperBlock } from "./layout.ts";
import type { Volume } from "./volume.ts";

const TAIL_SIZE = 8;
const MAGIC = 0x0b10ca04;
const TWO32 = 4294967296;
/** Blocks that one may have: Linux makes 512 at most. */
const BLOCKS_MAX = 4096;

/** Another kernel was interrupted while orphans may have been in the file. */
export function isOrphanFileInUse(volume: Volume): boolean {
  const bits = SuperBlock.s_feature_ro_compat.get(volume.superView, 0);
  return (bits & feature.RO_COMPAT_ORPHAN_PRESENT) !== 0;
}

/** The inode numbers in it. EUCLEAN, EFSBADCRC, EIO. */
export function readOrphanFile(volume: Volume): number[] | Errno {
  const found: number[] = [];
  const r = eachBlock(volume, (bp, end) => {
    for (let at = 0; at < end; at += 4) {
      const ino = bp.view.getUint32(at, true);
      if (ino !== 0) found.push(ino);
    }
    return 0;
  });
  return failed(r) ? r : found;
}

/** Empties it, and notes that it is empty. */
export function clearOrphanFile(volume: Volume): number {
  const r = eachBlock(volume, (bp, end, file) => {
    const begun = volume.tx.start(1);
    if (failed(begun)) return begun;
    bp.data.fill(0, 0, end);
    if (volume.hasMetadataCsum) bp.view.setUint32(end + 4, sumOf(file, bp, end), true);
    volume.tx.dirty(bp);
    volume.tx.stop();
    return 0;
  });
  if (failed(r)) return r;
  const begun = volume.tx.start(1);
  if (failed(begun)) return begun;
  const view = volume.superView;
  const bits = SuperBlock.s_feature_ro_compat.get(view, 0) & ~feature.RO_COMPAT_ORPHAN_PRESENT;
  SuperBlock.s_feature_ro_compat.set(view, 0, bits >>> 0);
  volume.superChanged();
  volume.tx.stop();
  return 0;
}

function eachBlock(volume: Volume, visit: (bp: Buf, end: number, file: Inode) => number): number {
  const { blockSize } = volume.geometry;
  const file = readAnyInode(volume, SuperBlock.s_orphan_file_inum.get(volume.superView, 0));
  if (typeof file === "number") return failed(file) ? file : EFSCORRUPTED;
  const count = Math.floor(file.sizeBytes / blockSize);
  if (count > BLOCKS_MAX) return volume.corrupt(`orphan file too big: ${file.sizeBytes}`);
  const run = new BlockRun();
  for (let lblk = 0; lblk < count; lblk++) {
    const mapped = mapBlock(file, lblk, run);
    if (failed(mapped)) return mapped;
    if (run.pblk === HOLE) return volume.corrupt("orphan file has a hole");
    const bp = volume.bread(run.pblk);
    if (typeof bp === "number") return bp;
    const end = blockSize - TAIL_SIZE;
    if (bp.view.getUint32(end, true) !== MAGIC) {
      return volume.corrupt(`orphan file block ${lblk}: bad magic`);
    }
    if (volume.hasMetadataCsum && bp.view.getUint32(end + 4, true) !== sumOf(file, bp, end)) {
      return volume.corrupt(`orphan file block ${lblk}: bad checksum`, true);
    }
    const r = visit(bp, end, file);
    if (failed(r)) return r;
  }
  return 0;
}

function sumOf(file: Inode, bp: Buf, end: number): number {
  const low = crcU32(file.csumSeed, bp.blkno % TWO32);
  return crc32c(crcU32(low, Math.floor(bp.blkno / TWO32)), bp.data, 0, end);
}
