/**
 * Extended attributes: in the tail of the inode, in one block beside it, and
 * large values in inodes of their own. See xattr(7).
 * Source: fs/ext4/xattr.c, Documentation/filesystems/ext4/attributes.rst.
 */
import { ENODATA, EOPNOTSUPP, type Errno } from "../../abi/errno.ts";
import { posixAclFromDisk } from "./acl.ts";
import type { Inode } from "./inode.ts";
import { blockXattrs } from "./xattrblock.ts";
import { INDEX_SYSTEM, inodeXattrs, type Xattr } from "./xattrentry.ts";
import { largeValue } from "./xattrinode.ts";

export const INDEX_ACL_ACCESS = 2;
export const INDEX_ACL_DEFAULT = 3;

/** Name prefixes by e_name_index. */
const prefixes: ReadonlyMap<number, string> = new Map([
  [1, "user."],
  [INDEX_ACL_ACCESS, "system.posix_acl_access"],
  [INDEX_ACL_DEFAULT, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
  [INDEX_SYSTEM, "system."],
]);

/** A name as it is stored. */
export interface XattrName {
  readonly nameIndex: number;
  readonly name: string;
}

/** What `name` is stored as; null for name spaces that ext4 does not keep. */
export function storedName(name: string): XattrName | null {
  for (const [nameIndex, prefix] of prefixes) {
    if (nameIndex === INDEX_SYSTEM || !name.startsWith(prefix)) continue;
    const rest = name.slice(prefix.length);
    const isAcl = isAclIndex(nameIndex);
    if (isAcl === (rest === "")) return { nameIndex, name: rest };
  }
  return null;
}

export function isAclIndex(nameIndex: number): boolean {
  return nameIndex === INDEX_ACL_ACCESS || nameIndex === INDEX_ACL_DEFAULT;
}

/** Names as listxattr(2) shows them; what programs may not see is left out. */
export function listXattrs(ip: Inode): readonly string[] | Errno {
  const all = allXattrs(ip);
  if (typeof all === "number") return all;
  const names: string[] = [];
  for (const x of all) {
    const prefix = prefixes.get(x.nameIndex);
    if (prefix !== undefined && x.nameIndex !== INDEX_SYSTEM) names.push(prefix + x.name);
  }
  return names;
}

/** The value of `name`; ENODATA if there is none. */
export function getXattr(ip: Inode, name: string): Uint8Array | Errno {
  const wanted = storedName(name);
  if (!wanted) return EOPNOTSUPP;
  const value = storedValue(ip, wanted);
  if (typeof value === "number") return value;
  return isAclIndex(wanted.nameIndex) ? posixAclFromDisk(value) : value;
}

/** The value of an attribute as the disk has it; ENODATA if there is none. */
export function storedValue(ip: Inode, wanted: XattrName): Uint8Array | Errno {
  const all = allXattrs(ip);
  if (typeof all === "number") return all;
  const found = all.find((x) => isNamed(x, wanted));
  if (!found) return ENODATA;
  return found.value ? found.value.slice() : largeValue(ip, found);
}

export function isNamed(x: Xattr, wanted: XattrName): boolean {
  return x.nameIndex === wanted.nameIndex && x.name === wanted.name;
}

/** Cheap: true if the inode has any attribute at all. */
export function mayHaveXattrs(ip: Inode): boolean {
  if (ip.xattrBlock !== 0) return true;
  const inner = inodeXattrs(ip);
  return typeof inner === "number" || inner.length > 0;
}

function allXattrs(ip: Inode): readonly Xattr[] | Errno {
  const inner = inodeXattrs(ip);
  if (typeof inner === "number" || ip.xattrBlock === 0) return inner;
  const outer = blockXattrs(ip);
  return typeof outer === "number" ? outer : [...inner, ...outer];
}
