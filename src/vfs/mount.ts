/**
 * A mount: a file system, or a subtree of it, that covers a place. See mount(2).
 *
 * It shows `root` at `mountpoint` in its parent mount; the root of a name
 * space has no parent, nor has a mount that was made or taken away and is not
 * in the tree. Bind mounts are further mounts of the same file system. `refs`
 * counts open files, working directories and child mounts: a mount in use is
 * not unmounted, only detached.
 */
import type { FileSystem } from "./filesystem.ts";
import type { Mark } from "./mark.ts";
import type { MountNamespace } from "./mountns.ts";
import type { MountTable } from "./mounttable.ts";
import type { NameEntry } from "./namecache.ts";
import type { PeerGroup } from "./peergroup.ts";

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_STRICTATIME = 1 << 24;

/** What a mount itself remembers of its flags; the rest are requests. */
const MOUNT_FLAGS =
  MS_RDONLY |
  MS_NOSUID |
  MS_NODEV |
  MS_NOEXEC |
  MS_NOSYMFOLLOW |
  MS_NOATIME |
  MS_NODIRATIME |
  MS_SYNCHRONOUS |
  MS_DIRSYNC;

/** What a mount keeps of the flags of mount(2); relatime is what one gets unless one asks otherwise. */
export function mountFlags(flags: number): number {
  const kept = flags & MOUNT_FLAGS;
  if ((flags & MS_STRICTATIME) !== 0) return kept & ~MS_NOATIME;
  return (flags & MS_NOATIME) === 0 ? kept | MS_RELATIME : kept;
}

/** Numbers of mounts that are larger are unique for ever. */
export const UNIQUE_ID_OFFSET = 2 ** 31;

export class Mount {
  readonly table: MountTable;
  /** Shown to programs; never given to another. */
  readonly id: number;
  readonly fs: FileSystem;
  readonly root: NameEntry;
  /** MS_RDONLY and the other flags of this mount alone. */
  flags: number;
  /** First field of /proc/mounts: the device, or what mount(2) was told. */
  readonly source: string;
  parent: Mount | null = null;
  mountpoint: NameEntry | null = null;
  /** What is mounted on it, by the entry it covers: one each, others on top of that one. */
  readonly children = new Map<NameEntry, Mount>();
  /** The name space whose tree it is in; null while it is in none. */
  ns: MountNamespace | null = null;
  /** With whom it shares what is mounted below; null: nobody. */
  group: PeerGroup | null = null;
  /** From whom it receives what is mounted there; null: nobody. */
  master: PeerGroup | null = null;
  /** May neither be taken away nor moved; and flags that may not be taken back. See lockedmounts.ts. */
  isLocked = false;
  lockedFlags = 0;
  /** May not be bound elsewhere. */
  isUnbindable = false;
  /** What fanotify(7) marks of it; and whether that is so of it or its whole file system. */
  marks: Mark[] = [];
  isWatched = false;
  refs = 0;
  /** Regular files open for writing through this mount: they forbid making it read-only. */
  writers = 0;

  constructor(
    table: MountTable,
    id: number,
    fs: FileSystem,
    root: NameEntry,
    flags: number,
    source: string,
  ) {
    this.table = table;
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.flags = flags;
    this.source = source;
  }

  get isReadOnly(): boolean {
    return (this.flags & MS_RDONLY) !== 0 || this.fs.isReadOnly;
  }

  /** As statmount(2) and statx(2) show it: cannot be mistaken for `id`. */
  get uniqueId(): number {
    return this.id + UNIQUE_ID_OFFSET;
  }

  /** In a tree: below a parent, or at the top of a name space. */
  get isAttached(): boolean {
    return this.parent !== null || this.ns?.root === this;
  }

  /** True if `m` is this mount or one below it. */
  contains(m: Mount): boolean {
    for (let at: Mount | null = m; at; at = at.parent) if (at === this) return true;
    return false;
  }

  /** This mount and all below it, parents first. */
  subtree(): Mount[] {
    const found: Mount[] = [this];
    for (let i = 0; i < found.length; i++) {
      for (const c of found[i]!.children.values()) found.push(c);
    }
    return found;
  }
}
