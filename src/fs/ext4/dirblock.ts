/**
 * One block of a directory: a chain of entries that covers it to the end.
 *
 * A block is checked whole before anything in it is used: every entry has room
 * for its name, stays in the block, and the checksum (in a tail that looks
 * like an unused entry) is right. The nodes of an index are disguised as
 * blocks without entries. What was changed gets its checksum when it is written.
 * Source: fs/ext4/dir.c, namei.c, Documentation/filesystems/ext4/directory.rst.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { crc32c, crc32cZeroes } from "../../lib/crc32c.ts";
import type { Buf, Seal } from "../../vfs/bio.ts";
import { type BlockRun, HOLE, mapBlock } from "./blockmap.ts";
import { type Chain, clearChain, recordLength, setRecordLength } from "./direntry.ts";
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
/** Instead of where its entries start, of a block that is no node. */
const LEAF = -1;

/** Block `pblk`, which is block `lblk` of the directory. EUCLEAN, EFSBADCRC, EIO. */
export function readDirBlock(ip: Inode, lblk: number, pblk: number): Buf | Errno {
  const bp = ip.volume.bread(pblk);
  if (typeof bp === "number" || bp.soundFor === ip) return bp;
  const isNode = looksLikeNode(ip, bp, lblk);
  const end = isNode ? bp.data.length : leafEnd(ip);
  if (!isChainSound(bp.view, 0, end)) {
    return ip.volume.corrupt(`inode #${ip.ino}: bad directory block ${lblk}`);
  }
  if (ip.volume.hasMetadataCsum && bp.seal === null) {
    if (!(isNode ? isNodeSumRight(ip, bp, lblk) : isLeafSumRight(ip, bp))) {
      return ip.volume.corrupt(`inode #${ip.ino}: directory block ${lblk} checksum invalid`, true);
    }
  }
  bp.soundFor = ip;
  return bp;
}

/** Block `lblk` of the directory, or null for a hole, which no sound directory has. */
export function dirBlock(ip: Inode, lblk: number, run: BlockRun): Buf | null | Errno {
  if (!run.covers(lblk)) {
    const r = mapBlock(ip, lblk, run);
    if (failed(r)) return r;
  }
  const pblk = run.at(lblk);
  return pblk === HOLE ? null : readDirBlock(ip, lblk, pblk);
}

/** How many blocks it has; a size that says more than the volume holds would only cost time. */
export function dirBlockCount(ip: Inode): number {
  const { blockSize, blocksCount } = ip.volume.geometry;
  const blocks = Math.floor(ip.sizeBytes / blockSize);
  if (blocks * blockSize !== ip.sizeBytes || blocks > blocksCount) {
    return ip.volume.corrupt(`inode #${ip.ino}: bad directory size ${ip.sizeBytes}`);
  }
  return blocks;
}

/** The entries of a block that is no index node. */
export function leafChain(ip: Inode, bp: Buf): Chain {
  return { bytes: bp.data, view: bp.view, start: 0, end: leafEnd(ip) };
}

/** Where the entries of a block end: before the tail, where checksums are. */
export function leafEnd(ip: Inode): number {
  const { hasMetadataCsum, geometry } = ip.volume;
  return hasMetadataCsum ? geometry.blockSize - TAIL_SIZE : geometry.blockSize;
}

/** Makes an empty leaf of a block just allocated. */
export function clearLeaf(ip: Inode, bp: Buf): void {
  clearChain(leafChain(ip, bp));
  dirtyLeaf(ip, bp);
}

/** A leaf was changed: hands it to the running transaction, to be sealed there. */
export function dirtyLeaf(ip: Inode, bp: Buf): void {
  dirtyWith(ip, bp, LEAF);
}

/** As `dirtyLeaf`, for a node of the index. */
export function dirtyNode(ip: Inode, bp: Buf, lblk: number): void {
  dirtyWith(ip, bp, nodeCountAt(lblk));
}

/** As `dirtyLeaf`, for whatever block `lblk` is. */
export function dirtyDirBlock(ip: Inode, bp: Buf, lblk: number): void {
  if (looksLikeNode(ip, bp, lblk)) dirtyNode(ip, bp, lblk);
  else dirtyLeaf(ip, bp);
}

