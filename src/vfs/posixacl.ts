/**
 * POSIX access control lists: who may do what beyond owner, group and others.
 *
 * An Acl is what programs see as the attribute "system.posix_acl_access" (or
 * _default, which new files in a directory inherit), checked: entries in the
 * order of their tags, each tag that must be there is there once, and a mask
 * where somebody is named. See acl(5), fs/posix_acl.c of Linux.
 */
import { EINVAL, EOPNOTSUPP, type Errno } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";

export const ACL_USER_OBJ = 0x01;
export const ACL_USER = 0x02;
export const ACL_GROUP_OBJ = 0x04;
export const ACL_GROUP = 0x08;
export const ACL_MASK = 0x10;
export const ACL_OTHER = 0x20;

const XATTR_VERSION = 2;
const ENTRY_SIZE = 8;
const HEADER_SIZE = 4;
const NO_ID = 0xffffffff;

export interface AclEntry {
  readonly tag: number;
  /** Bits as in MAY_*. */
  readonly perm: number;
  /** Of a named user or group. */
  readonly id: number;
}

export type Acl = readonly AclEntry[];

/** The list that an attribute's value says; null for an empty one, which means none. EINVAL, EOPNOTSUPP. */
export function parseAcl(value: Uint8Array): Acl | null | Errno {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < HEADER_SIZE) return EINVAL;
  if (view.getUint32(0, true) !== XATTR_VERSION) return EOPNOTSUPP;
  if ((value.length - HEADER_SIZE) % ENTRY_SIZE !== 0) return EINVAL;
  const acl: AclEntry[] = [];
  for (let at = HEADER_SIZE; at < value.length; at += ENTRY_SIZE) {
    const tag = view.getUint16(at, true);
    const isNamed = tag === ACL_USER || tag === ACL_GROUP;
    const id = isNamed ? view.getUint32(at + 4, true) : NO_ID;
    acl.push({ tag, perm: view.getUint16(at + 2, true), id });
  }
  if (acl.length === 0) return null;
  return isValid(acl) ? acl : EINVAL;
}

/** The attribute's value. */
export function formatAcl(acl: Acl): Uint8Array {
  const value = new Uint8Array(HEADER_SIZE + acl.length * ENTRY_SIZE);
  const view = new DataView(value.buffer);
  view.setUint32(0, XATTR_VERSION, true);
  let at = HEADER_SIZE;
  for (const e of acl) {
    view.setUint16(at, e.tag, true);
    view.setUint16(at + 2, e.perm, true);
    view.setUint32(at + 4, e.id, true);
    at += ENTRY_SIZE;
  }
  return value;
}

/** The attribute with its ids put through `user` and `group`; EINVAL where one has no counterpart (-1). */
export function mapAclIds(
  value: Uint8Array,
  user: (id: number) => number,
  group: (id: number) => number,
): Uint8Array | Errno {
  const out = value.slice();
  const view = new DataView(out.buffer);
  for (let at = HEADER_SIZE; at + ENTRY_SIZE <= out.length; at += ENTRY_SIZE) {
    const tag = view.getUint16(at, true);
    if (tag !== ACL_USER && tag !== ACL_GROUP) continue;
    const id = view.getUint32(at + 4, true);
    const mapped = tag === ACL_USER ? user(id) : group(id);
    if (mapped < 0) return EINVAL;
    view.setUint32(at + 4, mapped, true);
  }
  return out;
}

/** True if `cred`, who does not own the file of group `gid`, may do all of `want` (MAY_*). */
export function aclAllows(acl: Acl, gid: number, cred: Cred, want: number): boolean {
  const mask = acl.find((e) => e.tag === ACL_MASK)?.perm ?? 7;
  const user = acl.find((e) => e.tag === ACL_USER && e.id === cred.fsuid);
  if (user) return (want & ~(user.perm & mask)) === 0;
  let isInGroup = false;
  for (const e of acl) {
    const isGroup = e.tag === ACL_GROUP_OBJ || e.tag === ACL_GROUP;
    if (!isGroup || !cred.isMember(e.tag === ACL_GROUP ? e.id : gid)) continue;
    if ((want & ~e.perm) === 0) return (want & ~mask) === 0;
    isInGroup = true;
  }
  if (isInGroup) return false;
  const other = acl.find((e) => e.tag === ACL_OTHER)?.perm ?? 0;
  return (want & ~other) === 0;
}

/** Permission bits that say the same as `acl`, or as nearly as they can. */
export function modeOfAcl(acl: Acl): number {
  const perm = (tag: number): number => acl.find((e) => e.tag === tag)?.perm ?? 0;
  const hasMask = acl.some((e) => e.tag === ACL_MASK);
  const group = perm(hasMask ? ACL_MASK : ACL_GROUP_OBJ);
  return (perm(ACL_USER_OBJ) << 6) | (group << 3) | perm(ACL_OTHER);
}

/** True if permission bits can say all that it says. */
export function isPlain(acl: Acl): boolean {
  return acl.every((e) => e.tag === ACL_USER_OBJ || e.tag === ACL_GROUP_OBJ || e.tag === ACL_OTHER);
}

/** The list after chmod(2) to `mode`. */
export function aclAfterChmod(acl: Acl, mode: number): Acl {
  const hasMask = acl.some((e) => e.tag === ACL_MASK);
  return acl.map((e) => {
    if (e.tag === ACL_USER_OBJ) return { ...e, perm: (mode >> 6) & 7 };
    if (e.tag === ACL_OTHER) return { ...e, perm: mode & 7 };
    const isGroup = e.tag === (hasMask ? ACL_MASK : ACL_GROUP_OBJ);
    return isGroup ? { ...e, perm: (mode >> 3) & 7 } : e;
  });
}

/** The access list of a new file that is made with `mode` where `acl` is the default. */
export function inheritAcl(acl: Acl, mode: number): Acl {
  const hasMask = acl.some((e) => e.tag === ACL_MASK);
  return acl.map((e) => {
    if (e.tag === ACL_USER_OBJ) return { ...e, perm: e.perm & (mode >> 6) & 7 };
    if (e.tag === ACL_OTHER) return { ...e, perm: e.perm & mode & 7 };
    const isGroup = e.tag === (hasMask ? ACL_MASK : ACL_GROUP_OBJ);
    return isGroup ? { ...e, perm: e.perm & (mode >> 3) & 7 } : e;
  });
}

/** Owner; named users; group; named groups; mask, if anybody is named; others. */
function isValid(acl: Acl): boolean {
  let last = 0;
  let needsMask = false;
  const seen = new Set<number>();
  for (const e of acl) {
    const isNamed = e.tag === ACL_USER || e.tag === ACL_GROUP;
    if (!TAGS.has(e.tag) || e.tag < last || (e.perm & ~7) !== 0) return false;
    if (!isNamed && seen.has(e.tag)) return false;
    if (isNamed && e.id === NO_ID) return false;
    if (isNamed) needsMask = true;
    seen.add(e.tag);
    last = e.tag;
  }
  const isWhole = seen.has(ACL_USER_OBJ) && seen.has(ACL_GROUP_OBJ) && seen.has(ACL_OTHER);
  return isWhole && (!needsMask || seen.has(ACL_MASK));
}

const TAGS: ReadonlySet<number> = new Set([
  ACL_USER_OBJ,
  ACL_USER,
  ACL_GROUP_OBJ,
  ACL_GROUP,
  ACL_MASK,
  ACL_OTHER,
]);
