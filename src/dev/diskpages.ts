/**
 * The page cache of a disk's special file: one for all that have it open, for
 * read, write and mmap alike.
 *
 * What a file system writes goes past it. So it counts the writes that the disk
 * has seen: once there are more than its own, its clean pages are not believed
 * any more. It lives while the special file is open; the last close writes it
 * back, as Linux does.
 */
import { EROFS, failed } from "../abi/errno.ts";
import type { Disk, DiskCache } from "../vfs/blockdevice.ts";
import type { PageAllocator } from "../vm/page.ts";
import { PagedObject } from "../vm/pagedobject.ts";
import type { Pager } from "../vm/pager.ts";
import { PAGE_SIZE } from "../vm/param.ts";

const ALL = Number.POSITIVE_INFINITY;

export class DiskPages implements Pager, DiskCache {
  readonly #disk: Disk;
  readonly #object: PagedObject;
  /** Writes of the disk that the pages know of. */
  #writes: number;

  constructor(disk: Disk, frames: PageAllocator) {
    this.#disk = disk;
    this.#object = new PagedObject(frames, this, disk.sizeBytes);
    this.#writes = this.#writesNow;
  }

  /** The pages, as they are on the disk or newer. */
  object(): PagedObject {
    const object = this.#object;
    if (object.sizeBytes !== this.#disk.sizeBytes) object.truncate(this.#disk.sizeBytes);
    if (this.#writes !== this.#writesNow) {
      object.dropClean(0, ALL);
      this.#writes = this.#writesNow;
    }
    return object;
  }

  get pages(): number {
    return this.#object.residentPages;
  }

  sync(): number {
    return this.#object.sync(0, ALL);
  }

  /** Writes back and forgets. */
  flush(): number {
    const r = this.sync();
    this.#object.dropClean(0, ALL);
    return r;
  }

  /** Nobody has the special file open any more. */
  close(): void {
    this.sync();
    this.#object.release();
  }

  pageIn(first: number, into: Uint8Array): number {
    const offset = first * PAGE_SIZE;
    const n = Math.min(into.length, this.#disk.sizeBytes - offset);
    if (n < into.length) into.fill(0, Math.max(0, n));
    return n > 0 ? this.#disk.read(offset, into.subarray(0, n)) : 0;
  }

  mayDirty(): number {
    return this.#disk.isReadOnly ? EROFS : 0;
  }

  pageOut(first: number, from: Uint8Array): number {
    const offset = first * PAGE_SIZE;
    const n = Math.min(from.length, this.#disk.sizeBytes - offset);
    if (n <= 0) return 0;
    const before = this.#writesNow;
    const r = this.#disk.write(offset, from.subarray(0, n));
    this.#writes += this.#writesNow - before;
    return failed(r) ? r : 0;
  }

  get #writesNow(): number {
    const { counts } = this.#disk.place?.whole ?? this.#disk;
    return counts.writes + counts.discards;
  }
}
