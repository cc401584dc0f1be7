/**
 * Access control lists of files: kept beside the permission bits, which say the
 * same as nearly as they can. Source: fs/ext4/acl.c, fs/posix_acl.c.
 */
import { EACCES, EINVAL, ENODATA, type Errno, failed } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK } from "../../abi/stat.ts";
import {
  type Acl,
  aclAfterChmod,
  formatAcl,
  inheritAcl,
  isPlain,
  modeOfAcl,
  parseAcl,
} from "../../vfs/posixacl.ts";
import { posixAclFromDisk, posixAclToDisk } from "./acl.ts";
import type { Inode } from "./inode.ts";
import {
  INDEX_ACL_ACCESS,
  INDEX_ACL_DEFAULT,
  mayHaveXattrs,
  storedValue,
  type XattrName,
} from "./xattr.ts";
import { writeXattr } from "./xattrwrite.ts";

const ACCESS: XattrName = { nameIndex: INDEX_ACL_ACCESS, name: "" };
const DEFAULT: XattrName = { nameIndex: INDEX_ACL_DEFAULT, name: "" };

/** The access list; null where permission bits are all. EUCLEAN, EFSBADCRC, EIO. */
export function accessAcl(ip: Inode): Acl | null | Errno {
  return aclOf(ip, ACCESS);
}

/** What new files in the directory inherit; null if nothing. */
export function defaultAcl(ip: Inode): Acl | null | Errno {
  return ip.type === S_IFDIR ? aclOf(ip, DEFAULT) : null;
}

/**
 * Sets one of the lists from an attribute's value; within an operation, and
 * the caller makes the inode dirty. EINVAL, EACCES for a default list of a
 * file, and errors of writeXattr.
 */
export function setAcl(ip: Inode, nameIndex: number, value: Uint8Array): number {
  const acl = parseAcl(value);
  if (typeof acl === "number") return acl;
  if (nameIndex === INDEX_ACL_DEFAULT && ip.type !== S_IFDIR) return acl ? EACCES : 0;
  if (ip.type === S_IFLNK) return EINVAL;
  const name = nameIndex === INDEX_ACL_DEFAULT ? DEFAULT : ACCESS;
  if (!acl) return remove(ip, name);
  if (name === DEFAULT) return store(ip, DEFAULT, acl);
  const r = isPlain(acl) ? remove(ip, ACCESS) : store(ip, ACCESS, acl);
  if (failed(r)) return r;
  ip.mode = (ip.mode & ~0o777) | modeOfAcl(acl);
  return 0;
}

/** The list follows chmod(2) to `mode`. */
export function chmodAcl(ip: Inode, mode: number): number {
  const acl = accessAcl(ip);
  if (acl === null) return 0;
  return typeof acl === "number" ? acl : store(ip, ACCESS, aclAfterChmod(acl, mode));
}

/** A new file gets what its directory has for it: lists and the permission bits that go with them. */
export function inheritAcls(ip: Inode, dir: Inode): number {
  if (ip.type === S_IFLNK) return 0;
  const inherited = defaultAcl(dir);
  if (inherited === null) return 0;
  if (typeof inherited === "number") return inherited;
  const acl = inheritAcl(inherited, ip.mode);
  ip.mode = (ip.mode & ~0o777) | modeOfAcl(acl);
  if (!isPlain(acl)) {
    const r = store(ip, ACCESS, acl);
    if (failed(r)) return r;
  }
  return ip.type === S_IFDIR ? store(ip, DEFAULT, inherited) : 0;
}

function aclOf(ip: Inode, name: XattrName): Acl | null | Errno {
  if (!mayHaveXattrs(ip)) return null;
  const disk = storedValue(ip, name);
  if (disk === ENODATA) return null;
  if (typeof disk === "number") return disk;
  const value = posixAclFromDisk(disk);
  return typeof value === "number" ? value : parseAcl(value);
}

function store(ip: Inode, name: XattrName, acl: Acl): number {
  return writeXattr(ip, name, posixAclToDisk(formatAcl(acl)), 0);
}

function remove(ip: Inode, name: XattrName): number {
  const r = writeXattr(ip, name, null, 0);
  return r === ENODATA ? 0 : r;
}
