/**
 * Changing what is in a directory. The caller changes the directory's times
 * and link count, and makes the inode dirty; all within a transaction.
 * Source: fs/ext4/namei.c, fs/ext4/inline.c.
 */
import { type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR } from "../../abi/stat.ts";
import type { Buf } from "../../vfs/bio.ts";
import { BlockRun } from "./blockmap.ts";
import { type FoundEntry, findName } from "./dir.ts";
import {
  clearLeaf,
  dirBlock,
  dirBlockCount,
  dirtyDirBlock,
  dirtyLeaf,
  leafChain,
  leafEnd,
} from "./dirblock.ts";
import {
  type Chain,
  entriesIn,
  entrySize,
  entryType,
  findRoom,
  insertAt,
  isChainEmpty,
  nameAt,
  redirect,
  removeAt,
  writeEntry,
} from "./direntry.ts";
import { growDirectory } from "./dirspace.ts";
import * as feature from "./features.ts";
import { dirIndexOf } from "./htree.ts";
import { indexAndInsert, insertIndexed } from "./htreewrite.ts";
import { dropInlineData } from "./inline.ts";
import { inlineChains, inlineParent, setInlineParent } from "./inlinedir.ts";
import type { Inode } from "./inode.ts";
import { DirEntry, INDEX_FL, INLINE_DATA_FL } from "./layout.ts";
import type { Volume } from "./volume.ts";

const DOT = new Uint8Array([0x2e]);
const DOT_DOT = new Uint8Array([0x2e, 0x2e]);
const DOT_SIZE = 12;

/**
 * Blocks that adding a name may change: the path of an index twice, new
 * blocks with what maps and allocates them, and the inode.
 */
export const ADD_NAME_CREDITS = 32;
export const REMOVE_NAME_CREDITS = 4;

/** Adds `name`, which is not there, of S_IFMT type `type`. 0, ENOSPC, EUCLEAN, EFSBADCRC, EIO. */
export function addName(dir: Inode, name: Uint8Array, ino: number, type: number): number {
  const kind = storedType(dir.volume, type);
  if (dir.has(INLINE_DATA_FL)) {
    const r = addInline(dir, name, ino, kind);
    if (r <= 0) return r;
  }
  const index = dirIndexOf(dir);
  if (typeof index === "number") return index;
  if (index) return insertIndexed(dir, index, name, ino, kind);
  if (dir.has(INDEX_FL)) return dir.volume.corrupt(`inode #${dir.ino}: unknown directory index`);
  return addLinear(dir, name, ino, kind);
}

/** Takes a name away. 0 or an error of the lookup. */
export function removeName(dir: Inode, name: Uint8Array): number {
  const found = findName(dir, name);
  if (typeof found === "number") return found;
  removeAt(found.chain, found.at);
  changed(dir, found);
  return 0;
}

/** `name` leads to another inode from now on. */
export function redirectName(dir: Inode, name: Uint8Array, ino: number, type: number): number {
  const found = findName(dir, name);
  if (typeof found === "number") return found;
  redirect(found.chain, found.at, ino, storedType(dir.volume, type));
  changed(dir, found);
  return 0;
}

/** ".." leads elsewhere from now on. */
export function setParent(dir: Inode, ino: number): number {
  if (!dir.has(INLINE_DATA_FL)) return redirectName(dir, DOT_DOT, ino, S_IFDIR);
  setInlineParent(dir, ino);
  return 0;
}

/** Makes the first block of a new directory. 0, ENOSPC, EIO. */
export function initDirectory(dir: Inode, parent: number): number {
  const blocks = growDirectory(dir, 1);
  if (typeof blocks === "number") return blocks;
  initBlock(dir, blocks[0]!.bp, parent);
  return 0;
}

/** True if there is nothing but "." and ".."; EUCLEAN, EFSBADCRC, EIO. */
export function isDirectoryEmpty(dir: Inode): boolean | Errno {
  if (dir.has(INLINE_DATA_FL)) {
    const chains = inlineChains(dir);
    return typeof chains === "number" ? chains : chains.every(isChainEmpty);
  }
  const blocks = dirBlockCount(dir);
  if (failed(blocks)) return blocks;
  const run = new BlockRun();
  for (let lblk = 0; lblk < blocks; lblk++) {
    const bp = dirBlock(dir, lblk, run);
    if (typeof bp === "number") return bp;
    if (!bp) lblk = run.lblk + run.count - 1;
    else if (!isChainEmpty(leafChain(dir, bp))) return false;
  }
  return true;
}

