/**
 * Feature bits of the superblock, by the names that mke2fs(8) and ext4(5) give them.
 *
 * An unknown *incompat* bit refuses every mount, an unknown *ro_compat* bit a
 * writable one; *compat* bits may be ignored.
 */
export const COMPAT_HAS_JOURNAL = 0x4;
export const COMPAT_SPARSE_SUPER2 = 0x200;

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
export const RO_COMPAT_HUGE_FILE = 0x8;
export const RO_COMPAT_GDT_CSUM = 0x10;
export const RO_COMPAT_BIGALLOC = 0x200;
export const RO_COMPAT_METADATA_CSUM = 0x400;

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

/** Names of the incompat features that this kernel lacks; empty if it can read the volume. */
export function unsupportedIncompat(bits: number): string {
  const names: string[] = [];
  for (let i = 0; i < 32; i++) {
    const bit = (1 << i) >>> 0;
    if ((bits & bit) === 0 || (INCOMPAT_SUPPORTED & bit) !== 0) continue;
    names.push(incompatNames.get(bit) ?? `FEATURE_I${i}`);
  }
  return names.join(" ");
}
