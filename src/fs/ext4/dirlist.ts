/**
 * Listing a directory.
 *
 * What is there during the whole listing comes exactly once, also while other
 * names come and go. In a directory that has no index entries never move, so
 * the offset of one is its byte. In an indexed one they move when a block is
 * split, so they come in the order of their hashes and the offset is 2 plus 31
 * bits of hash and 22 bits of another one; so it is in a directory that may
 * get an index yet: of one block, or in the inode. Only names that agree in all
 * 53 bits can come twice, when a reader stops between them.
 * Source: fs/ext4/dir.c.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR } from "../../abi/stat.ts";
import { byteString } from "../../lib/bytes.ts";
import { crc32c } from "../../lib/crc32c.ts";
import type { DirSink } from "../../vfs/vnode.ts";
import { BlockRun } from "./blockmap.ts";
import { parentOf } from "./dir.ts";
import { dirBlock, dirBlockCount, leafChain } from "./dirblock.ts";
import { type Chain, entriesIn, entryTypes, isDots, nameAt, recordLength } from "./direntry.ts";
import { isKnownHash } from "./dirhash.ts";
import * as feature from "./features.ts";
import {
  type DirIndex,
  descend,
  dirIndexOf,
  effectiveHash,
  type Frame,
  hashOf,
  leafOf,
  nextHash,
  nextLeaf,
} from "./htree.ts";
import { inlineChains } from "./inlinedir.ts";
import type { Inode } from "./inode.ts";
import { DirEntry, INLINE_DATA_FL, SuperBlock } from "./layout.ts";

/** Offsets 0 and 1 are "." and "..". */
const FIRST = 2;
const MINOR_BITS = 22;
const MINOR_COUNT = 2 ** MINOR_BITS;
/** Blocks that names of one hash may fill: more is no accident. */
const COLLIDING_BLOCKS_MAX = 1024;

/** Emits entries from `offset` on until the sink is full. 0, or an error. */
export function listDirectory(dir: Inode, offset: number, sink: DirSink): number {
  const index = dirIndexOf(dir);
  if (typeof index === "number") return index;
  if (index) return listIndexed(dir, index, offset, sink);
  const hash = hashToBe(dir);
  return hash < 0 ? listLinear(dir, offset, sink) : listSmall(dir, hash, offset, sink);
}

/** The hash that orders a directory that will get an index when it grows; -1 if it never will. */
function hashToBe(dir: Inode): number {
  const { volume } = dir;
  const isSmall = dir.has(INLINE_DATA_FL) || dir.sizeBytes === volume.geometry.blockSize;
  if (!isSmall) return -1;
  if ((volume.compat & feature.COMPAT_DIR_INDEX) === 0) return dir.has(INLINE_DATA_FL) ? 1 : -1;
  const version = SuperBlock.s_def_hash_version.get(volume.superView, 0);
  return isKnownHash(version) ? effectiveHash(volume, version) : 1;
}

interface Listed {
  readonly cookie: number;
  readonly name: string;
  readonly ino: number;
  readonly type: number;
}

function listIndexed(dir: Inode, index: DirIndex, offset: number, sink: DirSink): number {
  if (!emitDots(dir, offset, sink)) return 0;
  const from = Math.max(0, offset - FIRST);
  let frame: Frame | null | Errno = descend(dir, index, Math.floor(from / MINOR_COUNT) * 2);
  const blocksMax = dir.sizeBytes / dir.volume.geometry.blockSize;
  let low = 0;
  for (let tries = 0; tries <= blocksMax; tries++) {
    if (typeof frame === "number") return frame;
    if (!frame) return 0;
    const entries: Listed[] = [];
    let last: Frame = frame;
    let count = 0;
    // A hash that goes on in the next block: its names are put in order together.
    for (;;) {
      const leaf = leafOf(dir, last);
      if (typeof leaf === "number") return leaf;
      const r = collect(dir, leafChain(dir, leaf), index.hashVersion, entries);
      if (failed(r)) return r;
      if ((nextHash(last) & 1) === 0 || ++count > COLLIDING_BLOCKS_MAX) break;
      const next = nextLeaf(dir, last);
      if (typeof next === "number") return next;
      if (!next) break;
      last = next;
    }
    // What lies where its hash does not belong would send a reader in circles.
    const high = (nextHash(last) >>> 1) * MINOR_COUNT;
    const end = nextHash(last) === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : high;
    const here = entries.filter((e) => e.cookie >= low && e.cookie < end);
    if (!emit(here, offset, sink)) return 0;
    low = end;
    frame = nextLeaf(dir, last);
  }
  return dir.volume.corrupt(`inode #${dir.ino}: directory index has a loop`);
}

