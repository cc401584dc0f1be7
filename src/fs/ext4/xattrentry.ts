/**
 * Extended attribute descriptors, as they stand in an inode's tail or in a block.
 *
 * A region holds descriptors growing up and values growing down; every offset
 * is checked against the region before it is followed. A region is written
 * whole, so that it has no gaps and nothing of what was removed.
 * Source: Documentation/filesystems/ext4/attributes.rst, fs/ext4/xattr.c.
 */
import type { Errno } from "../../abi/errno.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Inode } from "./inode.ts";
import { GOOD_OLD_INODE_SIZE, XATTR_MAGIC, XattrEntry } from "./layout.ts";

/** XATTR_SIZE_MAX. */
export const VALUE_MAX = 65536;

/** e_name_index of what the file system keeps for itself. */
export const INDEX_SYSTEM = 7;

/** The descriptors end with four zero bytes. */
const END_SIZE = 4;

export interface Xattr {
  readonly nameIndex: number;
  /** Without its prefix. */
  readonly name: string;
  /** The stored value; null if it is in an inode of its own. */
  readonly value: Uint8Array | null;
  readonly valueIno: number;
  readonly valueSize: number;
  /** e_hash: over name and value; 0 in an inode, but where the value has an inode of its own. */
  readonly hash: number;
}

/** Those in the inode itself, where inline data lives too. */
export function inodeXattrs(ip: Inode): readonly Xattr[] | Errno {
  const start = GOOD_OLD_INODE_SIZE + ip.extraSize;
  if (ip.extraSize === 0 || start + 8 > ip.raw.length) return [];
  if (ip.view.getUint32(start, true) !== XATTR_MAGIC) return [];
  return parseXattrs(ip, ip.raw, ip.view, start + 4, start + 4);
}

/** Bytes for descriptors and values in the inode itself. */
export function inodeXattrRoom(ip: Inode): number {
  if (ip.extraSize === 0) return 0;
  return Math.max(0, ip.raw.length - GOOD_OLD_INODE_SIZE - ip.extraSize - 4);
}

/** Replaces those in the inode itself; they fit. */
export function storeInodeXattrs(ip: Inode, xattrs: readonly Xattr[]): void {
  const start = GOOD_OLD_INODE_SIZE + ip.extraSize;
  if (ip.extraSize === 0 || start + 4 > ip.raw.length) return;
  const fresh = xattrs.map((x) => (x.value ? { ...x, value: x.value.slice(), hash: 0 } : x));
  ip.raw.fill(0, start);
  if (fresh.length === 0) return;
  ip.view.setUint32(start, XATTR_MAGIC, true);
  storeXattrs(ip.raw, ip.view, start + 4, start + 4, fresh);
}

/** Bytes that the attributes take in a region, without its header. */
export function xattrsSize(xattrs: readonly Xattr[]): number {
  let size = END_SIZE;
  for (const x of xattrs) size += descriptorSize(x) + valueSpace(x);
  return size;
}

/** Writes descriptors from `at` on and values from the end of `bytes` down, which are zero. */
export function storeXattrs(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  valuesBase: number,
  xattrs: readonly Xattr[],
): void {
  let pos = at;
  let top = bytes.length;
  for (const x of xattrs) {
    const space = valueSpace(x);
    top -= space;
    XattrEntry.e_name_len.set(view, pos, x.name.length);
    XattrEntry.e_name_index.set(view, pos, x.nameIndex);
    XattrEntry.e_value_offs.set(view, pos, space > 0 ? top - valuesBase : 0);
    XattrEntry.e_value_inum.set(view, pos, x.valueIno);
    XattrEntry.e_value_size.set(view, pos, x.valueSize);
    XattrEntry.e_hash.set(view, pos, x.hash);
    for (let i = 0; i < x.name.length; i++) {
      bytes[pos + XattrEntry.sizeof + i] = x.name.charCodeAt(i);
    }
    if (x.value) bytes.set(x.value, top);
    pos += descriptorSize(x);
  }
}

/** Blocks keep their attributes in this order. */
export function compareXattrs(a: Xattr, b: Xattr): number {
  if (a.nameIndex !== b.nameIndex) return a.nameIndex - b.nameIndex;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** e_hash of a name and its value, which may be null. */
export function xattrHash(name: string, value: Uint8Array | null): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = (hash << 5) ^ (hash >>> 27) ^ name.charCodeAt(i);
  }
  const length = value?.length ?? 0;
  for (let at = 0; at < length; at += 4) {
    let word = 0;
    for (let i = 0; i < 4 && at + i < length; i++) word |= value![at + i]! << (i * 8);
    hash = nextHash(hash, word);
  }
  return hash >>> 0;
}

/** Continues a hash over a word of a value, or over the hash of the next attribute. */
export function nextHash(hash: number, word: number): number {
  return ((hash << 16) ^ (hash >>> 16) ^ word) >>> 0;
}

function descriptorSize(x: Xattr): number {
  return (XattrEntry.sizeof + x.name.length + 3) & ~3;
}

function valueSpace(x: Xattr): number {
  return x.value ? (x.value.length + 3) & ~3 : 0;
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
      hash: XattrEntry.e_hash.get(view, pos),
    });
    pos = (nameEnd + 3) & ~3;
  }
}
