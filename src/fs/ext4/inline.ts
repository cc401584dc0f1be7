/**
 * Inline data: a small file or directory kept inside its inode, the first 60
 * bytes in i_block, the rest as the value of the attribute "system.data".
 * Source: fs/ext4/inline.c.
 */
import type { Errno } from "../../abi/errno.ts";
import { initBlockMap } from "./ialloc.ts";
import type { Inode } from "./inode.ts";
import { INLINE_DATA_FL } from "./layout.ts";
import { INDEX_SYSTEM, inodeXattrs, storeInodeXattrs } from "./xattrentry.ts";

/** Both parts, one after the other; not longer than an inode. */
export function inlineData(ip: Inode): Uint8Array | Errno {
  const rest = inlineValue(ip);
  if (typeof rest === "number") return rest;
  const all = new Uint8Array(60 + rest.length);
  all.set(ip.block);
  all.set(rest, 60);
  return all;
}

/** The second part where it lies in the inode's record. */
export function inlineValue(ip: Inode): Uint8Array | Errno {
  const xattrs = inodeXattrs(ip);
  if (typeof xattrs === "number") return xattrs;
  const rest = xattrs.find((x) => x.nameIndex === INDEX_SYSTEM && x.name === "data");
  return rest?.value ?? ip.volume.corrupt(`inode #${ip.ino}: inline data without its attribute`);
}

/** The inode's data is about to live in blocks: an empty block map takes its place. EUCLEAN. */
export function dropInlineData(ip: Inode): number {
  const xattrs = inodeXattrs(ip);
  if (typeof xattrs === "number") return xattrs;
  storeInodeXattrs(
    ip,
    xattrs.filter((x) => x.nameIndex !== INDEX_SYSTEM || x.name !== "data"),
  );
  ip.flags &= ~INLINE_DATA_FL;
  initBlockMap(ip);
  return 0;
}
