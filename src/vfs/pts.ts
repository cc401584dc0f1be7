/**
 * A mounted devpts, as the pty driver sees it: where new slaves get their names.
 *
 * Indices are the driver's, one space for the whole machine; an instance shows
 * only the ptys that were opened through it. See pts(4), devpts(5).
 */
import type { Cred } from "../kern/cred.ts";
import type { FileSystem } from "./filesystem.ts";

export interface PtsDirectory extends FileSystem {
  readonly typeName: "devpts";
  /** It is of the first mount name space: the ptys that are kept back are for such. */
  readonly usesReserve: boolean;
  /** Names a new slave for its opener; ENOSPC at the instance's limit. */
  addPty(index: number, rdev: number, cred: Cred): number;
  removePty(index: number): void;
}

export function isPtsDirectory(fs: FileSystem): fs is PtsDirectory {
  return fs.typeName === "devpts";
}
