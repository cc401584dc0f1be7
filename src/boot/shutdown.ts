/**
 * The end of a machine in good order: everything is on its disks, and the disks
 * say that they were not left in the middle of something. Whoever asked for the
 * end (reboot(2), the last process of a command) need not have called sync(2).
 * Disks whose contents end with the machine are left as they are.
 * A panic does not come here: what memory holds then is not to be trusted.
 */
import { failed } from "../abi/errno.ts";
import { LOG_ERR } from "../kern/log.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import type { DirtyDomain } from "../vm/writeback.ts";
import type { Kernel } from "./kernel.ts";

export function syncDisks(kernel: Kernel): void {
  const { vfs, pages, disks, log } = kernel;
  // A file system on a loop device lies in another, which was mounted before it.
  const systems = new Set<FileSystem>([...vfs.mounts.all].reverse().map((m) => m.fs));
  const left = new Set<DirtyDomain | undefined>();
  for (const fs of systems) {
    if (fs.isVolatile) {
      left.add(fs.dirty);
      continue;
    }
    const r = stopWriting(fs);
    if (failed(r)) log.log(LOG_ERR, `${fs.typeName}: cannot write everything back: error ${-r}`);
  }
  for (const domain of [...pages.writeback.domains]) if (!left.has(domain)) domain.sync();
  for (const disk of disks.all) {
    if (disk.isReadOnly || disk.isVolatile || disk.place) continue;
    const r = disk.flush();
    if (failed(r)) log.log(LOG_ERR, `${disk.name}: cannot flush: error ${-r}`);
  }
}

/** Read-only is as good as unmounted, and possible while files are open. */
function stopWriting(fs: FileSystem): number {
  const r = fs.sync();
  if (fs.isReadOnly || !fs.dirty || !fs.remount) return r;
  const stopped = fs.remount(true, fs.showOptions?.() ?? "");
  return failed(r) ? r : stopped;
}
