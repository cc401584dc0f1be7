/**
 * Extended attributes: in the tail of the inode, in one block beside it, and
 * large values in inodes of their own. See xattr(7).
 * Source: fs/ext4/xattr.c, Documentation/filesystems/ext4/attributes.rst.
 */
import { ENODATA, EOPNOTSUPP, type Errno } from "../../abi/errno.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { posixAclFromDisk } from "./acl.ts";
import { crcU32, crcWithHole } from "./checksum.ts";
import { readWhole } from "./data.ts";
import { type Inode, readInode } from "./inode.ts";
import { EA_INODE_FL, XATTR_MAGIC, XattrHeader } from "./layout.ts";
import { INDEX_SYSTEM, inodeXattrs, parseXattrs, VALUE_MAX, type Xattr } from "./xattrentry.ts";

const TWO32 = 4294967296;
const INDEX_ACL_ACCESS = 2;
const INDEX_ACL_DEFAULT = 3;

/** Name prefixes by e_name_index. */
const prefixes: ReadonlyMap<number, string> = new Map([
  [1, "user."],
  [INDEX_ACL_ACCESS, "system.posix_acl_access"],
  [INDEX_ACL_DEFAULT, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
  [INDEX_SYSTEM, "system."],
]);

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
  const all = allXattrs(ip);
  if (typeof all === "number") return all;
  let isKnown = false;
  for (const [index, prefix] of prefixes) {
    if (index === INDEX_SYSTEM || !name.startsWith(prefix)) continue;
    isKnown = true;
    const rest = name.slice(prefix.length);
    const found = all.find((x) => x.nameIndex === index && x.name === rest);
    if (!found) continue;
    const value = xattrValue(ip, found);
    if (typeof value === "number") return value;
    const isAcl = index === INDEX_ACL_ACCESS || index === INDEX_ACL_DEFAULT;
    return isAcl ? posixAclFromDisk(value) : value;
  }
  return isKnown ? ENODATA : EOPNOTSUPP;
}

function allXattrs(ip: Inode): readonly Xattr[] | Errno {
  const inner = inodeXattrs(ip);
  if (typeof inner === "number" || ip.xattrBlock === 0) return inner;
  const outer = blockXattrs(ip);
  return typeof outer === "number" ? outer : [...inner, ...outer];
}

function blockXattrs(ip: Inode): readonly Xattr[] | Errno {
  const { volume } = ip;
  const block = ip.xattrBlock;
  if (!volume.holds(block, 1)) return volume.corrupt(`inode #${ip.ino}: bad xattr block ${block}`);
  const bp = volume.bread(block);
  if (typeof bp === "number") return bp;
  if (
    XattrHeader.h_magic.get(bp.view, 0) !== XATTR_MAGIC ||
    XattrHeader.h_blocks.get(bp.view, 0) !== 1
  ) {
    return volume.corrupt(`inode #${ip.ino}: bad xattr block ${block}`);
  }
  if (volume.hasMetadataCsum) {
    const seed = crcU32(crcU32(volume.csumSeed, block), Math.floor(block / TWO32));
    const at = XattrHeader.h_checksum.offset;
    if (crcWithHole(seed, bp.data, 0, bp.data.length, at, 4) !== bp.view.getUint32(at, true)) {
      return volume.corrupt(`inode #${ip.ino}: xattr block ${block} checksum invalid`, true);
    }
  }
  return parseXattrs(ip, bp.data, bp.view, XattrHeader.sizeof, 0);
}

function xattrValue(ip: Inode, x: Xattr): Uint8Array | Errno {
  if (x.value) return x.value.slice();
  const holder = readInode(ip.volume, x.valueIno);
  if (typeof holder === "number") return holder;
  if (!holder.has(EA_INODE_FL) || holder.sizeBytes !== x.valueSize) {
    return ip.volume.corrupt(`inode #${ip.ino}: bad xattr inode ${x.valueIno}`);
  }
  const value = readWhole(holder, VALUE_MAX);
  if (typeof value === "number") return value;
  // Such an inode keeps the value's checksum where others keep their access time.
  const sum = holder.view.getUint32(8, true);
  if (ip.volume.hasMetadataCsum && crc32c(ip.volume.csumSeed, value) !== sum) {
    return ip.volume.corrupt(`inode #${x.valueIno}: xattr value checksum invalid`, true);
  }
  return value;
}
