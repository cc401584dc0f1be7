/**
 * A mounted file system instance, as the vfs sees it. See vfsops(9), statfs(2).
 */
import type { Errno } from "../abi/errno.ts";
import type { Vnode } from "./vnode.ts";

export interface StatFs {
  /** The magic number of statfs(2). */
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namelen: number;
}

export interface FileSystem {
  /** As /proc/mounts and /proc/filesystems spell it: "ext4", "tmpfs". */
  readonly typeName: string;
  /** Device number shown in st_dev. */
  readonly dev: number;
  readonly isReadOnly: boolean;
  /** False where names come and go by themselves (procfs): the name cache must ask again. */
  readonly isNameCacheable: boolean;
  root(): Vnode | Errno;
  statfs(): StatFs | Errno;
  sync(): number;
  unmount(): number;
}
