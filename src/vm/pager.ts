/**
 * Pagers: where the pages of an object come from, and where changed ones go.
 *
 * A file system's vnode is the pager of its file. Its calls complete before
 * they return; none of them may allocate frames, because they run while frames
 * are being allocated. What a page holds past the end of the file is zeroes in
 * both directions. Compare pagerops(9), address_space_operations of Linux.
 */

export interface Pager {
  /** Fills `into`, whole pages from page `first` on; zeroes past the end of file. 0, or EIO, EUCLEAN. */
  pageIn(first: number, into: Uint8Array): number;

  /**
   * Writes `from`, whole pages from page `first` on, all of them dirty until now. The pages may be
   * dirtied anew by whatever runs next. 0, or why they stay dirty: EIO and ENOSPC are remembered for
   * fsync(2), EAGAIN (the file system is in the middle of something) is not. After an error the pages
   * come again one by one. Absent: the object cannot be written.
   */
  pageOut?(first: number, from: Uint8Array): number;

  /**
   * A page that is clean, or not there yet, is about to be written, by write(2) or through a shared map:
   * the moment to reserve space. 0; or ENOSPC, EDQUOT, EIO, which end a write(2) short and a store with SIGBUS.
   */
  mayDirty?(pindex: number): number;

  /** As `mayDirty`, before a map stores anywhere into a page that may be dirty already, but in parts. */
  mayStore?(pindex: number): number;
  /** A page that `mayDirty` was asked for went without being written: truncated, punched, never filled. */
  undirtied?(pindex: number): void;

  /** The first dirty page appeared after there was none (true), or the last one is gone (false). */
  dirtyChanged?(isDirty: boolean): void;

  /** `sizeBytes` of the object grew by a write. */
  grown?(sizeBytes: number): void;
}
