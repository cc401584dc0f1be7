/**
 * Contents of a file as bytes, wherever they lie: blocks, holes, or the inode itself.
 */
import { EUCLEAN, failed } from "../../abi/errno.ts";
import { BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { inlineData } from "./inline.ts";
import type { Inode } from "./inode.ts";
import { INLINE_DATA_FL } from "./layout.ts";

/**
 * Fills `into` with what is at `offset`: zeroes in holes and past the end.
 * `run` remembers the last run found, so that the next call need not search.
 * 0, or EUCLEAN, EFSBADCRC, EIO.
 */
export function readData(ip: Inode, offset: number, into: Uint8Array, run: BlockRun): number {
  const wanted = Math.max(0, Math.min(into.length, ip.sizeBytes - offset));
  if (wanted < into.length) into.fill(0, wanted);
  if (ip.has(INLINE_DATA_FL)) return readInline(ip, offset, into.subarray(0, wanted));
  const { blockSize } = ip.volume.geometry;
  for (let done = 0; done < wanted; ) {
    const at = offset + done;
    const lblk = Math.floor(at / blockSize);
    if (!run.covers(lblk)) {
      const r = mapBlock(ip, lblk, run);
      if (failed(r)) return r;
    }
    const inBlock = at % blockSize;
    const here = (run.lblk + run.count - lblk) * blockSize - inBlock;
    const part = into.subarray(done, done + Math.min(wanted - done, here));
    const pblk = run.at(lblk);
    if (pblk === HOLE) {
      part.fill(0);
    } else {
      const r = ip.volume.readData(pblk * blockSize + inBlock, part);
      if (failed(r)) return r;
    }
    done += part.length;
  }
  return 0;
}

/** Contents whole, of a file that must not be larger than `maxBytes`. */
export function readWhole(ip: Inode, maxBytes: number): Uint8Array | typeof EUCLEAN {
  if (ip.sizeBytes > maxBytes) return EUCLEAN;
  const all = new Uint8Array(ip.sizeBytes);
  const r = readData(ip, 0, all, new BlockRun());
  return failed(r) ? r : all;
}

function readInline(ip: Inode, offset: number, into: Uint8Array): number {
  const data = inlineData(ip);
  if (typeof data === "number") return data;
  const have = data.subarray(Math.min(offset, data.length), offset + into.length);
  into.set(have);
  into.fill(0, have.length);
  return 0;
}