function listSmall(dir: Inode, hashVersion: number, offset: number, sink: DirSink): number {
  if (!emitDots(dir, offset, sink)) return 0;
  const entries: Listed[] = [];
  const chains = smallChains(dir);
  if (typeof chains === "number") return chains;
  for (const chain of chains) {
    const r = collect(dir, chain, hashVersion, entries);
    if (failed(r)) return r;
  }
  emit(entries, offset, sink);
  return 0;
}

function smallChains(dir: Inode): readonly Chain[] | Errno {
  if (dir.has(INLINE_DATA_FL)) return inlineChains(dir);
  const bp = dirBlock(dir, 0, new BlockRun());
  if (typeof bp === "number") return bp;
  return bp ? [leafChain(dir, bp)] : [];
}

/** False when the sink is full. */
function emitDots(dir: Inode, offset: number, sink: DirSink): boolean {
  if (offset < 1 && !sink.entry(".", dir.ino, S_IFDIR, 1)) return false;
  if (offset >= FIRST) return true;
  const parent = parentOf(dir);
  return failed(parent) || sink.entry("..", parent, S_IFDIR, FIRST);
}

function collect(dir: Inode, chain: Chain, hashVersion: number, into: Listed[]): number {
  for (const at of entriesIn(chain)) {
    if (isDots(chain.bytes, at)) continue;
    const bytes = nameAt(chain.bytes, at);
    const name = checkedName(dir, bytes);
    if (typeof name === "number") return name;
    const major = hashOf(dir, hashVersion, bytes) >>> 1;
    const minor = crc32c(0xffffffff, bytes) >>> (32 - MINOR_BITS);
    into.push({
      cookie: major * MINOR_COUNT + minor,
      name,
      ino: DirEntry.inode.get(chain.view, at),
      type: entryTypes[DirEntry.file_type.get(chain.view, at)] ?? 0,
    });
  }
  return 0;
}

/** False when the sink is full. */
function emit(entries: Listed[], offset: number, sink: DirSink): boolean {
  entries.sort((a, b) => a.cookie - b.cookie || (a.name < b.name ? -1 : 1));
  for (let i = 0; i < entries.length; i++) {
    const e = entries[i]!;
    if (FIRST + e.cookie < offset) continue;
    // Of names with one cookie, a reader that stops goes on with the first again.
    const isLast = entries[i + 1]?.cookie !== e.cookie;
    if (!sink.entry(e.name, e.ino, e.type, FIRST + e.cookie + (isLast ? 1 : 0))) return false;
  }
  return true;
}

/** What is no longer an entry at `offset` is looked for from the start of its block. */
function listLinear(dir: Inode, offset: number, sink: DirSink): number {
  const blocks = dirBlockCount(dir);
  if (failed(blocks)) return blocks;
  const { blockSize } = dir.volume.geometry;
  const run = new BlockRun();
  for (let lblk = Math.floor(offset / blockSize); lblk < blocks; lblk++) {
    const bp = dirBlock(dir, lblk, run);
    if (typeof bp === "number") return bp;
    if (!bp) {
      lblk = run.lblk + run.count - 1;
      continue;
    }
    const base = lblk * blockSize;
    for (const at of entriesIn(leafChain(dir, bp))) {
      if (base + at < offset) continue;
      const name = checkedName(dir, nameAt(bp.data, at));
      if (typeof name === "number") return name;
      const type = entryTypes[DirEntry.file_type.get(bp.view, at)] ?? 0;
      const next = base + at + recordLength(bp.view, at);
      if (!sink.entry(name, DirEntry.inode.get(bp.view, at), type, next)) return 0;
    }
  }
  return 0;
}

function checkedName(dir: Inode, bytes: Uint8Array): string | Errno {
  const name = byteString(bytes, 0, bytes.length);
  if (name !== "" && !name.includes("/") && !name.includes("\0")) return name;
  return dir.volume.corrupt(`inode #${dir.ino}: bad name in directory`);
}
