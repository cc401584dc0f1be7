/**
 * Changes of an inode's attributes: owner, permissions, times, each change one operation.
 */
import { failed } from "../../abi/errno.ts";
import { S_IFMT } from "../../abi/stat.ts";
import type { Timespec } from "../../kern/clock.ts";
import type { AttrChange } from "../../vfs/attr.ts";
import { chmodAcl } from "./fileacl.ts";
import type { Inode } from "./inode.ts";
import { NOATIME_FL } from "./layout.ts";
import { operate } from "./operation.ts";
import { XATTR_CREDITS } from "./xattrwrite.ts";

const DAY_SEC = 86_400;
/** The inode, and a list of access rights. */
const ATTR_CREDITS = XATTR_CREDITS + 1;

/** All of `change` but the size, which the contents' owner has changed already. 0, ENOSPC, EROFS, EIO. */
export function setAttributes(ip: Inode, change: AttrChange): number {
  return operate(ip.volume, ATTR_CREDITS, () => {
    const now = ip.volume.clock.realtime();
    if (change.mode !== undefined) {
      const changed = chmodAcl(ip, change.mode);
      if (failed(changed)) return changed;
      ip.mode = (ip.mode & S_IFMT) | (change.mode & 0o7777);
    }
    if (change.uid !== undefined) ip.uid = change.uid;
    if (change.gid !== undefined) ip.gid = change.gid;
    if (change.atime !== undefined) ip.atime = change.atime;
    if (change.mtime !== undefined) ip.mtime = change.mtime;
    else if (change.sizeBytes !== undefined) ip.mtime = now;
    ip.ctime = now;
    return ip.dirty();
  });
}

/** The file was read. Unless `isStrict`, relatime: once per change of the file, and once a day. */
export function noteAccess(ip: Inode, isStrict: boolean): void {
  const { volume } = ip;
  if (volume.isReadOnly || ip.has(NOATIME_FL) || ip.nlink === 0) return;
  const now = volume.clock.realtime();
  const { atime } = ip;
  const isAfterChange = isLater(atime, ip.mtime) && isLater(atime, ip.ctime);
  if (!isStrict && isAfterChange && now.sec - atime.sec < DAY_SEC) return;
  if (failed(volume.tx.start(1))) return;
  ip.atime = now;
  ip.dirtyTimes();
  volume.tx.stop();
}

function isLater(a: Timespec, b: Timespec): boolean {
  return a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec);
}
