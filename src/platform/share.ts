/**
 * A directory of the host that a machine may use, and nothing beside it.
 *
 * Files are reached by *handles* and single names: no call takes a path, so
 * nothing is resolved twice and nobody can change what lies between two steps.
 * A name is a byte string, one component: never empty, ".", "..", or with "/"
 * or NUL in it (EINVAL); a symlink is never followed, and a device or FIFO
 * never opened. Calls do not block; errors are negative errnos of Linux.
 */

/** A file of the share that is held open, whatever its name is by now. Never negative. */
export type ShareHandle = number;

export interface ShareTime {
  readonly sec: number;
  readonly nsec: number;
}

/** What lstat(2) tells, with the host's own owners and mode. */
export interface ShareStat {
  /** Equal for the same file only, while that exists. */
  readonly id: string;
  /** Inode number: that of the host, or made from it where it is no safe integer or may not be unique. */
  readonly ino: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly sizeBytes: number;
  readonly blksize: number;
  /** 512-byte blocks held. */
  readonly blocks: number;
  readonly atime: ShareTime;
  readonly mtime: ShareTime;
  readonly ctime: ShareTime;
  readonly btime: ShareTime | null;
  /** Differs once the contents have changed. */
  readonly version: string;
  /** A change made from now on will show in `version`: false for files that changed a moment ago. */
  readonly isSettled: boolean;
}

export interface ShareStatFs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** How `Share.open` opens the contents of a regular file. */
export const SHARE_READ = 0;
export const SHARE_WRITE = 1;
export const SHARE_READ_WRITE = 2;
/** For `append` alone. */
export const SHARE_APPEND = 3;

export interface Share {
  /** Then all that changes anything answers EROFS. */
  readonly isReadOnly: boolean;
  /** The directory itself; open as long as the share is. */
  readonly root: ShareHandle;

  stat(handle: ShareHandle): ShareStat | number;
  statAt(dir: ShareHandle, name: string): ShareStat | number;
  /** A handle of whatever has that name: good to stat, to open, and, if it is a directory, to look into. */
  find(dir: ShareHandle, name: string): ShareHandle | number;
  /** A further handle, for the contents: ENXIO unless it is a regular file. */
  open(handle: ShareHandle, how: number): ShareHandle | number;
  close(handle: ShareHandle): void;

  /** Bytes read, fewer than asked for only at the end of the file. */
  read(handle: ShareHandle, offset: number, into: Uint8Array): number;
  /** Bytes written, perhaps fewer than given; an error only if none was. */
  write(handle: ShareHandle, offset: number, from: Uint8Array): number;
  /** As `write`, at the end as the host knows it. */
  append(handle: ShareHandle, from: Uint8Array): number;
  truncate(handle: ShareHandle, sizeBytes: number): number;
  fsync(handle: ShareHandle, dataOnly: boolean): number;

  /** Shows `take` every name but "." and "..", in no order, until it answers false. */
  list(dir: ShareHandle, take: (name: string) => boolean): number;
  readlink(dir: ShareHandle, name: string): string | number;
  /** Makes an empty regular file: a handle to read and write it. EEXIST. */
  create(dir: ShareHandle, name: string, mode: number): ShareHandle | number;
  mkdir(dir: ShareHandle, name: string, mode: number): number;
  symlink(dir: ShareHandle, name: string, target: string): number;
  link(dir: ShareHandle, name: string, toDir: ShareHandle, toName: string): number;
  unlink(dir: ShareHandle, name: string): number;
  rmdir(dir: ShareHandle, name: string): number;
  rename(dir: ShareHandle, name: string, toDir: ShareHandle, toName: string): number;

  /** Not for symlinks. */
  chmod(handle: ShareHandle, mode: number): number;
  setTimes(handle: ShareHandle, atime: ShareTime, mtime: ShareTime): number;
  /** Of a symlink, too. */
  setTimesAt(dir: ShareHandle, name: string, atime: ShareTime, mtime: ShareTime): number;

  statfs(handle: ShareHandle): ShareStatFs | number;
}
