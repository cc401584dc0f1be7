/**
 * Feature bits of the superblock, by the names that mke2fs(8) and ext4(5) give them.
 *
 * An unknown *incompat* bit refuses every mount, an unknown *ro_compat* bit a
 * writable one; *compat* bits may be ignored.
 */
export const COMPAT_HAS_JOURNAL = 0x4;
export const COMPAT_EXT_ATTR = 0x8;
export const COMPAT_DIR_INDEX = 0x20;
export const COMPAT_SPARSE_SUPER2 = 0x200;
/** Orphans are kept in a file of their own. */
export const COMPAT_ORPHAN_FILE = 0x1000;

export const INCOMPAT_FILETYPE = 0x2;
export const INCOMPAT_RECOVER = 0x4;
export const INCOMPAT_META_BG = 0x10;
export const INCOMPAT_EXTENTS = 0x40;
export const INCOMPAT_64BIT = 0x80;
export const INCOMPAT_MMP = 0x100;
export const INCOMPAT_FLEX_BG = 0x200;
export const INCOMPAT_EA_INODE = 0x400;
export const INCOMPAT_CSUM_SEED = 0x2000;
export const INCOMPAT_LARGEDIR = 0x4000;
export const INCOMPAT_INLINE_DATA = 0x8000;

export const RO_COMPAT_SPARSE_SUPER = 0x1;
export const RO_COMPAT_LARGE_FILE = 0x2;
export const RO_COMPAT_HUGE_FILE = 0x8;
export const RO_COMPAT_GDT_CSUM = 0x10;
export const RO_COMPAT_DIR_NLINK = 0x20;
export const RO_COMPAT_EXTRA_ISIZE = 0x40;
export const RO_COMPAT_BIGALLOC = 0x200;
export const RO_COMPAT_METADATA_CSUM = 0x400;

/** What a volume with these bits needs from whoever changes it, this kernel does. */
/** Orphans may be in the orphan file. */
export const RO_COMPAT_ORPHAN_PRESENT = 0x10000;

const RO_COMPAT_WRITABLE =
  RO_COMPAT_ORPHAN_PRESENT |
  RO_COMPAT_SPARSE_SUPER |
  RO_COMPAT_LARGE_FILE |
  RO_COMPAT_HUGE_FILE |
  RO_COMPAT_GDT_CSUM |
  RO_COMPAT_DIR_NLINK |
  RO_COMPAT_EXTRA_ISIZE |
  RO_COMPAT_METADATA_CSUM;

const roCompatNames: ReadonlyMap<number, string> = new Map([
  [0x4, "btree_dir"],
  [0x80, "has_snapshot"],
  [0x100, "quota"],
  [RO_COMPAT_BIGALLOC, "bigalloc"],
  [0x800, "replica"],
  [0x1000, "read-only"],
  [0x2000, "project"],
  [0x4000, "shared_blocks"],
  [0x8000, "verity"],
]);

const INCOMPAT_SUPPORTED =
  INCOMPAT_FILETYPE |
  INCOMPAT_RECOVER |
  INCOMPAT_META_BG |
  INCOMPAT_EXTENTS |
  INCOMPAT_64BIT |
  INCOMPAT_MMP |
  INCOMPAT_FLEX_BG |
  INCOMPAT_EA_INODE |
  INCOMPAT_CSUM_SEED |
  INCOMPAT_LARGEDIR |
  INCOMPAT_INLINE_DATA;

const incompatNames: ReadonlyMap<number, string> = new Map([
  [0x1, "compression"],
  [0x8, "journal_dev"],
  [0x1000, "dirdata"],
  [0x10000, "encrypt"],
  [0x20000, "casefold"],
]);

/** Names of the features with which this kernel only reads a volume; empty if it can write it. */
export function unwritableFeatures(incompat: number, roCompat: number): string {
  const names = namesOf(roCompat, RO_COMPAT_WRITABLE, roCompatNames, "R");
  if ((incompat & INCOMPAT_MMP) !== 0) names.push("mmp");
  return names.join(" ");
}

/** Names of the incompat features that this kernel lacks; empty if it can read the volume. */
export function unsupportedIncompat(bits: number): string {
  return namesOf(bits, INCOMPAT_SUPPORTED, incompatNames, "I").join(" ");
}

function namesOf(
  bits: number,
  known: number,
  names: ReadonlyMap<number, string>,
  set: string,
): string[] {
  const found: string[] = [];
  for (let i = 0; i < 32; i++) {
    const bit = (1 << i) >>> 0;
    if ((bits & bit) === 0 || (known & bit) !== 0) continue;
    found.push(names.get(bit) ?? `FEATURE_${set}${i}`);
  }
  return found;
}
