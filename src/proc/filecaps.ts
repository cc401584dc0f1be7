/**
 * Capabilities of a file: the extended attribute security.capability.
 * Source: capabilities(7), include/uapi/linux/capability.h vfs_cap_data.
 */
import { CAP_FULL_SET } from "../kern/cred.ts";
import { NO_ID } from "../kern/idmap.ts";
import type { UserNamespace } from "../kern/userns.ts";

const REVISION_MASK = 0xff000000;
const REVISION_1 = 0x01000000;
const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
const FLAG_EFFECTIVE = 1;
const SIZE_1 = 12;
const SIZE_2 = 20;
const SIZE_3 = 24;

export interface FileCaps {
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly isEffective: boolean;
  /** The kernel's id of the root in whose user name space they count: see `countsFor`. */
  readonly rootUid: number;
}

export const XATTR_NAME_CAPS = "security.capability";

/** True for who is in a user name space whose root, or the root of one above, they belong to. */
export function countsFor(caps: FileCaps, userns: UserNamespace): boolean {
  for (let ns: UserNamespace | null = userns; ns; ns = ns.parent) {
    if (ns.uid(caps.rootUid) === 0) return true;
  }
  return false;
}

/** What the attribute says; null if it is no such attribute. */
export function parseFileCaps(value: Uint8Array): FileCaps | null {
  if (value.length < SIZE_1) return null;
  const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const magic = v.getUint32(0, true);
  const revision = (magic & REVISION_MASK) >>> 0;
  const isKnown =
    (revision === REVISION_1 && value.length === SIZE_1) ||
    (revision === REVISION_2 && value.length === SIZE_2) ||
    (revision === REVISION_3 && value.length === SIZE_3);
  if (!isKnown) return null;
  const upper = (at: number): bigint =>
    value.length === SIZE_1 ? 0n : BigInt(v.getUint32(at + 8, true));
  const set = (at: number): bigint =>
    (BigInt(v.getUint32(at, true)) | (upper(at) << 32n)) & CAP_FULL_SET;
  const rootUid = revision === REVISION_3 ? v.getUint32(SIZE_2, true) : 0;
  const isEffective = (magic & FLAG_EFFECTIVE) !== 0;
  return { permitted: set(4), inheritable: set(8), isEffective, rootUid };
}

/** Whether a program may store this as the attribute: of the revisions in use now, whatever the sets. */
export function isFileCaps(value: Uint8Array): boolean {
  if (value.length < SIZE_2) return false;
  const magic = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0, true);
  const revision = (magic & REVISION_MASK) >>> 0;
  if ((magic & ~REVISION_MASK & ~FLAG_EFFECTIVE) !== 0) return false;
  return (
    value.length === (revision === REVISION_2 ? SIZE_2 : revision === REVISION_3 ? SIZE_3 : -1)
  );
}

/**
 * The attribute as it is stored, for what a program in `userns` writes: it
 * belongs to the root there, or to the root that it names. Null if that is nobody.
 */
export function storedFileCaps(value: Uint8Array, userns: UserNamespace): Uint8Array | null {
  const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const root = userns.kuid(value.length === SIZE_3 ? v.getUint32(SIZE_2, true) : 0);
  if (root === NO_ID) return null;
  if (root === 0 && value.length !== SIZE_3) return value;
  return withRoot(value, root);
}

/** As a program in `userns` sees it; null if it cannot be told there. */
export function shownFileCaps(value: Uint8Array, userns: UserNamespace): Uint8Array | null {
  const caps = parseFileCaps(value);
  if (!caps || userns.isInitial) return value;
  const root = userns.uid(caps.rootUid);
  if (root !== NO_ID && root !== 0) return withRoot(value, root);
  return root === 0 || countsFor(caps, userns) ? withoutRoot(value) : null;
}

function withRoot(value: Uint8Array, root: number): Uint8Array {
  const out = new Uint8Array(SIZE_3);
  out.set(value.subarray(0, SIZE_2));
  const v = new DataView(out.buffer);
  v.setUint32(0, ((v.getUint32(0, true) & ~REVISION_MASK) | REVISION_3) >>> 0, true);
  v.setUint32(SIZE_2, root, true);
  return out;
}

function withoutRoot(value: Uint8Array): Uint8Array {
  const out = value.slice(0, SIZE_2);
  const v = new DataView(out.buffer);
  v.setUint32(0, ((v.getUint32(0, true) & ~REVISION_MASK) | REVISION_2) >>> 0, true);
  return out;
}