function dirtyWith(ip: Inode, bp: Buf, countAt: number): void {
  const { volume } = ip;
  bp.soundFor = ip;
  volume.tx.dirty(bp);
  if (!volume.hasMetadataCsum) return;
  const known = bp.seal;
  if (known instanceof DirSeal && known.ip === ip && known.countAt === countAt) return;
  bp.seal = new DirSeal(ip, countAt);
}

/** The checksum of a block of `ip`: of a leaf in its tail, of a node behind its entries, which start at `countAt`. */
class DirSeal implements Seal {
  readonly ip: Inode;
  readonly countAt: number;

  constructor(ip: Inode, countAt: number) {
    this.ip = ip;
    this.countAt = countAt;
  }

  seal(bp: Buf): void {
    const { ip, countAt } = this;
    if (countAt !== LEAF) {
      const tail = countAt + bp.view.getUint16(countAt, true) * DX_ENTRY_SIZE;
      bp.view.setUint32(tail + 4, nodeSum(ip, bp, countAt, tail), true);
      return;
    }
    const at = leafEnd(ip);
    DirEntry.inode.set(bp.view, at, 0);
    DirEntry.rec_len.set(bp.view, at, TAIL_SIZE);
    DirEntry.name_len.set(bp.view, at, 0);
    DirEntry.file_type.set(bp.view, at, TAIL_FILE_TYPE);
    bp.view.setUint32(at + HEADER_SIZE, crc32c(ip.csumSeed, bp.data, 0, at), true);
  }
}

/** Most entries that a node of the index has room for. */
export function nodeLimit(ip: Inode, lblk: number): number {
  const { hasMetadataCsum, geometry } = ip.volume;
  const room = geometry.blockSize - nodeCountAt(lblk) - (hasMetadataCsum ? 8 : 0);
  return Math.floor(room / DX_ENTRY_SIZE);
}

/** Where the entries of a node of the index start. */
export function nodeCountAt(lblk: number): number {
  return lblk === 0 ? DX_ROOT_COUNT_AT : DX_NODE_COUNT_AT;
}

/** Disguises a zeroed block as one without entries. */
export function disguiseNode(bp: Buf): void {
  setRecordLength(bp.view, 0, bp.data.length);
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

/** A node's one record covers its block; with checksums no leaf's does, and the root is known. */
function looksLikeNode(ip: Inode, bp: Buf, lblk: number): boolean {
  return ip.has(INDEX_FL) && (lblk === 0 || recordLength(bp.view, 0) === bp.data.length);
}

function isLeafSumRight(ip: Inode, bp: Buf): boolean {
  const at = bp.data.length - TAIL_SIZE;
  return (
    DirEntry.inode.get(bp.view, at) === 0 &&
    DirEntry.rec_len.get(bp.view, at) === TAIL_SIZE &&
    DirEntry.name_len.get(bp.view, at) === 0 &&
    DirEntry.file_type.get(bp.view, at) === TAIL_FILE_TYPE &&
    crc32c(ip.csumSeed, bp.data, 0, at) === bp.view.getUint32(at + HEADER_SIZE, true)
  );
}

function isNodeSumRight(ip: Inode, bp: Buf, lblk: number): boolean {
  const countAt = nodeCountAt(lblk);
  const limit = bp.view.getUint16(countAt, true);
  const count = bp.view.getUint16(countAt + 2, true);
  const tail = countAt + limit * DX_ENTRY_SIZE;
  if (count > limit || tail + 8 > bp.data.length) return false;
  return nodeSum(ip, bp, countAt, tail) === bp.view.getUint32(tail + 4, true);
}

function nodeSum(ip: Inode, bp: Buf, countAt: number, tail: number): number {
  const count = bp.view.getUint16(countAt + 2, true);
  let sum = crc32c(ip.csumSeed, bp.data, 0, countAt + count * DX_ENTRY_SIZE);
  sum = crc32c(sum, bp.data, tail, tail + 4);
  return crc32cZeroes(sum, 4);
}
