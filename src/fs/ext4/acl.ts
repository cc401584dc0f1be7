/**
 * POSIX access control lists on the disk: a denser form than programs see.
 *
 * On disk (version 1) only entries for a named user or group carry an id; in
 * the attribute (version 2) every entry does. Source: fs/ext4/acl.h,
 * include/uapi/linux/posix_acl_xattr.h.
 */
import { EINVAL, type Errno } from "../../abi/errno.ts";
import { ACL_GROUP, ACL_USER } from "../../vfs/posixacl.ts";

const DISK_VERSION = 1;
const XATTR_VERSION = 2;
const NO_ID = 0xffffffff;

export function posixAclFromDisk(disk: Uint8Array): Uint8Array | Errno {
  const from = new DataView(disk.buffer, disk.byteOffset, disk.byteLength);
  if (disk.length < 4 || from.getUint32(0, true) !== DISK_VERSION) return EINVAL;
  const out = new DataView(new ArrayBuffer(4 + 2 * disk.length));
  out.setUint32(0, XATTR_VERSION, true);
  let end = 4;
  for (let at = 4; at < disk.length; ) {
    if (at + 4 > disk.length) return EINVAL;
    const tag = from.getUint16(at, true);
    const isNamed = tag === ACL_USER || tag === ACL_GROUP;
    if (isNamed && at + 8 > disk.length) return EINVAL;
    out.setUint16(end, tag, true);
    out.setUint16(end + 2, from.getUint16(at + 2, true), true);
    out.setUint32(end + 4, isNamed ? from.getUint32(at + 4, true) : NO_ID, true);
    end += 8;
    at += isNamed ? 8 : 4;
  }
  return new Uint8Array(out.buffer, 0, end);
}

/** The attribute's value, whole and checked, as the disk keeps it. */
export function posixAclToDisk(value: Uint8Array): Uint8Array {
  const from = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const out = new DataView(new ArrayBuffer(value.length));
  out.setUint32(0, DISK_VERSION, true);
  let end = 4;
  for (let at = 4; at + 8 <= value.length; at += 8) {
    const tag = from.getUint16(at, true);
    out.setUint16(end, tag, true);
    out.setUint16(end + 2, from.getUint16(at + 2, true), true);
    end += 4;
    if (tag !== ACL_USER && tag !== ACL_GROUP) continue;
    out.setUint32(end, from.getUint32(at + 4, true), true);
    end += 4;
  }
  return new Uint8Array(out.buffer, 0, end);
}
