/**
 * write(2) on a regular file of ext4.
 */
import { failed } from "../../abi/errno.ts";
import { CAP_FSETID, type Cred } from "../../kern/cred.ts";
import { withoutSetId } from "../../vfs/access.ts";
import { writeObject } from "../../vfs/pagecache.ts";
import type { Uio } from "../../vm/uio.ts";
import type { FileData } from "./filedata.ts";

/** Moves bytes to `offset`: bytes moved, fewer if space ends; or an error. */
export function writeFile(data: FileData, cred: Cred, uio: Uio, offset: number): number {
  const { inode: ip } = data;
  if (uio.resid === 0) return 0;
  const room = data.prepareWrite(offset, uio.resid, ip.volume.alloc.isPrivileged(cred));
  if (failed(room)) return room;
  uio.resid = Math.min(uio.resid, room);
  const r = writeObject(data.object, uio, offset);
  data.finishWrite(offset, Math.max(r, 0));
  if (r <= 0) return r;
  if ((ip.mode & 0o6000) !== 0 && !cred.hasCapOver(ip, CAP_FSETID)) ip.mode = withoutSetId(ip.mode);
  data.touch();
  return r;
}
