/**
 * A mounted file system instance, as the vfs sees it. See vfsops(9), statfs(2).
 */
import type { Errno } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { DirtyDomain } from "../vm/writeback.ts";
import type { HandleSource } from "./filehandle.ts";
import type { Mark } from "./mark.ts";
import type { Path } from "./path.ts";
import type { TrimWork } from "./trimwork.ts";
import type { Vfs } from "./vfs.ts";
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

/** statfs(2) of a file system that keeps nothing anywhere, as Linux's simple_statfs. */
export function simpleStatfs(type: number): StatFs {
  return { type, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255 };
}

export interface FileSystem {
  /** As /proc/mounts and /proc/filesystems spell it: "ext4", "tmpfs". */
  readonly typeName: string;
  /** Device number shown in st_dev. */
  readonly dev: number;
  readonly isReadOnly: boolean;
  /** Its disk's contents end with the machine: what is dirty at the end need not be written. */
  readonly isVolatile?: boolean;
  /** False where names come and go by themselves (procfs): the name cache must ask again. */
  readonly isNameCacheable: boolean;
  /** The user name space of who made it; absent: the first one. */
  readonly userns?: UserNamespace;
  /** What fanotify(7) marks it as a whole, and which of its files are watched; see watch.ts. */
  marks?: Mark[];
  watched?: Set<Vnode>;
  /** It shows the machine, not what was put into it: proc and sysfs. */
  readonly showsMachine?: boolean;
  /** A directory that is there to be mounted on, with nothing in it to be seen. */
  isBareMountpoint?(vp: Vnode): boolean;
  root(): Vnode | Errno;
  /** Names from the root to what `td` gets when it mounts it; absent: the root itself. */
  mountRoot?(td: Thread): readonly string[];
  /** What mountinfo shows `td` as the part of it that is mounted; absent: the path within it. */
  showRoot?(root: Vnode, td: Thread): string;
  statfs(): StatFs | Errno;
  sync(): number;
  unmount(): number;
  /** What of it is dirty in memory; absent where nothing ever is. */
  readonly dirty?: DirtyDomain;
  /** Absent where files cannot be found by handles. */
  readonly fileHandles?: HandleSource;
  /** Mount options of its own, as /proc/mounts shows them: "size=65536k,mode=755"; may be "". */
  showOptions?(): string;
  /** How many file systems lie below this one that lies on others; absent: none. */
  readonly stackDepth?: number;
  /** FITRIM: tells the disk of some of the free runs that `work` is about, and notes so in it. 0 or an error. */
  trim?(work: TrimWork): number;
  /** mount -o remount: other options, or read-only and back; EINVAL if it cannot. */
  remount?(isReadOnly: boolean, data: string): number;
}

/** What mount(2) asks of a file system type. */
export interface MountRequest {
  /** First argument of mount(2), as given. */
  readonly source: string;
  /** Device number of the block device that `source` names, where the type needs one; else 0. */
  readonly rdev: number;
  /** The option string, comma separated. */
  readonly data: string;
  readonly isReadOnly: boolean;
  readonly cred: Cred;
  /** For types that lie on top of others: who mounts, and how a path of the options is found. */
  readonly td?: Thread;
  readonly vfs?: Vfs;
  readonly lookup?: (path: string) => Path | Errno;
}

export interface FileSystemType {
  readonly typeName: string;
  /** False is "nodev" in /proc/filesystems. */
  readonly needsDevice: boolean;
  /** Who is privileged in his own user name space alone may mount it. */
  readonly isForUsers?: boolean;
  /** A new instance, or the one that already serves this device. */
  mount(request: MountRequest): FileSystem | Errno;
}