function addLinear(dir: Inode, name: Uint8Array, ino: number, type: number): number {
  const blocks = dirBlockCount(dir);
  if (failed(blocks)) return blocks;
  const size = entrySize(name.length);
  const run = new BlockRun();
  for (let lblk = 0; lblk < blocks; lblk++) {
    const bp = dirBlock(dir, lblk, run);
    if (typeof bp === "number") return bp;
    if (!bp) {
      lblk = run.lblk + run.count - 1;
      continue;
    }
    const chain = leafChain(dir, bp);
    const at = findRoom(chain, size);
    if (at >= 0) {
      insertAt(chain, at, name, ino, type);
      dirtyLeaf(dir, bp);
      return 0;
    }
    const mayIndex = blocks === 1 && (dir.volume.compat & feature.COMPAT_DIR_INDEX) !== 0;
    if (mayIndex) return indexAndInsert(dir, bp, name, ino, type);
  }
  const grown = growDirectory(dir, 1);
  if (typeof grown === "number") return grown;
  const { bp } = grown[0]!;
  clearLeaf(dir, bp);
  insertAt(leafChain(dir, bp), 0, name, ino, type);
  dirtyLeaf(dir, bp);
  return 0;
}

/** 0 if it was added; 1 if the directory has moved to a block, for there is no room here. */
function addInline(dir: Inode, name: Uint8Array, ino: number, type: number): number {
  const chains = inlineChains(dir);
  if (typeof chains === "number") return chains;
  for (const chain of chains) {
    const at = findRoom(chain, entrySize(name.length));
    if (at < 0) continue;
    insertAt(chain, at, name, ino, type);
    return 0;
  }
  return moveOut(dir, chains);
}

/** Moves the entries of an inline directory to a block of its own. 1, or an error. */
function moveOut(dir: Inode, chains: readonly Chain[]): number {
  const parent = inlineParent(dir);
  const raw = dir.raw.slice();
  const view = new DataView(raw.buffer);
  const entries = chains.flatMap((c) => entriesIn(c));
  dropInlineData(dir);
  dir.resize(0);
  const blocks = growDirectory(dir, 1);
  if (typeof blocks === "number") {
    dir.raw.set(raw);
    dir.resize(dir.diskSizeBytes);
    return blocks;
  }
  const { bp } = blocks[0]!;
  initBlock(dir, bp, parent);
  const chain = leafChain(dir, bp);
  for (const from of entries) {
    const name = nameAt(raw, from);
    const at = findRoom(chain, entrySize(name.length));
    if (at < 0) return dir.volume.corrupt(`inode #${dir.ino}: inline directory too large`);
    const ino = DirEntry.inode.get(view, from);
    insertAt(chain, at, name, ino, DirEntry.file_type.get(view, from));
  }
  dirtyLeaf(dir, bp);
  return 1;
}

function initBlock(dir: Inode, bp: Buf, parent: number): void {
  clearLeaf(dir, bp);
  const chain = leafChain(dir, bp);
  const type = storedType(dir.volume, S_IFDIR);
  writeEntry(chain, 0, DOT_SIZE, DOT, dir.ino, type);
  writeEntry(chain, DOT_SIZE, leafEnd(dir) - DOT_SIZE, DOT_DOT, parent, type);
  dirtyLeaf(dir, bp);
}

function changed(dir: Inode, found: FoundEntry): void {
  // An inline directory's entries are in the inode, which the caller makes dirty.
  if (found.bp) dirtyDirBlock(dir, found.bp, found.lblk);
}

/** Without the filetype feature the byte belongs to the length of the name. */
function storedType(volume: Volume, type: number): number {
  return (volume.incompat & feature.INCOMPAT_FILETYPE) !== 0 ? entryType(type) : 0;
}
