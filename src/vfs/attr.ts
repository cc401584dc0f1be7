/**
 * File attributes as the kernel keeps them: what stat(2) shows and what
 * chmod(2), chown(2), truncate(2) and utimensat(2) change. See inode(7).
 */
import type { Timespec } from "../kern/clock.ts";
import type { Acl } from "./posixacl.ts";

export interface Attr {
  /** Type and permission bits together (S_IFMT | 07777). */
  readonly mode: number;
  readonly ino: number;
  /** Device number of the file system. */
  readonly dev: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Device number of a device node, else 0. */
  readonly rdev: number;
  readonly sizeBytes: number;
  readonly blksize: number;
  /** 512-byte blocks held. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  /** Time of birth, where the file system keeps one. */
  readonly btime: Timespec | null;
  /** FS_*_FL, as lsattr(1) shows them; absent where a file system has none. */
  readonly fileFlags?: number;
  /** Access control list; null or absent where the permission bits are all. */
  readonly acl?: Acl | null;
}

/** What to change; absent fields stay. Permission was checked by the caller. */
export interface AttrChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly atime?: Timespec;
  readonly mtime?: Timespec;
}
