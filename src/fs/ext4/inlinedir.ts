/**
 * Directories inside their inode: the number of the parent and a chain of
 * entries in i_block, a second chain as the value of "system.data".
 *
 * "." and ".." are not stored. Chains are edited where they lie, in `raw`; a
 * name that has no room moves the directory to a block (dirwrite.ts).
 * Source: fs/ext4/inline.c.
 */
import type { Errno } from "../../abi/errno.ts";
import { isChainSound } from "./dirblock.ts";
import type { Chain } from "./direntry.ts";
import { inlineValue } from "./inline.ts";
import type { Inode } from "./inode.ts";
import { DiskInode } from "./layout.ts";

const BLOCK_AT = DiskInode.i_block.offset;
const BLOCK_SIZE = 60;
const PARENT_SIZE = 4;

/** Both chains, checked. */
export function inlineChains(dir: Inode): readonly Chain[] | Errno {
  const value = inlineValue(dir);
  if (typeof value === "number") return value;
  const start = value.byteOffset - dir.raw.byteOffset;
  const chains = [
    chain(dir, BLOCK_AT + PARENT_SIZE, BLOCK_AT + BLOCK_SIZE),
    chain(dir, start, start + value.length),
  ];
  for (const c of chains) {
    if (!isChainSound(c.view, c.start, c.end)) {
      return dir.volume.corrupt(`inode #${dir.ino}: bad inline directory`);
    }
  }
  return chains;
}

export function inlineParent(dir: Inode): number {
  return dir.view.getUint32(BLOCK_AT, true);
}

export function setInlineParent(dir: Inode, ino: number): void {
  dir.view.setUint32(BLOCK_AT, ino, true);
}

function chain(dir: Inode, start: number, end: number): Chain {
  return { bytes: dir.raw, view: dir.view, start, end };
}
