/**
 * One block of a directory: a chain of entries that covers it to the end.
 *
 * A block is checked whole before anything in it is used: every entry has room
 * for its name, stays in the block, and the checksum (in a tail that looks
 * like an unused entry) is right. The nodes of an index are disguised as
 * blocks without entries. Source: fs/ext4/dir.c, namei.c,
 * Documentation/filesystems/ext4/directory.rst.
 */
import type { Errno } from "../../abi/errno.ts";
import { crc32c } from "../../lib/crc32c.ts";
import type { Buf } from "../../vfs/bio.ts";
import type { Inode } from "./inode.ts";
import { DirEntry, INDEX_FL } from "./layout.ts";

const HEADER_SIZE = DirEntry.sizeof;
/** The smallest entry: a name of one to four bytes. */
const ENTRY_MIN = 12;
const TAIL_SIZE = 12;
const TAIL_FILE_TYPE = 0xde;
/** Where count and limit stand in the root of an index, and in its other nodes. */
const DX_ROOT_COUNT_AT = 32;
const DX_NODE_COUNT_AT = 8;
const DX_ENTRY_SIZE = 8;

/** Block `pblk`, which is block `lblk` of the directory. EUCLEAN, EFSBADCRC, EIO. */
export function readDirBlock(ip: Inode, lblk: number, pblk: number): Buf | Errno {
  const bp = ip.volume.bread(pblk);
  if (typeof bp === "number" || bp.soundFor === ip) return bp;
  const bad = (): Errno => ip.volume.corrupt(`inode #${ip.ino}: bad directory block ${lblk}`);
  if (!isChainSound(bp.view, 0, bp.data.length)) return bad();
  if (ip.volume.hasMetadataCsum) {
    const isNode = ip.has(INDEX_FL) && (lblk === 0 || recordLength(bp.view, 0) === bp.data.length);
    if (!(isNode ? isNodeSumRight(ip, bp, lblk) : isLeafSumRight(ip, bp))) {
      return ip.volume.corrupt(`inode #${ip.ino}: directory block ${lblk} checksum invalid`, true);
    }
  }
  bp.soundFor = ip;
  return bp;
}

/** True if entries follow one another from `start` exactly to `end`. */
export function isChainSound(view: DataView, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    if (end - at < HEADER_SIZE) return false;
    const length = recordLength(view, at);
    const name = DirEntry.name_len.get(view, at);
    if (length < ENTRY_MIN || (length & 3) !== 0 || at + length > end) return false;
    if (HEADER_SIZE + name > length) return false;
    at += length;
  }
  return true;
}

/** Length of the entry at `at`; 64 KiB does not fit its field. */
export function recordLength(view: DataView, at: number): number {
  const length = DirEntry.rec_len.get(view, at);
  if (view.byteLength === 65536 && (length === 65535 || length === 0)) return 65536;
  return view.byteLength === 65536 ? (length & 0xfffc) + (length & 3) * 65536 : length;
}

function isLeafSumRight(ip: Inode, bp: Buf): boolean {
  const at = bp.data.length - TAIL_SIZE;
  return (
    DirEntry.inode.get(bp.view, at) === 0 &&
    DirEntry.rec_len.get(bp.view, at) === TAIL_SIZE &&
    DirEntry.name_len.get(bp.view, at) === 0 &&
    DirEntry.file_type.get(bp.view, at) === TAIL_FILE_TYPE &&
    crc32c(ip.csumSeed, bp.data, 0, at) === bp.view.getUint32(at + 8, true)
  );
}

function isNodeSumRight(ip: Inode, bp: Buf, lblk: number): boolean {
  const countAt = lblk === 0 ? DX_ROOT_COUNT_AT : DX_NODE_COUNT_AT;
  const limit = bp.view.getUint16(countAt, true);
  const count = bp.view.getUint16(countAt + 2, true);
  const tail = countAt + limit * DX_ENTRY_SIZE;
  if (count > limit || tail + 8 > bp.data.length) return false;
  let sum = crc32c(ip.csumSeed, bp.data, 0, countAt + count * DX_ENTRY_SIZE);
  sum = crc32c(sum, bp.data, tail, tail + 4);
  sum = crc32c(sum, new Uint8Array(4));
  return sum === bp.view.getUint32(tail + 4, true);
}
