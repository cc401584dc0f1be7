/**
 * Looking up names in a directory: inside the inode, by its index, or block by block.
 * Source: fs/ext4/namei.c.
 */
import { ENOENT, type Errno, failed } from "../../abi/errno.ts";
import type { Buf } from "../../vfs/bio.ts";
import { BlockRun } from "./blockmap.ts";
import { dirBlock, dirBlockCount, leafChain } from "./dirblock.ts";
import { type Chain, findEntry } from "./direntry.ts";
import {
  blockAt,
  type DirIndex,
  descend,
  dirIndexOf,
  type Frame,
  hashOf,
  leafOf,
  nextLeaf,
} from "./htree.ts";
import { inlineChains, inlineParent } from "./inlinedir.ts";
import type { Inode } from "./inode.ts";
import { DirEntry, INLINE_DATA_FL } from "./layout.ts";

/** An entry where it lies. */
export interface FoundEntry {
  /** Null in an inline directory, whose entries are in the inode. */
  readonly bp: Buf | null;
  readonly lblk: number;
  readonly chain: Chain;
  readonly at: number;
}

/** The bytes of a name, which is a byte string. */
export function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}

/** Inode number that `name` (a byte string) has in `dir`; ENOENT, EUCLEAN, EFSBADCRC, EIO. */
export function lookupName(dir: Inode, name: string): number {
  const found = findName(dir, nameBytes(name));
  return typeof found === "number" ? found : inodeOf(found);
}

/** The number of its parent: "..". */
export function parentOf(dir: Inode): number {
  return dir.has(INLINE_DATA_FL) ? inlineParent(dir) : lookupName(dir, "..");
}

export function inodeOf(found: FoundEntry): number {
  return DirEntry.inode.get(found.chain.view, found.at);
}

/** The entry called `name`; ENOENT, EUCLEAN, EFSBADCRC, EIO. */
export function findName(dir: Inode, name: Uint8Array): FoundEntry | Errno {
  if (dir.has(INLINE_DATA_FL)) return findInline(dir, name);
  const index = dirIndexOf(dir);
  if (typeof index === "number") return index;
  return index ? findIndexed(dir, index, name) : findLinear(dir, name);
}

function findInline(dir: Inode, name: Uint8Array): FoundEntry | Errno {
  const chains = inlineChains(dir);
  if (typeof chains === "number") return chains;
  for (const chain of chains) {
    const at = findEntry(chain, name);
    if (at >= 0) return { bp: null, lblk: 0, chain, at };
  }
  return ENOENT;
}

function findIndexed(dir: Inode, index: DirIndex, name: Uint8Array): FoundEntry | Errno {
  if (name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))) {
    return findIn(dir, index.root, 0, name) ?? ENOENT;
  }
  const hash = hashOf(dir, index.hashVersion, name);
  let frame: Frame | null | Errno = descend(dir, index, hash);
  const blocksMax = dir.sizeBytes / dir.volume.geometry.blockSize;
  for (let tries = 0; tries <= blocksMax; tries++) {
    if (typeof frame === "number") return frame;
    if (!frame) return ENOENT;
    const leaf = leafOf(dir, frame);
    if (typeof leaf === "number") return leaf;
    const found = findIn(dir, leaf, blockAt(frame, frame.index), name);
    if (found) return found;
    frame = nextLeaf(dir, frame, hash);
  }
  return dir.volume.corrupt(`inode #${dir.ino}: directory index has a loop`);
}

function findLinear(dir: Inode, name: Uint8Array): FoundEntry | Errno {
  const blocks = dirBlockCount(dir);
  if (failed(blocks)) return blocks;
  const run = new BlockRun();
  for (let lblk = 0; lblk < blocks; lblk++) {
    const bp = dirBlock(dir, lblk, run);
    if (typeof bp === "number") return bp;
    if (!bp) {
      lblk = run.lblk + run.count - 1;
      continue;
    }
    const found = findIn(dir, bp, lblk, name);
    if (found) return found;
  }
  return ENOENT;
}

function findIn(dir: Inode, bp: Buf, lblk: number, name: Uint8Array): FoundEntry | null {
  const chain = leafChain(dir, bp);
  const at = findEntry(chain, name);
  return at < 0 ? null : { bp, lblk, chain, at };
}
