/**
 * Capabilities of a file: the extended attribute security.capability.
 * Source: capabilities(7), include/uapi/linux/capability.h vfs_cap_data.
 */
import { CAP_FULL_SET } from "../kern/cred.ts";

const REVISION_MASK = 0xff000000;
const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
const FLAG_EFFECTIVE = 1;
const SIZE_2 = 20;
const SIZE_3 = 24;

export interface FileCaps {
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly isEffective: boolean;
}

/** What the attribute says; null if it is no such attribute, or one of another user namespace. */
export function parseFileCaps(value: Uint8Array): FileCaps | null {
  if (value.length < SIZE_2) return null;
  const v = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const magic = v.getUint32(0, true);
  const revision = (magic & REVISION_MASK) >>> 0;
  const isKnown =
    (revision === REVISION_2 && value.length === SIZE_2) ||
    (revision === REVISION_3 && value.length === SIZE_3 && v.getUint32(SIZE_2, true) === 0);
  if (!isKnown) return null;
  const set = (at: number): bigint =>
    (BigInt(v.getUint32(at, true)) | (BigInt(v.getUint32(at + 8, true)) << 32n)) & CAP_FULL_SET;
  return { permitted: set(4), inheritable: set(8), isEffective: (magic & FLAG_EFFECTIVE) !== 0 };
}
