/**
 * Extended attribute descriptors, as they stand in an inode's tail or in a block.
 *
 * A region holds descriptors growing up and values growing down; every offset
 * is checked against the region before it is followed.
 * Source: Documentation/filesystems/ext4/attributes.rst.
 */
import type { Errno } from "../../abi/errno.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Inode } from "./inode.ts";
import { GOOD_OLD_INODE_SIZE, XATTR_MAGIC, XattrEntry } from "./layout.ts";

/** XATTR_SIZE_MAX. */
export const VALUE_MAX = 65536;

/** e_name_index of what the file system keeps for itself. */
export const INDEX_SYSTEM = 7;

export interface Xattr {
  readonly nameIndex: number;
  /** Without its prefix. */
  readonly name: string;
  /** The stored value; null if it is in an inode of its own. */
  readonly value: Uint8Array | null;
  readonly valueIno: number;
  readonly valueSize: number;
}

/** Those in the inode itself, where inline data lives too. */
export function inodeXattrs(ip: Inode): readonly Xattr[] | Errno {
  const start = GOOD_OLD_INODE_SIZE + ip.extraSize;
  if (ip.extraSize === 0 || start + 8 > ip.raw.length) return [];
  if (ip.view.getUint32(start, true) !== XATTR_MAGIC) return [];
  return parseXattrs(ip, ip.raw, ip.view, start + 4, start + 4);
}

/** Descriptors from `at` to the end of `bytes`; value offsets count from `valuesBase`. */
export function parseXattrs(
  ip: Inode,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  valuesBase: number,
): readonly Xattr[] | Errno {
  const bad = (): Errno => ip.volume.corrupt(`inode #${ip.ino}: corrupted xattr entries`);
  const out: Xattr[] = [];
  let pos = at;
  for (;;) {
    if (pos + 4 > bytes.length) return bad();
    if (view.getUint32(pos, true) === 0) return out;
    if (pos + XattrEntry.sizeof > bytes.length) return bad();
    const nameEnd = pos + XattrEntry.sizeof + XattrEntry.e_name_len.get(view, pos);
    const valueSize = XattrEntry.e_value_size.get(view, pos);
    const valueIno = XattrEntry.e_value_inum.get(view, pos);
    const valueAt = valuesBase + XattrEntry.e_value_offs.get(view, pos);
    if (nameEnd > bytes.length || valueSize > VALUE_MAX) return bad();
    if (valueIno === 0 && valueAt + valueSize > bytes.length) return bad();
    out.push({
      nameIndex: XattrEntry.e_name_index.get(view, pos),
      name: byteString(bytes, pos + XattrEntry.sizeof, nameEnd),
      value: valueIno === 0 ? bytes.subarray(valueAt, valueAt + valueSize) : null,
      valueIno,
      valueSize,
    });
    pos = (nameEnd + 3) & ~3;
  }
}
