/**
 * Contents of a file as bytes of the disc: section after section, each in one piece.
 */
import { failed } from "../../abi/errno.ts";
import type { IsoInode } from "./inode.ts";
import type { Volume } from "./volume.ts";

/**
 * Fills `into` with what is stored at `offset`: zeroes past the end. 0, or EIO
 * where the disc ends before the file does.
 */
export function readStored(
  volume: Volume,
  inode: IsoInode,
  sizeBytes: number,
  offset: number,
  into: Uint8Array,
): number {
  const wanted = Math.max(0, Math.min(into.length, sizeBytes - offset));
  if (wanted < into.length) into.fill(0, wanted);
  let start = 0;
  for (const s of inode.sections) {
    const end = start + s.sizeBytes;
    const from = Math.max(start, offset);
    const to = Math.min(end, offset + wanted);
    if (from < to) {
      const part = into.subarray(from - offset, to - offset);
      const r = volume.readData(s.start * volume.blockSize + (from - start), part);
      if (failed(r)) return r;
    }
    start = end;
    if (start >= offset + wanted) break;
  }
  return 0;
}
