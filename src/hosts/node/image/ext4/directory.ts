/**
 * The blocks of a linear ext4 directory.
 *
 * Entries never cross a block, the last one of a block reaches to the
 * checksum tail, and names keep the order given. Linear directories are valid
 * beside dir_index: the kernel indexes one when it next splits it.
 */
import { crc32c } from "../../../../lib/crc32c.ts";
import { BLOCK_SIZE, DIR_TAIL_TYPE, DirTail } from "./format.ts";

const ENTRY_HEADER = 8;
const USABLE = BLOCK_SIZE - DirTail.sizeof;

export interface DirEntry {
  readonly name: string;
  readonly ino: number;
  /** One of FILE_TYPE. */
  readonly type: number;
}

/** The directory as whole blocks; `entries` start with "." and "..". */
export function encodeDirectory(entries: readonly DirEntry[], seed: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  let block = new Uint8Array(BLOCK_SIZE);
  let view = new DataView(block.buffer);
  let at = 0;
  let last = 0;
  const close = () => {
    view.setUint16(last + 4, USABLE - last, true);
    DirTail.det_rec_len.set(view, USABLE, DirTail.sizeof);
    DirTail.det_reserved_ft.set(view, USABLE, DIR_TAIL_TYPE);
    DirTail.det_checksum.set(view, USABLE, crc32c(seed, block, 0, USABLE));
    blocks.push(block);
  };
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const length = (ENTRY_HEADER + name.length + 3) & ~3;
    if (at + length > USABLE) {
      close();
      block = new Uint8Array(BLOCK_SIZE);
      view = new DataView(block.buffer);
      at = 0;
    }
    view.setUint32(at, entry.ino, true);
    view.setUint16(at + 4, length, true);
    view.setUint8(at + 6, name.length);
    view.setUint8(at + 7, entry.type);
    block.set(name, at + ENTRY_HEADER);
    last = at;
    at += length;
  }
  close();
  return Buffer.concat(blocks);
}
