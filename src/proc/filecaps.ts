/**
 * Capabilities of a file: the extended attribute security.capability.
 * Source: capabilities(7), include/uapi/linux/capability.h vfs_cap_data.
 */
import { CAP_FULL_SET } from "../kern/cred.ts";

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
}

export const XATTR_NAME_CAPS = "security.capability";

/** What the attribute says; null if it is no such attribute, or one of another user namespace. */
export function parseFileCaps(value: Uint8Array): FileCaps | null {
  if (value.length < SIZE_1) return null;
  const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const magic = v.getUint32(0, true);
  const revision = (magic & REVISION_MASK) >>> 0;
  const isKnown =
    (revision === REVISION_1 && value.length === SIZE_1) ||
    (revision === REVISION_2 && value.length === SIZE_2) ||
    (revision === REVISION_3 && value.length === SIZE_3 && v.getUint32(SIZE_2, true) === 0);
  if (!isKnown) return null;
  const upper = (at: number): bigint =>
    value.length === SIZE_1 ? 0n : BigInt(v.getUint32(at + 8, true));
  const set = (at: number): bigint =>
    (BigInt(v.getUint32(at, true)) | (upper(at) << 32n)) & CAP_FULL_SET;
  return { permitted: set(4), inheritable: set(8), isEffective: (magic & FLAG_EFFECTIVE) !== 0 };
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
