/** The attributes of open files without a place in the tree: what stat(2) says of an eventfd. */
import { S_IFMT } from "../abi/stat.ts";
import type { Cred } from "../kern/cred.ts";
import type { Attr, AttrChange } from "./attr.ts";
import type { Vfs } from "./vfs.ts";

/** `old` as `change` makes it: what pipes and sockets keep. */
export function changedAttr(old: Attr, change: AttrChange): Attr {
  return { ...old, ...change, mode: (old.mode & S_IFMT) | (change.mode ?? old.mode & 0o7777) };
}

/** An anonymous inode: mode 0600 and no type. */
export function anonAttr(vfs: Vfs, cred: Cred): Attr {
  const now = vfs.clock.realtime();
  return {
    mode: 0o600,
    ino: vfs.anonymousIno(),
    dev: vfs.anonDev,
    nlink: 1,
    uid: cred.fsuid,
    gid: cred.fsgid,
    rdev: 0,
    sizeBytes: 0,
    blksize: 4096,
    blocks: 0,
    atime: now,
    mtime: now,
    ctime: now,
    btime: null,
  };
}
